#include "cache/freshness.hpp"

#include <catch2/catch.hpp>

#include "test/cache/allocation_count.hpp"
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

response_ptr saying(const std::string& control, seconds stays_fresh = 10s) {
    return test::make_stored({.response_fields = "Cache-Control: " + control, .freshness_lifetime = stays_fresh});
}

TEST_CASE("a stale response is used as long as it says, where nothing forbids it",
          "[cache][freshness][rfc5861-3][rfc5861-4][rfc9111-4.2.4]") {
    const auto [said, age, usable] = GENERATE(table<std::string, seconds, bool>({
        {"max-age=10, X=60", 10s, true},
        {"max-age=10, X=60", 69s, true},
        {"max-age=10, X=60", 70s, false},
        {"max-age=10, X=0", 10s, false},
        {"max-age=10, X=x", 10s, false},
        {"max-age=10", 10s, false},
        {"max-age=10, X=60, must-revalidate", 11s, false},   // 5.2.2.2
        {"max-age=10, X=60, proxy-revalidate", 11s, false},  // 5.2.2.8
        {"s-maxage=10, X=60", 11s, false},                   // 5.2.2.10
        {"max-age=10, X=60, no-cache", 11s, false},          // 5.2.2.4
        {"max-age=10, X=60, no-cache=\"a\"", 11s, true},
        {"max-age=10, X=60", 3s, true},  // made stale before its time
    }));
    CAPTURE(said, age.count());
    const auto with = [&](const char* name) {
        std::string text = said;
        if (const auto at = text.find('X'); at != std::string::npos) text.replace(at, 1, name);
        return saying(text);
    };
    CHECK(usable_on_error(*with("stale-if-error"), age, {}) == usable);
    CHECK_FALSE(usable_while_revalidating(*with("stale-if-error"), age, {}));
    CHECK(usable_while_revalidating(*with("stale-while-revalidate"), age, {}) == usable);
    CHECK_FALSE(usable_on_error(*with("stale-while-revalidate"), age, {}));
}

TEST_CASE("the route's stale settings are for responses that say nothing", "[cache][freshness][route][rfc9111-4.2.4]") {
    const conf::stale_settings rules{.while_revalidate = 20s, .if_error = 40s};
    const auto plain = saying("max-age=10");
    CHECK(usable_while_revalidating(*plain, 29s, rules));
    CHECK_FALSE(usable_while_revalidating(*plain, 30s, rules));
    CHECK(usable_on_error(*plain, 49s, rules));
    CHECK_FALSE(usable_on_error(*plain, 50s, rules));
    CHECK_FALSE(usable_while_revalidating(*saying("max-age=10, stale-while-revalidate=5"), 15s, rules));
    CHECK_FALSE(usable_on_error(*saying("max-age=10, stale-if-error=0"), 10s, rules));
    CHECK(usable_on_error(*saying("max-age=10, stale-while-revalidate=5"), 15s, rules));
    for (const char* forbidding : {"must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"}) {
        CAPTURE(forbidding);
        const auto stored = saying("max-age=10, " + std::string(forbidding));
        CHECK(forbids_stale_use(stored->control));
        CHECK_FALSE(usable_while_revalidating(*stored, 11s, rules));
        CHECK_FALSE(usable_on_error(*stored, 11s, rules));
    }
}

TEST_CASE("fresh is a lifetime greater than the age", "[cache][freshness][rfc9111-4.2]") {
    CHECK(is_fresh(*saying("max-age=10"), 9s));
    CHECK_FALSE(is_fresh(*saying("max-age=10"), 10s));
    CHECK_FALSE(is_fresh(*saying("max-age=0", 0s), 0s));
}

TEST_CASE("a request's directives narrow or widen what is used without validation",
          "[cache][freshness][rfc9111-5.2.1]") {
    const auto [asked, age, usable] = GENERATE(table<std::string, seconds, bool>({
        {"", 9s, true},
        {"", 10s, false},
        {"no-cache", 0s, false},  // 5.2.1.4
        {"max-age=5", 5s, true},  // 5.2.1.1
        {"max-age=5", 6s, false},
        {"max-age=0", 0s, true},
        {"max-age=x", 1s, false},
        {"max-age=100", 10s, false},  // does not make stale fresh
        {"min-fresh=5", 5s, true},    // 5.2.1.3
        {"min-fresh=5", 6s, false},
        {"min-fresh=x", 0s, false},
        {"max-stale", 100000s, true},  // 5.2.1.2
        {"max-stale=5", 15s, true},
        {"max-stale=5", 16s, false},
        {"max-stale=x", 11s, false},
        {"max-stale=5, max-age=12", 12s, true},
        {"max-stale=5, max-age=12", 13s, false},
        {"max-stale=5, min-fresh=1", 10s, false},
        {"no-transform, only-if-cached, no-store", 9s, true},
    }));
    CAPTURE(asked, age.count());
    const test::request head(asked.empty() ? "" : "Cache-Control: " + asked);
    CHECK(satisfies(request_control(head.fields()), *saying("max-age=10"), age) == usable);
}

TEST_CASE("looking at a request's directives allocates nothing", "[cache][freshness][allocations]") {
    const test::request asked("Cache-Control: max-age=5, private=\"a\", no-cache=\"b\"\nPragma: no-cache");
    const auto stored = saying("max-age=10");
    const auto before = test::allocations();
    const bool usable = satisfies(request_control(asked.fields()), *stored, 0s);
    CHECK(test::allocations() == before);
    CHECK_FALSE(usable);
}

TEST_CASE("max-stale does not go against what the response forbids", "[cache][freshness][rfc9111-4.2.4]") {
    const cache_control asked = request_control(test::request("Cache-Control: max-stale").fields());
    for (const char* forbidding : {"must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"}) {
        CAPTURE(forbidding);
        CHECK_FALSE(satisfies(asked, *saying("max-age=10, " + std::string(forbidding)), 10s));
        CHECK(satisfies(asked, *saying("max-age=10, " + std::string(forbidding)), 9s));
    }
}

TEST_CASE("Pragma: no-cache asks for validation where there is no Cache-Control", "[cache][freshness][rfc9111-5.4]") {
    CHECK_FALSE(satisfies(request_control(test::request("Pragma: no-cache").fields()), *saying("max-age=10"), 0s));
    CHECK(satisfies(request_control(test::request("Pragma: no-cache\nCache-Control: max-age=5").fields()),
                    *saying("max-age=10"), 0s));
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
