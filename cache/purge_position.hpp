// A place in the purge log that the weirs of one memcached share: every purge up to this number had been applied.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::cache {

struct purge_position {
    std::uint64_t epoch = 0;  // of the log: drawn anew when it begins anew
    std::uint64_t number = 0;
    bool operator==(const purge_position&) const = default;
};

// "EPOCH NUMBER": 16 hex digits, a space, a decimal number. What is not just that is nothing. Pure.
std::optional<purge_position> parse_purge_position(std::string_view text);
std::string text(const purge_position& position);

}  // namespace weir::cache
