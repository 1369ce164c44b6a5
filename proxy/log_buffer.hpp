// Log lines on their way from who writes them to the thread that hands them to the system.
#pragma once

#include "proxy/metrics.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

namespace weir::proxy {

// How a buffer rouses the thread that empties it.
struct log_bell {
    std::mutex mutex;
    std::condition_variable rings;
    bool rung = false;               // guarded by mutex: some buffer holds something
    bool urgent = false;             // guarded by mutex: and it should not wait for more
    std::atomic<bool> wanted{true};  // false while the target of the lines is `off`

    void ring(bool at_once);
};

// Whole lines in a bounded space. Usually one thread appends, so the mutex is uncontended but for the moment in which
// the space is swapped for an empty one.
class log_buffer {
  public:
    static constexpr std::size_t default_capacity_bytes = 256 * 1024;

    explicit log_buffer(std::shared_ptr<log_bell> bell, std::size_t capacity_bytes = default_capacity_bytes);
    log_buffer(const log_buffer&) = delete;
    log_buffer& operator=(const log_buffer&) = delete;

    // Appends `line`, which ends in "\n", whole or not at all. False if there was no room and it was dropped; dropped()
    // counts that too. Any thread. Does not allocate and does no I/O; wakes the writing thread when the buffer was
    // empty, and again when there is enough for a write or it is half full.
    bool append(std::string_view line);
    // False while the target is `off`: append() then takes nothing, and there is no need to format a line. Any thread.
    bool wanted() const noexcept { return bell_->wanted.load(std::memory_order_relaxed); }
    std::uint64_t dropped() const noexcept { return dropped_.value(); }

    // Of the writing thread: puts `space`, of the same capacity, in the place of what was appended so far and returns
    // the number of bytes that `space` then holds.
    std::size_t take(std::unique_ptr<char[]>& space);
    std::size_t capacity_bytes() const noexcept { return capacity_; }

  private:
    const std::shared_ptr<log_bell> bell_;
    const std::size_t capacity_;
    std::mutex mutex_;
    // Guarded by mutex_.
    std::unique_ptr<char[]> bytes_;
    std::size_t used_ = 0;
    counter dropped_;  // written under mutex_, read without
};

}  // namespace weir::proxy
