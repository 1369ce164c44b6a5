// Durations, sizes and shares as the configuration writes them. Pure functions; on failure they return nothing and
// `why` says what is wrong and what would be right.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::conf {

// Decimal digits only, without sign, point or leading zero.
std::optional<std::uint64_t> parse_whole(std::string_view text, std::string& why);

// 250ms, 5s, 2m, 1h: a whole number and its unit.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text, std::string& why);

// 512B, 64KiB, 256MiB, 1GiB, and KB, MB, GB as powers of 1000; in bytes.
std::optional<std::uint64_t> parse_size(std::string_view text, std::string& why);

// A size and "/s", such as 1KiB/s; in bytes a second.
std::optional<std::uint64_t> parse_rate(std::string_view text, std::string& why);

// A final status of HTTP, 200 to 599.
std::optional<unsigned> parse_status(std::string_view text, std::string& why);

// 0% to 100%, whole.
std::optional<unsigned> parse_percent(std::string_view text, std::string& why);

// The shortest spelling that reads back as the same value.
std::string duration_text(std::chrono::milliseconds value);
std::string size_text(std::uint64_t bytes);
std::string rate_text(std::uint64_t bytes_a_second);

}  // namespace weir::conf
