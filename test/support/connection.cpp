#include "test/support/connection.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace weir::test {
namespace {

// Waits until `descriptor` is ready for `events`. False at the bound.
bool wait_until_ready(int descriptor, short events, bool bounded) {
    const auto until = clock::now() + patience;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now()).count();
        if (bounded && left <= 0) return false;
        pollfd waiting{descriptor, events, 0};
        const int ready = ::poll(&waiting, 1, bounded ? static_cast<int>(left) : -1);
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
    }
}

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

connection connect_to(int family, const sockaddr* address, socklen_t size) {
    connection made(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!made.is_open()) throw_errno("socket");
    if (::connect(made.descriptor(), address, size) != 0) throw_errno("connect");
    if (family != AF_UNIX) {
        const int on = 1;
        ::setsockopt(made.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return made;
}

}  // namespace

connection_ended::connection_ended(ending how_, const std::string& rest_)
    : std::runtime_error(
          (how_ == ending::reset ? "connection reset by its peer after: " : "connection closed by its peer after: ") +
          rest_.substr(0, 2000)),
      how(how_),
      rest(rest_) {}

connection::connection(connection&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      received_(std::move(other.received_)),
      taken_(other.taken_),
      bounded_(other.bounded_) {}

connection& connection::operator=(connection&& other) noexcept {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
    received_ = std::move(other.received_);
    taken_ = other.taken_;
    bounded_ = other.bounded_;
    return *this;
}

connection::~connection() {
    close();
}

connection connection::to_tcp(const std::string& host, std::uint16_t port) {
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        return connect_to(AF_INET6, reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
    }
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1)
        throw std::invalid_argument("no numeric address: " + host);
    return connect_to(AF_INET, reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
}

connection connection::to_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw std::invalid_argument("path too long for a unix socket: " + path);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return connect_to(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

void connection::send(std::string_view bytes) {
    if (!try_send(bytes)) throw connection_ended(ending::reset, received_);
}

bool connection::try_send(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_until_ready(descriptor_, POLLOUT, bounded_)) throw timed_out("the peer takes no bytes");
        } else if (errno == EPIPE || errno == ECONNRESET || errno == EBADF) {
            return false;
        } else if (errno != EINTR) {
            throw_errno("send");
        }
    }
    return true;
}

bool connection::fill() {
    char some[65536];
    for (;;) {
        if (!wait_until_ready(descriptor_, POLLIN, bounded_)) {
            throw timed_out("no byte came; unread so far: \"" + std::string(untaken().substr(0, 2000)) + '"');
        }
        const auto got = ::recv(descriptor_, some, sizeof some, MSG_DONTWAIT);
        if (got > 0) {
            received_.append(some, static_cast<std::size_t>(got));
            return true;
        }
        if (got == 0) return false;
        if (errno == ECONNRESET) throw connection_ended(ending::reset, std::string(untaken()));
        if (errno != EINTR && errno != EAGAIN) throw_errno("recv");
    }
}

std::string connection::take_now(std::size_t count) {
    std::string bytes(untaken().substr(0, count));
    taken_ += bytes.size();
    return bytes;
}

std::string connection::take_until(std::string_view mark) {
    for (;;) {
        const auto found = untaken().find(mark);
        if (found != std::string_view::npos) return take_now(found + mark.size());
        if (!fill()) throw connection_ended(ending::closed, std::string(untaken()));
    }
}

std::string connection::take(std::size_t count) {
    while (untaken().size() < count) {
        if (!fill()) throw connection_ended(ending::closed, std::string(untaken()));
    }
    return take_now(count);
}

std::string connection::take_some() {
    if (untaken().empty() && !fill()) return {};
    return take_now(untaken().size());
}

connection::last_bytes connection::take_to_end() {
    ending how = ending::closed;
    try {
        while (fill()) {
        }
    } catch (const connection_ended& ended) {
        how = ended.how;
    }
    return {take_now(untaken().size()), how};
}

bool connection::readable() const {
    if (!untaken().empty()) return true;
    pollfd now{descriptor_, POLLIN, 0};
    return ::poll(&now, 1, 0) > 0;
}

bool connection::wait_for_byte() {
    return !untaken().empty() || fill();
}

void connection::shut_down_write() {
    ::shutdown(descriptor_, SHUT_WR);
}

void connection::shut_down() {
    ::shutdown(descriptor_, SHUT_RDWR);
}

void connection::reset() {
    const linger at_once{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
}

void connection::close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

}  // namespace weir::test
