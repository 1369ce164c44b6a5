// The cache key: scheme, normalised host and target exactly as it is forwarded (RFC 9111 section 2), and Vary (4.1).
// Nothing in the key is decoded or reordered.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/stored_response.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

// What of a request selects among stored responses.
struct request_view {
    const http::field_list& fields;
    // Where the route names session cookies: whether the request has one, which is then all that Vary: Cookie means.
    std::optional<bool> personal = std::nullopt;
};

// Writes the key to `out`, which is cleared first and whose capacity is reused. GET and HEAD share one key.
void make_key(std::string_view scheme, std::string_view host, std::string_view target, std::string& out);

// The request's side of a response's Vary (section 4.1), one member a name. Nothing for `Vary: *`, for what is no field
// name, and for more than 16 names: never selected, not stored.
std::optional<std::vector<vary_field>> vary_of(const http::field_list& response, const http::field_list& request);

// True when `request` selects a response that was stored with `vary`. White space around the commas of list members
// does not count, except in fields that are known to be no lists (Cookie, User-Agent, ...); Accept-Encoding and
// Accept-Language compare without regard to case. An absent field matches an absent one only. Does not allocate; linear
// in the request's fields for each member of `vary`.
bool selects(const std::vector<vary_field>& vary, const http::field_list& request);

// True when the request that brought `newer` selects `older` too, as far as is known: every member of `older` is one of
// `newer`, with the same value.
bool is_superseded(const std::vector<vary_field>& older, const std::vector<vary_field>& newer);

}  // namespace weir::cache
