// Why an exchange did not go as asked: one list of causes, and the one map from a cause to what the client is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/http/head_parser.hpp"

namespace weir::proxy {

enum class cause : std::uint8_t {
    none,
    // the client's doing
    bad_request,
    head_too_large,
    target_too_long,
    version_not_supported,
    expectation_failed,
    ambiguous_path,     // see http::normalise_path
    content_malformed,  // its framing broke
    content_too_large,  // past client.max_content
    head_timeout,
    content_timeout,
    client_left,     // it closed or reset the connection
    client_stalled,  // it took no byte for client.write_timeout
    no_route,
    options_ended_here,  // Max-Forwards: 0 (RFC 9110 section 7.6.2): no failure, 200 without content
    trace_ended_here,
    only_if_cached,     // and the cache has nothing (RFC 9111 section 5.2.1.7)
    purge_not_allowed,  // PURGE from who is not of cache.purge.allow
    // the upstream's
    no_endpoint,    // none is up: their names do not resolve
    queue_full,     // as many requests wait for an endpoint as may
    queue_timeout,  // no endpoint was free in time
    connection_refused,
    connection_failed,  // unreachable, reset while connecting
    connection_timeout,
    closed_early,  // closed before the first byte of a response
    send_failed,
    send_timeout,  // it took no byte of the request for timeouts.write
    first_byte_timeout,
    read_timeout,
    bad_response,  // not HTTP, ambiguous framing, too many interim responses
    response_cut,  // ended before its content was whole
    // ours
    out_of_descriptors,  // or of memory for another socket
    internal
};

// The status for the client; 499 (which no client sees) when it has left.
unsigned status_of(cause why);
// True for those of the client's doing: no endpoint is to blame, and nothing is tried again.
bool blames_client(cause why);
// One word for the access log, kebab-case.
std::string_view text(cause why);
// The error type for Proxy-Status (RFC 9209 section 2.3); empty where the client is at fault.
std::string_view proxy_status(cause why);
cause from_head_error(http::head_error error);

// The fields of an answer of our own: Date, Content-Type, no-store, Retry-After, Proxy-Status.
void append_error_fields(unsigned status, cause why, std::chrono::sys_seconds now, std::string& out);
// A short page that says what happened and what the reader may do.
std::string error_page(unsigned status, cause why);

}  // namespace weir::proxy
