// The limit of what the kernel allows: one thread, one epoll set, one prebuilt response. Bytes that end heads are
// counted, nothing else is looked at, so that a request costs little but its two system calls. Every server that does
// more with a request has to be slower. usage: bare CONTENT_BYTES [close]; prints "ready PORT" and serves until it is
// killed.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct connection {
    std::size_t owed = 0;     // bytes of responses that are still to be sent
    std::size_t matched = 0;  // bytes of the end of a head that came last
};

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

std::string response(std::size_t content_bytes, bool closing) {
    // As long as what a proxy would send of the same content.
    std::string out =
        "HTTP/1.1 200 OK\r\nServer: bare\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
        "Content-Type: text/html; charset=utf-8\r\nCache-Control: public, max-age=86400\r\n"
        "Age: 1\r\nVia: 1.1 bare\r\nCache-Status: bare; hit; ttl=86399\r\n";
    if (closing) out += "Connection: close\r\n";
    out += "Content-Length: " + std::to_string(content_bytes) + "\r\n\r\n";
    return out.append(content_bytes, 'x');
}

int listen_on_any_port() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (listener < 0 || ::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener, 4096) != 0 || ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        fail("bare: listen");
    std::printf("ready %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    return listener;
}

// How many heads end in these bytes; an end may be split between two reads.
std::size_t count_ends(std::string_view bytes, std::size_t& matched) {
    constexpr std::string_view end = "\r\n\r\n";
    std::size_t count = 0;
    for (const char byte : bytes) {
        matched = byte == end[matched] ? matched + 1 : byte == '\r' ? 1 : 0;
        if (matched < end.size()) continue;
        matched = 0;
        ++count;
    }
    return count;
}

// False at the end of the connection.
bool serve(int descriptor, connection& with, std::string_view answer, bool closing) {
    std::array<char, 16 * 1024> buffer;
    if (with.owed == 0) {
        const ssize_t received = ::recv(descriptor, buffer.data(), buffer.size(), 0);
        if (received <= 0) return received < 0 && errno == EAGAIN;
        with.owed = answer.size() * count_ends({buffer.data(), static_cast<std::size_t>(received)}, with.matched);
    }
    while (with.owed > 0) {
        const std::size_t rest = with.owed % answer.size() == 0 ? answer.size() : with.owed % answer.size();
        const ssize_t sent = ::send(descriptor, answer.data() + (answer.size() - rest), rest, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN;
        with.owed -= static_cast<std::size_t>(sent);
        if (closing && with.owed == 0) return false;
    }
    return true;
}

// Both directions are watched, edge-triggered: no request needs a call to change that. A client that sends a request
// only after the response to the one before never has more in the kernel than one read takes.
void accept_all(int listener, int epoll, std::vector<connection>& connections) {
    for (;;) {
        const int descriptor = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0) return;
        const int on = 1;
        ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.fd = descriptor;
        const auto index = static_cast<std::size_t>(descriptor);
        if (connections.size() <= index) connections.resize(std::max(index + 1, 2 * connections.size()));
        connections[index] = {};
        if (::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("bare: epoll_ctl");
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: bare CONTENT_BYTES [close]\n", stderr);
        return 2;
    }
    const bool closing = argc > 2 && std::string_view(argv[2]) == "close";
    const std::string answer = response(std::strtoull(argv[1], nullptr, 10), closing);
    const int listener = listen_on_any_port();
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = listener;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0) fail("bare: epoll_ctl");
    std::vector<connection> connections;
    std::array<epoll_event, 256> events;
    for (;;) {
        const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < count; ++i) {
            const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
            if (descriptor == listener)
                accept_all(listener, epoll, connections);
            else if (!serve(descriptor, connections[static_cast<std::size_t>(descriptor)], answer, closing))
                ::close(descriptor);
        }
    }
}
