// Heads, times and stored responses for the tests of the cache, made from text.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/storability.hpp"
#include "cache/stored_response.hpp"
#include "conf/settings.hpp"
#include "proxy/http/head.hpp"

namespace weir::test {

// Thu, 01 Jan 2026 00:00:00 GMT, the beginning of time for these tests, and moments after it.
inline constexpr cache::time_point start{std::chrono::seconds{1767225600}};
constexpr cache::time_point at(std::chrono::milliseconds after_start) {
    return start + after_start;
}
std::string http_date(std::chrono::seconds after_start = std::chrono::seconds{0});

// A request for http://example.org/ that owns its bytes. `fields` has one field a line, separated by "\n"; Host is
// added.
class request {
  public:
    explicit request(std::string_view fields = "", std::string_view method = "GET", std::string_view target = "/");
    request(const request&) = delete;
    request& operator=(const request&) = delete;
    const http::request_head& head() const { return head_; }
    const http::field_list& fields() const { return head_.fields; }

  private:
    std::string text_;
    http::request_head head_;
};

// A response to a GET that owns its bytes.
class response {
  public:
    explicit response(std::string_view fields = "", int status = 200, std::string_view reason = "OK");
    response(const response&) = delete;
    response& operator=(const response&) = delete;
    const http::response_head& head() const { return head_; }
    const http::field_list& fields() const { return head_.fields; }

  private:
    std::string text_;
    http::response_head head_;
};

// What make_stored_response makes of the parts; received at `start` and asked for at the same moment.
struct stored_parts {
    std::string key = "http://example.org/";
    std::string request_fields{};
    std::string response_fields{};
    std::string content{};
    int status = 200;
    std::string reason = "OK";
    std::chrono::seconds freshness_lifetime{60};
    std::vector<conf::header_rule> rules{};
    cache::time_point response_time = start;
    std::uint64_t fill_number = 0;
};
cache::response_ptr make_stored(const stored_parts& parts);

std::string whole_content(const cache::stored_response& response);

}  // namespace weir::test
