#include "proxy/exchange.hpp"

#include <array>

#include "balancer/affinity.hpp"
#include "cache/freshness.hpp"
#include "cache/key.hpp"
#include "proxy/finally.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/tunnel.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

exchange::exchange(worker& on, inputs in)
    : worker_(on),
      in_(std::move(in)),
      push_ended_(on.context(), on.inbox()),
      more_to_push_(on.context(), on.inbox()),
      admission_(on, in_.route),
      room_(on.context(), on.inbox()),
      pull_ended_(on.context(), on.inbox()),
      more_(on.context(), on.inbox()) {
    facts_.idempotent = idempotent();
    out_.reserve(1024);
    response_.fields.reserve(24);
    switch (in_.found.what) {
        case cache::outcome::fresh:
        case cache::outcome::pass:
            report_.cache = in_.route.caches ? cache_metric::pass : cache_metric::off;
            break;
        case cache::outcome::stale:
            report_.cache = cache_metric::stale;
            break;
        case cache::outcome::miss:
            report_.cache = cache_metric::miss;
            break;
    }
    report_.cache_detail = cache::text(in_.found.why);
}

upstream_metrics& exchange::upstream_counters() const {
    return in_.route.counters->by_worker[worker_.index()];
}

// The phases, in the order in which they happen. What was looked up before decided that an endpoint is asked at all.
awaitable<void> exchange::run() {
    std::exception_ptr failure;
    try {
        co_await run_phases();
    } catch (...) {
        failure = std::current_exception();
    }
    // The tasks beside this one use what ends with it.
    co_await settle();
    if (failure) std::rethrow_exception(failure);
}

awaitable<void> exchange::run_phases() {
    cause why = co_await receive_request_content();
    if (why == cause::none) why = co_await fetch();
    if (may_answer_stale(why)) {
        co_await answer_stale(why);
    } else if (why != cause::none) {
        co_await refuse(why);
    } else if (response_.status == 101) {
        co_await tunnel();
    } else {
        co_await relay();
    }
}

// Content is read whole, into memory and then the spool, before an endpoint is taken: no network is ever waited for
// while one is held. Unless the route streams it, or neither has any room left: then uploads that wait for each other's
// room would wait for ever, so the rest is streamed behind what is here.
awaitable<cause> exchange::receive_request_content() {
    const http::request_head& request = in_.request;
    if (request.body == http::body_kind::none ||
        (request.body == http::body_kind::length && request.content_length == 0)) {
        in_.client.watch_departure(this);
        co_return cause::none;
    }
    const auto memory = in_.route.settings->buffering.request_bytes;
    const conf::client_settings& client = in_.config->settings.client;
    http::growing_content::options options{.keep = http::retention::replay,
                                           .window_bytes = memory.value_or(1),
                                           .expected_bytes = std::nullopt,
                                           .spool = worker_.spool()};
    if (request.body == http::body_kind::length) options.expected_bytes = request.content_length;
    request_content_ = std::make_shared<http::growing_content>(worker_.budget(), options);
    if (!memory) {
        request_streams_ = true;
        co_return cause::none;
    }
    if (request.expects_continue && !in_.client.content_has_arrived()) {
        if (const cause why = co_await in_.client.send_interim(100, "Continue", ""); why != cause::none) co_return why;
    }
    const steady::time_point began = steady::now();
    while (!in_.client.content_at_end()) {
        const std::span<char> room = request_content_->prepare();
        if (room.empty() && request_content_->stalled()) {
            request_streams_ = true;
            receiving_time_ = steady::now() - began;
            co_return cause::none;
        }
        if (room.empty()) {
            more_to_push_.prepare_remote();
            if (request_content_->wait_for_room(more_to_push_)) {
                co_await more_to_push_.wait(budget_poll);
                request_content_->cancel_writer_wait();
            }
            continue;
        }
        const content_result got = co_await in_.client.read_content(room, client.read_timeout);
        if (got.status == content_status::end) break;
        if (got.status == content_status::late) co_return cause::content_timeout;
        if (got.status == content_status::malformed) co_return cause::content_malformed;
        if (got.status != content_status::some) co_return cause::client_left;
        request_content_->commit(got.bytes);
        request_content_bytes_ += got.bytes;
        if (client.max_content_bytes && request_content_bytes_ > *client.max_content_bytes)
            co_return cause::content_too_large;
    }
    request_content_->complete();
    receiving_time_ = steady::now() - began;
    in_.client.watch_departure(this);
    co_return cause::none;
}

// The client has left: what only it wanted ends now. A response that will be stored is wanted by others.
void exchange::depart() noexcept {
    departed_ = true;
    departed_at_ = steady::now();
    admission_.give_up();
    if (connection_ && !(content_ && storable_)) connection_->give_up();
    more_.wake();
}

// The response's head with what there is of its content, then the rest as it comes.
awaitable<void> exchange::relay() {
    const conf::route_settings& route = *in_.route.settings;
    const bool has_content = http::may_have_content(response_.status, in_.request.method);
    out_.clear();
    append_response_fields(response_, route, response_time_, out_);
    append_sticky_cookie(out_);
    append_cache_status(out_);
    response_start start{.status = response_.status,
                         .reason = response_.reason,
                         .fields = out_,
                         .length = std::nullopt,
                         .has_content = has_content};
    if (response_.has_content_length && response_.status != 304) start.length = response_.content_length;
    // All of it is here: even what came without a length has one now.
    if (has_content && content_->state() == http::content_state::complete) start.length = content_->size();
    in_.client.begin_response(start);
    report_.status = response_.status;
    if (response_.status < 400 && !http::is_safe(in_.request.method)) worker_.cache().invalidate(in_.cache_key);
    head_relayed_ = true;
    if (!push_running_) {
        // Nothing is repeated any more.
        request_reader_.reset();
        request_content_.reset();
    }
    if (fetch_finished_ && response_bytes_) worker_.give_back_buffer(std::move(response_bytes_));
    report_.why = co_await relay_content();
    if (report_.why == cause::none) {
        count_saved_time();
    } else {
        in_.client.abort();
    }
}

// At the client's pace.
awaitable<cause> exchange::relay_content() {
    http::content_reader reader(content_);
    std::array<std::string_view, buffers_at_once> buffers;
    for (;;) {
        // One that only shut down its sending gets what is here.
        if (departed_ && !fetch_finished_) co_return cause::client_left;
        const http::content_reader::view got = reader.peek(buffers);
        if (got.end && got.state == http::content_state::broken) {
            upstream_counters().cut_responses.add();
            co_return push_failure_ != cause::none ? push_failure_ : cause::response_cut;
        }
        if (got.buffers > 0 || got.end || reader.position() == 0) {
            const cause why = co_await in_.client.send(std::span(buffers).first(got.buffers), got.end);
            if (why != cause::none || got.end) co_return why;
            reader.consume(got.bytes);
        }
        more_.prepare_remote();
        if (reader.wait(more_)) {
            co_await more_.wait(long_wait);
            reader.cancel_wait();
        }
    }
}

// How much longer the endpoint would have been held, had the client been connected to it: while the request's content
// came, and while the client took what was here already.
void exchange::count_saved_time() {
    const auto saved = receiving_time_ + (fetch_finished_ ? steady::now() - fetched_ : steady::duration(0));
    upstream_counters().saved_us.add(
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(saved).count()));
}

awaitable<void> exchange::tunnel() {
    in_.client.watch_departure(nullptr);
    std::string fields;
    append_response_fields(response_, *in_.route.settings, response_time_, fields);
    append_sticky_cookie(fields);
    fields += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    report_.status = 101;
    report_.tunnelled = true;
    const cause why = co_await in_.client.begin_tunnel(
        {.status = 101, .reason = "Switching Protocols", .fields = fields, .has_content = false});
    if (why == cause::none) {
        gauge& tunnelling = worker_.metrics().connections_tunnelling;
        tunnelling.add(1);
        const finally ended([&] { tunnelling.add(-1); });
        co_await run_tunnel(worker_, {in_.client.tunnel_stream(), in_.client.tunnel_bytes()},
                            {connection_->stream(), connection_->unread()}, timeouts().tunnel);
    }
    report_.why = why;
    finish_fetch(false);
}

// An answer of our own.
awaitable<void> exchange::refuse(cause why) {
    report_.why = why;
    finish_fetch(false);
    if (why == cause::client_left || why == cause::client_stalled) co_return;
    const unsigned status = status_of(why);
    const std::string page = error_page(status, why);
    out_.clear();
    append_error_fields(status, why, std::chrono::floor<std::chrono::seconds>(in_.received), out_);
    append_cache_status(out_);
    const bool has_content = http::may_have_content(status, in_.request.method);
    in_.client.begin_response({.status = status,
                               .reason = http::reason_phrase(status),
                               .fields = out_,
                               .length = page.size(),
                               .has_content = has_content});
    const std::string_view content = page;
    report_.status = status;
    const cause sent = co_await in_.client.send(std::span(&content, has_content ? 1 : 0), true);
    if (sent != cause::none) report_.why = sent;
}

bool exchange::may_answer_stale(cause why) const {
    return why != cause::none && !blames_client(why) && in_.found.what == cache::outcome::stale &&
           cache::usable_on_error(*in_.found.response, in_.found.age, in_.route.settings->cache->stale);
}

// No endpoint can be had, and the stored response may stand in.
awaitable<void> exchange::answer_stale(cause why) {
    report_.why = why;
    finish_fetch(false);
    const cache::stored_response& stored = *in_.found.response;
    out_.clear();
    for (const http::field_view field : stored.fields) {
        if (field.id != http::field_id::content_length) http::append_field(field.name, field.value, out_);
    }
    const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    http::append_field("Age", static_cast<std::uint64_t>(cache::current_age(stored, now).count()), out_);
    if (in_.route.settings->cache->cache_status) out_ += "Cache-Status: weir; fwd=stale; detail=stale-if-error\r\n";
    const bool has_content = http::may_have_content(stored.status, in_.request.method);
    in_.client.begin_response({.status = stored.status,
                               .reason = http::reason_phrase(stored.status),
                               .fields = out_,
                               .length = stored.content_bytes,
                               .has_content = has_content});
    report_.status = stored.status;
    std::array<std::string_view, buffers_at_once> buffers;
    std::size_t next = has_content ? 0 : stored.content.size();
    cause sent = cause::none;
    do {
        std::size_t used = 0;
        while (used < buffers.size() && next < stored.content.size()) buffers[used++] = stored.content[next++]->view();
        sent = co_await in_.client.send(std::span(buffers).first(used), next == stored.content.size());
    } while (sent == cause::none && next < stored.content.size());
    if (sent == cause::none) co_return;
    report_.why = sent;
    in_.client.abort();
}

// The task says itself when it has ended. Throws, and then it never began.
void exchange::run_beside(bool& running, awaitable<void> (exchange::*task)()) {
    running = true;
    try {
        worker_.tasks().spawn((this->*task)());
    } catch (...) {
        running = false;
        throw;
    }
}

// Waits for the tasks beside run(). What will be stored is read to its end, whoever has left; all else is broken off.
awaitable<void> exchange::settle() {
    if (pull_running_ && !storable_) connection_->stream().close();
    if (!departed_) departed_at_ = steady::now();
    departed_ = true;
    while (pull_running_) co_await pull_ended_.wait(long_wait);
    co_await end_push();
    in_.client.watch_departure(nullptr);
    finish_fetch(false);
    if (connection_) response_bytes_ = connection_->end();
    if (response_bytes_) worker_.give_back_buffer(std::move(response_bytes_));
}

// For a client that does not have that of this endpoint already.
void exchange::append_sticky_cookie(std::string& fields) const {
    const auto& name = in_.route.upstream->settings.sticky_cookie;
    const std::uint64_t server = report_.endpoint->address_hash();
    if (name && affinity_.sticky != server)
        balancer::append_sticky_cookie(*name, server, in_.from.scheme == "https", fields);
}

// RFC 9211. What an upstream cache said stays in front of ours.
void exchange::append_cache_status(std::string& fields) const {
    const auto& cache = in_.route.settings->cache;
    if (!cache || !cache->cache_status) return;
    fields += "Cache-Status: weir; fwd=";
    fields += in_.found.why == cache::forwarded::none ? std::string_view("bypass") : cache::text(in_.found.why);
    if (response_.status != 0 && report_.why == cause::none) {
        if (storable_) {
            fields += "; stored";
        } else if (in_.found.what == cache::outcome::miss) {
            fields += "; detail=";
            fields += cache::text(storable_.reason);
        }
    }
    fields += "\r\n";
}

void exchange::store_response() {
    worker_.cache().store(cache::make_stored_response({.key = in_.cache_key,
                                                       .request = in_.request,
                                                       .response = response_,
                                                       .content = content_->take_blocks(),
                                                       .content_bytes = content_->size(),
                                                       .request_time = request_time_,
                                                       .response_time = response_time_,
                                                       .freshness_lifetime = storable_.freshness_lifetime},
                                                      in_.route.settings->response_headers));
}

}  // namespace weir::proxy
