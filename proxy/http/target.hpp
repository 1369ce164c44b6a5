// Request targets and hosts: what is forwarded stays as received; what decides is a normalised copy.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::http {

// The path of `target` (an origin-form) as routes compare it: the query left out, unreserved characters decoded, dot
// segments removed (RFC 3986 sections 6.2.2.2 and 5.2.4), repeated slashes kept. Written to `out`, which is cleared
// first and whose capacity is reused. False for a target whose segments would be others if %2F or %5C were decoded
// before the dot segments are removed
// (/a%2f..%2fadmin), or with a broken escape: such a target is refused, or it would dodge a route.
bool normalise_path(std::string_view target, std::string& out);

// `host` in lower case, without a port that is the scheme's default and without a trailing dot, appended to `out`.
// `host` was checked by valid_host.
void append_normalised_host(std::string_view host, std::string_view scheme, std::string& out);

// uri-host [ ":" port ] (RFC 9110 section 7.2, RFC 3986 section 3.2.2), without userinfo, not empty.
bool valid_host(std::string_view host);

// True when every byte may stand in an origin-form request target and it starts with '/' (RFC 9112 section 3.2.1).
// A query may have \ ^ ` { | } besides, which browsers do not escape there.
bool valid_origin_form(std::string_view target);

}  // namespace weir::http
