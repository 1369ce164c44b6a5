#include "cache/freshness.hpp"

#include <catch2/catch.hpp>

#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using conf::freshness_settings;
using std::chrono::seconds;
using test::http_date;

using lifetime = std::optional<seconds>;

lifetime lifetime_of(const std::string& fields, const freshness_settings& rules = {}, int status = 200) {
    const test::response answer(fields, status);
    return freshness_lifetime(answer.head(), response_control(answer.fields()), rules, test::start);
}

TEST_CASE("what a response says is taken in order: s-maxage, max-age, Expires minus Date",
          "[cache][freshness][rfc9111-4.2.1]") {
    const std::string dates = "Date: " + http_date() + "\nExpires: " + http_date(30s) + "\n";
    const auto [fields, expected] = GENERATE_COPY(table<std::string, lifetime>({
        {dates + "Cache-Control: max-age=20, s-maxage=10", 10s},
        {dates + "Cache-Control: s-maxage=10", 10s},
        {dates + "Cache-Control: max-age=20", 20s},
        {dates, 30s},
        {dates + "Cache-Control: public", 30s},
        {dates + "Cache-Control: s-maxage=0, max-age=20", 0s},
        {dates + "Cache-Control: s-maxage=x, max-age=20", 0s},
        {dates + "Cache-Control: max-age=x", 0s},
        {"Cache-Control: max-age=9999999999", 2147483648s},
        {"", std::nullopt},
        {"Cache-Control: public", std::nullopt},
        {"Cache-Control: must-revalidate", std::nullopt},
    }));
    CAPTURE(fields);
    CHECK(lifetime_of(fields) == expected);
}

TEST_CASE("Expires counts from Date, and in doubt is in the past", "[cache][freshness][rfc9111-5.3]") {
    const std::string expires = "Expires: " + http_date(30s);
    const auto [fields, expected] = GENERATE_COPY(table<std::string, lifetime>({
        {"Date: " + http_date(10s) + "\n" + expires, 20s},
        {"Date: " + http_date(-3600s) + "\n" + expires, 3630s},
        {expires, 30s},                        // no Date: counts from the time of receipt
        {"Date: yesterday\n" + expires, 30s},  // as good as none
        {"Date: " + http_date(30s) + "\n" + expires, 0s},
        {"Date: " + http_date(31s) + "\n" + expires, 0s},
        {"Expires: 0", 0s},
        {"Expires: -1", 0s},
        {"Expires:", 0s},
        {"Expires: Thursday", 0s},
        {expires + "\n" + expires, 30s},
        {expires + "\nExpires: " + http_date(40s), 0s},
        {expires + "\nExpires: 0", 0s},
        {"Expires: Thursday, 01-Jan-26 00:00:30 GMT", 30s},
        {"Expires: Thu Jan  1 00:00:30 2026", 30s},
    }));
    CAPTURE(fields);
    CHECK(lifetime_of(fields) == expected);
}

TEST_CASE("where a targeted field speaks, Expires and Cache-Control are silent", "[cache][freshness][rfc9213-2.2]") {
    const std::string rest = "\nCache-Control: max-age=20\nExpires: " + http_date(30s);
    CHECK(lifetime_of("CDN-Cache-Control: max-age=10" + rest) == lifetime{10s});
    CHECK(lifetime_of("CDN-Cache-Control: public" + rest) == std::nullopt);
    CHECK(lifetime_of("CDN-Cache-Control: max-age=x" + rest) == lifetime{0s});
    CHECK(lifetime_of("CDN-Cache-Control: max-age=10 x" + rest) == lifetime{20s});
}

TEST_CASE("the route's lifetime is for responses that say nothing", "[cache][freshness][route]") {
    freshness_settings rules;
    rules.default_lifetime = 100s;
    rules.by_status = {{404, 5s}, {503, 3s}};
    CHECK(lifetime_of("", rules) == lifetime{100s});
    CHECK(lifetime_of("Cache-Control: public", rules) == lifetime{100s});
    CHECK(lifetime_of("Cache-Control: max-age=0", rules) == lifetime{0s});
    CHECK(lifetime_of("Expires: 0", rules) == lifetime{0s});
    CHECK(lifetime_of("", rules, 301) == lifetime{100s});
    CHECK(lifetime_of("", rules, 302) == std::nullopt);
    CHECK(lifetime_of("", rules, 500) == std::nullopt);
    CHECK(lifetime_of("", rules, 404) == lifetime{5s});
    CHECK(lifetime_of("", rules, 503) == lifetime{3s});
    CHECK(lifetime_of("Cache-Control: max-age=7", rules, 404) == lifetime{7s});
    rules.statuses = {200, 302};
    CHECK(lifetime_of("", rules, 302) == lifetime{100s});
    CHECK(lifetime_of("", rules, 301) == std::nullopt);
}

TEST_CASE("the route's override replaces what the response says", "[cache][freshness][route]") {
    freshness_settings rules;
    rules.override_lifetime = 100s;
    rules.default_lifetime = 50s;
    rules.by_status = {{404, 5s}};
    CHECK(lifetime_of("Cache-Control: max-age=7", rules) == lifetime{100s});
    CHECK(lifetime_of("Cache-Control: max-age=0", rules) == lifetime{100s});
    CHECK(lifetime_of("Cache-Control: s-maxage=7", rules) == lifetime{100s});
    CHECK(lifetime_of("Expires: 0", rules) == lifetime{100s});
    CHECK(lifetime_of("Cache-Control: max-age=7", rules, 500) == lifetime{100s});
    CHECK(lifetime_of("", rules) == lifetime{100s});
    CHECK(lifetime_of("", rules, 500) == std::nullopt);
    CHECK(lifetime_of("", rules, 404) == lifetime{5s});
    CHECK(lifetime_of("Cache-Control: max-age=7", rules, 404) == lifetime{100s});
}

TEST_CASE("the route's max caps a lifetime wherever it is from", "[cache][freshness][route]") {
    freshness_settings rules;
    rules.max_lifetime = 10s;
    CHECK(lifetime_of("Cache-Control: max-age=60", rules) == lifetime{10s});
    CHECK(lifetime_of("Cache-Control: max-age=9", rules) == lifetime{9s});
    CHECK(lifetime_of("Expires: " + http_date(60s), rules) == lifetime{10s});
    CHECK(lifetime_of("", rules) == std::nullopt);
    rules.default_lifetime = 60s;
    CHECK(lifetime_of("", rules) == lifetime{10s});
    rules.by_status = {{404, 60s}};
    CHECK(lifetime_of("", rules, 404) == lifetime{10s});
    rules.override_lifetime = 60s;
    CHECK(lifetime_of("Cache-Control: max-age=9", rules) == lifetime{10s});
}

TEST_CASE("the heuristic is a share of the time since Last-Modified", "[cache][freshness][rfc9111-4.2.2]") {
    freshness_settings rules;
    rules.heuristic_percent = 10;
    const std::string modified = "Last-Modified: " + http_date(-1000s);
    CHECK(lifetime_of("Date: " + http_date() + "\n" + modified, rules) == lifetime{100s});
    CHECK(lifetime_of(modified, rules) == lifetime{100s});
    CHECK(lifetime_of("Date: " + http_date(-500s) + "\n" + modified, rules) == lifetime{50s});
    CHECK(lifetime_of("Cache-Control: max-age=3\n" + modified, rules) == lifetime{3s});
    CHECK(lifetime_of(modified) == std::nullopt);
    CHECK(lifetime_of("", rules) == std::nullopt);
    CHECK(lifetime_of("Last-Modified: long ago", rules) == std::nullopt);
    CHECK(lifetime_of("Last-Modified: " + http_date(10s), rules) == std::nullopt);
    CHECK(lifetime_of(modified + "\nLast-Modified: " + http_date(-2000s), rules) == std::nullopt);

    SECTION("only for statuses that are heuristically cacheable (RFC 9110 section 15.1)") {
        for (const int status : {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}) {
            CAPTURE(status);
            CHECK(lifetime_of(modified, rules, status) == lifetime{100s});
        }
        for (const int status : {201, 202, 302, 303, 307, 400, 401, 403, 429, 500, 502, 503, 504}) {
            CAPTURE(status);
            CHECK(lifetime_of(modified, rules, status) == std::nullopt);
        }
    }
    SECTION("after the route's own lifetimes, and capped") {
        rules.max_lifetime = 40s;
        CHECK(lifetime_of(modified, rules) == lifetime{40s});
        rules.default_lifetime = 30s;
        CHECK(lifetime_of(modified, rules) == lifetime{30s});
    }
}

TEST_CASE("the initial age is the larger of what Date and what Age say", "[cache][freshness][rfc9111-4.2.3]") {
    struct row {
        std::string fields;
        std::chrono::milliseconds response_delay;
        seconds expected;
    };
    const row r = GENERATE(values<row>({
        {"Date: " + http_date(), 0ms, 0s},
        {"Date: " + http_date(-30s), 0ms, 30s},
        {"Date: " + http_date(30s), 0ms, 0s},  // the origin's clock is ahead
        {"Date: never", 0ms, 0s},
        {"", 0ms, 0s},
        {"Age: 10", 0ms, 10s},
        {"Age: 10\nDate: " + http_date(-30s), 0ms, 30s},
        {"Age: 40\nDate: " + http_date(-30s), 0ms, 40s},
        {"Age: 10", 2500ms, 12s},
        {"", 2500ms, 2s},
        {"", 999ms, 0s},
        {"", -5000ms, 0s},  // our clock was set back
        {"Age: -1", 0ms, 0s},
        {"Age: abc", 0ms, 0s},
        {"Age: 1.5", 0ms, 0s},
        {"Age:", 0ms, 0s},
        {"Age: 10, 20", 0ms, 10s},
        {"Age: 10\nAge: 20", 0ms, 10s},
        {"Age: 99999999999999999999", 0ms, 2147483648s},
    }));
    CAPTURE(r.fields, r.response_delay.count());
    const test::response answer(r.fields);
    CHECK(corrected_initial_age(answer.fields(), test::start - r.response_delay, test::start) == r.expected);
}

TEST_CASE("the current age grows with the time in the cache", "[cache][freshness][rfc9111-4.2.3]") {
    const auto stored = test::make_stored({.response_fields = "Age: 10"});
    CHECK(current_age(*stored, test::at(0ms)) == 10s);
    CHECK(current_age(*stored, test::at(999ms)) == 10s);
    CHECK(current_age(*stored, test::at(1000ms)) == 11s);
    CHECK(current_age(*stored, test::at(24h)) == 86410s);
    CHECK(current_age(*stored, test::at(-1h)) == 10s);  // the clock was set back
}

TEST_CASE("a stale response is used on error where it says so and nothing forbids it",
          "[cache][freshness][rfc5861-4]") {
    const auto [said, age, usable] = GENERATE(table<std::string, seconds, bool>({
        {"max-age=10, stale-if-error=60", 70s, true},
        {"max-age=10, stale-if-error=60", 71s, false},
        {"max-age=10", 11s, false},
        {"max-age=10, stale-if-error=60, must-revalidate", 11s, false},
        {"max-age=10, stale-if-error=60, proxy-revalidate", 11s, false},
        {"s-maxage=10, stale-if-error=60", 11s, false},
        {"max-age=10, stale-if-error=60, no-cache", 11s, false},
    }));
    CAPTURE(said);
    auto stored =
        std::const_pointer_cast<stored_response>(test::make_stored({.response_fields = "Cache-Control: " + said}));
    stored->freshness_lifetime = 10s;
    CHECK(usable_on_error(*stored, age) == usable);
}

TEST_CASE("a Date that is missing, doubled or unreadable is the time of receipt", "[cache][freshness][rfc9110-6.6.1]") {
    const auto received = std::chrono::floor<seconds>(test::at(5s));
    CHECK(date_of(test::response("Date: " + http_date()).fields(), test::at(5s)) == received - 5s);
    CHECK(date_of(test::response("").fields(), test::at(5900ms)) == received);
    CHECK(date_of(test::response("Date: x").fields(), test::at(5s)) == received);
    CHECK(date_of(test::response("Date: " + http_date() + "\nDate: " + http_date(1s)).fields(), test::at(5s)) ==
          received);
}

}  // namespace
}  // namespace weir::cache
