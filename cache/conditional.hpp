// A client's conditions on a response (RFC 9110 section 13.2.2, RFC 9111 section 4.3.2). Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "cache/stored_response.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

// What conditions compare with, of a response that is stored or only arrives. Views into its head.
struct selected_response {
    std::uint16_t status = 0;
    std::string_view etag;  // empty where there is none
    std::optional<std::chrono::sys_seconds> last_modified;
    std::chrono::sys_seconds date;  // see date_of
};
selected_response selected(const stored_response& stored);
// Of several validators that contradict each other none is taken.
selected_response selected(const http::response_head& arriving, time_point response_time);

// The status that a GET or HEAD with these fields is answered with: that of the response, or 304. If-None-Match first
// (weak comparison), then If-Modified-Since where the former is absent. Only a 200 is ever turned into a 304; If-Match
// and If-Unmodified-Since are the origin's to judge: see must_forward. Does not allocate.
std::uint16_t evaluate_conditional(const http::request_head& request, const selected_response& response,
                                   time_point now);
std::uint16_t evaluate_conditional(const http::request_head& request, const stored_response& stored, time_point now);

// True for requests that this cache does not answer itself: If-Match and If-Unmodified-Since.
bool must_forward(const http::field_list& request);

// True when `tag` is in `list` (an If-None-Match value, or *) by weak comparison (RFC 9110 section 8.8.3.2). * matches
// an empty tag too: a response is there.
bool etag_matches(std::string_view list, std::string_view tag);

// Whether a 304 for a stored response carries this field (RFC 9110 section 15.4.5): all but what describes content that
// is not sent. Last-Modified is carried, since it guides the client's cache.
bool belongs_in_not_modified(http::field_view field);

}  // namespace weir::cache
