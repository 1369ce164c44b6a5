// What an exchange has to do with the cache: waiting for the fetch of another, answering from what is stored or still
// arriving, and what a response that came means to what is stored.
#include <algorithm>
#include <array>

#include "cache/conditional.hpp"
#include "cache/freshness.hpp"
#include "cache/invalidation.hpp"
#include "cache/key.hpp"
#include "cache/tags.hpp"
#include "cache/validation.hpp"
#include "proxy/cache_status.hpp"
#include "proxy/exchange.hpp"
#include "proxy/finally.hpp"
#include "proxy/http/fields.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/http/target.hpp"
#include "proxy/stored_answer.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

namespace {

// A variant that another fetch brought, another fill that ended without a word: each costs a round.
constexpr unsigned max_rounds = 4;

// Whether a response that could not be stored says something of its key, rather than of this one request or moment.
bool speaks_of_key(cache::not_stored why, unsigned status) {
    switch (why) {
        case cache::not_stored::stored:
        case cache::not_stored::route_off:
        case cache::not_stored::method:
        case cache::not_stored::request_has_content:
        case cache::not_stored::request_no_store:
        case cache::not_stored::request_has_authorization:
        case cache::not_stored::session_cookie:
        case cache::not_stored::no_memory:
        case cache::not_stored::incomplete:
            return false;
        default:
            break;
    }
    // Of those below 500 most are about the request, not the page.
    return status < 500 && (status < 400 || status == 404 || status == 410 || status == 451) && status != 206 &&
           status != 304;
}

}  // namespace

cache::request_view exchange::view() const {
    const auto& cache = in_.route.settings->cache;
    const bool by_session = cache && !cache->session_cookies.empty();
    return {in_.request.fields, by_session ? std::optional<bool>(in_.found.personal) : std::nullopt};
}

// For min_uses.
void exchange::count_use() {
    if (in_.found.may_store && in_.route.settings->cache->min_uses > 1) worker_.cache().keys().count_use(in_.cache_key);
}

// Joins the fill of this key, or begins one. True: the client has its answer.
awaitable<bool> exchange::follow() {
    const steady::time_point limit = collapse_limit();
    const conf::route_cache_settings& rules = *in_.route.settings->cache;
    const cache::response_ptr refreshed = in_.found.refreshes ? in_.found.response : nullptr;
    cache::response_ptr sibling = in_.found.sibling;
    for (unsigned round = 0; round < max_rounds; ++round) {
        collapse::place place = worker_.collapse().join(in_.cache_key, view(), sibling.get(), refreshed);
        if (!place.fill) co_return false;
        if (place.leads) {
            fill_ = std::move(place.fill);
            // What was purged while this request waited does not concern what is asked for only now.
            in_.found.fill_number = worker_.cache().purges().now();
            co_return co_await answer_if_stored_by_now();
        }
        const finally gone([this, &place] { place.fill->unfollow(more_); });
        // Somebody refreshes it already.
        if (in_.found.refreshes) co_return true;
        if (co_await answer_from_refresh(*place.fill)) co_return true;
        co_await wait_for_outcome(*place.fill, limit);
        if (departed_) {
            co_await refuse(cause::client_left);
            co_return true;
        }
        fill::view got = place.fill->look();
        if (got.now == fill::stage::asking) co_return false;
        if (got.now == fill::stage::failed || !got.response) {
            if (blames_client(got.why)) continue;  // it was about that client, not about the page
            co_return co_await follow_without_response(got);
        }
        if (!cache::selects(got.response->vary, view())) {
            sibling = got.response;
        } else if (worker_.cache().may_answer(*got.response, in_.request, rules, in_.found.personal, wall_now())) {
            co_return co_await answer_as_follower(std::move(got));
        } else {
            // Purged, or older than it may be: of no use to those who come later, either.
            worker_.collapse().leave(in_.cache_key, place.fill);
        }
    }
    co_return false;
}

// Whoever refreshes a response has it at hand, where memory has not (any more).
awaitable<bool> exchange::answer_from_refresh(const fill& of) {
    const fill::view now = of.look();
    if (now.now != fill::stage::asking || !now.response || !cache::selects(now.response->vary, view())) co_return false;
    const cache::lookup_result judged =
        worker_.cache().judge(now.response, in_.request, *in_.route.settings->cache, in_.found, wall_now());
    if (judged.what != cache::outcome::stale_usable) co_return false;
    report_.cache = cache_metric::stale;
    report_.cache_detail = judged.detail;
    co_await answer_stored(judged.response, {.hit = true, .detail = judged.detail});
    co_return true;
}

awaitable<void> exchange::wait_for_outcome(fill& of, steady::time_point limit) {
    more_.prepare_remote();
    while (of.wait(more_)) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - steady::now());
        const bool woken = left.count() > 0 && co_await more_.wait(left);
        if (departed_ || !woken) co_return;
    }
}

// The fetch of another brought nothing for this client. True: it has an answer all the same; false: it asks for itself,
// side by side with the others.
awaitable<bool> exchange::follow_without_response(const fill::view& got) {
    const bool failed = got.now == fill::stage::failed;
    // What the leader has in its stead, from memcached perhaps, is good for others too.
    const bool is_alive =
        got.response && worker_.cache().purges().judge(*got.response) != cache::purge_log::verdict::dead;
    if (failed && is_alive && !has_stale() && cache::selects(got.response->vary, view()) &&
        (!in_.found.personal || got.response->control.is_public)) {
        in_.found.response = got.response;
        in_.found.what = cache::outcome::stale;
        in_.found.why = cache::forwarded::stale;
    }
    // An endpoint that fails is not asked by everybody in turn.
    if ((failed || cache::counts_as_error(got.origin_status)) && may_answer_stale()) {
        co_await answer_stale(got.why, got.origin_status);
        co_return true;
    }
    if (failed) co_await refuse(got.why);
    co_return failed;
}

awaitable<bool> exchange::answer_as_follower(fill::view got) {
    report_.cache = cache_metric::collapsed;
    if (got.now == fill::stage::arriving) co_return co_await answer_arriving(std::move(got), true);
    cache_status status{.forwarded = cache::text(in_.found.why)};
    status.forwarded_status = got.origin_status;
    status.collapsed = true;
    co_await answer_stored(std::move(got.response), status);
    co_return true;
}

// Between the lookup and the fill that this exchange leads another may have ended: then all is there.
awaitable<bool> exchange::answer_if_stored_by_now() {
    cache::lookup_result again =
        worker_.cache().lookup(in_.request, in_.cache_key, &*in_.route.settings->cache, wall_now());
    const bool usable = again.what == cache::outcome::stale_usable && !again.refreshes && !in_.found.refreshes;
    if (again.what != cache::outcome::fresh && !usable) co_return false;
    fill_->validate(again.response, 0);
    leave_fill();
    report_.cache = usable ? cache_metric::stale : cache_metric::hit;
    report_.cache_detail = again.detail;
    co_await answer_stored(again.response, {.hit = true, .detail = again.detail});
    co_return true;
}

// Others may not join any more; what they were told stays.
void exchange::leave_fill() {
    release_fill_lock();
    if (!fill_ || fill_left_) return;
    fill_left_ = true;
    worker_.collapse().leave(in_.cache_key, fill_);
}

// The fetch has an outcome: who follows learns of it.
void exchange::tell_followers(cause why) {
    if (!fill_) return;
    if (why != cause::none) {
        fill_->fail(why, has_stale() ? in_.found.response : nullptr);
    } else if (validated_) {
        if (cache::is_fresh(*validated_, cache::current_age(*validated_, wall_now())) && keeps_) {
            fill_->validate(validated_, 304);
        } else {
            fill_->keep_to_itself(304);
            worker_.cache().note_uncacheable(in_.cache_key, response_time_, keeps_);
        }
    } else if (storable_ && storable_.fresh) {
        fill_->arrive(arriving_, content_, known_length());
        if (!fetch_finished_) return;
    } else {
        fill_->keep_to_itself(response_.status);
        // Everybody validates it: to wait for each other would only make that longer.
        if (storable_) worker_.cache().note_uncacheable(in_.cache_key, response_time_, keeps_);
    }
    leave_fill();
}

// What the response's head says of storing it; from here on it is known under which head it will be stored.
void exchange::plan_storing(bool asked_to_stream) {
    const conf::route_settings& route = *in_.route.settings;
    storable_ = {.reason = cache::not_stored::route_off};
    arriving_.reset();
    if (!in_.found.may_store) return;
    if (validates() && response_.status == 304) return;
    if (cache::counts_as_error(response_.status) && may_answer_stale()) return;
    storable_ = cache::may_store(in_.request, response_, *route.cache, in_.found.personal,
                                 worker_.cache().max_response_bytes(), request_time_, response_time_);
    if (storable_ && asked_to_stream) storable_.reason = cache::not_stored::streamed;
    if (storable_) {
        const unsigned uses = route.cache->min_uses;
        keeps_ = uses == 1 || has_stale() || worker_.cache().keys().uses(in_.cache_key) >= uses;
        arriving_ = cache::make_stored_response(response_to_store(), route.response_headers);
    } else if (speaks_of_key(storable_.reason, response_.status)) {
        note_uncacheable();
    }
    report_.cache_detail = storable_ && !keeps_ ? std::string_view("min-uses") : cache::text(storable_.reason);
}

bool exchange::validates() const {
    return has_stale() && cache::can_be_validated(*in_.found.response);
}

cache::response_to_store exchange::response_to_store() const {
    cache::response_to_store from{.key = in_.cache_key,
                                  .request = view(),
                                  .response = response_,
                                  .content_bytes = std::nullopt,
                                  .request_time = request_time_,
                                  .response_time = response_time_,
                                  .freshness_lifetime = storable_.freshness_lifetime,
                                  .fill_number = in_.found.fill_number,
                                  .tag_fields = in_.route.settings->cache->tag_fields};
    if (response_.has_content_length) from.content_bytes = response_.content_length;
    return from;
}

// One that is asked for rarely is shared, but not kept.
void exchange::store_response() {
    if (keeps_) keep(cache::complete_response(*arriving_, content_->take_blocks(), content_->size()));
    leave_fill();
}

// In memory, and where there is memcached, for all nodes.
void exchange::keep(cache::response_ptr response) {
    worker_.cache().keys().forget_failing(response->key);
    worker_.cache().store(response);
    if (in_.config->tier) in_.config->tier->store(std::move(response), in_.route.settings->cache->stale);
}

// Of what is stale and replaced by what is not stored.
void exchange::drop() {
    worker_.cache().drop(in_.cache_key);
    if (in_.config->tier) in_.config->tier->drop(*in_.found.response, !marked_uncacheable_);
}

// On this node, and where it is the one that was to fetch it, on all.
void exchange::note_uncacheable() {
    const auto& memory = in_.config->settings.cache.uncacheable_memory;
    marked_uncacheable_ = memory && fill_lock_taken_;
    if (marked_uncacheable_) in_.config->tier->note_uncacheable(in_.cache_key, *memory);
    worker_.cache().note_uncacheable(in_.cache_key, response_time_);
}

// After a fetch that ended well: whether another is needed, of a kind that cannot fail in the same way.
bool exchange::needs_another_fetch() {
    if (validates() && response_.status == 304) {
        validated_ = freshen();
        if (validated_) return false;
        // It speaks of something else than what was asked about.
        in_.found.what = cache::outcome::miss;
        return true;
    }
    // All of it was asked for in order to store it, which cannot be: just the range, then.
    const bool long_one = !response_.has_content_length || response_.content_length > held_response_bytes;
    if (!fills() || storable_ || response_.status != 200 || !long_one || !in_.request.fields.has(http::field_id::range))
        return false;
    in_.found.what = cache::outcome::pass;
    tell_followers(cause::none);
    return true;
}

// Of a response that is passed on as it is, or of an answer of our own.
cache_status exchange::forwarded_status() const {
    const bool none = in_.found.why == cache::forwarded::none;
    cache_status status{.forwarded = none ? std::string_view("bypass") : cache::text(in_.found.why)};
    status.detail = in_.found.detail;
    if (response_.status != 0 && report_.why == cause::none && in_.found.may_store)
        status.detail = cache::text(storable_.reason);
    return status;
}

// The stale response as the response that came says it is now; stored, unless that may not be. Null where it speaks of
// another.
cache::response_ptr exchange::freshen() {
    const cache::stored_response& old = *in_.found.response;
    const conf::route_settings& route = *in_.route.settings;
    cache::freshened fresh = cache::freshen(old, in_.request, response_, *route.cache, in_.found.personal,
                                            route.response_headers, request_time_, response_time_);
    if (!fresh.response) return nullptr;
    fresh.response->fill_number = in_.found.fill_number;
    keeps_ = bool(fresh.judged);
    if (keeps_) {
        keep(fresh.response);
    } else if (speaks_of_key(fresh.judged.reason, old.status)) {
        drop();
    }
    return std::move(fresh.response);
}

// What came may change what is stored, beside being stored itself.
void exchange::learn_from_response() {
    if (in_.route.caches && cache::invalidates(in_.request.method, response_.status)) invalidate();
    if (!has_stale() || validated_) return;
    const cache::stored_response& stored = *in_.found.response;
    if (cache::counts_as_error(response_.status)) {
        worker_.cache().refresh_failed(stored, response_time_);
    } else if (in_.request.method == http::verb::head) {
        const auto verdict = cache::judge_head(stored, response_, in_.route.settings->response_headers);
        if (verdict == cache::head_verdict::freshen) freshen();
        // By number, so that it is over for every node before the next request looks.
        if (verdict == cache::head_verdict::invalidate)
            worker_.cache().purges().purge_url(cache::url_of(in_.cache_key), cache::purge_mode::hard);
    } else if (!storable_ && speaks_of_key(storable_.reason, response_.status)) {
        // The origin has something else now, and it is not ours to keep: nor is what it replaces.
        drop();
    }
}

// RFC 9111 section 4.4, RFC 9875 section 3.
void exchange::invalidate() {
    cache::purge_log& purges = worker_.cache().purges();
    purges.purge_url(cache::url_of(in_.cache_key), cache::purge_mode::hard);
    const auto others = cache::invalidated_uris(in_.from.scheme, in_.from.host, in_.request.target, response_.fields);
    for (const cache::invalidated_uri& uri : others) {
        std::string path;
        if (!http::normalise_path(uri.target, path)) continue;
        const proxy::route* const via = in_.config->find(uri.host, path);
        if (!via || !via->caches) continue;
        std::string url = uri.host;
        cache::append_keyed_target(uri.target, via->settings->cache->key, url);
        purges.purge_url(url, cache::purge_mode::hard);
    }
    for (const std::string& group : cache::groups_to_invalidate(response_.fields))
        purges.purge_group(cache::origin_of(in_.cache_key), group);
}

std::optional<std::uint64_t> exchange::known_length() const {
    return response_.has_content_length ? std::optional(response_.content_length) : std::nullopt;
}

// The response with its content as it comes. `collapsed`: it is the fetch of another. False where nothing was sent,
// because the content is no longer there for those who come late.
awaitable<bool> exchange::answer_arriving(fill::view from, bool collapsed) {
    const cache::response_ptr& head = from.response;
    http::content_reader reader(from.content);
    std::array<std::string_view, 1> first;
    const http::content_reader::view got = reader.peek(first);
    if (collapsed && got.state == http::content_state::broken) co_return false;
    std::optional<std::uint64_t> length = from.length;
    if (from.content->state() == http::content_state::complete) length = from.content->size();
    const wall_time now = wall_now();
    stored_answer a = compose_answer(in_.request, *head, length, now, {});
    const std::chrono::seconds age = cache::current_age(*head, now);
    if (collapsed || age.count() > 0) http::append_field("Age", static_cast<std::uint64_t>(age.count()), a.fields);
    if (!collapsed) {
        append_withheld_fields(*head, a.fields);
        append_sticky_cookie(a.fields);
    }
    append_status({.forwarded = cache::text(in_.found.why),
                   .forwarded_status = a.status == head->status ? 0U : head->status,
                   .ttl = head->freshness_lifetime - age,
                   .stored = !collapsed && keeps_,
                   .collapsed = collapsed,
                   .detail = collapsed || keeps_ ? std::string_view() : std::string_view("min-uses")},
                  a.fields);
    begin_answer(a);
    if (!collapsed) release_response();
    report_.why = co_await relay_content(reader, a.window);
    if (report_.why != cause::none) in_.client.abort();
    co_return true;
}

void exchange::begin_answer(const stored_answer& a) {
    in_.client.begin_response(
        {.status = a.status, .reason = a.reason, .fields = a.fields, .length = a.length, .has_content = a.has_content});
    report_.status = a.status;
}

// Fields of the response that are for this client alone, and so are not stored.
void exchange::append_withheld_fields(const cache::stored_response& head, std::string& fields) const {
    if (!head.withheld) return;
    const http::connection_options connection(response_.fields);
    for (const http::field_view field : response_.fields) {
        if (!head.withheld->names(field.name) || field.id == http::field_id::age) continue;
        if (http::is_hop_by_hop(field) || connection.names(field)) continue;
        if (cache::is_ruled(field.name, in_.route.settings->response_headers)) continue;
        http::append_field(field.name, field.value, fields);
    }
}

void exchange::append_status(const cache_status& status, std::string& fields) const {
    const auto& cache = in_.route.settings->cache;
    if (cache && cache->cache_status) append_cache_status(status, fields);
}

// From what is stored.
awaitable<void> exchange::answer_stored(cache::response_ptr stored, cache_status status) {
    const wall_time now = wall_now();
    std::string boundary;
    worker_.write_request_id(boundary);
    stored_answer a = compose_answer(in_.request, *stored, stored->content_bytes, now, boundary);
    const std::chrono::seconds age = cache::current_age(*stored, now);
    if (in_.found.what != cache::outcome::page) {
        http::append_field("Age", static_cast<std::uint64_t>(age.count()), a.fields);
        status.ttl = stored->freshness_lifetime - age;
    }
    if (status.forwarded_status == a.status) status.forwarded_status = 0;
    append_status(status, a.fields);
    if (report_.cache_detail.empty()) report_.cache_detail = status.detail;
    begin_answer(a);
    const std::vector<std::string_view> pieces = content_of(a, *stored);
    std::span<const std::string_view> left = pieces;
    cause sent = cause::none;
    do {
        const std::size_t count = std::min(left.size(), buffers_at_once);
        sent = co_await in_.client.send(left.first(count), count == left.size());
        left = left.subspan(count);
    } while (sent == cause::none && !left.empty());
    if (sent == cause::none) co_return;
    report_.why = sent;
    in_.client.abort();
}

// The stored response stands in for an endpoint that failed, or for none (RFC 5861 section 4).
bool exchange::may_answer_stale() const {
    const auto& cache = in_.route.settings->cache;
    if (!cache || !has_stale()) return false;
    const cache::stored_response& stored = *in_.found.response;
    return cache::usable_on_error(stored, cache::current_age(stored, wall_now()), cache->stale);
}

awaitable<void> exchange::answer_stale(cause why, unsigned origin_status) {
    finish_fetch(false);
    report_.cache = cache_metric::stale;
    report_.cache_detail = "stale-if-error";
    co_await answer_stored(
        in_.found.response,
        {.forwarded = cache::text(in_.found.why), .forwarded_status = origin_status, .detail = "stale-if-error"});
    if (report_.why == cause::none) report_.why = why;
}

}  // namespace weir::proxy
