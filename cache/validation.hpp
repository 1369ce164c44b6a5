// Validation of stored responses (RFC 9111 section 4.3): what an endpoint is asked by, and what its answer changes.
// Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "cache/storability.hpp"
#include "cache/stored_response.hpp"
#include "conf/settings.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

// True where append_validators has something to say.
bool can_be_validated(const stored_response& stored);

// The precondition fields that ask whether `stored` is still what the origin would send (section 4.3.1), each with its
// CRLF: If-None-Match with its ETag, If-Modified-Since with its Last-Modified, each where there is one. They go in the
// place of the client's own.
void append_validators(const stored_response& stored, std::string& fields);

struct freshened {
    // The response as it is now; to be answered with, and, until it is shared, given the number of this fetch
    // (fill_number is that of the old one). Its tags are those of the update, or the old ones where that has none. Null
    // where the answer is about something else (section 4.3.4): then the stored response is of no use, and the endpoint
    // is to be asked without preconditions.
    new_response_ptr response;
    // Whether that may take the place of the old one, which has to go where the reason is the response's (no-store,
    // private, vary), and stays as it is where it is the request's.
    storability judged;
};

// Merges what an endpoint says of `old` into it (sections 3.2 and 4.3.4): the fields of a 304 to append_validators, or
// of the response to a HEAD that judge_head says to freshen by. All of them replace those of the same name, but for
// what describes the stored content (Content-Length, Content-Encoding, Content-Type, Content-Range, and an ETag that is
// there) and what ends at this hop. The content is shared with `old`, times and lifetime are new. `request` is the
// client's, which selected `old`; the rest as in may_store and make_stored_response.
freshened freshen(const stored_response& old, const http::request_head& request, const http::response_head& update,
                  const conf::route_cache_settings& rules, bool personal,
                  std::span<const conf::header_rule> field_rules, time_point request_time, time_point response_time);

// What the response to a HEAD says of the response to a GET that would have been chosen for it (section 4.3.5):
// `freshen` where no validator and no length differs, `invalidate` where one does, `none` for what is not a 200, and
// where the HEAD's has no validator: then nothing vouches for the stored content.
enum class head_verdict : std::uint8_t { none, freshen, invalidate };
head_verdict judge_head(const stored_response& stored, const http::response_head& head,
                        std::span<const conf::header_rule> field_rules);

}  // namespace weir::cache
