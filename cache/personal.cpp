#include "cache/personal.hpp"

#include <algorithm>

#include "cache/cookies.hpp"

namespace weir::cache {

bool has_any_cookie(const http::field_list& request, std::span<const std::string> names) {
    if (names.empty() || !request.has(http::field_id::cookie)) return false;
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return cookie_reader(request, name).next().has_value(); });
}

bool bypasses(const http::field_list& request, const conf::bypass_settings& settings) {
    return std::any_of(settings.headers.begin(), settings.headers.end(),
                       [&](const std::string& name) { return request.has(name); }) ||
           has_any_cookie(request, settings.cookies);
}

}  // namespace weir::cache
