#include "cache/validation.hpp"

#include <catch2/catch.hpp>

#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using test::http_date;
using test::make_stored;

constexpr auto asked_at = test::at(100s);
constexpr auto answered_at = test::at(101s);

struct how {
    conf::route_cache_settings route{};
    bool personal = false;
    std::vector<conf::header_rule> rules{};
    const char* method = "GET";
};

freshened update(const stored_response& old, const std::string& fields, const how& h = {},
                 const std::string& request_fields = "", int status = 304) {
    return freshen(old, test::request(request_fields, h.method).head(), test::response(fields, status).head(), h.route,
                   h.personal, h.rules, asked_at, answered_at);
}

std::string validators(const std::string& fields) {
    std::string text;
    append_validators(*make_stored({.response_fields = fields}), text);
    return text;
}

TEST_CASE("an endpoint is asked by the stored validators", "[cache][validation][rfc9111-4.3.1]") {
    const std::string modified = "Last-Modified: " + http_date(-60s);
    const std::string since = "If-Modified-Since: " + http_date(-60s) + "\r\n";
    CHECK(validators("ETag: \"a\"") == "If-None-Match: \"a\"\r\n");
    CHECK(validators("ETag: W/\"a\"") == "If-None-Match: W/\"a\"\r\n");
    CHECK(validators(modified) == since);
    CHECK(validators(modified + "\nETag: \"a\"") == "If-None-Match: \"a\"\r\n" + since);
    CHECK(validators("Last-Modified: Wed Dec 31 23:59:00 2025") == "If-Modified-Since: Wed Dec 31 23:59:00 2025\r\n");
    CHECK(validators("").empty());
    CHECK(validators("ETag: \"a\"\nETag: \"b\"\nLast-Modified: x").empty());
    CHECK(can_be_validated(*make_stored({.response_fields = modified})));
    CHECK(can_be_validated(*make_stored({.response_fields = "ETag: \"a\""})));
    CHECK_FALSE(can_be_validated(*make_stored({.response_fields = "Date: " + http_date()})));
}

TEST_CASE("a 304 updates fields, times and lifetime, and shares the content",
          "[cache][validation][rfc9111-4.3.4][rfc9111-3.2]") {
    const auto old = make_stored({.response_fields = "Date: " + http_date() +
                                                     "\nETag: \"a\"\nCache-Control: max-age=10\nX-Old: 1\nX-Both: old\n"
                                                     "x-both: older\nContent-Type: text/plain",
                                  .content = "hello",
                                  .status = 200,
                                  .reason = "Fine"});
    const auto now = update(
        *old, "Date: " + http_date(100s) + "\nETag: \"a\"\nCache-Control: max-age=20\nX-Both: new\nX-New: 2\nAge: 3");
    REQUIRE(now.response);
    CHECK(now.judged);
    CHECK(now.judged.fresh);
    CHECK(now.response->head ==
          "HTTP/1.1 200 Fine\r\nETag: \"a\"\r\nX-Old: 1\r\nContent-Type: text/plain\r\nDate: " + http_date(100s) +
              "\r\nCache-Control: max-age=20\r\nX-Both: new\r\nX-New: 2\r\nContent-Length: 5\r\n");
    CHECK(now.response->key == old->key);
    CHECK(now.response->control.max_age == 20s);
    CHECK(now.response->freshness_lifetime == 20s);
    CHECK(now.response->request_time() == asked_at);
    CHECK(now.response->response_time == answered_at);
    CHECK(now.response->corrected_initial_age == 4s);  // the Age received and the second that it took
    CHECK(now.response->etag == "\"a\"");
    CHECK(test::whole_content(*now.response) == "hello");
    CHECK(now.response->content_bytes == 5);
}

TEST_CASE("a 304 leaves what describes the content, and what ends at this hop",
          "[cache][validation][rfc9111-3.2][rfc9111-3.1]") {
    const auto old =
        make_stored({.response_fields =
                         "Date: " + http_date() +
                         "\nETag: \"a\"\nCache-Control: max-age=10\nContent-Type: text/plain\nContent-Encoding: gzip",
                     .content = "abc"});
    const auto now = update(*old, "Date: " + http_date() +
                                      "\nETag: W/\"a\"\nContent-Type: text/html\nContent-Encoding: br\n"
                                      "Content-Range: bytes 0-1/2\nContent-Length: 99\nConnection: X-Hop, close\n"
                                      "X-Hop: 1\nKeep-Alive: timeout=5\nContent-Language: en");
    REQUIRE(now.response);
    CHECK(now.response->head ==
          "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nCache-Control: max-age=10\r\nContent-Type: text/plain\r\n"
          "Content-Encoding: gzip\r\nDate: " +
              http_date() + "\r\nContent-Language: en\r\nContent-Length: 3\r\n");
}

TEST_CASE("a 304 without a Date is dated by its receipt", "[cache][validation][rfc9110-6.6.1]") {
    const auto old =
        make_stored({.response_fields = "Date: " + http_date(-500s) + "\nETag: \"a\"\nCache-Control: max-age=10"});
    const auto now = update(*old, "ETag: \"a\"");
    REQUIRE(now.response);
    CHECK(now.response->fields.value(http::field_id::date) == http_date(101s));
    CHECK(now.response->corrected_initial_age == 1s);
    CHECK(now.judged.fresh);
}

TEST_CASE("a 304 about another response changes nothing", "[cache][validation][rfc9111-4.3.4]") {
    const std::string modified = "Last-Modified: " + http_date(-60s);
    const auto [stored, answer, fits] = GENERATE_COPY(table<std::string, std::string, bool>({
        {"ETag: \"a\"", "ETag: \"a\"", true},
        {"ETag: \"a\"", "ETag: \"b\"", false},
        {"ETag: \"a\"", "ETag: W/\"a\"", true},
        {"ETag: \"a\"", "ETag: W/\"b\"", false},
        {"ETag: W/\"a\"", "ETag: W/\"a\"", true},
        {"ETag: W/\"a\"", "ETag: \"a\"", false},  // strong, and not the one that is stored
        {"ETag: \"a\"", "ETag: \"a\"\nETag: \"b\"", false},
        {"ETag: \"a\"", "", true},
        {modified, modified, true},
        {modified, "Last-Modified: " + http_date(-50s), false},
        {modified, "Last-Modified: x", false},
        {modified, "Last-Modified: Wed Dec 31 23:59:00 2025", true},
        {modified, "ETag: \"a\"", false},
        {modified, "", true},
        {modified + "\nETag: \"a\"", "Last-Modified: " + http_date(-50s) + "\nETag: \"a\"", true},
        {modified + "\nETag: \"a\"", "Last-Modified: " + http_date(-50s), false},
    }));
    CAPTURE(stored, answer);
    const auto old = make_stored({.response_fields = stored + "\nCache-Control: max-age=10"});
    CHECK((update(*old, answer).response != nullptr) == fits);
}

TEST_CASE("after a 304 the response stays only where it may still be stored",
          "[cache][validation][rfc9111-3][rfc9111-4.3.4]") {
    const auto [answer, expected] = GENERATE(table<std::string, not_stored>({
        {"", not_stored::stored},
        {"Cache-Control: max-age=5", not_stored::stored},
        {"Cache-Control: no-cache", not_stored::stored},
        {"Cache-Control: no-store", not_stored::no_store},
        {"Cache-Control: private", not_stored::is_private},
        {"CDN-Cache-Control: no-store", not_stored::no_store},
        {"Set-Cookie: a=b", not_stored::set_cookie},
        {"Vary: *", not_stored::vary_any},
        {"Set-Cookie: a=b\nVary: *", not_stored::set_cookie},
    }));
    CAPTURE(answer);
    const auto old = make_stored({.response_fields = "ETag: \"a\"\nCache-Control: max-age=10"});
    const auto now = update(*old, answer);
    REQUIRE(now.response);
    CHECK(now.judged.reason == expected);
}

TEST_CASE("who asked decides whether a 304 may freshen what all share", "[cache][validation][rfc9111-3.5]") {
    const auto old = make_stored({.response_fields = "ETag: \"a\"\nCache-Control: max-age=10"});
    CHECK(update(*old, "", {}, "Authorization: Basic YTpi").judged.reason == not_stored::request_has_authorization);
    CHECK(update(*old, "", {}, "Cache-Control: no-store").judged.reason == not_stored::request_no_store);
    CHECK(update(*old, "", {.personal = true}).judged.reason == not_stored::session_cookie);
    CHECK(update(*old, "Cache-Control: public, max-age=5", {.personal = true}, "Authorization: Basic YTpi").judged);
}

TEST_CASE("a no-cache response has lifetime zero after each 304", "[cache][validation][rfc9111-5.2.2.4]") {
    const auto old = make_stored({.response_fields = "ETag: \"a\"\nCache-Control: no-cache", .freshness_lifetime = 0s});
    const auto now = update(*old, "ETag: \"a\"");
    REQUIRE(now.response);
    CHECK(now.judged);
    CHECK_FALSE(now.judged.fresh);
    CHECK(now.response->freshness_lifetime == 0s);
}

TEST_CASE("the route's rules hide nothing from a 304", "[cache][validation][route]") {
    const std::vector<conf::header_rule> rules = {
        {"Cache-Control", "no-store"}, {"ETag", std::nullopt}, {"Vary", "X"}, {"Expires", std::nullopt}};
    SECTION("what the origin said before stays") {
        const auto old = make_stored({.request_fields = "Accept: a",
                                      .response_fields = "Cache-Control: max-age=10\nETag: \"a\"\nVary: Accept",
                                      .rules = rules});
        const auto now = update(*old, "ETag: \"a\"", {.rules = rules}, "Accept: a");
        REQUIRE(now.response);
        CHECK(now.judged);
        CHECK(now.response->freshness_lifetime == 10s);
        CHECK(now.response->control.max_age == 10s);
        REQUIRE(now.response->vary.size() == 1);
        CHECK((*now.response->vary.begin()).name == "accept");
        CHECK(now.response->fields.value(http::field_id::cache_control) == "no-store");
        CHECK(now.response->fields.count(http::field_id::cache_control) == 1);
        CHECK_FALSE(now.response->fields.has(http::field_id::etag));
    }
    SECTION("what it says now counts") {
        const auto old = make_stored({.response_fields = "Cache-Control: max-age=10\nETag: \"a\"", .rules = rules});
        const auto now = update(*old, "Cache-Control: max-age=20\nVary: Accept", {.rules = rules}, "Accept: b");
        REQUIRE(now.response);
        CHECK(now.response->freshness_lifetime == 20s);
        REQUIRE(now.response->vary.size() == 1);
        CHECK((*now.response->vary.begin()).value == "b");
    }
    SECTION("a lifetime that is lost means validating again") {
        const auto old = make_stored(
            {.response_fields = "Expires: " + http_date(10s) + "\nLast-Modified: " + http_date(-60s), .rules = rules});
        const auto now = update(*old, "", {.rules = rules});
        REQUIRE(now.response);
        CHECK(now.judged);
        CHECK(now.response->freshness_lifetime == 0s);
    }
}

TEST_CASE("a 304's Cache-Control does not go before a stored targeted field", "[cache][validation][rfc9213-2.2]") {
    const auto old =
        make_stored({.response_fields = "ETag: \"a\"\nCache-Control: max-age=1\nCDN-Cache-Control: max-age=50"});
    CHECK(update(*old, "Cache-Control: no-store").response->freshness_lifetime == 50s);
    CHECK(update(*old, "CDN-Cache-Control: max-age=5").response->freshness_lifetime == 5s);
    CHECK(update(*old, "").response->control.targeted);
}

TEST_CASE("tags and the number of the fill go over to the freshened response", "[cache][validation]") {
    const auto old =
        make_stored({.response_fields = "ETag: \"a\"\nCache-Control: max-age=10\nCache-Groups: \"a\", \"b\"",
                     .rules = {{"Cache-Groups", std::nullopt}},
                     .fill_number = 7});
    REQUIRE(old->tags.size() == 2);
    old->use.soft_purged = true;
    const auto now = update(*old, "");
    REQUIRE(now.response);
    CHECK(now.response->fill_number == 7);
    CHECK(std::ranges::equal(now.response->tags, old->tags));
    CHECK_FALSE(now.response->use.soft_purged);
    const auto anew = update(*old, "Cache-Tag: x y").response;
    REQUIRE(anew);
    CHECK(anew->tags.size() == 2);
    CHECK_FALSE(std::ranges::equal(anew->tags, old->tags));
}

TEST_CASE("the response to a HEAD freshens or invalidates", "[cache][validation][rfc9111-4.3.5]") {
    const std::string modified = "Last-Modified: " + http_date(-60s);
    const auto [fields, status, expected] = GENERATE_COPY(table<std::string, int, head_verdict>({
        {"ETag: \"a\"", 200, head_verdict::freshen},
        {modified, 200, head_verdict::freshen},
        {"Content-Length: 5", 200, head_verdict::none},
        {"ETag: \"a\"\nContent-Length: 5\n" + modified, 200, head_verdict::freshen},
        {"X: y", 200, head_verdict::none},
        {"ETag: \"b\"", 200, head_verdict::invalidate},
        {"ETag: W/\"a\"", 200, head_verdict::invalidate},
        {"ETag: \"a\"\nETag: \"a\"", 200, head_verdict::invalidate},
        {"Last-Modified: " + http_date(-50s), 200, head_verdict::invalidate},
        {"Content-Length: 6", 200, head_verdict::invalidate},
        {"ETag: \"a\"\nContent-Length: 0", 200, head_verdict::invalidate},
        {"ETag: \"b\"", 404, head_verdict::none},
        {"ETag: \"a\"", 304, head_verdict::none},
        {"ETag: \"b\"", 500, head_verdict::none},
    }));
    CAPTURE(fields, status);
    const auto stored = make_stored({.response_fields = modified + "\nETag: \"a\"", .content = "hello"});
    CHECK(judge_head(*stored, test::response(fields, status).head(), {}) == expected);
    const auto error = make_stored({.response_fields = "ETag: \"a\"", .status = 404});
    CHECK(judge_head(*error, test::response(fields, status).head(), {}) == head_verdict::none);
}

TEST_CASE("a validator that the route rewrites is not compared with a HEAD's", "[cache][validation][route]") {
    const std::vector<conf::header_rule> rules = {{"ETag", "\"ours\""}, {"Last-Modified", std::nullopt}};
    const auto stored = make_stored(
        {.response_fields = "ETag: \"a\"\nLast-Modified: " + http_date(-60s), .content = "hello", .rules = rules});
    const test::response head("ETag: \"a\"\nContent-Length: 5\nLast-Modified: " + http_date(-60s));
    CHECK(judge_head(*stored, head.head(), rules) == head_verdict::freshen);
}

TEST_CASE("fields of a HEAD's response go into the stored GET's", "[cache][validation][rfc9111-4.3.5][rfc9111-3.2]") {
    const auto stored = make_stored({.response_fields = "ETag: \"a\"\nCache-Control: max-age=10", .content = "hello"});
    const auto now =
        update(*stored, "Content-Length: 5\nETag: \"a\"\nCache-Control: max-age=99\nX: y", {.method = "HEAD"}, "", 200);
    REQUIRE(now.response);
    CHECK(now.judged);
    CHECK(now.response->freshness_lifetime == 99s);
    CHECK(now.response->fields.value("X") == "y");
    CHECK(now.response->fields.value(http::field_id::content_length) == "5");
    CHECK(now.response->content_bytes == 5);
}

}  // namespace
}  // namespace weir::cache
