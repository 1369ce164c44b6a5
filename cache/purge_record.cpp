#include "cache/purge_record.hpp"

#include <algorithm>
#include <charconv>

#include "cache/hex.hpp"

namespace weir::cache {

namespace {

constexpr std::string_view start = "weir-purges 1 ";
constexpr std::size_t node_digits = 16;

std::string_view word(purge_mode mode) {
    return mode == purge_mode::hard ? "hard" : "soft";
}

// No key, tag or group has any of these, and a line with them would be read as another.
bool breaks_line(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c == '\n' || c == '\r' || c == '\0'; });
}

bool has_space(std::string_view text) {
    return breaks_line(text) || text.find(' ') != text.npos;
}

// What comes before the next `end`, which is taken off with it; nothing where there is none.
std::optional<std::string_view> take_until(char end, std::string_view& text) {
    const std::size_t at = text.find(end);
    if (at == text.npos) return std::nullopt;
    const std::string_view taken = text.substr(0, at);
    text.remove_prefix(at + 1);
    return taken;
}

// `line` without its line feed.
std::optional<purge> parse_line(std::string_view line) {
    if (breaks_line(line)) return std::nullopt;
    purge read;
    const auto mode = take_until(' ', line);
    if (mode == "soft") {
        read.mode = purge_mode::soft;
    } else if (mode != "hard") {
        return std::nullopt;
    }
    if (line == "all") return read;
    const auto kind = take_until(' ', line);
    if (kind == "group") {
        const auto origin = take_until(' ', line);
        if (!origin || origin->empty() || read.mode != purge_mode::hard) return std::nullopt;
        read.kind = purge_kind::group;
        read.origin = *origin;
        read.text = line;
        return read;
    }
    if (kind == "url") {
        read.kind = purge_kind::url;
    } else if (kind == "prefix") {
        read.kind = purge_kind::prefix;
    } else if (kind == "tag") {
        read.kind = purge_kind::tag;
    } else {
        return std::nullopt;
    }
    if (line.empty() || has_space(line)) return std::nullopt;
    read.text = line;
    return read;
}

}  // namespace

std::string purge_head_key(std::string_view prefix) {
    return std::string(prefix).append(":purges");
}

std::string purge_record_key(std::string_view prefix, const purge_position& at) {
    std::string key = purge_head_key(prefix).append(":");
    append_hex(at.epoch, key);
    return key.append(":").append(std::to_string(at.number));
}

std::string purge_record_start(std::uint64_t node) {
    std::string line(start);
    append_hex(node, line);
    return line.append("\n");
}

std::string purge_line(const purge& what) {
    const std::string_view mode = word(what.kind == purge_kind::group ? purge_mode::hard : what.mode);
    std::string line(mode);
    switch (what.kind) {
        case purge_kind::url:
            if (what.text.empty() || has_space(what.text)) return {};
            line.append(" url ").append(what.text);
            break;
        case purge_kind::prefix:
            if (has_space(what.text)) return {};
            if (!what.text.empty()) line.append(" prefix ").append(what.text);
            break;
        case purge_kind::tag:
            if (what.text.empty() || has_space(what.text)) return {};
            line.append(" tag ").append(what.text);
            break;
        case purge_kind::group:
            if (what.origin.empty() || has_space(what.origin) || breaks_line(what.text)) return {};
            line.append(" group ").append(what.origin).append(" ").append(what.text);
            break;
        case purge_kind::all:
            break;
    }
    const bool is_too_long = line.size() + 1 + start.size() + node_digits + 1 > max_purge_record_bytes;
    if (is_too_long || line.size() == mode.size()) line.assign(mode).append(" all");
    return line.append("\n");
}

std::optional<purge_record> parse_purge_record(std::string_view text) {
    if (text.size() > max_purge_record_bytes || !text.starts_with(start)) return std::nullopt;
    text.remove_prefix(start.size());
    const auto node = take_until('\n', text);
    if (!node || node->size() != node_digits) return std::nullopt;
    purge_record record;
    const auto [stop, failure] = std::from_chars(node->data(), node->data() + node->size(), record.node, 16);
    if (failure != std::errc() || stop != node->data() + node->size()) return std::nullopt;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        const auto read = parse_line(line);
        if (!read) return std::nullopt;
        record.purges.push_back(*read);
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return record;
}

std::optional<purge_position> parse_purge_head(std::string_view text) {
    const auto head = parse_purge_position(text);
    if (!head || head->epoch == 0 || head->number > max_purge_number) return std::nullopt;
    return head;
}

}  // namespace weir::cache
