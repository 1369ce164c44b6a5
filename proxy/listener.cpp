#include "proxy/listener.hpp"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <new>
#include <utility>

#include "proxy/limits.hpp"
#include "proxy/log.hpp"
#include "proxy/shortage.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

namespace {

// What the kernel may hold for a client beyond what is on the wire. More would only move a slow client's response from
// the spool, which is bounded, to the kernel's memory, which all share.
constexpr int unsent_bytes = 128 * 1024;
constexpr int batch = 64;  // connections taken before others get their turn
constexpr std::chrono::milliseconds descriptor_pause{100};

std::string cannot_listen(const conf::listen_address& where, int error) {
    std::string why = "cannot listen on " + where.address.text + ": ";
    switch (error) {
        case EADDRINUSE:
            return why + "the port is in use; stop the program that has it or choose another under `listen`";
        case EACCES:
            return why +
                   "not allowed; ports below 1024 need CAP_NET_BIND_SERVICE (the systemd unit has it), a unix socket a "
                   "folder that may be written to";
        case EADDRNOTAVAIL:
            return why + "this machine has no such address";
        default:
            return why + strerror(error);
    }
}

// A socket file is stale when nobody answers on it. True when the way is free.
bool remove_stale_socket(const sockaddr_un& address) {
    struct stat info;
    if (::lstat(address.sun_path, &info) != 0) return errno == ENOENT;
    if (!S_ISSOCK(info.st_mode)) return false;
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool refused =
        ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == ECONNREFUSED;
    ::close(probe);
    return refused && ::unlink(address.sun_path) == 0;
}

listening_socket listen_unix(const conf::listen_address& where, std::string& why) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (where.address.path.size() >= sizeof address.sun_path) {
        why = cannot_listen(where, ENAMETOOLONG);
        return {};
    }
    std::memcpy(address.sun_path, where.address.path.data(), where.address.path.size());
    if (!remove_stale_socket(address)) {
        why = "cannot listen on " + where.address.text +
              ": another program listens there, or a file that is no socket is in its place";
        return {};
    }
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        (where.mode && ::chmod(address.sun_path, *where.mode) != 0) || ::listen(descriptor, listen_backlog) != 0) {
        why = cannot_listen(where, errno);
        ::close(descriptor);
        return {};
    }
    return {descriptor, AF_UNIX};
}

listening_socket listen_tcp(const conf::listen_address& where, std::string& why) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(where.address.port);
    // Every local address: the one IPv6 socket takes IPv4 too.
    const char* host = where.address.host.empty() ? "::" : where.address.host.c_str();
    if (const int error = ::getaddrinfo(host, port.c_str(), &hints, &found); error != 0) {
        why = "cannot listen on " + where.address.text + ": " + ::gai_strerror(error);
        return {};
    }
    listening_socket made;
    int error = 0;
    const int on = 1;
    const int off = 0;
    made.descriptor = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    made.family = found->ai_family;
    if (made.descriptor >= 0) {
        ::setsockopt(made.descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        // Accepted sockets inherit it.
        ::setsockopt(made.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::setsockopt(made.descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof unsent_bytes);
        if (found->ai_family == AF_INET6) {
            const int only = where.address.host.empty() ? off : on;
            ::setsockopt(made.descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
        }
    }
    if (made.descriptor < 0 || ::bind(made.descriptor, found->ai_addr, found->ai_addrlen) != 0 ||
        ::listen(made.descriptor, listen_backlog) != 0) {
        error = errno;
    }
    ::freeaddrinfo(found);
    if (error == EAFNOSUPPORT && where.address.host.empty()) {
        // A kernel without IPv6.
        conf::listen_address ipv4 = where;
        ipv4.address.host = "0.0.0.0";
        return listen_tcp(ipv4, why);
    }
    if (error != 0) {
        why = cannot_listen(where, error);
        if (made.descriptor >= 0) ::close(made.descriptor);
        return {};
    }
    return made;
}

void read_peer(const sockaddr_storage& from, accepted_socket& into) {
    if (from.ss_family == AF_INET) {
        const auto& address = reinterpret_cast<const sockaddr_in&>(from);
        into.address = asio::ip::address_v4(ntohl(address.sin_addr.s_addr));
        into.port = ntohs(address.sin_port);
    } else if (from.ss_family == AF_INET6) {
        const auto& address = reinterpret_cast<const sockaddr_in6&>(from);
        asio::ip::address_v6::bytes_type bytes;
        std::memcpy(bytes.data(), &address.sin6_addr, bytes.size());
        const asio::ip::address_v6 v6(bytes);
        // What came over IPv4 to a socket for both is an IPv4 client to everybody.
        if (v6.is_v4_mapped()) {
            into.address = asio::ip::make_address_v4(asio::ip::v4_mapped, v6);
        } else {
            into.address = v6;
        }
        into.port = ntohs(address.sin6_port);
    }
}

}  // namespace

listening_socket open_listening_socket(const conf::listen_address& where, std::string& why) {
    return where.address.type == conf::address::kind::unix_path ? listen_unix(where, why) : listen_tcp(where, why);
}

std::string bound_text(const listening_socket& socket, const conf::listen_address& where) {
    if (where.address.type == conf::address::kind::unix_path || where.address.port != 0) return where.address.text;
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    ::getsockname(socket.descriptor, reinterpret_cast<sockaddr*>(&bound), &size);
    accepted_socket own;
    read_peer(bound, own);
    const std::string_view text = where.address.text;
    return std::string(text.substr(0, text.rfind(':') + 1)) + std::to_string(own.port);
}

listener::listener(worker& on, std::uint32_t id, listening_socket socket, std::function<worker&()> next)
    : worker_(on), id_(id), socket_(socket), next_(std::move(next)), waiting_(on.context()), pause_(on.context()) {}

listener::~listener() {
    *alive_ = false;
    if (spare_ >= 0) ::close(spare_);
}

void listener::start() {
    boost::system::error_code error;
    waiting_.assign(socket_.descriptor, error);
    if (error) {
        log::error("cannot wait for connections: {}", error.message());
        ::close(socket_.descriptor);
        return;
    }
    spare_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    wait();
}

void listener::wait() {
    try {
        waiting_.async_wait(asio::posix::descriptor_base::wait_read,
                            [this, alive = alive_](boost::system::error_code error) {
                                if (*alive && !error) accept_batch();
                            });
    } catch (const std::bad_alloc&) {
        forlorn_ = true;
    }
}

void listener::wait_again() {
    if (std::exchange(forlorn_, false)) wait();
}

void listener::accept_batch() {
    if (accept_some(batch)) wait();
}

void listener::close() {
    accept_some(listen_backlog);
    boost::system::error_code ignored;
    waiting_.close(ignored);
}

// False when it paused.
bool listener::accept_some(int most) {
    for (int n = 0; n < most; ++n) {
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        accepted_socket accepted;
        accepted.family = socket_.family;
        accepted.descriptor = ::accept4(waiting_.native_handle(), reinterpret_cast<sockaddr*>(&from), &size,
                                        SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted.descriptor < 0) {
            if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
            if (is_shortage(errno)) {
                out_of_descriptors(errno);
                return false;
            }
            break;
        }
        read_peer(from, accepted);
        next_().adopt(accepted);
    }
    return true;
}

// The spare descriptor takes the first in the queue, so that it is refused rather than left waiting; then a pause,
// because the socket stays readable and accepting again at once would spin.
void listener::out_of_descriptors(int error) {
    static shortage_log said("new clients wait or are refused");
    said.say(error);
    worker_.metrics().connections_refused.add();
    if (spare_ >= 0) {
        ::close(spare_);
        const int refused = ::accept4(waiting_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
        if (refused >= 0) ::close(refused);
    }
    spare_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    try {
        pause_.expires_after(descriptor_pause);
        pause_.async_wait([this, alive = alive_](boost::system::error_code cancelled) {
            if (*alive && !cancelled) accept_batch();
        });
    } catch (const std::bad_alloc&) {
        forlorn_ = true;
    }
}

}  // namespace weir::proxy
