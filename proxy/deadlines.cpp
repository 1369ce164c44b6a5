#include "proxy/deadlines.hpp"

#include <time.h>

#include <algorithm>

namespace weir::proxy {

namespace {
constexpr std::chrono::milliseconds short_tick{10};
constexpr std::chrono::milliseconds long_tick{100};
constexpr std::chrono::milliseconds soon_below{1000};
}  // namespace

steady::time_point coarse_now() noexcept {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return steady::time_point(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

void deadlines::arm(deadline& d, std::chrono::milliseconds duration) {
    d.disarm();
    auto found = std::find_if(queues_.begin(), queues_.end(), [&](const auto& q) { return q.duration == duration; });
    if (found == queues_.end()) {
        queues_.push_back({duration, {}});
        found = std::prev(queues_.end());
    }
    d.expiry_ = coarse_now() + duration;
    found->waiting.push_back(d);
    const bool soon = duration < soon_below;
    if (!ticking_ || (soon && !soon_)) schedule(soon);
}

// Where it throws nothing ticks, and the next arm() schedules anew.
void deadlines::schedule(bool soon) {
    ticking_ = false;
    timer_.expires_after(soon ? short_tick : long_tick);
    timer_.async_wait([this](boost::system::error_code error) {
        if (!error) tick();
    });
    soon_ = soon;
    ticking_ = true;
}

void deadlines::tick() {
    const steady::time_point now = coarse_now();
    for (queue& q : queues_) {
        while (!q.waiting.empty() && q.waiting.front().expiry_ <= now) {
            deadline& d = q.waiting.front();
            d.disarm();
            d.late();
        }
    }
    const auto pending = [](const queue& q) { return !q.waiting.empty(); };
    ticking_ = false;
    if (std::any_of(queues_.begin(), queues_.end(),
                    [&](const queue& q) { return q.duration < soon_below && pending(q); })) {
        schedule(true);
    } else if (std::any_of(queues_.begin(), queues_.end(), pending)) {
        schedule(false);
    }
}

}  // namespace weir::proxy
