#include "server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "client.hpp"

namespace bench {

namespace {

// The value of Content-Length in a head, or 0: weir frames every request anew, so there is one or none.
std::size_t content_length(std::string_view head) {
    constexpr std::string_view name = "\r\ncontent-length:";
    for (std::size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
        if (head.size() - at > name.size() && ::strncasecmp(head.data() + at, name.data(), name.size()) == 0)
            return std::strtoull(head.data() + at + name.size(), nullptr, 10);
    }
    return 0;
}

}  // namespace

std::string whole_response(const std::string& content, const std::string& cache_control) {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: " + cache_control +
           "\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content;
}

server::server(loop& runs, const std::string& address, std::uint16_t port, handler on_request)
    : loop_(runs),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
      on_request_(std::move(on_request)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
    socklen_t size = sizeof to;
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&to), size) != 0 || ::listen(listener_, 1024) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&to), &size) != 0)
        fail("listen");
    port_ = ntohs(to.sin_port);
    loop_.watch(listener_, *this);
}

server::~server() {
    ::close(listener_);
}

void server::on_ready() {
    for (;;) {
        const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket < 0) return;
        const int on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (free_.empty()) {
            connections_.push_back(std::make_unique<connection>(*this));
            free_.push_back(connections_.back().get());
        }
        connection& fresh = *free_.back();
        free_.pop_back();
        fresh.socket_ = socket;
        loop_.watch(socket, fresh);
        fresh.receive();
    }
}

server::connection::~connection() {
    if (socket_ >= 0) ::close(socket_);
}

void server::connection::on_ready() {
    if (socket_ < 0) return;
    receive();
    if (socket_ >= 0) proceed();
}

void server::connection::receive() {
    static std::array<char, 64 * 1024> buffer;
    for (;;) {
        const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), 0);
        if (count < 0 && errno == EAGAIN) break;
        if (count <= 0) {
            disconnect(false);
            return proceed();
        }
        unread_.append(buffer.data(), static_cast<std::size_t>(count));
    }
    if (stage_ == stage::idle) next_request();
}

void server::connection::next_request() {
    const std::size_t end = unread_.find("\r\n\r\n");
    if (end == unread_.npos) return;
    const std::string head = unread_.substr(0, end + 2);
    const std::size_t length = content_length(head);
    if (unread_.size() < end + 4 + length) return;
    incoming request;
    const std::size_t method_end = head.find(' ');
    request.method = head.substr(0, method_end);
    request.target = head.substr(method_end + 1, head.find(' ', method_end + 1) - method_end - 1);
    request.content = unread_.substr(end + 4, length);
    unread_.erase(0, end + 4 + length);
    stage_ = stage::asked;
    owner_.on_request_(*this, request);
}

void server::connection::play(answer what, std::function<void()> done) {
    answer_ = std::move(what);
    done_ = std::move(done);
    next_step_ = 0;
    stepped_at_ = clock::now();
    stage_ = stage::playing;
    proceed();
}

void server::connection::on_time() {
    proceed();
}

// Plays what is due, sends what can be sent, and ends the answer when both are over.
void server::connection::proceed() {
    while (stage_ == stage::playing) {
        if (next_step_ == answer_.steps.size()) {
            stage_ = stage::sending;
            if (done_) std::exchange(done_, {})();
            break;
        }
        const step& next = answer_.steps[next_step_];
        if (clock::now() < stepped_at_ + next.after) {
            owner_.loop_.wake(*this, stepped_at_ + next.after);
            break;
        }
        stepped_at_ = clock::now();
        unsent_ += next.bytes;
        ++next_step_;
    }
    send();
    if (stage_ == stage::sending && socket_ >= 0 && unsent_.empty()) {
        if (answer_.end == ending::silence) return;
        stage_ = stage::idle;
        if (answer_.end == ending::keep) return next_request();
        disconnect(answer_.end == ending::reset);
    }
    if (socket_ < 0 && stage_ != stage::asked && stage_ != stage::playing) retire();
}

void server::connection::send() {
    while (socket_ >= 0 && !unsent_.empty()) {
        const ssize_t count = ::send(socket_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
        if (count > 0)
            unsent_.erase(0, static_cast<std::size_t>(count));
        else if (errno == EAGAIN)
            return;
        else
            disconnect(false);
    }
}

void server::connection::disconnect(bool reset) {
    const int socket = std::exchange(socket_, -1);
    if (reset)
        abandon(socket);
    else
        ::close(socket);
}

void server::connection::retire() {
    stage_ = stage::idle;
    unread_.clear();
    unsent_.clear();
    answer_ = {};
    loop::let_sleep(*this);
    owner_.free_.push_back(this);
}

}  // namespace bench
