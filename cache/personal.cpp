#include "cache/personal.hpp"

#include <algorithm>

#include "cache/cookies.hpp"
#include "proxy/http/fields.hpp"

namespace weir::cache {

namespace {

bool takes_fields_away(const http::field_list& request) {
    if (!request.has(http::field_id::connection)) return false;
    const http::connection_options connection(request);
    const auto takes_one = [&](std::string_view option) {
        if (http::iequals(option, "keep-alive") || http::iequals(option, "close")) return false;
        return std::any_of(request.begin(), request.end(), [&](http::field_view field) {
            return http::iequals(field.name, option) && !http::is_hop_by_hop(field) && connection.names(field);
        });
    };
    return std::any_of(request.begin(), request.end(), [&](http::field_view field) {
        return field.id == http::field_id::connection && http::any_element(field.value, takes_one);
    });
}

}  // namespace

bool has_any_cookie(const http::field_list& request, std::span<const std::string> names) {
    if (names.empty() || !request.has(http::field_id::cookie)) return false;
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return cookie_reader(request, name).next().has_value(); });
}

bool bypasses(const http::field_list& request, const conf::bypass_settings& settings) {
    return std::any_of(settings.headers.begin(), settings.headers.end(),
                       [&](const std::string& name) { return request.has(name); }) ||
           has_any_cookie(request, settings.cookies) || takes_fields_away(request);
}

}  // namespace weir::cache
