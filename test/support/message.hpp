// HTTP/1.1 messages as tests see them: read from a connection, taken apart strictly, the raw bytes kept.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/connection.hpp"

namespace weir::test {

// The peer sent something that is no message, or one whose framing is ambiguous.
struct bad_message : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct field {
    std::string name;
    std::string value;
    bool operator==(const field&) const = default;
};

struct message {
    std::string raw;         // head, framing and content exactly as received
    std::string head;        // the head alone, its last CRLF included
    std::string start_line;  // without CRLF
    std::vector<field> fields;
    std::string content;  // decoded
    std::vector<field> trailers;
    bool chunked = false;

    // The value of the only field of this name (in any case); empty where there is none. Throws bad_message for
    // several.
    std::optional<std::string> value(std::string_view name) const;
    // The same, "" where there is none.
    std::string text(std::string_view name) const { return value(name).value_or(""); }
    std::vector<std::string> values(std::string_view name) const;
    bool has(std::string_view name) const { return !values(name).empty(); }
    // True when a comma-separated field of this name has this member.
    bool lists(std::string_view name, std::string_view member) const;
};

struct request : message {
    unsigned connection = 0;  // the number of the origin's connection it came on, from 0
    std::string method;
    std::string target;
    std::string version;
};

// How a response's content ended.
enum class content_end { none, by_length, by_last_chunk, by_close, cut_by_close, cut_by_reset };

struct response : message {
    std::string version;
    unsigned status = 0;
    std::string reason;
    std::vector<response> interim;  // the 1xx that came before
    content_end end = content_end::none;
};

// Each takes exactly one message. Interim responses are gathered in the final one's `interim`; 101 is final. A message
// that is cut short throws connection_ended.
response read_response(connection& from, std::string_view method = "GET");
request read_request(connection& from);

// For scripts that act between head and content.
request read_request_head(connection& from);
void read_request_content(connection& from, request& into);
response read_response_head(connection& from);

// A response that may be cut short after its head: `end` says how.
response read_broken_response(connection& from, std::string_view method = "GET");

// "GET / HTTP/1.1\r\nHost: test.example\r\n" + fields + "\r\n". Each of `fields` ends in CRLF.
std::string get(std::string_view target, std::string_view fields = "");
// A request with a Content-Length.
std::string post(std::string_view target, std::string_view content, std::string_view fields = "");
// A 200 with a Content-Length.
std::string ok(std::string_view content, std::string_view fields = "");
// `content` as chunks of at most `size` bytes, the last chunk included.
std::string in_chunks(std::string_view content, std::size_t size = 7);

// Bytes that look random and are the same in every run.
std::string noise(std::size_t size, unsigned seed = 1);
// SHA-256 in lower-case hex.
std::string sha256(std::string_view bytes);

std::string lower(std::string_view text);
std::size_t occurrences(std::string_view in, std::string_view of);

}  // namespace weir::test
