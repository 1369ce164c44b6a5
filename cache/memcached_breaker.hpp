// Whether a memcached server is asked. It opens at the first refused connection and after several failures in a row;
// while it is open nobody asks, and one probe a second finds out whether the server is back.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace weir::cache {

// Pure: it takes `now`. Shared by the lanes of one server; any thread.
class memcached_breaker {
  public:
    using time_point = std::chrono::steady_clock::time_point;

    // One lost answer may be chance; three in a row cost three timeouts, which each a request at most pays.
    static constexpr unsigned failures_to_open = 3;
    static constexpr std::chrono::seconds probe_interval{1};

    enum class fault : std::uint8_t { failure, unreachable };
    // What a report changed, for the log. Each change is reported to one caller.
    enum class change : std::uint8_t { none, opened, closed };

    // No lock.
    bool is_open() const { return open_.load(std::memory_order_acquire); }

    change note_success();
    change note_failure(fault what, time_point now);
    // While it is open: true once an interval for the one who asks, who then reports how the probe went.
    bool may_probe(time_point now);
    // When the next probe is due; of interest while it is open.
    time_point next_probe() const;

  private:
    std::atomic<bool> open_{false};
    std::atomic<bool> has_failures_{false};  // so that the usual success takes no lock
    mutable std::mutex mutex_;
    unsigned failures_ = 0;  // in a row; guarded by mutex_, like next_probe_
    time_point next_probe_{};
};

}  // namespace weir::cache
