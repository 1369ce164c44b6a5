// How a stored response, or one that is arriving, answers a request: the status after the request's own conditions and
// ranges (RFC 9110 sections 13.2.2 and 14.2), the fields, and what of the content. Pure.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/range.hpp"
#include "cache/stored_response.hpp"
#include "proxy/http/head.hpp"

namespace weir::proxy {

// A stretch of content.
struct content_window {
    std::uint64_t first = 0;
    std::uint64_t end = std::numeric_limits<std::uint64_t>::max();  // the byte behind its last

    // Cuts `buffers`, which lie one behind the other from `position` of the content on, to what is in the window, in
    // place and without empty ones. Returns how many are left.
    std::size_t cut(std::span<std::string_view> buffers, std::uint64_t position) const;
};

struct stored_answer {
    unsigned status = 200;
    std::string_view reason;              // of the stored status line, or static
    std::string fields;                   // whole lines; framing, Age and Cache-Status left out
    std::optional<std::uint64_t> length;  // of the content to send, where it is known
    bool has_content = true;
    content_window window;                 // of the stored content; of several ranges all of it
    std::vector<cache::byte_range> parts;  // the ranges, where there are several
    cache::multipart_layout layout;        // of those
};

// `length`: of the content of `stored`, where it is known. `boundary`: of a message of several ranges, which are passed
// over where it is empty (RFC 9110 section 14.2: a server may ignore Range).
stored_answer compose_answer(const http::request_head& request, const cache::stored_response& stored,
                             std::optional<std::uint64_t> length, cache::time_point now, std::string_view boundary);

// The content of an answer from a response that is here whole: views into both.
std::vector<std::string_view> content_of(const stored_answer& a, const cache::stored_response& stored);

}  // namespace weir::proxy
