// Cache-Control and the fields that go before it, parsed once into a struct (RFC 9111 section 5.2, RFC 9213).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/compact_optional.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

// The largest lifetime there is (RFC 9111 section 1.2.2): larger numbers count as this.
inline constexpr std::chrono::seconds largest_delta{2147483648};

// The directives that say something in a response, field names aside.
struct response_directives {
    bool no_store = false;
    bool no_cache = false;    // without field names
    bool is_private = false;  // likewise
    bool is_public = false;
    bool must_revalidate = false;
    bool proxy_revalidate = false;
    bool must_understand = false;
    bool no_transform = false;
    bool only_if_cached = false;
    bool immutable = false;
    bool targeted = false;  // from a field meant for caches like this one: then Expires does not count either
    optional_seconds max_age;
    optional_seconds s_maxage;
    optional_seconds stale_while_revalidate;  // RFC 5861
    optional_seconds stale_if_error;

    bool operator==(const response_directives&) const = default;
};

// What private and no-cache are about where they have field names (sections 5.2.2.4 and 5.2.2.7), in lower case:
// leaving such a field out of what is stored satisfies either.
struct withheld_fields {
    std::vector<std::string> private_fields;
    std::vector<std::string> no_cache_fields;

    // One of either.
    bool names(std::string_view field) const;
    bool operator==(const withheld_fields&) const = default;
};

// A directive of Cache-Control that is given twice with different arguments, or with an argument that cannot be read,
// is taken the safe way (section 4.2.1): a lifetime becomes zero, min-fresh the largest. A semicolon ends a directive
// like a comma does, since "private; max-age=60" is seen and must not be taken for something unknown.
struct cache_control : response_directives, withheld_fields {  // fields are withheld by response_control alone
    optional_seconds min_fresh;
    optional_seconds max_stale;  // without an argument: the largest

    bool operator==(const cache_control&) const = default;
};

// The directives of a response: those of Weir-Cache-Control, else CDN-Cache-Control, else all Cache-Control lines,
// merged. A targeted field that is empty, or no dictionary as a whole, is passed over (RFC 9213 section 2.2); in one
// that counts, a lifetime that is no integer of zero or more is zero, and what restricts is meant unless it is ?0.
// private and no-cache with names that are none, more than 64, or of fields without which the rest would be misread
// (Vary, Content-Type, ...), count as without. Linear in the size of the fields; pure; never fails.
cache_control response_control(const http::field_list& response);

// The directives of a request: its Cache-Control lines, or, where it has none, Pragma: no-cache (section 5.4). Names
// after private and no-cache mean nothing there. Does not allocate.
cache_control request_control(const http::field_list& request);

// Whether a request asks for a stored response or none: 504 for what cannot be answered from the cache (section
// 5.2.1.7). Asked only once a lookup found nothing fresh; parses nothing where there is no Cache-Control.
bool only_if_cached(const http::field_list& request);

// delta-seconds (RFC 9111 section 1.2.2); nothing where it is not 1*DIGIT.
std::optional<std::chrono::seconds> parse_delta_seconds(std::string_view text);

}  // namespace weir::cache
