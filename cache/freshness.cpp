#include "cache/freshness.hpp"

#include <algorithm>

#include "proxy/http/date.hpp"

namespace weir::cache {

namespace {

using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_seconds;

// Section 5.3: an Expires that cannot be read, "0" above all, is in the past; so are two that differ.
seconds expires_lifetime(const http::field_list& fields, time_point response_time) {
    const std::string_view first = fields.value(http::field_id::expires);
    for (const http::field_view field : fields) {
        if (field.id == http::field_id::expires && field.value != first) return seconds{0};
    }
    const auto expires = http::parse_date(first, floor<seconds>(response_time));
    if (!expires) return seconds{0};
    return std::max(seconds{0}, *expires - date_of(fields, response_time));
}

std::optional<seconds> explicit_lifetime(const http::field_list& fields, const cache_control& control,
                                         time_point response_time) {
    if (control.s_maxage) return control.s_maxage;
    if (control.max_age) return control.max_age;
    if (!control.targeted && fields.has(http::field_id::expires)) return expires_lifetime(fields, response_time);
    return std::nullopt;
}

std::optional<seconds> heuristic_lifetime(const http::response_head& response, unsigned percent,
                                          time_point response_time) {
    if (!is_heuristically_cacheable(response.status)) return std::nullopt;
    if (response.fields.count(http::field_id::last_modified) != 1) return std::nullopt;
    const auto modified =
        http::parse_date(response.fields.value(http::field_id::last_modified), floor<seconds>(response_time));
    if (!modified) return std::nullopt;
    const seconds unchanged_for = date_of(response.fields, response_time) - *modified;
    if (unchanged_for <= seconds{0}) return std::nullopt;
    return unchanged_for * percent / 100;
}

// Of a response that does not say itself.
std::optional<seconds> route_lifetime(const http::response_head& response, const conf::freshness_settings& rules,
                                      time_point response_time) {
    if (const auto found = rules.by_status.find(response.status); found != rules.by_status.end()) return found->second;
    if (std::binary_search(rules.statuses.begin(), rules.statuses.end(), unsigned{response.status})) {
        if (rules.override_lifetime) return rules.override_lifetime;
        if (rules.default_lifetime) return rules.default_lifetime;
    }
    if (rules.heuristic_percent) return heuristic_lifetime(response, *rules.heuristic_percent, response_time);
    return std::nullopt;
}

// Less than the window, as a lifetime is greater than the age: both count seconds that have begun.
bool is_within(seconds window, const stored_response& response, seconds age) {
    return window > seconds{0} && age - response.freshness_lifetime < window;
}

// Section 5.1: the first member counts; what is no number is ignored.
seconds age_value(const http::field_list& fields) {
    std::optional<seconds> age;
    http::any_element(fields.value(http::field_id::age), [&](std::string_view element) {
        age = parse_delta_seconds(element);
        return true;
    });
    return age.value_or(seconds{0});
}

}  // namespace

sys_seconds date_of(const http::field_list& fields, time_point response_time) {
    const sys_seconds received = floor<seconds>(response_time);
    if (fields.count(http::field_id::date) != 1) return received;
    return http::parse_date(fields.value(http::field_id::date), received).value_or(received);
}

std::optional<seconds> freshness_lifetime(const http::response_head& response, const cache_control& control,
                                          const conf::freshness_settings& rules, time_point response_time) {
    std::optional<seconds> lifetime = explicit_lifetime(response.fields, control, response_time);
    if (!lifetime) {
        lifetime = route_lifetime(response, rules, response_time);
    } else if (rules.override_lifetime) {
        lifetime = rules.override_lifetime;
    }
    if (lifetime && rules.max_lifetime) lifetime = std::min(*lifetime, *rules.max_lifetime);
    return lifetime;
}

bool is_heuristically_cacheable(std::uint16_t status) {
    switch (status) {
        case 200:
        case 203:
        case 204:
        case 206:
        case 300:
        case 301:
        case 308:
        case 404:
        case 405:
        case 410:
        case 414:
        case 501:
            return true;
        default:
            return false;
    }
}

seconds corrected_initial_age(const http::field_list& fields, time_point request_time, time_point response_time) {
    const seconds apparent_age = std::max(seconds{0}, floor<seconds>(response_time) - date_of(fields, response_time));
    // The clock may have been set back between the two.
    const seconds response_delay = std::max(seconds{0}, floor<seconds>(response_time - request_time));
    return std::max(apparent_age, age_value(fields) + response_delay);
}

seconds current_age(const stored_response& response, time_point now) {
    const seconds resident_time = std::max(seconds{0}, floor<seconds>(now - response.response_time));
    return response.corrected_initial_age + resident_time;
}

bool is_fresh(const stored_response& response, seconds age) {
    return response.freshness_lifetime > age;
}

bool forbids_stale_use(const response_directives& response) {
    return response.no_cache || response.must_revalidate || response.proxy_revalidate || response.s_maxage.has_value();
}

stale_windows stale_windows_of(const response_directives& response, const conf::stale_settings& rules) {
    if (forbids_stale_use(response)) return {};
    const auto first = [](std::optional<seconds> said, std::optional<seconds> rule) {
        return said ? *said : rule.value_or(seconds{0});
    };
    return {first(response.stale_while_revalidate, rules.while_revalidate),
            first(response.stale_if_error, rules.if_error)};
}

bool usable_while_revalidating(const stored_response& response, seconds age, const conf::stale_settings& rules) {
    return is_within(stale_windows_of(response.control, rules).while_revalidate, response, age);
}

bool usable_on_error(const stored_response& response, seconds age, const conf::stale_settings& rules) {
    return is_within(stale_windows_of(response.control, rules).if_error, response, age);
}

bool counts_as_error(std::uint16_t status) {
    return status == 500 || status == 502 || status == 503 || status == 504;
}

bool satisfies(const cache_control& request, const stored_response& response, seconds age) {
    if (request.no_cache) return false;
    if (request.max_age && age > *request.max_age) return false;
    const seconds left = response.freshness_lifetime - age;
    if (request.min_fresh && left < *request.min_fresh) return false;
    if (is_fresh(response, age)) return true;
    return request.max_stale && -left <= *request.max_stale && !forbids_stale_use(response.control);
}

}  // namespace weir::cache
