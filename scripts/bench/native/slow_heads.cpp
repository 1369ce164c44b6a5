#include "slow_heads.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace bench {

namespace {
constexpr std::string_view head = "GET /quick?size=1024 HTTP/1.1\r\nHost: bench\r\nUser-Agent: slow\r\n";
}

void slow_head::start() {
    socket_ = connect_to(owner_.port_);
    if (socket_ < 0) return finish(false);
    owner_.loop_.watch(socket_, *this);
}

void slow_head::on_ready() {
    if (socket_ < 0) return;
    std::array<char, 4096> buffer;
    for (;;) {
        const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), 0);
        if (count < 0 && errno == ENOTCONN) return;
        if (count < 0 && errno == EAGAIN) break;
        if (count <= 0) return finish(connected_);
        answer_.append(buffer.data(), static_cast<std::size_t>(count));
    }
    if (std::exchange(connected_, true)) return;
    connected_at_ = clock::now();
    owner_.most_open_ = std::max(owner_.most_open_, ++owner_.open_);
    on_time();
}

void slow_head::on_time() {
    if (sent_ < head.size() && ::send(socket_, head.data() + sent_, 1, MSG_NOSIGNAL) == 1) ++sent_;
    owner_.loop_.wake(*this, clock::now() + owner_.interval_);
}

void slow_head::finish(bool connected) {
    abandon(std::exchange(socket_, -1));
    loop::let_sleep(*this);
    ++owner_.ended_;
    if (!connected) {
        ++owner_.refused_;
        return;
    }
    --owner_.open_;
    const int status = answer_.size() > 12 ? std::atoi(answer_.c_str() + 9) : 0;
    std::printf("gone %.3f %d\n", std::chrono::duration<double>(clock::now() - connected_at_).count(), status);
}

slow_heads::slow_heads(loop& runs, const arguments& given)
    : loop_(runs),
      port_(static_cast<std::uint16_t>(given.required("port"))),
      interval_(from_seconds(given.number("interval", 5))),
      count_(given.count("count", 15000)),
      over_(given.number("over", 5)),
      started_(clock::now()),
      limit_(started_ + from_seconds(over_ + given.number("limit", 20))) {
    loop_.wake(*this, started_);
}

void slow_heads::on_time() {
    const auto now = clock::now();
    const double share = over_ > 0 ? std::chrono::duration<double>(now - started_).count() / over_ : 1;
    while (heads_.size() < count_ && static_cast<double>(heads_.size()) < share * static_cast<double>(count_)) {
        heads_.push_back(std::make_unique<slow_head>(*this));
        heads_.back()->start();
    }
    if (ended_ < count_ && now < limit_) return loop_.wake(*this, now + milliseconds(10));
    std::printf("over %zu %zu %zu\n", most_open_, count_ - ended_, refused_);
    loop_.stop();
}

}  // namespace bench
