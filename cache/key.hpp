// The cache key: scheme, normalised host and target exactly as it is forwarded (RFC 9111 section 2), the request fields
// and cookies that the route adds, and Vary (4.1). Nothing in the key is decoded or reordered: what `key` of a route
// leaves out of the query is left out of the forwarded target too, so no response depends on what its key does not say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/stored_response.hpp"
#include "conf/settings.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

// Writes the key to `out`, which is cleared first and whose capacity is reused: "scheme://host", the keyed target, and
// a line for each keyed field ("\nname: value") and cookie ("\nname= value"), without the space and the value where the
// request has none. A line break in a value is written as \n and a backslash doubled, so that no value writes another
// key. GET and HEAD share one key. Allocates nothing else. `host` is normalised (http::append_normalised_host), or
// empty.
void make_key(std::string_view scheme, std::string_view host, std::string_view target,
              const conf::key_settings& settings, const http::field_list& request, std::string& out);

// Host and target of a key, whatever its scheme and the fields in it: what purging by URL compares. A view into `key`.
std::string_view url_of(std::string_view key);

// "scheme://host" of a key. A view into `key`.
std::string_view origin_of(std::string_view key);

// `target` with the parameters of its query that count, in the order they came and as they are, appended to `out`; what
// is forwarded for a response that may be stored. A parameter is what lies between two &; names compare as
// percent-decoded. The default settings take the target as it is; others leave out empty parameters and a ? with
// nothing behind it.
void append_keyed_target(std::string_view target, const conf::key_settings& settings, std::string& out);

inline constexpr std::uint32_t max_vary_names = 16;

// The request's side of a response's Vary (section 4.1), one member a name. Nothing for `Vary: *`, for what is no field
// name, and for more than max_vary_names: never selected, not stored.
std::optional<std::vector<vary_field>> vary_of(const http::field_list& response, const request_view& request);

// The same for the names of a response that is known already.
std::vector<vary_field> vary_of(const std::vector<vary_field>& names, const request_view& request);

// Appends a member's value in the one form that all values which `selects` takes for the same have in common. The
// member has a value.
void append_canonical_value(const vary_view& field, std::string& out);

// True when `request` selects a response that was stored with `vary`. White space around the commas of list members
// does not count, except in fields that are known to be no lists (Cookie, User-Agent, ...); Accept-Encoding and
// Accept-Language compare without regard to case. An absent field matches an absent one only. Cookie compares as
// personal or not where the view says that; what was stored while the route said it otherwise is not selected. Does not
// allocate; linear in the request's fields for each member of `vary`.
bool selects(const std::vector<vary_field>& vary, const request_view& request);
bool selects(const stored_vary& vary, const request_view& request);

// True when the request that brought `newer` selects `older` too, as far as is known: every member of `older` is one of
// `newer`, with the same value.
bool is_superseded(const stored_vary& older, const stored_vary& newer);

}  // namespace weir::cache
