// Which requests are one person's, and which an editor wants past the cache. Pure; nothing here allocates.
#pragma once

#include <span>
#include <string>

#include "conf/settings.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

// True when the request has a cookie with one of `names`, with whatever value: with a route's session_cookies, that it
// is personal.
bool has_any_cookie(const http::field_list& request, std::span<const std::string> names);

// True when the request has one of the fields or cookies that take it past the cache.
bool bypasses(const http::field_list& request, const conf::bypass_settings& settings);

}  // namespace weir::cache
