// Pages that the application itself put into memcached: what a connection asks for before anything else, where the
// route says so.
#include <new>

#include "cache/cookies.hpp"
#include "cache/gzip.hpp"
#include "cache/media_type.hpp"
#include "cache/memcached_page.hpp"
#include "cache/memcached_tier.hpp"
#include "cache/personal.hpp"
#include "cache/storability.hpp"
#include "proxy/client_connection.hpp"
#include "proxy/page_key.hpp"
#include "proxy/page_wait.hpp"
#include "proxy/wall_time.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

namespace {

// Only what any page may answer; and what the route's cache has to keep out of stays out of pages, too.
bool may_ask_for_page(const http::request_head& request, const route& via) {
    if (request.upgrade_websocket) return false;
    if (!cache::may_use_cache(request) || cache::must_forward(request.fields)) return false;
    const std::optional<conf::route_cache_settings>& rules = via.settings->cache;
    if (!rules) return true;
    if (cache::bypasses(request.fields, rules->bypass)) return false;
    if (cache::has_any_cookie(request.fields, rules->session_cookies)) return false;
    return rules->client_directives == conf::directives_policy::ignore ||
           !cache::request_control(request.fields).no_cache;
}

// The fields of a page whose words are its tags.
std::span<const std::string> page_tag_fields(const conf::route_settings& route) {
    static const std::vector<std::string> usual = conf::route_cache_settings{}.tag_fields;
    return route.cache ? route.cache->tag_fields : usual;
}

// Null: no page, or one that was purged.
cache::response_ptr read(const page_wait::question& of, const request_context& c) {
    const cache::memcached_value got = of.asked->take();
    if (got.what != cache::memcached_value::outcome::found) return nullptr;
    const conf::route_settings& settings = *of.via.settings;
    const std::optional<std::string>& type = settings.memcached_pages->content_type;
    cache::memcached_page page = cache::read_page({.bytes = got.bytes,
                                                   .flags = got.flags,
                                                   .content_type = type ? *type : cache::media_type_of(c.path),
                                                   .cache_key = c.key,
                                                   .takes_gzip = cache::takes_gzip(c.head.fields),
                                                   .now = coarse_wall_now(),
                                                   .tag_fields = page_tag_fields(settings),
                                                   .field_rules = settings.response_headers});
    if (page.response && page.position && !of.config->tier->is_alive(*page.response, *page.position)) return nullptr;
    return std::move(page.response);
}

}  // namespace

void page_wait::wake() noexcept {
    try {
        box_.push([self = shared_from_this()] {
            if (self->owner_) self->owner_->on_page();
        });
    } catch (const std::bad_alloc&) {
        // The wait has a limit, which is what this wake costs it.
    }
}

// Of a route that has pages. False: memcached is not asked.
bool client_connection::ask_for_page(std::string_view scheme, const route& via, cache::lookup_result& found) {
    request_context& c = *context_;
    const std::shared_ptr<const snapshot>& config = worker_.current();
    if (!may_ask_for_page(c.head, via)) return false;
    std::optional<std::string> key = page_key(*via.settings->memcached_pages, scheme, c.host, c.head.target);
    std::shared_ptr<cache::raw_lookup> asked = key ? config->tier->find_page(std::move(*key)) : nullptr;
    if (!asked) return false;
    c.page = std::make_shared<page_wait>(worker_.inbox(), *this,
                                         page_wait::question{.config = config,
                                                             .via = via,
                                                             .found = std::move(found),
                                                             .asked = std::move(asked),
                                                             .began = steady::now()});
    driver_ = driver::coroutine;
    worker_.deadlines().arm(*this, config->tier->settings().timeout);
    // It may have come already; then nobody calls.
    if (!c.page->what.asked->wait(*c.page)) c.page->wake();
    return true;
}

// Memcached has answered, or took too long.
client_connection::step client_connection::answer_with_page() {
    disarm();
    const std::shared_ptr<page_wait> page = std::move(context_->page);
    page_wait::question& what = page->what;
    const bool is_late = !what.asked->ended();
    page->give_up();
    if (auto response = read(what, *context_)) {
        what.found = {.what = cache::outcome::page, .detail = "memcached-page", .response = std::move(response)};
    }
    // One that was late is not asked again.
    const auto waited = is_late ? what.config->tier->settings().timeout
                                : std::chrono::floor<std::chrono::milliseconds>(steady::now() - what.began);
    return answer(what.config, what.via, what.found, waited);
}

}  // namespace weir::proxy
