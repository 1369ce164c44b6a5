// What passes between a client and its exchange: content of requests on the way in, responses framed on the way out.
#include <algorithm>
#include <array>

#include "proxy/client_connection.hpp"
#include "proxy/http/chunked.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

awaitable<cause> client_connection::write(std::span<std::string_view> buffers) {
    for (;;) {
        while (!buffers.empty() && buffers.front().empty()) buffers = buffers.subspan(1);
        if (buffers.empty()) co_return cause::none;
        const io_result written = stream_.try_write(buffers);
        if (written.status == io_status::error) co_return cause::client_left;
        if (written.status == io_status::again) {
            if (const cause why = co_await wait_taken(); why != cause::none) co_return why;
            continue;
        }
        drop_written(buffers, written.bytes);
    }
}

// Until the client has taken some of what the kernel holds for it.
awaitable<cause> client_connection::wait_taken() {
    const conf::client_settings& settings = worker_.current()->settings.client;
    const std::chrono::milliseconds patience = settings.write_timeout;
    if (!settings.min_rate_bytes) {
        const wait_status waited = co_await stream_.wait_taken(patience);
        if (waited == wait_status::late) co_return cause::client_stalled;
        co_return waited == wait_status::ready ? cause::none : cause::client_left;
    }
    const std::uint64_t least = *settings.min_rate_bytes;
    std::chrono::milliseconds nothing_for{0};
    for (;;) {
        const std::chrono::milliseconds limit = std::min(patience - nothing_for, rate_floor::window);
        const std::uint64_t before = stream_.untaken_bytes();
        const steady::time_point began = coarse_now();
        const wait_status waited = co_await stream_.wait_writable(limit);
        if (waited == wait_status::cancelled) co_return cause::client_left;
        const std::uint64_t taken = before - std::min(before, stream_.untaken_bytes());
        context_->sending_rate.moved(taken);
        nothing_for = taken == 0 ? nothing_for + limit : std::chrono::milliseconds(0);
        const bool stalled = waited == wait_status::late && nothing_for >= patience;
        if (stalled || context_->sending_rate.too_slow(coarse_now() - began, least)) co_return cause::client_stalled;
        if (waited == wait_status::ready) co_return cause::none;
    }
}

awaitable<content_result> client_connection::read_content(std::span<char> into, std::chrono::milliseconds limit) {
    const std::uint64_t least = worker_.current()->settings.client.min_rate_bytes.value_or(0);
    for (;;) {
        const content_result got = content_.read(into, context_->buffer, stream_, received_);
        if (got.status == content_status::some) context_->receiving_rate.moved(got.bytes);
        if (got.status != content_status::again) co_return got;
        const steady::time_point began = coarse_now();
        switch (co_await stream_.wait_readable(limit)) {
            case wait_status::ready:
                if (least != 0 && context_->receiving_rate.too_slow(coarse_now() - began, least))
                    co_return content_result{0, content_status::late};
                break;
            case wait_status::late:
                co_return content_result{0, content_status::late};
            case wait_status::cancelled:
                co_return content_result{0, content_status::cut};
        }
    }
}

// A client that has said its last byte is taken for gone, unless it has more for us: one that closed and one that only
// shut down its sending look the same until something is sent.
void client_connection::watch_departure(http::wakeable* watcher) {
    const bool pipelined = content_.at_end() && !context_->buffer.unread().empty();
    if (pipelined) watcher = nullptr;
    stream_.watch_end(watcher);
}

awaitable<cause> client_connection::send_interim(unsigned status, std::string_view reason, std::string_view fields) {
    if (context_->head.version == 10) co_return cause::none;  // RFC 9110 section 15.2
    std::string out;
    http::append_status_line(status, reason, out);
    out += fields;
    out += "\r\n";
    sent_ += out.size();
    std::string_view bytes = out;
    co_return co_await write(std::span(&bytes, 1));
}

void client_connection::append_connection_field(std::string& out) const {
    const std::uint8_t version = context_->head.version;
    if (!keep_alive_) {
        out += "Connection: close\r\n";
    } else if (version == 10) {
        out += "Connection: keep-alive\r\n";
    }
}

void client_connection::begin_response(const response_start& start) {
    keep_alive_ = keep_alive_ && content_.at_end() && !worker_.draining();
    framing_ = body_framing::none;
    if (start.has_content) {
        if (start.length) {
            framing_ = body_framing::length;
        } else if (context_->head.version == 11) {
            framing_ = body_framing::chunked;
        } else {
            framing_ = body_framing::until_close;
            keep_alive_ = false;
        }
    }
    std::string& out = context_->out;
    out.clear();
    http::append_status_line(start.status, start.reason, out);
    out += start.fields;
    if (start.length && start.status != 204 && start.status != 304)
        http::append_field("Content-Length", *start.length, out);
    if (framing_ == body_framing::chunked) out += "Transfer-Encoding: chunked\r\n";
    append_connection_field(out);
    out += "\r\n";
    head_pending_ = true;
    any_chunk_ = false;
}

awaitable<cause> client_connection::send(std::span<const std::string_view> content, bool last) {
    std::array<std::string_view, 20> buffers;
    std::array<char, 20> chunk;
    std::size_t used = 0;
    std::size_t bytes = 0;
    for (const std::string_view part : content) bytes += part.size();
    if (std::exchange(head_pending_, false)) buffers[used++] = context_->out;
    if (framing_ == body_framing::chunked && bytes > 0) {
        buffers[used++] = http::chunk_start(bytes, !any_chunk_, chunk);
        any_chunk_ = true;
    }
    if (framing_ != body_framing::none) {
        content_sent_ += bytes;
        for (const std::string_view part : content) buffers[used++] = part;
    }
    if (last && framing_ == body_framing::chunked) buffers[used++] = http::last_chunk(any_chunk_);
    for (std::size_t i = 0; i < used; ++i) sent_ += buffers[i].size();
    const cause why = co_await write(std::span(buffers).first(used));
    if (why == cause::none && last) response_ended_ = true;
    co_return why;
}

// With a length or chunks an end without a reset would do, but a close-delimited response must not end like a whole
// one.
void client_connection::abort() {
    stream_.close_with_reset();
}

awaitable<cause> client_connection::begin_tunnel(const response_start& start) {
    std::string& out = context_->out;
    out.clear();
    http::append_status_line(start.status, start.reason, out);
    out += start.fields;
    out += "\r\n";
    sent_ += out.size();
    keep_alive_ = false;
    std::string_view bytes = out;
    co_return co_await write(std::span(&bytes, 1));
}

}  // namespace weir::proxy
