#include "proxy/hit.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "test/cache/heads.hpp"
#include "test/http/parsed.hpp"

using namespace weir;
using namespace weir::proxy;
using namespace std::chrono_literals;

namespace {

constexpr wall_time now = test::start + 12s;

cache::lookup_result fresh(cache::response_ptr response, std::chrono::seconds age = 12s,
                           std::chrono::seconds ttl = 48s) {
    return {.what = cache::outcome::fresh,
            .why = cache::forwarded::none,
            .response = std::move(response),
            .age = age,
            .ttl = ttl};
}

cache::response_ptr page(const std::string& fields = "Content-Type: text/plain") {
    return test::make_stored({.response_fields = fields + "\nDate: Thu, 01 Jan 2026 00:00:00 GMT", .content = "hello"});
}

// What one write sends.
std::string bytes(const hit_response& hit) {
    std::string all;
    for (const iovec& part : hit.vectors()) all.append(static_cast<const char*>(part.iov_base), part.iov_len);
    return all;
}

struct answer {
    unsigned status;
    std::uint64_t content_bytes;
    std::string text;
};

answer answer_to(const std::string& head, const cache::lookup_result& found, bool cache_status = true,
                 bool keep_alive = true) {
    const auto asked = http::test::request(head);
    REQUIRE(asked.error == http::head_error::none);
    std::string scratch = "left from the hit before";
    const hit_response hit(asked.head, found, cache_status, keep_alive, now, scratch);
    CHECK(hit.size() == bytes(hit).size());
    CHECK(std::string(hit.head()) + std::string(hit.tail()) ==
          bytes(hit).substr(0, bytes(hit).size() - hit.content_bytes()));
    return {hit.status(), hit.content_bytes(), bytes(hit)};
}

const std::string get = "GET / HTTP/1.1\r\nHost: x\r\n";

}  // namespace

TEST_CASE("a page of the application's has no age", "[proxy][hit][pages]") {
    const auto found = [] {
        return cache::lookup_result{
            .what = cache::outcome::page, .detail = "memcached-page", .response = page("ETag: \"1\"")};
    };
    const answer a = answer_to(get + "\r\n", found());
    CHECK(a.status == 200);
    CHECK(a.text.find("Age:") == std::string::npos);
    CHECK(a.text.ends_with("\r\nCache-Status: weir; hit; detail=memcached-page\r\n\r\nhello"));
    CHECK(answer_to(get + "\r\n", found(), false).text.find("Cache-Status") == std::string::npos);
    CHECK(answer_to(get + "If-None-Match: \"1\"\r\n\r\n", found()).status == 304);
}

TEST_CASE("a hit sends what was stored, with its age", "[proxy][hit][rfc9111-5.1][rfc9211]") {
    const answer a = answer_to(get + "\r\n", fresh(page()));
    CHECK(a.status == 200);
    CHECK(a.content_bytes == 5);
    CHECK(a.text ==
          "HTTP/1.1 200 OK\r\n"
          "Content-Type: text/plain\r\n"
          "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
          "Content-Length: 5\r\n"
          "Age: 12\r\n"
          "Cache-Status: weir; hit; ttl=48\r\n"
          "\r\n"
          "hello");
}

TEST_CASE("a hit for HEAD has the same head and no content", "[proxy][hit][rfc9110-9.3.2]") {
    const answer full = answer_to(get + "\r\n", fresh(page()));
    const answer a = answer_to("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", fresh(page()));
    CHECK(a.status == 200);
    CHECK(a.content_bytes == 0);
    CHECK(a.text + "hello" == full.text);
}

TEST_CASE("a client that has the response gets 304", "[proxy][hit][rfc9110-15.4.5]") {
    const auto stored = page(
        "Content-Type: text/plain\nETag: \"v1\"\nCache-Control: max-age=60\n"
        "Last-Modified: Wed, 31 Dec 2025 00:00:00 GMT\nContent-Encoding: identity\nVary: Accept\nX-Kept: 1");
    for (const std::string condition :
         {"If-None-Match: \"v1\"\r\n", "If-None-Match: \"v0\", W/\"v1\"\r\n", "If-None-Match: *\r\n",
          "If-Modified-Since: Wed, 31 Dec 2025 00:00:00 GMT\r\n"}) {
        for (const std::string method : {"GET", "HEAD"}) {
            CAPTURE(condition, method);
            const answer a = answer_to(method + " / HTTP/1.1\r\nHost: x\r\n" + condition + "\r\n", fresh(stored));
            CHECK(a.status == 304);
            CHECK(a.content_bytes == 0);
            CHECK(a.text ==
                  "HTTP/1.1 304 Not Modified\r\n"
                  "ETag: \"v1\"\r\n"
                  "Cache-Control: max-age=60\r\n"
                  "Last-Modified: Wed, 31 Dec 2025 00:00:00 GMT\r\n"
                  "Vary: Accept\r\n"
                  "X-Kept: 1\r\n"
                  "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                  "Age: 12\r\n"
                  "Cache-Status: weir; hit; ttl=48\r\n"
                  "\r\n");
        }
    }
    for (const std::string condition :
         {"If-None-Match: \"v2\"\r\n", "If-Modified-Since: Tue, 30 Dec 2025 00:00:00 GMT\r\n",
          "If-None-Match: \"v2\"\r\nIf-Modified-Since: Wed, 31 Dec 2025 00:00:00 GMT\r\n"}) {
        CAPTURE(condition);
        const answer a = answer_to(get + condition + "\r\n", fresh(stored));
        CHECK(a.status == 200);
        CHECK(a.content_bytes == 5);
    }
}

TEST_CASE("a hit says whether the connection stays", "[proxy][hit][rfc9112-9.3]") {
    const auto [version, keep_alive, expected] = GENERATE(table<std::string, bool, std::string>({
        {"1.1", true, ""},
        {"1.1", false, "Connection: close\r\n"},
        {"1.0", true, "Connection: keep-alive\r\n"},
        {"1.0", false, "Connection: close\r\n"},
    }));
    CAPTURE(version, keep_alive);
    const answer a = answer_to("GET / HTTP/" + version + "\r\nHost: x\r\n\r\n", fresh(page()), true, keep_alive);
    CHECK(a.text.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(a.text.ends_with("ttl=48\r\n" + expected + "\r\nhello"));
}

TEST_CASE("a route may keep Cache-Status to itself", "[proxy][hit][rfc9211]") {
    const answer a = answer_to(get + "\r\n", fresh(page("Cache-Status: inner; hit")), false);
    CHECK(a.text.find("weir") == std::string::npos);
    CHECK(a.text.ends_with("Age: 12\r\n\r\nhello"));
    // Otherwise ours comes behind that of the cache before us.
    const std::string both = answer_to(get + "\r\n", fresh(page("Cache-Status: inner; hit"))).text;
    CHECK(both.find("Cache-Status: inner; hit\r\n") < both.find("Cache-Status: weir; hit"));
}

TEST_CASE("the largest age and lifetime have room", "[proxy][hit]") {
    const auto most = std::chrono::seconds(std::numeric_limits<std::int64_t>::max());
    const auto least = std::chrono::seconds(std::numeric_limits<std::int64_t>::min());
    const answer a = answer_to("GET / HTTP/1.0\r\n\r\n", fresh(page(), most, least));
    CHECK(a.text.find("Age: 9223372036854775807\r\n") != std::string::npos);
    CHECK(a.text.find("ttl=-9223372036854775808\r\nConnection: keep-alive\r\n\r\nhello") != std::string::npos);
}

TEST_CASE("a stored response without content or other than 200 is sent as it is", "[proxy][hit]") {
    const auto gone = test::make_stored(
        {.response_fields = "ETag: \"v1\"\nDate: Thu, 01 Jan 2026 00:00:00 GMT", .status = 404, .reason = "Not Found"});
    const answer a = answer_to(get + "If-None-Match: \"v1\"\r\n\r\n", fresh(gone));
    CHECK(a.status == 404);
    CHECK(a.text ==
          "HTTP/1.1 404 Not Found\r\nETag: \"v1\"\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 0\r\n"
          "Age: 12\r\nCache-Status: weir; hit; ttl=48\r\n\r\n");
}

TEST_CASE("one write takes a hit's first blocks", "[proxy][hit]") {
    const http::block_ptr block = http::block::make(300, nullptr);
    std::fill_n(block->data(), 300, 'x');
    block->grow(300);
    const test::request asked;
    const test::response from("Date: Thu, 01 Jan 2026 00:00:00 GMT");
    const auto stored = cache::make_stored_response({.key = "http://example.org/",
                                                     .request = {asked.head().fields},
                                                     .response = from.head(),
                                                     .content = std::vector<http::block_ptr>(100, block),
                                                     .content_bytes = 30'000,
                                                     .request_time = test::start,
                                                     .response_time = test::start,
                                                     .freshness_lifetime = 60s},
                                                    {});
    std::string scratch;
    const cache::lookup_result found = fresh(stored);
    const hit_response hit(asked.head(), found, true, true, now, scratch);
    CHECK(hit.content_bytes() == 30'000);
    CHECK(hit.vectors().size() == 64);
    CHECK(bytes(hit).size() == hit.head().size() + hit.tail().size() + 62 * 300);
    CHECK(hit.size() == hit.head().size() + hit.tail().size() + 30'000);
}
