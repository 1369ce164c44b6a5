// From bytes to a head, strictly: what is ambiguous is refused (RFC 9110, 9112, and the desync research since).
//
// Not Beast's basic_parser: its 1.81 accepts folded lines, several Content-Length, unknown transfer codings, missing
// and repeated Host, and any number of fields, and what is made of it to refuse them takes four times the instructions
// (a browser's request: 7,600 of them, half of a hit). Identifiers of fields and methods are Beast's, and what this
// accepts is compared with what Beast reads in test/http/fuzz_test.cpp. It looks at whole heads only: find_end_of_head
// says when one is there, so nothing is parsed twice and the positions need no fixing up.
#pragma once

#include <cstdint>
#include <string_view>

#include "proxy/http/head.hpp"

namespace weir::http {

// What is wrong with a head. `text` gives the word for the log and for tests.
enum class head_error : std::uint8_t {
    none,
    bare_lf,          // a line that does not end in CRLF
    folded_line,      // obs-fold (RFC 9112 section 5.2)
    too_large,        // longer than limits.max_bytes: 431
    too_many_fields,  // 431
    bad_method,
    bad_target,
    target_too_long,      // the request line alone is past max_bytes: 414
    bad_version,          // not HTTP/1.x
    unsupported_version,  // HTTP/2 or later in a request line: 505
    bad_status,
    bad_reason,
    bad_field_name,
    bad_field_value,
    bad_host,  // missing in 1.1, twice, or no uri-host [":" port]
    bad_content_length,
    several_content_lengths,
    bad_transfer_encoding,  // anything but exactly `chunked`, once, in HTTP/1.1
    length_and_encoding,    // Content-Length beside Transfer-Encoding
    connect_refused,        // the method CONNECT
    bad_connection,
    bad_expect,  // an expectation other than 100-continue: 417
};
std::string_view text(head_error error);

struct head_limits {
    std::uint32_t max_bytes = 32 * 1024;
    std::uint32_t max_fields = 128;
};

struct head_end {
    enum class state : std::uint8_t { incomplete, complete, refused } state = state::incomplete;
    std::uint32_t size = 0;  // complete: bytes of the head, its last CRLF included. incomplete: where to go on looking
    head_error error = head_error::none;
};
// Looks for the end of a head in `bytes`, from `from` on (a former answer's `size`, or 0). Refuses bare LF and folded
// lines on the way, and a head that is not whole within max_bytes.
head_end find_end_of_head(std::string_view bytes, std::uint32_t from, std::uint32_t max_bytes);

// Parse `bytes`, one whole head as found by find_end_of_head. The head's positions and views refer to `bytes`. One CRLF
// before a request line is the caller's to skip (RFC 9112 section 2.2). `head` is cleared first; after an error its
// content is unspecified.
head_error parse_request_head(std::string_view bytes, const head_limits& limits, request_head& head);

// Both in one: looks for a head at the start of `bytes`, `from` a former answer's `size`, and parses it once it is
// whole.
head_end read_request_head(std::string_view bytes, std::uint32_t from, const head_limits& limits, request_head& head);

// `request_method` is that of the request this answers: HEAD's responses have no body (RFC 9112 section 6.3).
head_error parse_response_head(std::string_view bytes, const head_limits& limits, verb request_method,
                               response_head& head);

}  // namespace weir::http
