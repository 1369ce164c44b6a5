// client.min_rate: is a transfer slower than it has to be? Only time in which weir waited for the client counts, so
// that nobody is dropped for the slowness of an endpoint.
#pragma once

#include <chrono>
#include <cstdint>

namespace weir::proxy {

class rate_floor {
  public:
    static constexpr std::chrono::milliseconds window{10'000};

    void moved(std::uint64_t bytes) {
        bytes_ += bytes;
        begun_ = begun_ || bytes > 0;
    }
    // `waited` was waited for the client. True once that makes a window in which fewer than `least` bytes a second were
    // moved. What was waited before the first byte is for the timeouts: until then the client may wait for somebody
    // else (100 Continue).
    bool too_slow(std::chrono::nanoseconds waited, std::uint64_t least) {
        if (!begun_) return false;
        waited_ += waited;
        if (waited_ < window) return false;
        const auto ms = static_cast<std::uint64_t>(std::chrono::floor<std::chrono::milliseconds>(waited_).count());
        const bool slow = bytes_ * 1000 < least * ms;
        bytes_ = 0;
        waited_ = {};
        return slow;
    }

  private:
    std::uint64_t bytes_ = 0;
    std::chrono::nanoseconds waited_{0};
    bool begun_ = false;
};

}  // namespace weir::proxy
