#include "proxy/escape.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace weir::proxy {

namespace {

constexpr std::string_view cut_mark = "...";
constexpr std::string_view hex = "0123456789ABCDEF";

using byte_set = std::array<bool, 256>;

template <class Predicate>
constexpr byte_set bytes_that(Predicate predicate) {
    byte_set set{};
    for (unsigned byte = 0; byte < set.size(); ++byte) set[byte] = predicate(byte);
    return set;
}

constexpr bool is_special(unsigned byte) {
    return byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\';
}
constexpr byte_set quoted_special = bytes_that(is_special);
constexpr byte_set bare_special = bytes_that([](unsigned byte) { return is_special(byte) || byte == ' '; });
constexpr byte_set message_special = bytes_that([](unsigned byte) { return byte < 0x20 || byte == 0x7f; });
constexpr byte_set json_special = quoted_special;

constexpr const byte_set& special_bytes(escape_style style) {
    switch (style) {
        case escape_style::bare:
            return bare_special;
        case escape_style::message:
            return message_special;
        case escape_style::quoted:
            break;
    }
    return quoted_special;
}

std::uint8_t byte_at(std::string_view text, std::size_t index) {
    return static_cast<std::uint8_t>(text[index]);
}

// Length of the well-formed UTF-8 sequence at the start of `text`, which begins with a byte over 0x7f; 0 if it is none
// (RFC 3629 section 4).
std::size_t utf8_length(std::string_view text) {
    const std::uint8_t first = byte_at(text, 0);
    const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                               : first >= 0xe0 && first <= 0xef ? 3
                               : first >= 0xf0 && first <= 0xf4 ? 4
                                                                : 0;
    if (length == 0 || text.size() < length) return 0;
    const std::uint8_t second = byte_at(text, 1);
    const std::uint8_t least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;  // no overlong forms
    const std::uint8_t most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;  // no surrogates, nothing over 10FFFF
    if (second < least || second > most) return 0;
    for (std::size_t index = 2; index < length; ++index)
        if ((byte_at(text, index) & 0xc0) != 0x80) return 0;
    return length;
}

// What stands in the line for the next bytes of the text.
struct piece {
    std::array<char, 6> characters{};
    std::size_t size = 0;
    std::size_t taken = 1;
};

piece hex_piece(std::string_view prefix, std::uint8_t byte) {
    piece made;
    made.size = prefix.copy(made.characters.data(), prefix.size());
    made.characters[made.size++] = hex[byte >> 4];
    made.characters[made.size++] = hex[byte & 0xf];
    return made;
}

piece json_piece(std::string_view text) {
    const std::uint8_t byte = byte_at(text, 0);
    if (byte == '"' || byte == '\\') return {{'\\', static_cast<char>(byte)}, 2, 1};
    if (byte == '\n') return {{'\\', 'n'}, 2, 1};
    if (byte == '\r') return {{'\\', 'r'}, 2, 1};
    if (byte == '\t') return {{'\\', 't'}, 2, 1};
    if (const std::size_t length = byte > 0x7f ? utf8_length(text) : 0; length > 0) {
        piece same{{}, length, length};
        text.copy(same.characters.data(), length);
        return same;
    }
    return hex_piece("\\u00", byte);
}

// Runs of plain bytes are copied as they are; `make` says what stands for the others.
template <class MakePiece>
char* write_pieces(std::string_view text, const byte_set& special, MakePiece make, char* out, std::size_t room) {
    char* const end = out + room;
    char* last_fit = out;  // the last position from which the mark still fits
    while (!text.empty()) {
        const auto stop =
            std::find_if(text.begin(), text.end(), [&](char c) { return special[static_cast<std::uint8_t>(c)]; });
        const auto run = static_cast<std::size_t>(stop - text.begin());
        const auto left = static_cast<std::size_t>(end - out);
        if (run > left) {
            if (left < cut_mark.size()) return last_fit + cut_mark.copy(last_fit, cut_mark.size());
            out += text.copy(out, left - cut_mark.size());
            return out + cut_mark.copy(out, cut_mark.size());
        }
        char* const mark_at = std::min(out + run, end - cut_mark.size());
        if (mark_at >= out) last_fit = mark_at;
        out += text.copy(out, run);
        text.remove_prefix(run);
        if (text.empty()) break;
        const piece next = make(text);
        if (next.size > static_cast<std::size_t>(end - out)) return last_fit + cut_mark.copy(last_fit, cut_mark.size());
        out = std::copy_n(next.characters.data(), next.size, out);
        text.remove_prefix(next.taken);
        if (static_cast<std::size_t>(end - out) >= cut_mark.size()) last_fit = out;
    }
    return out;
}

}  // namespace

char* write_escaped(std::string_view text, escape_style style, char* out, std::size_t room) {
    const auto as_hex = [](std::string_view rest) { return hex_piece("\\x", byte_at(rest, 0)); };
    return write_pieces(text, special_bytes(style), as_hex, out, room);
}

char* write_json_escaped(std::string_view text, char* out, std::size_t room) {
    return write_pieces(text, json_special, json_piece, out, room);
}

}  // namespace weir::proxy
