// Times as logs and status show them, in UTC. Pure; no locale.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace weir::proxy {

inline constexpr std::size_t iso_time_size = 19;     // 2026-11-21T20:15:03
inline constexpr std::size_t common_time_size = 26;  // 21/Nov/2026:20:15:03 +0000

// Both write exactly that many characters to `out` and return the position after them. Years 0 to 9999.
char* write_iso_time(std::chrono::sys_seconds time, char* out);
char* write_common_time(std::chrono::sys_seconds time, char* out);

// The shortest spelling in whole units, as the configuration has it: 250ms, 5s, 2m, 1h.
std::string duration_text(std::chrono::milliseconds value);

// `value`, below 10^digits, with leading zeros.
char* write_digits(unsigned value, unsigned digits, char* out);

}  // namespace weir::proxy
