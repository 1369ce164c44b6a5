#include "proxy/refresh.hpp"

#include <cstdlib>
#include <string>

#include "proxy/exchange.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/http/head_parser.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

namespace {

// Takes every response and has nothing to say.
class silent_client final : public exchange_client {
  public:
    awaitable<content_result> read_content(std::span<char>, std::chrono::milliseconds) override {
        co_return content_result{.status = content_status::end};
    }
    bool content_has_arrived() const override { return true; }
    bool content_at_end() const override { return true; }
    void cancel_reading() override {}
    void resume_reading() override {}
    void watch_departure(http::wakeable*) override {}
    awaitable<cause> send_interim(unsigned, std::string_view, std::string_view) override { co_return cause::none; }
    void begin_response(const response_start&) override {}
    awaitable<cause> send(std::span<const std::string_view>, bool) override { co_return cause::none; }
    void abort() override {}
    awaitable<cause> begin_tunnel(const response_start&) override { co_return cause::bad_response; }
    proxy::stream& tunnel_stream() override { std::abort(); }  // nothing here asks for an upgrade
    std::string_view tunnel_bytes() override { return {}; }
};

// What the client wanted of this one answer, which is not what the cache wants of the next.
bool is_clients_own(http::field_view field) {
    switch (field.id) {
        case http::field_id::host:
        case http::field_id::cache_control:
        case http::field_id::pragma:
        case http::field_id::range:
        case http::field_id::if_range:
        case http::field_id::if_none_match:
        case http::field_id::if_modified_since:
        case http::field_id::expect:
        case http::field_id::upgrade:
        case http::field_id::content_length:
            return true;
        default:
            return false;
    }
}

// The request that found the stale response, as a GET of the cache's own.
std::string compose_request(const http::request_head& found) {
    std::string text("GET ");
    text.append(found.target).append(found.host.empty() ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    if (!found.host.empty()) http::append_field("Host", found.host, text);
    for (const http::field_view field : found.fields) {
        if (!is_clients_own(field)) http::append_field(field.name, field.value, text);
    }
    return text.append("\r\n");
}

struct refresh {
    std::string bytes;  // of the head
    http::request_head head;
    std::string host, path, key, request_id;
    std::shared_ptr<const snapshot> config;
    silent_client client;
};

awaitable<void> run_refresh(worker& on, std::unique_ptr<refresh> what, http::forwarded_client from, const route& via,
                            cache::lookup_result found) {
    from.host = what->host;  // as the key has it
    const auto run = std::make_unique<exchange>(on, exchange::inputs{.client = what->client,
                                                                     .request = what->head,
                                                                     .config = what->config,
                                                                     .route = via,
                                                                     .from = from,
                                                                     .path = what->path,
                                                                     .request_id = what->request_id,
                                                                     .cache_key = what->key,
                                                                     .found = std::move(found),
                                                                     .received = wall_now()});
    co_await run->run();
}

void begin(worker& on, const refresh_source& source, std::shared_ptr<const snapshot> config, const route& via,
           cache::lookup_result found) {
    auto what = std::make_unique<refresh>();
    what->bytes = compose_request(source.head);
    what->config = std::move(config);
    // It was within the client's limits; written anew it may be a little longer.
    constexpr http::head_limits enough{.max_bytes = 1024 * 1024, .max_fields = 20'000};
    if (http::parse_request_head(what->bytes, enough, what->head) != http::head_error::none) return;
    what->host = source.host;
    what->path = source.path;
    what->key = source.cache_key;
    on.write_request_id(what->request_id);
    found.what = cache::outcome::stale;
    found.may_store = found.may_collapse = found.asks_tier = found.refreshes = true;
    on.metrics().refreshes.add();
    on.tasks().spawn(run_refresh(on, std::move(what), source.from, via, std::move(found)), [&on] { on.task_ended(); });
}

}  // namespace

void begin_refresh(worker& on, const refresh_source& source, std::shared_ptr<const snapshot> config, const route& via,
                   const cache::lookup_result& found) {
    try {
        begin(on, source, std::move(config), via, found);
    } catch (const std::bad_alloc&) {
        on.cache().refresh_failed(*found.response, coarse_wall_now());
    }
}

}  // namespace weir::proxy
