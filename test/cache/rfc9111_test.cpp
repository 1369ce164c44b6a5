// Requirements of RFC 9111 that no single part of the cache owns; those of the parts are tested with them, each tagged
// with its section.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>

#include "cache/conditional.hpp"
#include "cache/freshness.hpp"
#include "cache/storability.hpp"
#include "cache/validation.hpp"
#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using test::http_date;
using test::make_stored;

storability judge(const std::string& fields, int status = 200, const conf::route_cache_settings& route = {}) {
    return may_store(test::request().head(), test::response(fields, status).head(), route, false, 1000, test::start,
                     test::start);
}

TEST_CASE("every field received is stored, those that nobody knows too", "[cache][rfc9111-3.1]") {
    const std::string fields =
        "Date: " + http_date() +
        "\nX-New: 1\nx-new: 2\nWarning: 110 - \"old\"\nPragma: x\nCDN-Cache-Control: a=1\nLink: </a>";
    const auto stored = make_stored({.response_fields = fields});
    CHECK(stored->head == "HTTP/1.1 200 OK\r\nDate: " + http_date() +
                              "\r\nX-New: 1\r\nx-new: 2\r\nWarning: 110 - \"old\"\r\nPragma: x\r\n"
                              "CDN-Cache-Control: a=1\r\nLink: </a>\r\nContent-Length: 0\r\n");
}

TEST_CASE("what is between a proxy and its client is not stored", "[cache][rfc9111-3.1]") {
    for (const char* name : {"Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization"}) {
        CAPTURE(name);
        CHECK_FALSE(make_stored({.response_fields = std::string(name) + ": x"})->fields.has(name));
    }
}

TEST_CASE("directives are stored as they came, extensions too", "[cache][rfc9111-5.2][rfc9111-5.2.3]") {
    const std::string control = "max-age=60, Community=\"UCI\",no-transform , x";
    const auto stored = make_stored({.response_fields = "Cache-Control: " + control});
    CHECK(stored->fields.value(http::field_id::cache_control) == control);
}

TEST_CASE("an extension does not change what stands beside it", "[cache][rfc9111-5.2.3]") {
    CHECK(judge("Cache-Control: private, community=\"UCI\", max-age=60").reason == not_stored::is_private);
    CHECK(judge("Cache-Control: max-age=60, new-thing, other=\"a, b\"").freshness_lifetime == 60s);
}

TEST_CASE("the machine's time zone changes no date", "[cache][rfc9111-4.2]") {
    struct zone {
        explicit zone(const char* name) {
            if (const char* was = std::getenv("TZ")) before = was;
            setenv("TZ", name, 1);
            tzset();
        }
        ~zone() {
            before ? setenv("TZ", before->c_str(), 1) : unsetenv("TZ");
            tzset();
        }
        std::optional<std::string> before;
    };
    const zone far("XYZ-11:30");
    const test::response answer("Date: " + http_date() + "\nExpires: " + http_date(30s));
    CHECK(freshness_lifetime(answer.head(), {}, {}, test::start) == 30s);
    CHECK(corrected_initial_age(answer.fields(), test::at(5s), test::at(5s)) == 5s);
}

TEST_CASE("no heuristic where the response says when it expires, even badly", "[cache][rfc9111-4.2.2]") {
    conf::route_cache_settings route;
    route.freshness.heuristic_percent = 10;
    const std::string old = "Last-Modified: " + http_date(-10000s) + "\n";
    CHECK(judge(old, 200, route).freshness_lifetime == 1000s);
    for (const char* said : {"Expires: 0", "Cache-Control: max-age=x", "Cache-Control: s-maxage=0",
                             "Cache-Control: max-age=1, max-age=2", "CDN-Cache-Control: max-age"}) {
        CAPTURE(said);
        CHECK(judge(old + said, 200, route).freshness_lifetime == 0s);
        CHECK_FALSE(judge(old + said, 200, route).fresh);
    }
}

TEST_CASE("a validated response ages from the answer that validated it", "[cache][rfc9111-4.2.3][rfc9111-4.3.4]") {
    const auto old = make_stored({.response_fields = "ETag: \"a\"\nCache-Control: max-age=10\nAge: 500"});
    CHECK(current_age(*old, test::at(20s)) == 520s);
    const auto now = freshen(*old, test::request().head(), test::response("ETag: \"a\"\nAge: 2").head(), {}, false, {},
                             test::at(20s), test::at(20s));
    REQUIRE(now.response);
    CHECK(current_age(*now.response, test::at(20s)) == 2s);
    CHECK(is_fresh(*now.response, 2s));
}

TEST_CASE("Pragma in a response means nothing", "[cache][rfc9111-5.4]") {
    CHECK(judge("Pragma: no-cache\nCache-Control: max-age=60").fresh);
    CHECK(judge("Pragma: no-cache\nExpires: " + http_date(60s)).fresh);
}

TEST_CASE("the most restrictive of directives that conflict counts", "[cache][rfc9111-4.2.1]") {
    CHECK(judge("Cache-Control: public, no-store, max-age=60").reason == not_stored::no_store);
    CHECK(judge("Cache-Control: public, private, s-maxage=60").reason == not_stored::is_private);
    CHECK_FALSE(judge("ETag: \"a\"\nCache-Control: no-cache, max-age=60, immutable").fresh);
    CHECK(judge("Cache-Control: s-maxage=5, max-age=60\nExpires: " + http_date(90s)).freshness_lifetime == 5s);
}

TEST_CASE("what a targeted field forbids when stale, no one allows", "[cache][rfc9111-4.2.4][rfc9213-2.2]") {
    const auto stored = make_stored({.response_fields = "Cache-Control: max-age=10, stale-if-error=99\n"
                                                        "CDN-Cache-Control: max-age=10, must-revalidate"});
    const conf::stale_settings generous{.while_revalidate = 1000s, .if_error = 1000s};
    CHECK_FALSE(usable_on_error(*stored, 100s, generous));
    CHECK_FALSE(usable_while_revalidating(*stored, 100s, generous));
    CHECK_FALSE(satisfies(request_control(test::request("Cache-Control: max-stale").fields()), *stored, 100s));
}

TEST_CASE("what must be validated is never taken for fresh", "[cache][rfc9111-4][rfc9111-5.2.2.4]") {
    const std::string fields = "ETag: \"a\"\nCache-Control: no-cache, max-age=60";
    const storability judged = judge(fields);
    REQUIRE(judged);
    const auto stored = make_stored({.response_fields = fields, .freshness_lifetime = judged.freshness_lifetime});
    CHECK_FALSE(is_fresh(*stored, 0s));
    for (const char* asked : {"", "Cache-Control: max-stale", "Cache-Control: max-age=100, max-stale=100"}) {
        CAPTURE(asked);
        CHECK_FALSE(satisfies(request_control(test::request(asked).fields()), *stored, 0s));
    }
}

TEST_CASE("a condition of a client is judged on the response that was validated",
          "[cache][rfc9111-4.3.2][rfc9111-4.3.3]") {
    const auto old = make_stored({.response_fields = "ETag: \"a\"\nCache-Control: max-age=10"});
    const auto now = freshen(*old, test::request("If-None-Match: \"a\"").head(), test::response("ETag: \"a\"").head(),
                             {}, false, {}, test::at(20s), test::at(20s));
    REQUIRE(now.response);
    CHECK(evaluate_conditional(test::request("If-None-Match: \"a\"").head(), *now.response, test::at(21s)) == 304);
    CHECK(evaluate_conditional(test::request("If-None-Match: \"b\"").head(), *now.response, test::at(21s)) == 200);
}

}  // namespace
}  // namespace weir::cache
