// Heads parsed the way that a connection does it: the end is looked for first, then the whole head is read.
#pragma once

#include <catch2/catch.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/http/head_parser.hpp"

namespace weir::http {

inline std::ostream& operator<<(std::ostream& out, head_error error) {
    return out << text(error);
}

namespace test {

// The head at the start of `bytes`, which it owns: the views of the head refer to it.
template <class Head>
struct parsed {
    std::string bytes;
    Head head;
    head_error error = head_error::none;

    parsed(std::string text, const head_limits& limits, verb request_method) : bytes(std::move(text)) {
        const head_end end = find_end_of_head(bytes, 0, limits.max_bytes);
        error = end.error;
        if (end.state == head_end::state::incomplete) FAIL("the head is not whole: " << bytes);
        if (end.state != head_end::state::complete) return;
        const std::string_view whole = std::string_view(bytes).substr(0, end.size);
        if constexpr (std::is_same_v<Head, request_head>) {
            error = parse_request_head(whole, limits, head);
        } else {
            error = parse_response_head(whole, limits, request_method, head);
        }
    }
    parsed(const parsed&) = delete;
    parsed& operator=(const parsed&) = delete;
};

inline parsed<request_head> request(std::string bytes, const head_limits& limits = {}) {
    return {std::move(bytes), limits, verb::unknown};
}

inline parsed<response_head> response(std::string bytes, verb request_method = verb::get,
                                      const head_limits& limits = {}) {
    return {std::move(bytes), limits, request_method};
}

// A request or a response of HTTP/1.1 with `lines` among its fields, each ended by CRLF.
inline std::string request_with(std::string_view lines) {
    return "POST / HTTP/1.1\r\nHost: x\r\n" + std::string(lines) + "\r\n";
}
inline std::string response_with(std::string_view lines) {
    return "HTTP/1.1 200 OK\r\nServer: x\r\n" + std::string(lines) + "\r\n";
}

}  // namespace test
}  // namespace weir::http
