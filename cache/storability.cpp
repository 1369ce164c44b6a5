#include "cache/storability.hpp"

#include <algorithm>

#include "cache/cache_control.hpp"
#include "cache/freshness.hpp"
#include "cache/key.hpp"
#include "proxy/http/date.hpp"

namespace weir::cache {

namespace {

using std::chrono::seconds;

// Never, whatever the response says.
bool status_forbids_storing(std::uint16_t status) {
    if (status < 200) return true;
    switch (status) {
        case 206:  // parts are put together by nobody here
        case 304:
            return true;
        case 407:  // about the connection to a proxy
        case 412:  // judges If-Match and its like, which are no part of the key
        case 416:  // judges Range
        case 417:  // judges Expect
            return true;
        case 428:
        case 429:
        case 431:
        case 511:  // RFC 6585 sections 3 to 6
            return true;
        default:
            return false;
    }
}

// The statuses of RFC 9110 section 15 that ask nothing special of a cache, or ask what this one does.
bool is_understood(std::uint16_t status) {
    switch (status) {
        case 200:
        case 203:
        case 204:
        case 300:
        case 301:
        case 302:
        case 303:
        case 307:
        case 308:
        case 400:
        case 403:
        case 404:
        case 405:
        case 410:
        case 414:
        case 500:
        case 501:
        case 502:
        case 503:
        case 504:
            return true;
        default:
            return false;
    }
}

// A Set-Cookie that private or no-cache names is not stored with the rest.
bool sets_cookie(const http::field_list& fields, const cache_control& control) {
    return std::any_of(fields.begin(), fields.end(), [&](http::field_view field) {
        const bool sets = field.id == http::field_id::set_cookie || field.id == http::field_id::set_cookie2;
        return sets && !control.names(field.name);
    });
}

not_stored judge_request(const http::request_head& request, const cache_control& response, bool personal) {
    if (has_content(request)) return not_stored::request_has_content;
    if (request_control(request.fields).no_store) return not_stored::request_no_store;
    const bool authorised_may_be_shared = response.is_public || response.s_maxage || response.must_revalidate;
    if (request.fields.has(http::field_id::authorization) && !authorised_may_be_shared) {
        return not_stored::request_has_authorization;
    }
    if (personal && !response.is_public) return not_stored::session_cookie;
    return not_stored::stored;
}

not_stored judge_response(const http::request_head& request, const http::response_head& response,
                          const cache_control& control, const conf::route_cache_settings& rules) {
    if (status_forbids_storing(response.status)) return not_stored::status;
    if (control.must_understand) {
        if (!is_understood(response.status)) return not_stored::status;
    } else if (control.no_store) {
        return not_stored::no_store;
    }
    if (control.is_private) return not_stored::is_private;
    if (!rules.store_set_cookie && sets_cookie(response.fields, control)) return not_stored::set_cookie;
    if (!vary_of(response.fields, {request.fields})) return not_stored::vary_any;
    return not_stored::stored;
}

bool has_validator(const http::field_list& fields, time_point response_time) {
    if (fields.count(http::field_id::etag) == 1 && !fields.value(http::field_id::etag).empty()) return true;
    if (fields.count(http::field_id::last_modified) != 1) return false;
    const auto received = std::chrono::floor<seconds>(response_time);
    return http::parse_date(fields.value(http::field_id::last_modified), received).has_value();
}

storability judge_lifetime(const http::response_head& response, const cache_control& control,
                           const conf::route_cache_settings& rules, time_point request_time, time_point response_time) {
    std::optional<seconds> lifetime = freshness_lifetime(response, control, rules.freshness, response_time);
    const bool no_cache = control.no_cache && !rules.freshness.override_lifetime;
    if (no_cache && (lifetime || is_heuristically_cacheable(response.status))) lifetime = seconds{0};
    if (!lifetime) {
        return {is_heuristically_cacheable(response.status) ? not_stored::no_freshness : not_stored::status};
    }
    // Fresh means a lifetime greater than the age (section 4.2).
    const seconds age = corrected_initial_age(response.fields, request_time, response_time);
    if (*lifetime > age) return {not_stored::stored, *lifetime, true};
    // An error that nobody may use takes no place, least of all that of a good response which may stand in for it.
    if (response.status >= 500) return {not_stored::already_stale};
    const stale_windows windows = stale_windows_of(control, rules.stale);
    const bool usable_stale = age - *lifetime < std::max(windows.while_revalidate, windows.if_error);
    if (usable_stale || has_validator(response.fields, response_time)) return {not_stored::stored, *lifetime};
    return {no_cache ? not_stored::no_cache : not_stored::already_stale};
}

}  // namespace

std::string_view text(not_stored reason) {
    switch (reason) {
        case not_stored::stored:
            return "stored";
        case not_stored::route_off:
            return "off";
        case not_stored::method:
            return "method";
        case not_stored::request_has_content:
            return "request-content";
        case not_stored::request_no_store:
            return "request-no-store";
        case not_stored::request_has_authorization:
            return "authorization";
        case not_stored::no_store:
            return "no-store";
        case not_stored::is_private:
            return "private";
        case not_stored::no_cache:
            return "no-cache";
        case not_stored::session_cookie:
            return "session-cookie";
        case not_stored::set_cookie:
            return "set-cookie";
        case not_stored::vary_any:
            return "vary-any";
        case not_stored::status:
            return "status";
        case not_stored::no_freshness:
            return "no-freshness";
        case not_stored::already_stale:
            return "stale";
        case not_stored::too_large:
            return "too-large";
        case not_stored::streamed:
            return "streamed";
        case not_stored::no_memory:
            return "no-memory";
        case not_stored::incomplete:
            return "incomplete";
    }
    return "unknown";
}

storability may_store(const http::request_head& request, const http::response_head& response,
                      const conf::route_cache_settings& rules, bool personal, std::uint64_t max_response_bytes,
                      time_point request_time, time_point response_time) {
    if (request.method != http::verb::get) return {not_stored::method};
    const cache_control control = response_control(response.fields);
    const storability judged = may_keep(request, response, control, rules, personal, request_time, response_time);
    if (judged && response.has_content_length && response.content_length > max_response_bytes) {
        return {not_stored::too_large};
    }
    return judged;
}

storability may_keep(const http::request_head& request, const http::response_head& updated,
                     const cache_control& control, const conf::route_cache_settings& rules, bool personal,
                     time_point request_time, time_point response_time) {
    if (const not_stored reason = judge_request(request, control, personal); reason != not_stored::stored) {
        return {reason};
    }
    if (const not_stored reason = judge_response(request, updated, control, rules); reason != not_stored::stored) {
        return {reason};
    }
    return judge_lifetime(updated, control, rules, request_time, response_time);
}

// A field that Connection names ends at this hop, so the origin answers as if the client had not sent it, while Vary
// would be matched with what the client sent: one client could store the answer to less under the name of more.
bool may_use_cache(const http::request_head& request) {
    return (request.method == http::verb::get || request.method == http::verb::head) && !has_content(request) &&
           !request.upgrade_websocket && !request.removes_fields;
}

bool has_content(const http::request_head& request) {
    switch (request.body) {
        case http::body_kind::none:
            return false;
        case http::body_kind::length:
            return request.content_length > 0;
        default:
            return true;
    }
}

}  // namespace weir::cache
