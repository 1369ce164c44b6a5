// The heads that weir writes for others: a request for an endpoint, the fields of a response for a client. Every
// message is framed anew; what is hop-by-hop ends here (RFC 9110 section 7.6). Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "balancer/endpoint.hpp"
#include "proxy/http/forwarded.hpp"
#include "proxy/http/head.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/wall_time.hpp"

namespace weir::proxy {

// What Max-Forwards says on a method that heeds it, OPTIONS and TRACE; nothing elsewhere and for what is no number (RFC
// 9110 section 7.6.2).
std::optional<std::uint64_t> max_forwards(const http::request_head& request);

struct outgoing_request {
    const http::request_head& request;
    const conf::route_settings& route;
    const conf::host_rule& host_rule;
    const http::forwarded_client& client;
    std::string_view path{};  // normalised: what the route matched
    std::string_view request_id;
    wall_time received;
    std::chrono::milliseconds queued{0};           // that it waited for a slot; none: it did not
    http::body_kind body = http::body_kind::none;  // how its content will be framed: none, length or chunked
    std::uint64_t content_length = 0;
    bool pass_expect = false;   // buffering.request is off: the endpoint answers Expect
    bool pass_upgrade = false;  // to websocket
    bool keep_alive = true;     // false: the endpoint is told to close after it
    // The response may be stored, or compared with what is: the endpoint gets the target that the route's key has.
    bool keyed = false;
    // It is asked for by the cache: nothing goes with it that would make it an answer to this client's copy or part of
    // it (Range, If-Range, If-None-Match, If-Modified-Since).
    bool fills = false;
    std::string_view validators{};  // lines of the cache's own condition, each with its CRLF
};
// Writes the whole head to `out`, which is cleared first. On a route with a cache, fields that switch what an
// application does or takes itself for, and that nobody but a client set, end here unless the route's key has them:
// X-Original-URL, X-Rewrite-URL, X-Host and such, and on safe methods X-HTTP-Method-Override and its like. What an
// endpoint makes of them would be stored for those who did not send them.
void compose_request(const outgoing_request& from, const balancer::endpoint& to, std::string& out);

// Appends the fields of `response` that go to the client, after the route's rules, with Date added at `now` when
// missing. Framing, Connection, Cache-Status and the blank line are the caller's.
void append_response_fields(const http::response_head& response, const conf::route_settings& route, wall_time now,
                            std::string& out);
// Likewise for an interim response: 103 carries fields, 100 and 102 none that matter.
void append_interim_fields(const http::response_head& response, std::string& out);

// The target as the endpoint gets it, after the route's rewrite; appended to `out`.
void append_rewritten_target(std::string_view target, const conf::rewrite_settings& rewrite,
                             const http::forwarded_client& client, std::string& out);

}  // namespace weir::proxy
