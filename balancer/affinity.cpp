#include "balancer/affinity.hpp"

#include <xxhash.h>

#include <algorithm>

namespace weir::balancer {

namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr std::size_t value_size = 16;

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::uint64_t hash_of(std::string_view text, std::uint64_t seed = 0) {
    return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

// FNV-1a of the name in lower case (RFC 9110 section 4.2.3).
std::uint64_t hash_of_host(std::string_view host) {
    std::uint64_t hash = 14695981039346656037u;
    for (const char c : host) {
        const bool upper = c >= 'A' && c <= 'Z';
        hash = (hash ^ static_cast<unsigned char>(upper ? c - 'A' + 'a' : c)) * 1099511628211u;
    }
    return hash;
}

}  // namespace

std::optional<std::string_view> cookie_value(const http::field_list& fields, std::string_view name) {
    for (const http::field_view field : fields) {
        if (field.id != http::field_id::cookie) continue;
        std::string_view rest = field.value;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find(';'), rest.size());
            const std::string_view pair = trimmed(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
            const std::size_t equals = pair.find('=');
            if (equals != pair.npos && pair.substr(0, equals) == name) return pair.substr(equals + 1);
        }
    }
    return std::nullopt;
}

std::optional<std::uint64_t> sticky_value(const http::field_list& fields, std::string_view name) {
    const auto text = cookie_value(fields, name);
    if (!text || text->size() != value_size) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : *text) {
        const std::size_t digit = digits.find(c);
        if (digit == digits.npos) return std::nullopt;
        value = value << 4 | digit;
    }
    return value;
}

void append_sticky_cookie(std::string_view name, std::uint64_t address_hash, bool https, std::string& out) {
    out.append("Set-Cookie: ").append(name) += '=';
    for (int shift = 60; shift >= 0; shift -= 4) out += digits[address_hash >> shift & 15];
    out += "; Path=/; HttpOnly; SameSite=Lax";
    if (https) out += "; Secure";
    out += "\r\n";
}

std::uint64_t request_hash(const conf::hash_source& source, const http::request_head& request, std::string_view host,
                           std::string_view client) {
    switch (source.type) {
        case conf::hash_source::kind::uri:
            return hash_of(request.target, hash_of_host(host));
        case conf::hash_source::kind::client:
            break;
        case conf::hash_source::kind::header:
            if (request.fields.has(source.name)) return hash_of(request.fields.value(source.name));
            break;
        case conf::hash_source::kind::cookie:
            if (const auto value = cookie_value(request.fields, source.name)) return hash_of(*value);
            break;
    }
    return hash_of(client);
}

}  // namespace weir::balancer
