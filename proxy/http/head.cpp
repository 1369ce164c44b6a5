#include "proxy/http/head.hpp"

#include <cstring>
#include <functional>

namespace weir::http {

namespace {

// `view` at its new place, when it lies in the `size` bytes that moved. What does not is one of our own constants ("/"
// or "*").
std::string_view moved(std::string_view view, const char* from, std::uint32_t size, const char* to) {
    const std::less<const char*> before;
    if (from == nullptr || before(view.data(), from) || !before(view.data(), from + size)) return view;
    return {to + (view.data() - from), view.size()};
}

std::uint64_t word_at(const char* bytes) {
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

// Eight characters at once, with A to Z in lower case. A sum of seven bits carries into the eighth where the character
// is at least, or past, what it is compared with.
std::uint64_t lower(std::uint64_t characters) {
    constexpr std::uint64_t each = 0x0101010101010101;
    const std::uint64_t low_bits = characters & (each * 0x7f);
    const std::uint64_t from_a = low_bits + each * (0x80 - 'A');
    const std::uint64_t past_z = low_bits + each * (0x7f - 'Z');
    const std::uint64_t is_upper = (from_a ^ past_z) & ~characters & (each * 0x80);
    return characters | (is_upper >> 2);
}

}  // namespace

std::string_view field_list::find_value(field_id id) const {
    for (const position& p : positions_) {
        if (p.id == id) return {base_ + p.value, p.value_size};
    }
    return {};
}

bool field_list::contains(field_id id) const {
    for (const position& p : positions_) {
        if (p.id == id) return true;
    }
    return false;
}

std::size_t field_list::count(field_id id) const {
    std::size_t n = 0;
    for (const position& p : positions_) n += p.id == id;
    return n;
}

std::string_view field_list::value(std::string_view name) const {
    for (const position& p : positions_) {
        if (iequals({base_ + p.name, p.name_size}, name)) return {base_ + p.value, p.value_size};
    }
    return {};
}

bool field_list::has(std::string_view name) const {
    for (const position& p : positions_) {
        if (iequals({base_ + p.name, p.name_size}, name)) return true;
    }
    return false;
}

void request_head::clear() {
    method = verb::unknown;
    version = 11;
    keep_alive = true;
    expects_continue = false;
    upgrade_websocket = false;
    removes_fields = false;
    body = body_kind::none;
    content_length = 0;
    size = 0;
    method_text = {};
    target = {};
    host = {};
    fields.clear();
}

void request_head::rebase(const char* base) {
    const char* from = fields.base();
    method_text = moved(method_text, from, size, base);
    target = moved(target, from, size, base);
    host = moved(host, from, size, base);
    fields.set_base(base);
}

void response_head::clear() {
    status = 0;
    version = 11;
    keep_alive = true;
    body = body_kind::none;
    content_length = 0;
    has_content_length = false;
    size = 0;
    reason = {};
    fields.clear();
}

void response_head::rebase(const char* base) {
    reason = moved(reason, fields.base(), size, base);
    fields.set_base(base);
}

bool is_safe(verb method) {
    return method == verb::get || method == verb::head || method == verb::options || method == verb::trace;
}

bool is_idempotent(verb method) {
    return is_safe(method) || method == verb::put || method == verb::delete_;
}

bool iequals(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    if (a.size() >= sizeof(std::uint64_t)) {
        const auto same = [&](std::size_t at) {
            const std::uint64_t x = word_at(a.data() + at), y = word_at(b.data() + at);
            return x == y || lower(x) == lower(y);
        };
        const std::size_t last = a.size() - sizeof(std::uint64_t);
        for (std::size_t at = 0; at < last; at += sizeof(std::uint64_t)) {
            if (!same(at)) return false;
        }
        return same(last);
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        const unsigned char difference = static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
        if (difference == 0) continue;
        // Only letters have a case: '@' and '`' differ by the same bit.
        const unsigned letter = (static_cast<unsigned char>(a[i]) | 0x20u) - 'a';
        if (difference != 0x20 || letter > 'z' - 'a') return false;
    }
    return true;
}

}  // namespace weir::http
