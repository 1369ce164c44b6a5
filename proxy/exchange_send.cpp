// The request on its way to an endpoint.
#include <algorithm>
#include <array>

#include "balancer/affinity.hpp"
#include "cache/validation.hpp"
#include "proxy/exchange.hpp"
#include "proxy/finally.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

// What the choice of an endpoint depends on.
void exchange::find_affinity() {
    const conf::upstream_settings& settings = in_.route.upstream->settings;
    if (settings.sticky_cookie) affinity_.sticky = balancer::sticky_value(in_.request.fields, *settings.sticky_cookie);
    if (settings.balance == conf::balance_policy::hash)
        affinity_.hash =
            balancer::request_hash(settings.hash_on, in_.request, in_.from.host, in_.from.address.to_string());
}

// The head, with as much of the content as one write takes; what is more goes behind it, in a task of its own, so that
// an answer that comes early is seen.
awaitable<cause> exchange::send_request() {
    const http::request_head& request = in_.request;
    outgoing_request out{.request = request,
                         .route = *in_.route.settings,
                         .host_rule = in_.route.upstream->settings.host,
                         .client = in_.from,
                         .path = in_.path,
                         .request_id = in_.request_id,
                         .received = in_.received,
                         .queued = std::chrono::ceil<std::chrono::milliseconds>(report_.queue_duration),
                         .body = request.body,
                         .content_length = request.content_length,
                         .pass_expect = streams_from_begin(),
                         .pass_upgrade = request.upgrade_websocket,
                         .keep_alive = in_.route.upstream->settings.keepalive.has_value()};
    std::string validators;
    if (validates()) cache::append_validators(*in_.found.response, validators);
    const bool reads = request.method == http::verb::get || request.method == http::verb::head;
    out.keyed = in_.route.caches && reads;
    out.fills = fills();
    out.validators = validators;
    if (request.body == http::body_kind::chunked && !request_streams_) {
        // Whole by now: a length is what every Python server understands.
        out.body = http::body_kind::length;
        out.content_length = request_content_->size();
    }
    sent_as_ = out.body;
    compose_request(out, *report_.endpoint, out_);
    request_time_ = coarse_wall_now();

    std::array<std::string_view, buffers_at_once> buffers;
    buffers[0] = out_;
    std::size_t used = 1;
    std::array<char, 20> chunk;
    http::content_reader::view got;
    request_kept_bytes_ = request_content_ ? request_content_->size() : 0;
    any_chunk_ = sent_as_ == http::body_kind::chunked && request_kept_bytes_ > 0;
    if (any_chunk_) buffers[used++] = http::chunk_start(request_kept_bytes_, true, chunk);
    if (request_kept_bytes_ > 0) {
        request_reader_.emplace(request_content_);
        got = request_reader_->peek(std::span(buffers).subspan(used));
        used += got.buffers;
    }
    const cause why = co_await connection_->send(std::span(buffers).first(used), timeouts().write);
    if (why != cause::none) co_return why;
    if (request_reader_) request_reader_->consume(got.bytes);
    push_end_ = coarse_now();
    if (got.bytes == request_kept_bytes_ && !request_streams_) {
        request_sent_ = true;
        request_reader_.reset();
        co_return cause::none;
    }
    run_beside(push_running_, &exchange::push_request);
    co_return cause::none;
}

awaitable<void> exchange::push_request() {
    cause outcome = cause::internal;  // what it stays should an exception end this
    const finally ended([this, &outcome] {
        push_failure_ = outcome;
        request_sent_ = outcome == cause::none;
        push_running_ = false;
        push_end_ = coarse_now();
        // The endpoint would wait for the rest: it must see that there is none.
        if (!request_sent_ && push_failure_ != cause::send_failed && connection_) connection_->stream().close();
        push_ended_.wake();
    });
    cause why = co_await push_kept();
    if (why == cause::none && request_streams_) why = co_await push_streamed();
    outcome = why;
    if (why == cause::none && request_streams_) in_.client.watch_departure(this);
}

// What is left of it in memory and in the spool.
awaitable<cause> exchange::push_kept() {
    std::array<std::string_view, buffers_at_once> buffers;
    while (request_reader_ && request_reader_->position() < request_kept_bytes_) {
        const http::content_reader::view got = request_reader_->peek(buffers);
        if (got.state == http::content_state::broken) co_return cause::internal;
        const cause why = co_await connection_->send(std::span(buffers).first(got.buffers), timeouts().write);
        if (why != cause::none) co_return why;
        if (!connection_->stream().is_open()) co_return cause::send_failed;
        request_reader_->consume(got.bytes);
        if (request_reader_->position() == request_kept_bytes_) break;
        more_to_push_.prepare_remote();
        if (request_reader_->wait(more_to_push_)) {
            co_await more_to_push_.wait(long_wait);
            request_reader_->cancel_wait();
        }
    }
    co_return cause::none;
}

// From the client to the endpoint, a buffer at a time.
awaitable<cause> exchange::push_streamed() {
    const conf::client_settings& client = in_.config->settings.client;
    const bool chunked = sent_as_ == http::body_kind::chunked;
    const auto block = http::block::make(http::block::usual_capacity, nullptr);
    // A client that expects 100 (Continue) sends nothing before the endpoint has said so.
    auto limit = in_.request.expects_continue && streams_from_begin()
                     ? std::max(client.read_timeout, timeouts().first_byte)
                     : client.read_timeout;
    for (unsigned turns = 1;; ++turns) {
        if (turns % turns_at_once == 0) co_await let_others_run(worker_);
        const content_result got = co_await in_.client.read_content({block->data(), block->capacity()}, limit);
        limit = client.read_timeout;
        if (got.status == content_status::late) co_return cause::content_timeout;
        if (got.status == content_status::malformed) co_return cause::content_malformed;
        std::array<char, 20> chunk;
        std::array<std::string_view, 2> buffers;
        if (got.status == content_status::end) {
            if (!chunked) co_return cause::none;
            buffers[0] = http::last_chunk(any_chunk_);
            co_return co_await connection_->send(std::span(buffers).first(1), timeouts().write);
        }
        if (got.status != content_status::some) co_return cause::client_left;
        content_lost_ = true;
        // What was kept to be sent again makes room for others.
        request_reader_.reset();
        request_content_.reset();
        request_content_bytes_ += got.bytes;
        if (client.max_content_bytes && request_content_bytes_ > *client.max_content_bytes)
            co_return cause::content_too_large;
        if (chunked) buffers[0] = http::chunk_start(got.bytes, !any_chunk_, chunk);
        buffers[1] = {block->data(), got.bytes};
        any_chunk_ = true;
        if (const cause why = co_await connection_->send(buffers, timeouts().write); why != cause::none) co_return why;
    }
}

// Nothing more is sent on this attempt.
awaitable<void> exchange::end_push() {
    if (push_running_) {
        in_.client.cancel_reading();
        more_to_push_.wake();
        if (connection_) connection_->stream().close();
        while (push_running_) co_await push_ended_.wait(long_wait);
        in_.client.resume_reading();
    }
    request_reader_.reset();
}

}  // namespace weir::proxy
