// How old a response is and how long it stays fresh (RFC 9111 section 4.2). Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "cache/cache_control.hpp"
#include "cache/stored_response.hpp"
#include "conf/settings.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

// When the origin made the response: its Date, or the time of receipt where there is no Date, more than one, or one
// that cannot be read (RFC 9110 section 6.6.1).
std::chrono::sys_seconds date_of(const http::field_list& fields, time_point response_time);

// The lifetime of a response in whole seconds for a shared cache. What the response says comes first (section 4.2.1:
// s-maxage, then max-age, then, unless a targeted field spoke, Expires minus Date), replaced by the route's override. A
// response that says nothing gets the route's by_status; else, with one of the route's `statuses`, the override or the
// default; else the heuristic share of section 4.2.2 where its status allows that. The route's max caps all of them.
// Invalid or conflicting values give zero. Nothing where neither the response nor the route gives a lifetime.
std::optional<std::chrono::seconds> freshness_lifetime(const http::response_head& response,
                                                       const cache_control& control,
                                                       const conf::freshness_settings& rules, time_point response_time);

// Statuses that may be stored without explicit freshness (RFC 9110 section 15.1).
bool is_heuristically_cacheable(std::uint16_t status);

// corrected_initial_age (section 4.2.3) from the Age received, Date, and the time that the request took.
std::chrono::seconds corrected_initial_age(const http::field_list& fields, time_point request_time,
                                           time_point response_time);

// current_age (section 4.2.3), in whole seconds, not below zero.
std::chrono::seconds current_age(const stored_response& response, time_point now);

// May a response with this current age be used without asking an endpoint first: is its lifetime greater (section 4.2)?
bool is_fresh(const stored_response& response, std::chrono::seconds age);

// True where the response itself forbids any use while it is stale (section 4.2.4): no-cache, must-revalidate,
// proxy-revalidate, s-maxage. No setting of a route goes against that.
bool forbids_stale_use(const response_directives& response);

// How long beyond its lifetime a response may be used while it is validated behind, and where endpoints fail (RFC
// 5861): as it says itself, else as the route says. Zero where not at all.
struct stale_windows {
    std::chrono::seconds while_revalidate{0};
    std::chrono::seconds if_error{0};
};
stale_windows stale_windows_of(const response_directives& response, const conf::stale_settings& rules);

// May a stale response with this current age be answered with, while it is validated behind (RFC 5861 section 3), or
// because endpoints fail (section 4)? One that was made stale before its time may, too.
bool usable_while_revalidating(const stored_response& response, std::chrono::seconds age,
                               const conf::stale_settings& rules);
bool usable_on_error(const stored_response& response, std::chrono::seconds age, const conf::stale_settings& rules);

// Whether a response with this status is an error that a stale one may stand in for (RFC 5861 section 4).
bool counts_as_error(std::uint16_t status);

// May the response be used without validation for a request with these directives, on a route that honours them
// (section 5.2.1: no-cache, max-age, min-fresh, max-stale)? A request without any of them may use what is fresh.
bool satisfies(const cache_control& request, const stored_response& response, std::chrono::seconds age);

}  // namespace weir::cache
