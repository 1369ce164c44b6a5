#include "cache/cache_control.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "proxy/http/fields.hpp"
#include "proxy/http/structured_fields.hpp"

namespace weir::cache {

namespace {

using std::chrono::seconds;

// What a cache looks for in a response before Cache-Control, in this order (RFC 9213 section 2.2).
constexpr std::array<std::string_view, 2> target_list = {"Weir-Cache-Control", "CDN-Cache-Control"};

struct flag_directive {
    std::string_view name;
    bool cache_control::*flag;
    std::vector<std::string> cache_control::*names = nullptr;  // the fields that it is about, where it says so
    bool permits = false;                                      // allows what would not be allowed without it
};
constexpr flag_directive flag_directives[] = {
    {"no-store", &cache_control::no_store},
    {"no-cache", &cache_control::no_cache, &cache_control::no_cache_fields},
    {"private", &cache_control::is_private, &cache_control::private_fields},
    {"public", &cache_control::is_public, nullptr, true},
    {"must-revalidate", &cache_control::must_revalidate},
    {"proxy-revalidate", &cache_control::proxy_revalidate},
    {"must-understand", &cache_control::must_understand, nullptr, true},
    {"no-transform", &cache_control::no_transform},
    {"only-if-cached", &cache_control::only_if_cached},
    {"immutable", &cache_control::immutable, nullptr, true},
};

struct number_directive {
    std::string_view name;
    optional_seconds cache_control::*number;
    seconds when_unreadable;
    bool may_stand_alone = false;  // without an argument it means the largest number
};
constexpr number_directive number_directives[] = {
    {"max-age", &cache_control::max_age, seconds{0}},
    {"s-maxage", &cache_control::s_maxage, seconds{0}},
    {"min-fresh", &cache_control::min_fresh, largest_delta},
    {"max-stale", &cache_control::max_stale, seconds{0}, true},
    {"stale-while-revalidate", &cache_control::stale_while_revalidate, seconds{0}},
    {"stale-if-error", &cache_control::stale_if_error, seconds{0}},
};

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// Cuts one field line into directives.
class directive_reader {
  public:
    explicit directive_reader(std::string_view line) : rest_(line) {}
    bool at_end() const { return rest_.empty(); }
    std::string_view next() {
        const std::size_t end = find_end();
        const std::string_view directive = trim(rest_.substr(0, end));
        rest_.remove_prefix(end == rest_.size() ? end : end + 1);
        return directive;
    }

  private:
    std::size_t find_end() {
        for (std::size_t i = 0; i < rest_.size(); ++i) {
            if (rest_[i] == ',' || rest_[i] == ';') return i;
            if (rest_[i] != '"' || !quotes_count_) continue;
            const std::size_t close = find_closing_quote(i + 1);
            // A quote that nobody closes must not hide a no-store behind it.
            if (close == std::string_view::npos) {
                quotes_count_ = false;
            } else {
                i = close;
            }
        }
        return rest_.size();
    }
    std::size_t find_closing_quote(std::size_t from) const {
        for (std::size_t i = from; i < rest_.size(); ++i) {
            if (rest_[i] == '"') return i;
            if (rest_[i] == '\\') ++i;
        }
        return std::string_view::npos;
    }

    std::string_view rest_;
    bool quotes_count_ = true;
};

// Both forms of an argument are to be accepted (section 5.2): token and quoted-string.
std::string_view unquote(std::string_view argument) {
    if (argument.size() >= 2 && argument.front() == '"' && argument.back() == '"') {
        return argument.substr(1, argument.size() - 2);
    }
    return argument;
}

// Without these the rest of the response would be read as what it is not.
bool can_be_left_out(std::string_view field) {
    return http::valid_field_name(field) && !field.starts_with("content-") && field != "vary" && field != "date" &&
           field != "cache-control" && field != "expires";
}

// Beyond so many it is quicker to take all of them.
constexpr std::size_t max_names = 64;

// Adds the field names in `list`; false, and some added, where not all of them are names that can be left out.
bool add_names(std::string_view list, std::vector<std::string>& names) {
    bool any = false;
    const bool refused = http::any_element(list, [&](std::string_view element) {
        any = true;
        std::string name(element);
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
        if (!can_be_left_out(name) || names.size() == max_names) return true;
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
        return false;
    });
    return any && !refused;
}

void take_flag(const flag_directive& directive, std::optional<std::string_view> names, cache_control& control) {
    if (directive.names && names && add_names(*names, control.*directive.names)) return;
    control.*directive.flag = true;
}

void take_number(const number_directive& directive, std::optional<std::string_view> argument, cache_control& control) {
    optional_seconds& slot = control.*directive.number;
    std::optional<seconds> number;
    if (argument) {
        number = parse_delta_seconds(unquote(*argument));
    } else if (directive.may_stand_alone) {
        number = largest_delta;
    }
    const bool readable = number && (!slot || *slot == *number);
    slot = readable ? *number : directive.when_unreadable;
}

void take_directive(std::string_view directive, bool of_response, cache_control& control) {
    const std::size_t equals = directive.find('=');
    // White space around "=" is not allowed: before it, the name is still recognised; after it, a number is unreadable.
    const std::string_view name = trim(directive.substr(0, equals));
    std::optional<std::string_view> argument;
    if (equals != std::string_view::npos) argument = directive.substr(equals + 1);

    for (const flag_directive& known : flag_directives) {
        if (!http::iequals(name, known.name)) continue;
        return take_flag(known, of_response && argument ? std::optional(unquote(*argument)) : std::nullopt, control);
    }
    for (const number_directive& known : number_directives) {
        if (http::iequals(name, known.name)) return take_number(known, argument, control);
    }
}

cache_control read_lines(const http::field_list& fields, bool of_response) {
    cache_control control;
    for (const http::field_view field : fields) {
        if (field.id != http::field_id::cache_control) continue;
        for (directive_reader reader(field.value); !reader.at_end();) {
            take_directive(reader.next(), of_response, control);
        }
    }
    return control;
}

void take_member(const http::sf_member& member, cache_control& control) {
    const http::sf_value& value = member.value;
    const bool is_boolean = value.type == http::sf_type::boolean;
    const bool has_text = value.type == http::sf_type::string || value.type == http::sf_type::token;
    for (const flag_directive& known : flag_directives) {
        if (member.key != known.name) continue;
        if (is_boolean ? !value.boolean : known.permits) return;
        return take_flag(known, has_text ? std::optional<std::string_view>(value.text) : std::nullopt, control);
    }
    for (const number_directive& known : number_directives) {
        if (member.key != known.name) continue;
        const bool readable = value.type == http::sf_type::integer && value.integer >= 0;
        control.*known.number = readable ? std::min(seconds{value.integer}, largest_delta) : known.when_unreadable;
        return;
    }
}

std::optional<cache_control> read_targeted(const http::field_list& fields, std::string_view name) {
    const std::optional<std::string> combined = http::combined_value(fields, name);
    if (!combined) return std::nullopt;
    const std::optional<http::sf_dictionary> members = http::parse_dictionary(*combined);
    if (!members || members->empty()) return std::nullopt;
    cache_control control;
    control.targeted = true;
    for (const http::sf_member& member : *members) take_member(member, control);
    return control;
}

bool is_pragma_no_cache(http::field_view field) {
    return field.id == http::field_id::pragma &&
           http::any_element(field.value, [](std::string_view element) { return http::iequals(element, "no-cache"); });
}

}  // namespace

std::optional<seconds> parse_delta_seconds(std::string_view text) {
    if (text.empty()) return std::nullopt;
    std::int64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        if (value < largest_delta.count()) value = value * 10 + (c - '0');
    }
    return std::min(seconds{value}, largest_delta);
}

bool withheld_fields::names(std::string_view field) const {
    const auto is_same = [field](const std::string& name) { return http::iequals(name, field); };
    return std::any_of(private_fields.begin(), private_fields.end(), is_same) ||
           std::any_of(no_cache_fields.begin(), no_cache_fields.end(), is_same);
}

cache_control response_control(const http::field_list& response) {
    for (const std::string_view target : target_list) {
        if (std::optional<cache_control> control = read_targeted(response, target)) return std::move(*control);
    }
    return read_lines(response, true);
}

cache_control request_control(const http::field_list& request) {
    cache_control control = read_lines(request, false);
    if (!request.has(http::field_id::cache_control)) {
        control.no_cache = std::any_of(request.begin(), request.end(), is_pragma_no_cache);
    }
    return control;
}

bool only_if_cached(const http::field_list& request) {
    return request.has(http::field_id::cache_control) && request_control(request).only_if_cached;
}

}  // namespace weir::cache
