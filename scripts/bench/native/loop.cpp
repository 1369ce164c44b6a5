#include "loop.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace bench {

namespace {
volatile std::sig_atomic_t asked_to_end = 0;
}

void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

loop::loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) fail("epoll_create1");
    struct sigaction action {};
    action.sa_handler = [](int) { asked_to_end = 1; };  // without SA_RESTART: it ends a wait
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

loop::~loop() {
    ::close(epoll_);
}

void loop::watch(int descriptor, task& who) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &who;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
}

void loop::wake(task& who, clock::time_point at) {
    who.wake_at_ = at;
    alarms_.push({at, &who});
}

void loop::ring(clock::time_point now) {
    while (!alarms_.empty() && alarms_.top().at <= now) {
        const alarm due = alarms_.top();
        alarms_.pop();
        if (due.who->wake_at_ != due.at) continue;  // replaced
        let_sleep(*due.who);
        due.who->on_time();
    }
}

void loop::run() {
    std::array<epoll_event, 512> events;
    while (running_ && !asked_to_end) {
        timespec wait{3600, 0};
        if (!alarms_.empty()) {
            const auto left = std::max(alarms_.top().at - clock::now(), clock::duration::zero());
            const auto count = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
            wait = {static_cast<time_t>(count / 1'000'000'000), static_cast<long>(count % 1'000'000'000)};
        }
        const int count = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &wait, nullptr);
        if (count < 0 && errno != EINTR) fail("epoll_pwait2");
        for (int i = 0; i < count; ++i) static_cast<task*>(events[static_cast<std::size_t>(i)].data.ptr)->on_ready();
        ring(clock::now());
    }
}

}  // namespace bench
