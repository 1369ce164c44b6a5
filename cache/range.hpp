// Ranges of a response that is here, or arrives with a known length (RFC 9110 section 14). Pure.
//
// A request may ask for at most 16 ranges, and what they overlap is sent once (sections 14.2, 17.15): the parts are
// never more than the whole and 16 heads, in whatever order they are asked for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/conditional.hpp"
#include "cache/stored_response.hpp"
#include "proxy/http/content.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

// What ranges are taken from. Its status is that after the other preconditions: see evaluate_conditional.
struct range_source : selected_response {
    std::uint64_t length = 0;  // of the content
};
range_source source_of(const stored_response& stored);

// The positions of bytes, both of them in it.
struct byte_range {
    std::uint64_t first;
    std::uint64_t last;

    std::uint64_t bytes() const { return last - first + 1; }
    bool operator==(const byte_range&) const = default;
};

struct range_plan {
    enum class kind : std::uint8_t {
        whole,         // there is no Range that counts: answer as if there were none
        single,        // 206 with Content-Range
        multiple,      // 206 as multipart/byteranges, in this order
        unsatisfiable  // 416
    };
    kind what = kind::whole;
    std::vector<byte_range> ranges;
};

// What Range and If-Range of a request mean for `of`. Whole for all but GET and a 200 (section 14.2), for another unit
// than bytes, for a Range that is invalid, given twice or too long, and where If-Range is false (13.1.5: ETags compare
// strongly; a date has to be Last-Modified, and that a strong validator by section 8.8.2.2). Ranges that overlap or
// touch become one (15.3.7.2); the others stay in the order of the request.
range_plan plan_ranges(const http::request_head& request, const range_source& of, time_point now);

// The parts of a multipart/byteranges message around its content (section 14.6): before each range its head, after the
// last one the closing. `boundary` occurs nowhere in the content, `content_type` is that of the whole, empty for none.
struct multipart_layout {
    std::vector<std::string> part_heads;
    std::string closing;
    std::uint64_t total_bytes = 0;  // of the content of the message, with the ranges
};
multipart_layout lay_out(std::span<const byte_range> ranges, std::uint64_t length, std::string_view content_type,
                         std::string_view boundary);

// Appends "Content-Range: bytes 0-9/100\r\n"; for a 416, "Content-Range: bytes */100\r\n"; for several ranges,
// "Content-Type: multipart/byteranges; boundary=...\r\n".
void append_content_range(byte_range range, std::uint64_t length, std::string& out);
void append_unsatisfied_range(std::uint64_t length, std::string& out);
void append_multipart_type(std::string_view boundary, std::string& out);

// Whether a 206 carries this field of the 200 that it is a part of (section 15.3.7): all but those that describe the
// whole message, and for several ranges Content-Type. `if_range`: the request had If-Range, so the client has the
// fields of the representation already; those go that are not required. The caller adds Content-Range or Content-Type,
// and Content-Length.
bool belongs_in_partial(http::field_view field, range_plan::kind what, bool if_range);

// Whether a 416 carries this field of the 200 (section 15.5.17): nothing that tells of the representation or lets a
// cache keep the 416 as if it were one.
bool belongs_in_unsatisfiable(http::field_view field);

// Appends the bytes of `range`, which lies in `content`, as they lie in its pieces.
void append_views(const stored_content& content, byte_range range, std::vector<std::string_view>& out);

}  // namespace weir::cache
