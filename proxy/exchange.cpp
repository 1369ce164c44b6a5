#include "proxy/exchange.hpp"

#include <array>

#include "balancer/affinity.hpp"
#include "cache/conditional.hpp"
#include "cache/freshness.hpp"
#include "proxy/finally.hpp"
#include "proxy/http/field_names.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/tunnel.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

namespace {

// Takes the lines that a 304 does not carry out of those of a 200.
void keep_not_modified_fields(std::string& lines) {
    for (std::size_t at = 0; at < lines.size();) {
        const std::size_t next = lines.find("\r\n", at) + 2;
        const std::string_view name = std::string_view(lines).substr(at, lines.find(':', at) - at);
        const auto id = http::find_field_id(name);
        if (cache::belongs_in_not_modified({id, name, {}})) {
            at = next;
        } else {
            lines.erase(at, next - at);
        }
    }
}

bool has_content(const http::request_head& request) {
    return request.body == http::body_kind::length ? request.content_length > 0 : request.body != http::body_kind::none;
}

}  // namespace

cache_metric metric_of(cache::outcome what, bool caches) {
    switch (what) {
        case cache::outcome::fresh:
            return cache_metric::hit;
        case cache::outcome::stale_usable:
            return cache_metric::stale;
        case cache::outcome::stale:
            return cache_metric::expired;
        case cache::outcome::miss:
            return cache_metric::miss;
        case cache::outcome::page:
            return cache_metric::page;
        case cache::outcome::pass:
            break;
    }
    return caches ? cache_metric::pass : cache_metric::off;
}

exchange::exchange(worker& on, inputs in)
    : worker_(on),
      in_(std::move(in)),
      memory_(on.take_exchange_memory()),
      out_(memory_->out),
      push_ended_(on.context(), on.inbox()),
      more_to_push_(on.context(), on.inbox()),
      admission_(on, in_.route),
      response_(memory_->response),
      room_(on.context(), on.inbox()),
      pull_ended_(on.context(), on.inbox()),
      more_(on.context(), on.inbox()) {
    facts_.idempotent = idempotent();
    if (in_.config->tier)
        tier_budget_ = std::max(in_.config->tier->settings().timeout - in_.waited, std::chrono::milliseconds(0));
    report_.cache = metric_of(in_.found.what, in_.route.caches);
    report_.cache_detail = in_.found.detail.empty() ? cache::text(in_.found.why) : in_.found.detail;
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
    // Nobody waits for what will not come.
    if (fill_) fill_->fail(cause::internal);
    // The tasks beside this one use what ends with it.
    co_await settle();
    release_fill_lock();
    if (failure) std::rethrow_exception(failure);
}

awaitable<void> exchange::run_phases() {
    if (has_answer(in_.found.what)) {
        co_await answer_stored(in_.found.response, {.hit = true, .detail = in_.found.detail});
        co_return;
    }
    count_use();
    cause why = cause::none;
    if (has_content(in_.request)) {
        why = co_await receive_request_content();
    } else {
        in_.client.watch_departure(this);
    }
    const bool only_if_cached = in_.found.asks_tier && cache::only_if_cached(in_.request.fields);
    if (only_if_cached) in_.found.may_collapse = false;  // it leads nobody to an endpoint
    if (why == cause::none && in_.found.may_collapse && co_await follow()) co_return;
    if (why == cause::none && in_.config->tier && co_await answer_from_tier()) co_return;
    if (why == cause::none && only_if_cached) why = cause::only_if_cached;
    if (why == cause::none) why = co_await fetch();
    if (why == cause::none && needs_another_fetch()) {
        co_await end_fetch();
        why = co_await fetch();
    }
    if (why == cause::none) learn_from_response();
    if (has_stale() && why != cause::none && !blames_client(why))
        worker_.cache().refresh_failed(*in_.found.response, wall_now());
    tell_followers(why);
    if (fails_softly(why)) {
        co_await answer_stale(why, why == cause::none ? response_.status : 0);
    } else if (why != cause::none) {
        co_await refuse(why);
    } else if (validated_) {
        report_.cache = cache_metric::validated;
        co_await answer_stored(validated_, {.forwarded = cache::text(in_.found.why), .forwarded_status = 304});
    } else if (response_.status == 101) {
        co_await tunnel();
    } else {
        co_await relay();
    }
}

// Of a response that is not wanted after all.
awaitable<void> exchange::end_fetch() {
    co_await end_push();
    if (pull_running_) {
        connection_->stream().close();
        // A reader that goes: who pulls for want of room waits for nobody then.
        const http::content_reader nobody(content_);
    }
    while (pull_running_) co_await pull_ended_.wait(long_wait);
    finish_fetch(false);
    whole_.reset();
    if (response_bytes_) worker_.give_back_buffer(std::move(response_bytes_));
}

// Whether the client gets the stale response instead of what came.
bool exchange::fails_softly(cause why) const {
    const bool failed = why == cause::none ? cache::counts_as_error(response_.status) : !blames_client(why);
    return failed && may_answer_stale();
}

// Content is read whole, into memory and then the spool, before an endpoint is taken: no network is ever waited for
// while one is held. Unless the route streams it, or neither has any room left: then uploads that wait for each other's
// room would wait for ever, so the rest is streamed behind what is here.
awaitable<cause> exchange::receive_request_content() {
    const http::request_head& request = in_.request;
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

// The client has left: what only it wanted ends now. A response that will be stored, or that others wait for, goes on.
void exchange::depart() noexcept {
    departed_ = true;
    departed_at_ = coarse_now();
    unwanted_ = !(fill_ && fill_->goes_on_without_client());
    if (unwanted_) {
        admission_.give_up();
        if (connection_ && !(content_ && storable_)) connection_->give_up();
    }
    more_.wake();
}

// The response's head with what there is of its content, then the rest as it comes.
awaitable<void> exchange::relay() {
    if (!push_running_) {
        // Nothing is repeated any more.
        request_reader_.reset();
        request_content_.reset();
    }
    if (arriving_ && storable_) {
        fill::view own;
        own.response = arriving_;
        own.content = content_;
        own.length = known_length();
        co_await answer_arriving(std::move(own), false);
    } else {
        co_await relay_unstored();
    }
    if (report_.why == cause::none) count_saved_time();
}

// The fields of response_, and the content behind them if it was whole, were used for the last time.
void exchange::release_response() {
    relayed_ = true;
    if (fetch_finished_ && response_bytes_) worker_.give_back_buffer(std::move(response_bytes_));
}

// What is for this client alone. A condition of the client's that the endpoint did not see is judged here.
awaitable<void> exchange::relay_unstored() {
    const conf::route_settings& route = *in_.route.settings;
    unsigned status = response_.status;
    if (fills())
        status = cache::evaluate_conditional(in_.request, cache::selected(response_, response_time_), wall_now());
    const bool not_modified = status == 304 && response_.status != 304;
    const bool has_content = http::may_have_content(status, in_.request.method);
    out_.clear();
    append_response_fields(response_, route, response_time_, out_);
    if (not_modified) keep_not_modified_fields(out_);
    append_sticky_cookie(out_);
    cache_status said = forwarded_status();
    if (not_modified) said.forwarded_status = response_.status;
    append_status(said, out_);
    response_start start{.status = status,
                         .reason = not_modified ? http::reason_phrase(304) : response_.reason,
                         .fields = out_,
                         .length = std::nullopt,
                         .has_content = has_content};
    if (response_.has_content_length && status != 304) start.length = response_.content_length;
    // All of it is here: even what came without a length has one now.
    if (has_content && !whole_ && content_->state() == http::content_state::complete) start.length = content_->size();
    in_.client.begin_response(start);
    report_.status = status;
    if (whole_ || not_modified) {
        const std::string_view content = not_modified ? std::string_view() : *whole_;
        report_.why = co_await in_.client.send(std::span(&content, 1), true);
        release_response();
    } else {
        release_response();
        http::content_reader reader(content_);
        report_.why = co_await relay_content(reader, {});
    }
    if (report_.why != cause::none) in_.client.abort();
}

// At the client's pace: of the content what lies in `window`.
awaitable<cause> exchange::relay_content(http::content_reader& reader, content_window window) {
    std::array<std::string_view, buffers_at_once> buffers;
    bool begun = false;
    for (;;) {
        const http::content_reader::view got = reader.peek(buffers);
        // One that only shut down its sending gets what is here.
        if (departed_ && got.state == http::content_state::open) co_return cause::client_left;
        const std::uint64_t position = reader.position();
        const std::size_t used = window.cut(std::span(buffers).first(got.buffers), position);
        const bool broken = got.end && got.state == http::content_state::broken;
        const bool last = position + got.bytes >= window.end || (got.end && !broken);
        // A client that has nothing yet, because another worker's fetch broke off just now, gets to see that it did.
        if (broken && !last && begun) {
            upstream_counters().cut_responses.add();
            co_return push_failure_ != cause::none ? push_failure_ : cause::response_cut;
        }
        if (used > 0 || last || !begun) {
            const cause why = co_await in_.client.send(std::span(buffers).first(used), last);
            if (why != cause::none || last) co_return why;
            begun = true;
        }
        reader.consume(got.bytes);
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
    append_status(forwarded_status(), out_);
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

// Waits for the tasks beside run(). What will be stored, or is read by others, is read to its end, whoever has left;
// all else is broken off.
awaitable<void> exchange::settle() {
    if (pull_running_) {
        if (!storable_ && !(fill_ && fill_->followed())) connection_->stream().close();
        // Of a 304, or a stale response in its place, nobody has read: see end_fetch.
        const http::content_reader nobody(content_);
    }
    if (!departed_) departed_at_ = coarse_now();
    departed_ = true;
    while (pull_running_) co_await pull_ended_.wait(long_wait);
    if (push_running_) co_await end_push();
    in_.client.watch_departure(nullptr);
    finish_fetch(false);
    leave_fill();
    if (connection_) response_bytes_ = connection_->end();
    if (response_bytes_) worker_.give_back_buffer(std::move(response_bytes_));
    worker_.give_back(std::move(memory_));
}

// For a client that does not have that of this endpoint already.
void exchange::append_sticky_cookie(std::string& fields) const {
    const auto& name = in_.route.upstream->settings.sticky_cookie;
    const std::uint64_t server = report_.endpoint->address_hash();
    if (name && affinity_.sticky != server)
        balancer::append_sticky_cookie(*name, server, in_.from.scheme == "https", fields);
}

}  // namespace weir::proxy
