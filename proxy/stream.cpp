#include "proxy/stream.hpp"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace weir::proxy {

bool stream::assign(int family, int descriptor) {
    boost::system::error_code error;
    socket_.assign(asio::generic::stream_protocol(family, 0), descriptor, error);
    if (error) {
        ::close(descriptor);
        return false;
    }
    // Asio is told that the descriptor is non-blocking, so that it never changes its mode itself.
    socket_.native_non_blocking(true, error);
    return !error;
}

io_result stream::try_read(std::span<char> into) {
    for (;;) {
        const ssize_t n = ::recv(socket_.native_handle(), into.data(), into.size(), 0);
        if (n > 0) return {static_cast<std::size_t>(n), io_status::ok};
        if (n == 0) return {0, io_status::end};
        if (errno == EINTR) continue;
        return {0, errno == EAGAIN || errno == EWOULDBLOCK ? io_status::again : io_status::error};
    }
}

io_result stream::try_write(std::span<const std::string_view> buffers) {
    constexpr std::size_t most = 64;
    std::array<iovec, most> vectors;
    std::size_t count = 0;
    for (const std::string_view buffer : buffers.first(std::min(buffers.size(), most))) {
        if (!buffer.empty()) vectors[count++] = {const_cast<char*>(buffer.data()), buffer.size()};
    }
    if (count == 0) return {0, io_status::ok};
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    for (;;) {
        const ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
        if (n >= 0) return {static_cast<std::size_t>(n), io_status::ok};
        if (errno == EINTR) continue;
        return {0, errno == EAGAIN || errno == EWOULDBLOCK ? io_status::again : io_status::error};
    }
}

bool stream::is_quiet() {
    char byte;
    const ssize_t n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

awaitable<wait_status> stream::wait(pending& p, socket_type::wait_type what, std::chrono::milliseconds limit) {
    p.was_late = false;
    if (p.cancelled || !socket_.is_open()) co_return wait_status::cancelled;
    deadlines_.arm(p, limit);
    for (;;) {
        const auto [error] = co_await socket_.async_wait(what, as_values);
        if (p.was_late) co_return wait_status::late;
        if (!error) break;
        // Cancelling acts on both directions: the one that was not meant waits on.
        if (p.cancelled || !socket_.is_open() || error != asio::error::operation_aborted) {
            p.disarm();
            co_return wait_status::cancelled;
        }
    }
    p.disarm();
    co_return wait_status::ready;
}

void stream::pending::late() noexcept {
    was_late = true;
    boost::system::error_code ignored;
    stream_.socket_.cancel(ignored);
}

void stream::cancel_reading() {
    reading_.cancelled = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

void stream::close() {
    reading_.disarm();
    writing_.disarm();
    boost::system::error_code ignored;
    socket_.close(ignored);
}

void stream::close_with_reset() {
    const linger reset{1, 0};
    if (socket_.is_open()) ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close();
}

void stream::shutdown_sending() {
    if (socket_.is_open()) ::shutdown(socket_.native_handle(), SHUT_WR);
}

}  // namespace weir::proxy
