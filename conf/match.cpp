#include "conf/match.hpp"

#include "conf/address.hpp"
#include "conf/words.hpp"

#include <array>

namespace weir::conf {
namespace {

constexpr std::size_t longest_path = 4'096;
constexpr std::string_view unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
constexpr std::string_view sub_delims = "!$&'()*+,;=:@";

bool contains(std::string_view set, char c) {
    return set.find(c) != std::string_view::npos;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool check_escape(std::string_view text, std::size_t at, std::string& why) {
    const int high = at + 2 < text.size() ? hex_digit(text[at + 1]) : -1;
    const int low = at + 2 < text.size() ? hex_digit(text[at + 2]) : -1;
    if (high < 0 || low < 0) {
        why = in_quotes(text) + " has a % without two hexadecimal digits; a % itself is written %25";
        return false;
    }
    const char byte = static_cast<char>(high * 16 + low);
    if (!contains(unreserved, byte)) return true;
    why = "paths are compared with " + std::string(text.substr(at, 3)) + " decoded; write " + in_quotes({&byte, 1}) +
          " instead";
    return false;
}

bool check_characters(std::string_view text, std::string& why) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '%' && !check_escape(text, i, why)) return false;
        if (c == '%' || c == '/' || contains(unreserved, c) || contains(sub_delims, c)) continue;
        if (c == '?' || c == '#')
            why = in_quotes(text) + " has a query or fragment; only the path counts";
        else
            why = in_quotes(text) + " has characters that a path may not have; percent-encode them, as in %20";
        return false;
    }
    return true;
}

bool check_segments(std::string_view text, std::string& why) {
    for (std::size_t start = 1; start <= text.size();) {
        const auto end = std::min(text.find('/', start), text.size());
        const auto segment = text.substr(start, end - start);
        if (segment == "." || segment == "..") {
            why = in_quotes(text) + " has the segment " + in_quotes(segment) + "; write the path without it";
            return false;
        }
        start = end + 1;
    }
    return true;
}

// `text` with its placeholders replaced by a letter; nothing if there are other braces.
std::optional<std::string> without_placeholders(std::string_view text) {
    constexpr std::array<std::string_view, 3> known{"{scheme}", "{host}", "{port}"};
    std::string out;
    while (!text.empty()) {
        std::size_t length = 1;
        for (const auto placeholder : known)
            if (text.substr(0, placeholder.size()) == placeholder) length = placeholder.size();
        if (length == 1 && (text.front() == '{' || text.front() == '}')) return std::nullopt;
        out += length == 1 ? text.front() : 'x';
        text.remove_prefix(length);
    }
    return out;
}

}  // namespace

std::optional<std::string> parse_host_pattern(std::string_view text, std::string& why) {
    if (text == "*") return "*";
    std::string host = lower_case(text);
    const std::string name = host.substr(0, 2) == "*." ? host.substr(2) : host;
    if (name.find('*') != std::string::npos) {
        why = in_quotes(text) + " has a * inside; it may be \"*\", \"*.example.com\" or a whole name";
        return std::nullopt;
    }
    if (name.find(':') != std::string::npos && name.front() != '[') {
        why = in_quotes(text) + " has a port; write the host alone, it matches on every port";
        return std::nullopt;
    }
    if (!name.empty() && name.back() == '.') {
        why = in_quotes(text) + " ends in a dot; write it without";
        return std::nullopt;
    }
    const auto parsed = parse_address(name + ":1", address_use::server, why);
    if (!parsed) {
        why = in_quotes(text) + " is no host; it may be \"*\", \"*.example.com\" or a name";
        return std::nullopt;
    }
    if (name.front() == '[') return "[" + parsed->host + "]";
    return host;
}

std::optional<path_pattern> parse_path_pattern(std::string_view text, std::string& why) {
    path_pattern out;
    out.exact = text.substr(0, 1) == "=";
    if (out.exact) {
        if (text.substr(0, 2) != "= ") {
            why = in_quotes(text) + " needs a space after the =, as in \"= /exact\"";
            return std::nullopt;
        }
        text.remove_prefix(std::min(text.find_first_not_of(' ', 1), text.size()));
    }
    if (!check_path(text, why)) return std::nullopt;
    out.path = text;
    return out;
}

bool check_path(std::string_view text, std::string& why) {
    if (text.empty() || text.front() != '/') {
        why = in_quotes(text) + " has to begin with a slash, as in \"/prefix\"";
        return false;
    }
    if (text.size() > longest_path) {
        why = "a path may have at most 4096 bytes";
        return false;
    }
    return check_characters(text, why) && check_segments(text, why);
}

bool check_request_target(std::string_view text, std::string& why) {
    if (text.empty() || text.front() != '/') {
        why = in_quotes(text) + " has to begin with a slash, as in \"/health\"";
        return false;
    }
    if (text.size() > longest_path) {
        why = "a path may have at most 4096 bytes";
        return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '%' && (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0)) {
            why = in_quotes(text) + " has a % without two hexadecimal digits; a % itself is written %25";
            return false;
        }
        if (contains("%/?", c) || contains(unreserved, c) || contains(sub_delims, c)) continue;
        why = in_quotes(text) + " has characters that a request may not have; percent-encode them, as in %20";
        return false;
    }
    return true;
}

bool check_rewrite_target(std::string_view text, std::string& why) {
    const auto plain = without_placeholders(text);
    if (!plain) {
        why = in_quotes(text) + " has braces that are none of {scheme}, {host} and {port}";
        return false;
    }
    return check_path(*plain, why);
}

bool check_no_final_slash(std::string_view text, std::string& why) {
    if (text.empty() || text.back() != '/') return true;
    why = in_quotes(text) + " ends in a slash; write it without, what follows it begins with one";
    return false;
}

bool is_path_prefix(std::string_view prefix, std::string_view path) {
    if (path.substr(0, prefix.size()) != prefix) return false;
    return prefix.size() == path.size() || prefix.back() == '/' || path[prefix.size()] == '/';
}

}  // namespace weir::conf
