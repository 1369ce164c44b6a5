// The time of day, for what is said to others and for the ages of responses.
#pragma once

#include <time.h>

#include <chrono>

namespace weir::proxy {

using wall_time = std::chrono::sys_time<std::chrono::milliseconds>;

inline wall_time wall_now() {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

// As of the kernel's last tick, at most 4 ms ago; costs a few nanoseconds.
inline wall_time coarse_wall_now() {
    timespec t;
    ::clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return wall_time(std::chrono::seconds(t.tv_sec) + std::chrono::milliseconds(t.tv_nsec / 1'000'000));
}

}  // namespace weir::proxy
