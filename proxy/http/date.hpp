// HTTP dates (RFC 9110 section 5.6.7).
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace weir::http {

using sys_seconds = std::chrono::sys_seconds;

// Reads IMF-fixdate and the two obsolete forms; nothing for anything else. A two-digit year more than 50 years after
// `now` is in the past. Pure.
std::optional<sys_seconds> parse_date(std::string_view text, sys_seconds now);

// Writes the 29 bytes of an IMF-fixdate to `out`; returns the position after them. Years 1970 to 9999.
char* format_date(sys_seconds time, char* out);
inline constexpr std::size_t date_size = 29;

}  // namespace weir::http
