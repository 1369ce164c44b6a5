// The origin of the bench: one thread, one epoll loop, next to no work a request, so that it can share a core with the
// load and still not be what limits a proxy. GET only. /hit... and /stored... may be cached for a day, everything else
// not at all; the content is 1 KiB, of /hit10k 10,606 bytes and of /hit1m 1 MiB. Prints "ready PORT" and serves until
// it is killed.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

// A whole response, with the Date of now.
std::string response(std::size_t content_bytes, std::string_view cache_control) {
    std::array<char, 64> date;
    const std::time_t now = std::time(nullptr);
    std::tm parts;
    ::gmtime_r(&now, &parts);
    std::strftime(date.data(), date.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    std::string out = "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: ";
    out += date.data();
    out += "\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: ";
    out += cache_control;
    out += "\r\nContent-Length: " + std::to_string(content_bytes) + "\r\n\r\n";
    return out.append(content_bytes, 'x');
}

class responses {
  public:
    std::string_view of(std::string_view request) {
        const std::time_t now = std::time(nullptr);
        if (now != made_) {
            made_ = now;
            for (auto& one : kinds_) one.made = response(one.content_bytes, one.cache_control);
        }
        for (const auto& one : kinds_)
            if (request.starts_with(one.start)) return one.made;
        return kinds_.back().made;
    }

  private:
    struct kind {
        std::string_view start;  // of the request
        std::size_t content_bytes;
        std::string_view cache_control;
        std::string made;
    };
    static constexpr std::string_view cacheable_ = "public, max-age=86400";

    std::time_t made_ = 0;
    std::array<kind, 5> kinds_ = {{{"GET /hit10k ", 10'606, cacheable_, {}},
                                   {"GET /hit1m ", 1 << 20, cacheable_, {}},
                                   {"GET /hit", 1024, cacheable_, {}},
                                   {"GET /stored", 1024, cacheable_, {}},
                                   {"GET /", 1024, "no-store", {}}}};
};

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

int listen_on_any_port() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (listener < 0 || ::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener, 4096) != 0 || ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        fail("origin: listen");
    std::printf("ready %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    return listener;
}

void watch(int epoll, int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("origin: epoll_ctl");
}

// Reads what is there and answers every whole request in it; a part of one waits in `unread`. False at the end of the
// connection. Responses are small and their readers quick, so that a blocking send does not block.
bool serve(int connection, std::string& unread, responses& answers) {
    std::array<char, 16 * 1024> buffer;
    const ssize_t received = ::recv(connection, buffer.data(), buffer.size(), 0);
    if (received <= 0) return false;
    std::string_view input(buffer.data(), static_cast<std::size_t>(received));
    if (!unread.empty()) input = unread.append(input);
    for (std::size_t end = input.find("\r\n\r\n"); end != input.npos; end = input.find("\r\n\r\n")) {
        const std::string_view answer = answers.of(input);
        if (::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer.size()))
            return false;
        input.remove_prefix(end + 4);
    }
    unread = std::string(input);
    return true;
}

}  // namespace

int main() {
    const int listener = listen_on_any_port();
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listener);
    responses answers;
    std::unordered_map<int, std::string> unread;
    std::array<epoll_event, 256> events;
    for (;;) {
        const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < count; ++i) {
            const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
            if (descriptor == listener) {
                const int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
                if (connection < 0) continue;
                const int on = 1;
                ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                watch(epoll, connection);
            } else if (!serve(descriptor, unread[descriptor], answers)) {
                unread.erase(descriptor);
                ::close(descriptor);
            }
        }
    }
}
