#include "proxy/http/structured_fields.hpp"

#include <algorithm>

#include "proxy/http/fields.hpp"

namespace weir::http {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_alpha(char c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

int lower_hex(char c) {
    if (is_digit(c)) return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Well-formed UTF-8: no overlong form, no surrogate, nothing beyond U+10FFFF (RFC 3629 section 4).
bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
        const unsigned char first = byte(0);
        const std::size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        if (size == 0 || first > 0xf4 || text.size() < size) return false;
        for (std::size_t i = 1; i < size; ++i) {
            if ((byte(i) & 0xc0) != 0x80) return false;
        }
        if (first == 0xe0 && byte(1) < 0xa0) return false;
        if (first == 0xed && byte(1) > 0x9f) return false;
        if (first == 0xf0 && byte(1) < 0x90) return false;
        if (first == 0xf4 && byte(1) > 0x8f) return false;
        text.remove_prefix(size);
    }
    return true;
}

// Takes a field apart from the front. Every function says false for what breaks the grammar; then parsing ends.
class reader {
  public:
    explicit reader(std::string_view text) : rest_(text) {}

    bool at_end() const { return rest_.empty(); }
    void skip_spaces() {
        while (next_is(' ')) rest_.remove_prefix(1);
    }
    // Between two members of a list or dictionary; false where a comma is missing or ends the field.
    bool comma() {
        skip_white_space();
        if (!take(',')) return false;
        skip_white_space();
        return !at_end();
    }
    void skip_white_space() {
        while (next_is(' ') || next_is('\t')) rest_.remove_prefix(1);
    }
    bool key(std::string& out) {
        if (at_end() || (!is_lower(rest_.front()) && rest_.front() != '*')) return false;
        out = take_while(
            [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*'; });
        return true;
    }
    bool member_value(sf_value& out) {
        if (!take('=')) return parameters();  // a key alone is true
        return item_or_inner_list(out);
    }
    bool item_or_inner_list(sf_value& out) {
        if (next_is('(')) return inner_list(out);
        return item(out);
    }

  private:
    bool next_is(char c) const { return !rest_.empty() && rest_.front() == c; }
    bool take(char c) {
        if (!next_is(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    template <class F>
    std::string_view take_while(F f) {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), f);
        const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(taken.size());
        return taken;
    }

    bool item(sf_value& out) { return bare_item(out) && parameters(); }
    bool inner_list(sf_value& out) {
        out.type = sf_type::inner_list;
        take('(');
        for (;;) {
            skip_spaces();
            if (take(')')) return parameters();
            sf_value ignored;
            if (!item(ignored) || (!next_is(' ') && !next_is(')'))) return false;
        }
    }
    bool parameters() {
        while (take(';')) {
            skip_spaces();
            std::string name;
            sf_value ignored;
            if (!key(name) || (take('=') && !bare_item(ignored))) return false;
        }
        return true;
    }

    bool bare_item(sf_value& out) {
        if (at_end()) return false;
        const char c = rest_.front();
        if (c == '-' || is_digit(c)) return number(out);
        if (c == '"') return string(out);
        if (c == '*' || is_alpha(c)) return token(out);
        if (c == ':') return byte_sequence(out);
        if (c == '?') return boolean(out);
        if (c == '@') return date(out);
        if (c == '%') return display_string(out);
        return false;
    }
    bool number(sf_value& out) {
        const bool negative = take('-');
        const std::string_view whole = take_while(is_digit);
        const bool has_fraction = take('.');
        if (whole.empty() || whole.size() > (has_fraction ? 12u : 15u)) return false;
        out.type = has_fraction ? sf_type::decimal : sf_type::integer;
        if (has_fraction) {
            const std::size_t digits = take_while(is_digit).size();
            return digits >= 1 && digits <= 3;
        }
        out.integer = 0;
        for (const char c : whole) out.integer = out.integer * 10 + (c - '0');
        if (negative) out.integer = -out.integer;
        return true;
    }
    bool string(sf_value& out) {
        out.type = sf_type::string;
        out.text.clear();
        take('"');
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') return true;
            if (c < ' ' || c > '~') return false;
            if (c != '\\') {
                out.text += c;
                continue;
            }
            if (!next_is('"') && !next_is('\\')) return false;
            out.text += rest_.front();
            rest_.remove_prefix(1);
        }
        return false;
    }
    bool token(sf_value& out) {
        out.type = sf_type::token;
        out.text = take_while([](char c) { return c == ':' || c == '/' || valid_field_name({&c, 1}); });
        return true;
    }
    bool byte_sequence(sf_value& out) {
        out.type = sf_type::byte_sequence;
        take(':');
        take_while([](char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '/' || c == '='; });
        return take(':');
    }
    bool boolean(sf_value& out) {
        out.type = sf_type::boolean;
        take('?');
        out.boolean = next_is('1');
        return take('1') || take('0');
    }
    bool date(sf_value& out) {
        take('@');
        if (!number(out) || out.type != sf_type::integer) return false;
        out.type = sf_type::date;
        return true;
    }
    bool display_string(sf_value& out) {
        out.type = sf_type::display_string;
        take('%');
        if (!take('"')) return false;
        std::string bytes;
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') return is_utf8(bytes);
            if (c < ' ' || c > '~') return false;
            if (c != '%') {
                bytes += c;
                continue;
            }
            if (rest_.size() < 2 || lower_hex(rest_[0]) < 0 || lower_hex(rest_[1]) < 0) return false;
            bytes += static_cast<char>(lower_hex(rest_[0]) * 16 + lower_hex(rest_[1]));
            rest_.remove_prefix(2);
        }
        return false;
    }

    std::string_view rest_;
};

// Calls member(), which takes one member off `in`, for every one of a list or dictionary. False for what is invalid.
template <class F>
bool for_each_member(reader& in, F member) {
    in.skip_spaces();
    while (!in.at_end()) {
        if (!member()) return false;
        in.skip_white_space();
        if (!in.at_end() && !in.comma()) return false;
    }
    return true;
}

// Section 3.2 asks for room for that many; more would only make finding a key slow.
constexpr std::size_t max_keys = 1024;

bool assign(sf_dictionary& dictionary, sf_member member) {
    const auto known = std::find_if(dictionary.begin(), dictionary.end(),
                                    [&](const sf_member& other) { return other.key == member.key; });
    if (known != dictionary.end()) {
        known->value = std::move(member.value);
        return true;
    }
    if (dictionary.size() == max_keys) return false;
    dictionary.push_back(std::move(member));
    return true;
}

}  // namespace

std::optional<std::string> combined_value(const field_list& fields, std::string_view name) {
    std::optional<std::string> combined;
    for (const field_view field : fields) {
        if (!iequals(field.name, name)) continue;
        if (combined) {
            combined->append(", ").append(field.value);
        } else {
            combined.emplace(field.value);
        }
    }
    return combined;
}

std::optional<sf_dictionary> parse_dictionary(std::string_view combined) {
    reader in(combined);
    sf_dictionary dictionary;
    const bool valid = for_each_member(in, [&] {
        sf_member member;
        if (!in.key(member.key) || !in.member_value(member.value)) return false;
        return assign(dictionary, std::move(member));
    });
    if (!valid) return std::nullopt;
    return dictionary;
}

std::optional<std::vector<std::string>> parse_string_list(std::string_view combined) {
    reader in(combined);
    std::vector<std::string> strings;
    const bool valid = for_each_member(in, [&] {
        sf_value value;
        if (!in.item_or_inner_list(value) || value.type != sf_type::string) return false;
        strings.push_back(std::move(value.text));
        return true;
    });
    if (!valid) return std::nullopt;
    return strings;
}

}  // namespace weir::http
