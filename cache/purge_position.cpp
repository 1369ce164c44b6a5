#include "cache/purge_position.hpp"

#include <charconv>

#include "cache/hex.hpp"

namespace weir::cache {

std::optional<purge_position> parse_purge_position(std::string_view text) {
    constexpr std::size_t digits = 16;
    if (text.size() < digits + 2 || text[digits] != ' ') return std::nullopt;
    const auto read = [](std::string_view number, int base, std::uint64_t& value) {
        const auto end = number.data() + number.size();
        const auto [stop, failure] = std::from_chars(number.data(), end, value, base);
        return failure == std::errc() && stop == end;
    };
    purge_position position;
    if (!read(text.substr(0, digits), 16, position.epoch) || !read(text.substr(digits + 1), 10, position.number)) {
        return std::nullopt;
    }
    return position;
}

std::string text(const purge_position& position) {
    std::string out;
    append_hex(position.epoch, out);
    return out.append(" ").append(std::to_string(position.number));
}

}  // namespace weir::cache
