// May this response be stored, and if not, why (RFC 9111 section 3). Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "cache/stored_response.hpp"
#include "conf/settings.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

enum class not_stored : std::uint8_t {
    stored,                     // it may be stored
    route_off,                  // cache: off on the route, or cache.memory: off; the caller's to say
    method,                     // only GET (a HEAD's response has no content to keep)
    request_has_content,        // never stored: its answer may depend on what was sent
    request_no_store,           //
    request_has_authorization,  // and the response does not allow it (section 3.5)
    no_store,                   //
    is_private,                 //
    no_cache,                   // and it has no validator to ask by
    session_cookie,             // the request is personal, and the response does not say public
    set_cookie,                 //
    vary_any,                   // Vary: *, or one that vary_of does not take
    status,  // not final, 206, 304, an answer to fields the key does not know (412, 416, ...), one that forbids it
             // (RFC 6585), or one that cannot be stored without explicit freshness
    no_freshness,   // neither the response nor the route says how long
    already_stale,  // lifetime zero, or past when it came; no validator to ask by, and never to be used stale
    too_large,      //
    streamed,       // it asks to be passed on as it comes, and may have no end; the caller's to say
    no_memory,      // buffering.memory_max is used up; the caller's to say
    incomplete,     // cut short; the caller's to say
};
// "no-store", "private", ...: the word for Cache-Status detail and the log.
std::string_view text(not_stored reason);

struct storability {
    not_stored reason = not_stored::stored;
    std::chrono::seconds freshness_lifetime{0};
    bool fresh = false;  // when it came: only then others may have it before it is validated
    explicit operator bool() const { return reason == not_stored::stored; }
};

// Decides on the heads alone, before content comes; `max_response_bytes` is compared with a known Content-Length.
// `personal`: the request has one of the route's session cookies. no-store is passed over where must-understand stands
// beside it and the status is one that this cache understands (section 5.2.2.3). What must be validated before each use
// (no-cache, lifetime zero, old when it came) is stored where that is possible: no-cache has lifetime zero then.
storability may_store(const http::request_head& request, const http::response_head& response,
                      const conf::route_cache_settings& rules, bool personal, std::uint64_t max_response_bytes,
                      time_point request_time, time_point response_time);

// The same for a response that is stored and whose fields a 304, or the response to a HEAD, has updated: what it says
// is in `control` (the fields may have been rewritten), and neither the method nor Content-Length counts.
storability may_keep(const http::request_head& request, const http::response_head& updated,
                     const cache_control& control, const conf::route_cache_settings& rules, bool personal,
                     time_point request_time, time_point response_time);

// True when a request with these fields may be answered from the cache, or its response stored, at all: GET or HEAD, no
// content, nothing removed by Connection.
bool may_use_cache(const http::request_head& request);

// True when the request brings content. A Content-Length of zero does not.
bool has_content(const http::request_head& request);

}  // namespace weir::cache
