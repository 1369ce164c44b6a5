// How tests wait: for an event, with a bound after which they have failed. Nothing here sleeps for a fixed time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>

namespace weir::test {

using clock = std::chrono::steady_clock;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

// The bound of every single wait. Only a failing test ever waits this long.
inline constexpr std::chrono::seconds patience{30};

// A wait reached its bound; `what` says what did not come, and what came instead.
struct timed_out : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What one thread waits for and another lets happen, once.
class gate {
  public:
    void open();
    // Throws timed_out after the usual patience.
    void wait();
    bool is_open();

  private:
    std::mutex lock_;
    std::condition_variable opened_;
    bool open_ = false;
};

// Asks until `condition` holds. Only for what gives no event to the outside, such as a counter of another process.
// False after `bound`.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds bound = patience);

}  // namespace weir::test
