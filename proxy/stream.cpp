#include "proxy/stream.hpp"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace weir::proxy {

bool stream::assign(int descriptor) {
    if (is_open() || !ready_.add(descriptor, *this)) {
        ::close(descriptor);
        return false;
    }
    descriptor_ = descriptor;
    ended_ = reading_.ready = writing_.ready = false;
    return true;
}

io_result stream::try_read(std::span<char> into) {
    for (;;) {
        const ssize_t n = ::recv(descriptor_, into.data(), into.size(), 0);
        if (n > 0) {
            // Less than there was room for: the next byte brings an edge, but an end that was seen brings none.
            if (static_cast<std::size_t>(n) < into.size()) reading_.ready = ended_;
            return {static_cast<std::size_t>(n), io_status::ok};
        }
        if (n == 0) return {0, io_status::end};
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) return {0, io_status::error};
        reading_.ready = false;
        return {0, io_status::again};
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
    return try_write(std::span<const iovec>(vectors.data(), count));
}

io_result stream::try_write(std::span<const iovec> vectors) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(vectors.data());
    message.msg_iovlen = vectors.size();
    for (;;) {
        const ssize_t n = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
        if (n >= 0) return {static_cast<std::size_t>(n), io_status::ok};
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) return {0, io_status::error};
        writing_.ready = false;
        return {0, io_status::again};
    }
}

bool stream::is_quiet() {
    char byte;
    const ssize_t n = ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

std::optional<wait_status> stream::known(const pending& p) const {
    if (p.cancelled || descriptor_ < 0) return wait_status::cancelled;
    if (p.ready) return wait_status::ready;
    return std::nullopt;
}

void stream::start(pending& p, wait_handler handler) {
    p.handler = std::move(handler);
    ready_.wait_began();
    if (const auto status = known(p)) finish_later(p, *status);
}

// The handler may destroy this stream.
void stream::finish(pending& p, wait_status status) {
    if (!p.handler) return;
    p.disarm();
    ready_.wait_ended();
    wait_handler handler = std::move(p.handler);
    handler(status);
}

// For callers that are in the middle of something, which the handler may destroy.
void stream::finish_later(pending& p, wait_status status) {
    if (!p.handler) return;
    p.disarm();
    asio::post(context_, [handler = std::move(p.handler), status]() mutable { handler(status); });
    ready_.wait_ended();
}

void stream::on_events(std::uint32_t events) {
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        ended_ = true;
        tell_end();
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) reading_.ready = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writing_.ready = true;
    // A handler may destroy this stream, so that only the last may run at once.
    const bool both = reading_.handler && reading_.ready && writing_.handler && writing_.ready;
    if (both) finish_later(writing_, wait_status::ready);
    if (reading_.handler && reading_.ready) return finish(reading_, wait_status::ready);
    if (writing_.handler && writing_.ready) finish(writing_, wait_status::ready);
}

void stream::pending::late() noexcept {
    stream_.finish_later(*this, wait_status::late);
}

awaitable<wait_status> stream::wait_taken(std::chrono::milliseconds limit) {
    for (;;) {
        const std::uint64_t before = untaken_bytes();
        const wait_status waited = co_await wait_writable(limit);
        if (waited != wait_status::late || untaken_bytes() >= before) co_return waited;
    }
}

std::uint64_t stream::untaken_bytes() const {
    int bytes = 0;
    if (descriptor_ < 0 || ::ioctl(descriptor_, SIOCOUTQ, &bytes) != 0) return 0;
    return static_cast<std::uint64_t>(bytes);
}

void stream::watch_end(http::wakeable* on_end) {
    set_watcher(on_end);
    if (ended_) tell_end();
}

// Who watches waits, too: events must come though nobody reads or writes.
void stream::set_watcher(http::wakeable* who) {
    http::wakeable* const before = std::exchange(on_end_, who);
    if (who && !before) ready_.wait_began();
    if (before && !who) ready_.wait_ended();
}

void stream::tell_end() {
    http::wakeable* const told = on_end_;
    set_watcher(nullptr);
    if (told) told->wake();
}

void stream::cancel_reading() {
    reading_.cancelled = true;
    finish_later(reading_, wait_status::cancelled);
}

void stream::close() {
    finish_later(reading_, wait_status::cancelled);
    finish_later(writing_, wait_status::cancelled);
    set_watcher(nullptr);
    if (descriptor_ < 0) return;
    ready_.forget(*this);
    ::close(std::exchange(descriptor_, -1));
}

void stream::close_with_reset() {
    const linger reset{1, 0};
    if (descriptor_ >= 0) ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close();
}

void stream::shutdown_sending() {
    if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_WR);
}

}  // namespace weir::proxy
