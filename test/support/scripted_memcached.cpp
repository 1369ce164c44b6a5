#include "test/support/scripted_memcached.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace weir::test {

scripted_memcached::scripted_memcached(script answer, bool greets) : answer_(std::move(answer)), greets_(greets) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof here;
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&here), length) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&here), &length) != 0) {
        throw std::runtime_error("cannot listen on loopback");
    }
    port_ = ntohs(here.sin_port);
    acceptor_ = std::jthread([this] { accept_all(); });
}

scripted_memcached::~scripted_memcached() {
    {
        const std::lock_guard hold(mutex_);
        is_stopping_ = true;
        stopping_.notify_all();
        for (const int one : descriptors_) ::shutdown(one, SHUT_RDWR);
    }
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    threads_.clear();
    for (const int one : descriptors_) ::close(one);
    ::close(listener_);
}

conf::memcached_server_address scripted_memcached::address() const {
    return {"127.0.0.1:" + std::to_string(port_), "127.0.0.1", port_, {}};
}

std::vector<std::string> scripted_memcached::lines() {
    const std::lock_guard hold(mutex_);
    return lines_;
}

int scripted_memcached::connections() {
    const std::lock_guard hold(mutex_);
    return static_cast<int>(descriptors_.size());
}

void scripted_memcached::dribble(std::chrono::milliseconds pause) {
    const std::lock_guard hold(mutex_);
    pause_ = pause;
}

void scripted_memcached::accept_all() {
    for (;;) {
        const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (descriptor < 0) return;
        const std::lock_guard hold(mutex_);
        descriptors_.push_back(descriptor);
        if (is_stopping_) return;
        threads_.emplace_back([this, descriptor] { serve(descriptor); });
    }
}

void scripted_memcached::serve(int descriptor) {
    std::string input;
    for (char some[4096];;) {
        const auto got = ::read(descriptor, some, sizeof some);
        if (got <= 0) return;
        const auto seen = input.size();
        input.append(some, static_cast<std::size_t>(got));
        for (auto end = input.find("\r\n", seen == 0 ? 0 : seen - 1); end != std::string::npos;
             end = input.find("\r\n")) {
            const std::string line = input.substr(0, end);
            input.erase(0, end + 2);
            std::string answer;
            if (line == "quit") return;
            if (line == "version" && greets_) {
                answer = "VERSION 1.6.18\r\n";
            } else {
                if (line != "version") {
                    const std::lock_guard hold(mutex_);
                    lines_.push_back(line);
                }
                answer = answer_(line);
            }
            if (!send(descriptor, answer)) return;
        }
    }
}

// False where the connection is at its end.
bool scripted_memcached::send(int descriptor, const std::string& answer) {
    const bool is_last = answer.ends_with(hang_up);
    const std::string text = answer.substr(0, answer.size() - (is_last ? 1 : 0));
    for (std::size_t sent = 0; sent < text.size();) {
        std::unique_lock hold(mutex_);
        const auto pause = pause_;
        if (pause.count() != 0 && stopping_.wait_for(hold, pause, [this] { return is_stopping_; })) return false;
        hold.unlock();
        const auto more =
            ::send(descriptor, text.data() + sent, pause.count() == 0 ? text.size() - sent : 1, MSG_NOSIGNAL);
        if (more <= 0) return false;
        sent += static_cast<std::size_t>(more);
    }
    if (is_last) ::shutdown(descriptor, SHUT_RDWR);
    return !is_last;
}

}  // namespace weir::test
