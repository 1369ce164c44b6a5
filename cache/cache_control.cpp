#include "cache/cache_control.hpp"

#include <cstdint>

namespace weir::cache {

namespace {

using std::chrono::seconds;

struct flag_directive {
    std::string_view name;
    bool cache_control::*flag;
};
constexpr flag_directive flag_directives[] = {
    {"no-store", &cache_control::no_store},
    {"no-cache", &cache_control::no_cache},
    {"private", &cache_control::is_private},
    {"public", &cache_control::is_public},
    {"must-revalidate", &cache_control::must_revalidate},
    {"proxy-revalidate", &cache_control::proxy_revalidate},
    {"must-understand", &cache_control::must_understand},
    {"no-transform", &cache_control::no_transform},
    {"only-if-cached", &cache_control::only_if_cached},
    {"immutable", &cache_control::immutable},
};

struct number_directive {
    std::string_view name;
    std::optional<seconds> cache_control::*number;
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

void take_number(const number_directive& directive, std::optional<std::string_view> argument, cache_control& control) {
    std::optional<seconds>& slot = control.*directive.number;
    std::optional<seconds> number;
    if (argument) {
        number = parse_delta_seconds(unquote(*argument));
    } else if (directive.may_stand_alone) {
        number = largest_delta;
    }
    const bool readable = number && (!slot || *slot == *number);
    slot = readable ? *number : directive.when_unreadable;
}

void take_directive(std::string_view directive, cache_control& control) {
    const std::size_t equals = directive.find('=');
    // White space around "=" is not allowed: before it, the name is still recognised; after it, a number is unreadable.
    const std::string_view name = trim(directive.substr(0, equals));
    std::optional<std::string_view> argument;
    if (equals != std::string_view::npos) argument = directive.substr(equals + 1);

    for (const flag_directive& known : flag_directives) {
        if (http::iequals(name, known.name)) {
            control.*known.flag = true;
            return;
        }
    }
    for (const number_directive& known : number_directives) {
        if (http::iequals(name, known.name)) {
            take_number(known, argument, control);
            return;
        }
    }
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

cache_control parse_cache_control(const http::field_list& fields) {
    cache_control control;
    for (const http::field_view field : fields) {
        if (field.id != http::field_id::cache_control) continue;
        for (directive_reader reader(field.value); !reader.at_end();) take_directive(reader.next(), control);
    }
    return control;
}

bool only_if_cached(const http::field_list& request) {
    return request.has(http::field_id::cache_control) && parse_cache_control(request).only_if_cached;
}

}  // namespace weir::cache
