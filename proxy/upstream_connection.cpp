#include "proxy/upstream_connection.hpp"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "proxy/shortage.hpp"

namespace weir::proxy {

namespace {

// Python servers send cookies and debug fields, but nobody sends more than this.
constexpr http::head_limits response_limits{.max_bytes = 64 * 1024, .max_fields = 256};

constexpr std::chrono::milliseconds full_queue_pause{10};

// Want of descriptors or memory is no fault of the endpoint's.
cause cannot_have_socket(int error) {
    if (!is_shortage(error)) return cause::internal;
    static shortage_log said("cannot connect to servers, requests are answered 503");
    said.say(error);
    return cause::out_of_descriptors;
}

cause from_connect_error(int error) {
    return error == ECONNREFUSED || error == ENOENT ? cause::connection_refused : cause::connection_failed;
}

}  // namespace

awaitable<cause> upstream_connection::connect(std::chrono::milliseconds limit) {
    const auto addresses = endpoint_->addresses();
    cause last = cause::no_endpoint;
    if (!addresses) co_return last;
    for (const auto& address : *addresses) {
        last = co_await connect_to(address, limit);
        if (last == cause::none || given_up_) break;
    }
    co_return given_up_ ? cause::connection_failed : last;
}

awaitable<cause> upstream_connection::connect_to(const boost::asio::generic::stream_protocol::endpoint& address,
                                                 std::chrono::milliseconds limit) {
    const int family = address.protocol().family();
    const steady::time_point end = steady::now() + limit;
    int descriptor = -1;
    int error = 0;
    for (;;) {
        descriptor = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (descriptor < 0) co_return cannot_have_socket(errno);
        error = ::connect(descriptor, address.data(), static_cast<socklen_t>(address.size())) == 0 ? 0 : errno;
        if (error == 0 || error == EINPROGRESS) break;
        ::close(descriptor);
        if (error != EAGAIN) co_return from_connect_error(error);
        // The queue of a unix socket is full (CherryPy's takes five), and nothing tells when it is not.
        if (given_up_ || steady::now() >= end) co_return cause::connection_timeout;
        asio::basic_waitable_timer<steady, asio::wait_traits<steady>, executor> pause(context_, full_queue_pause);
        co_await expiry_of(pause);
    }
    if (family != AF_UNIX) {
        const int on = 1;
        ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    stream_.close();
    if (!stream_.assign(descriptor)) co_return cause::connection_failed;
    if (error == 0) co_return cause::none;
    const wait_status waited = co_await stream_.wait_writable(limit);
    if (waited == wait_status::ready) {
        int outcome = 0;
        socklen_t size = sizeof outcome;
        ::getsockopt(stream_.descriptor(), SOL_SOCKET, SO_ERROR, &outcome, &size);
        if (outcome == 0) co_return cause::none;
        stream_.close();
        co_return from_connect_error(outcome);
    }
    stream_.close();
    co_return waited == wait_status::late ? cause::connection_timeout : cause::connection_failed;
}

void upstream_connection::begin(std::unique_ptr<read_buffer> buffer) {
    buffer_ = std::move(buffer);
    content_ = {};
    sent_ = received_ = 0;
}

awaitable<cause> upstream_connection::send(std::span<std::string_view> buffers, std::chrono::milliseconds limit) {
    for (;;) {
        while (!buffers.empty() && buffers.front().empty()) buffers = buffers.subspan(1);
        if (buffers.empty()) co_return cause::none;
        const io_result written = stream_.try_write(buffers);
        if (written.status == io_status::error) co_return cause::send_failed;
        if (written.status == io_status::again) {
            const wait_status waited = co_await stream_.wait_taken(limit);
            if (waited == wait_status::late) co_return cause::send_timeout;
            if (waited == wait_status::cancelled) co_return cause::send_failed;
            continue;
        }
        sent_ += written.bytes;
        drop_written(buffers, written.bytes);
    }
}

awaitable<cause> upstream_connection::receive_head(http::verb request_method, http::response_head& head,
                                                   std::chrono::milliseconds limit) {
    buffer_->release_kept();
    const steady::time_point end = coarse_now() + limit;
    std::uint32_t from = 0;
    for (;;) {
        if (!buffer_->unread().empty()) {
            const http::head_end found = http::find_end_of_head(buffer_->unread(), from, response_limits.max_bytes);
            if (found.state == http::head_end::state::refused) co_return cause::bad_response;
            if (found.state == http::head_end::state::complete) {
                // In front, so that content cannot run into it.
                buffer_->compact(found.size + read_buffer::usual_capacity / 2);
                const auto error = http::parse_response_head(buffer_->unread().substr(0, found.size), response_limits,
                                                             request_method, head);
                if (error != http::head_error::none) co_return cause::bad_response;
                buffer_->keep(found.size);
                co_return cause::none;
            }
            from = found.size;
            if (buffer_->room().empty()) buffer_->compact(buffer_->capacity() * 2);
        }
        if (coarse_now() >= end) co_return cause::first_byte_timeout;
        // The limit itself while it lasts, so that the deadline lists stay few.
        const wait_status waited = co_await stream_.wait_readable(limit);
        if (waited == wait_status::late) co_return cause::first_byte_timeout;
        if (waited == wait_status::cancelled) co_return cause::closed_early;
        const io_result read = stream_.try_read(buffer_->room());
        if (read.status == io_status::again) continue;
        if (read.status != io_status::ok) co_return received_ == 0 ? cause::closed_early : cause::response_cut;
        received_ += read.bytes;
        buffer_->read(read.bytes);
    }
}

void upstream_connection::expect_content(const http::response_head& head) {
    content_ = content_decoder(head.body, head.content_length);
}

content_result upstream_connection::read_content(std::span<char> into) {
    return content_.read(into, *buffer_, stream_, received_);
}

bool upstream_connection::may_serve_again(const http::response_head& head, bool request_sent) const {
    return request_sent && stream_.is_open() && head.keep_alive && content_.at_end() && buffer_->unread().empty();
}

std::unique_ptr<read_buffer> upstream_connection::end() {
    ++served_;
    return std::move(buffer_);
}

}  // namespace weir::proxy
