// Cache-Control, parsed once into a struct (RFC 9111 section 5.2).
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "proxy/http/head.hpp"

namespace weir::cache {

// The largest lifetime there is (RFC 9111 section 1.2.2): larger numbers count as this.
inline constexpr std::chrono::seconds largest_delta{2147483648};

// A directive that is given twice with different arguments, or with an argument that cannot be read, is taken the safe
// way (section 4.2.1): a lifetime becomes zero, min-fresh the largest. Field names of private and no-cache are not
// looked at one by one: with an argument they count as without. A semicolon ends a directive like a comma does, since
// "private; max-age=60" is seen and must not be taken for something unknown.
struct cache_control {
    bool no_store = false;
    bool no_cache = false;
    bool is_private = false;
    bool is_public = false;
    bool must_revalidate = false;
    bool proxy_revalidate = false;
    bool must_understand = false;
    bool no_transform = false;
    bool only_if_cached = false;
    bool immutable = false;
    std::optional<std::chrono::seconds> max_age;
    std::optional<std::chrono::seconds> s_maxage;
    std::optional<std::chrono::seconds> min_fresh;
    std::optional<std::chrono::seconds> max_stale;               // without an argument: the largest
    std::optional<std::chrono::seconds> stale_while_revalidate;  // RFC 5861
    std::optional<std::chrono::seconds> stale_if_error;

    bool operator==(const cache_control&) const = default;
};

// All Cache-Control lines of a head, merged; linear in their size. Pure; never fails.
cache_control parse_cache_control(const http::field_list& fields);

// Whether a request asks for a stored response or none: 504 for what cannot be answered from the cache (section
// 5.2.1.7). Asked only once a lookup found nothing fresh; parses nothing where there is no Cache-Control.
bool only_if_cached(const http::field_list& request);

// delta-seconds (RFC 9111 section 1.2.2); nothing where it is not 1*DIGIT.
std::optional<std::chrono::seconds> parse_delta_seconds(std::string_view text);

}  // namespace weir::cache
