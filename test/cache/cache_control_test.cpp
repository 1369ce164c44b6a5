#include "cache/cache_control.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using std::chrono::seconds;

// What parsing gave, as text: the flags, then the numbers, in the order of the struct.
std::string describe(const cache_control& c) {
    std::string text;
    const auto flag = [&](const char* name, bool set) {
        if (set) text.append(text.empty() ? "" : " ").append(name);
    };
    const auto number = [&](const char* name, std::optional<seconds> value) {
        if (value) text.append(text.empty() ? "" : " ").append(name).append("=").append(std::to_string(value->count()));
    };
    flag("no-store", c.no_store);
    flag("no-cache", c.no_cache);
    flag("private", c.is_private);
    flag("public", c.is_public);
    flag("must-revalidate", c.must_revalidate);
    flag("proxy-revalidate", c.proxy_revalidate);
    flag("must-understand", c.must_understand);
    flag("no-transform", c.no_transform);
    flag("only-if-cached", c.only_if_cached);
    flag("immutable", c.immutable);
    number("max-age", c.max_age);
    number("s-maxage", c.s_maxage);
    number("min-fresh", c.min_fresh);
    number("max-stale", c.max_stale);
    number("swr", c.stale_while_revalidate);
    number("sie", c.stale_if_error);
    const auto names = [&](const char* name, const std::vector<std::string>& fields) {
        for (const std::string& field : fields) text.append(text.empty() ? "" : " ").append(name).append(":" + field);
    };
    names("private", c.private_fields);
    names("no-cache", c.no_cache_fields);
    flag("targeted", c.targeted);
    return text;
}

std::string parsed(const std::string& fields) {
    return describe(response_control(test::response(fields).fields()));
}

TEST_CASE("every directive is read from one line", "[cache][cache_control][rfc9111-5.2]") {
    const auto [value, expected] = GENERATE(table<std::string, std::string>({
        {"no-store", "no-store"},
        {"no-cache", "no-cache"},
        {"private", "private"},
        {"public", "public"},
        {"must-revalidate", "must-revalidate"},
        {"proxy-revalidate", "proxy-revalidate"},
        {"must-understand", "must-understand"},
        {"no-transform", "no-transform"},
        {"only-if-cached", "only-if-cached"},
        {"immutable", "immutable"},
        {"max-age=60", "max-age=60"},
        {"s-maxage=60", "s-maxage=60"},
        {"min-fresh=60", "min-fresh=60"},
        {"max-stale=60", "max-stale=60"},
        {"max-stale", "max-stale=2147483648"},
        {"stale-while-revalidate=60", "swr=60"},
        {"stale-if-error=60", "sie=60"},
        {"public, max-age=60", "public max-age=60"},
        {"public,max-age=60", "public max-age=60"},
        {"public\t,\t max-age=60", "public max-age=60"},
        {",,public,, ,max-age=60,", "public max-age=60"},
        {"max-age=60, s-maxage=10, must-revalidate", "must-revalidate max-age=60 s-maxage=10"},
        {"", ""},
        {",", ""},
        {"unknown", ""},
        {"unknown=60, public", "public"},
        {"x-max-age=60", ""},
        {"max-age-x=60", ""},
        {"max-ag=60", ""},
        {"xno-store", ""},
    }));
    CAPTURE(value);
    CHECK(parsed("Cache-Control: " + value) == expected);
}

TEST_CASE("directive names compare without regard to case", "[cache][cache_control][rfc9111-5.2]") {
    const auto [value, expected] = GENERATE(table<std::string, std::string>({
        {"NO-STORE", "no-store"},
        {"No-Cache", "no-cache"},
        {"PrIvAtE", "private"},
        {"Max-Age=60", "max-age=60"},
        {"S-MAXAGE=60", "s-maxage=60"},
    }));
    CAPTURE(value);
    CHECK(parsed("Cache-Control: " + value) == expected);
}

TEST_CASE("an argument may be a token or a quoted string", "[cache][cache_control][rfc9111-5.2]") {
    const auto [value, expected] = GENERATE(table<std::string, std::string>({
        {"max-age=\"60\"", "max-age=60"},
        {"max-age=\"60\", public", "public max-age=60"},
        {"private=\"set-cookie\"", "private:set-cookie"},
        {"no-cache=\"a, b\", max-age=60", "max-age=60 no-cache:a no-cache:b"},
        {"private=\"a, no-store\"", "private:a private:no-store"},
        {"unknown=\"x, no-store\", public", "public"},
        {"unknown=\"a\\\", no-store\", public", "public"},
        {"unknown=\"a\\\\\", no-store", "no-store"},
        {"private=Set-Cookie", "private:set-cookie"},
        {"no-store=1", "no-store"},
        {"public=", "public"},
    }));
    CAPTURE(value);
    CHECK(parsed("Cache-Control: " + value) == expected);
}

TEST_CASE("a quote that nobody closes hides nothing", "[cache][cache_control][rfc9111-5.2]") {
    const auto [value, expected] = GENERATE(table<std::string, std::string>({
        {"private=\"a, no-store", "no-store private"},
        {"unknown=\", no-store", "no-store"},
        {"max-age=\"60, no-store", "no-store max-age=0"},
        {"unknown=\"a\", other=\"b, private", "private"},
        {"unknown=\"a\\\", private", "private"},
    }));
    CAPTURE(value);
    CHECK(parsed("Cache-Control: " + value) == expected);
}

TEST_CASE("a semicolon ends a directive like a comma", "[cache][cache_control]") {
    const auto [value, expected] = GENERATE(table<std::string, std::string>({
        {"private; max-age=60", "private max-age=60"},
        {"max-age=60; no-store", "no-store max-age=60"},
        {"public;max-age=60;", "public max-age=60"},
    }));
    CAPTURE(value);
    CHECK(parsed("Cache-Control: " + value) == expected);
}

TEST_CASE("a lifetime that cannot be read is zero", "[cache][cache_control][rfc9111-4.2.1]") {
    const auto [value, expected] = GENERATE(table<std::string, std::string>({
        {"max-age", "max-age=0"},
        {"max-age=", "max-age=0"},
        {"max-age=\"\"", "max-age=0"},
        {"max-age=-1", "max-age=0"},
        {"max-age=+60", "max-age=0"},
        {"max-age=60.5", "max-age=0"},
        {"max-age=1e3", "max-age=0"},
        {"max-age=0x10", "max-age=0"},
        {"max-age=a60", "max-age=0"},
        {"max-age=60a", "max-age=0"},
        {"max-age=6 0", "max-age=0"},
        {"max-age= 60", "max-age=0"},
        {"max-age='60'", "max-age=0"},
        {"max-age=\"60", "max-age=0"},
        {"max-age=\"6\\0\"", "max-age=0"},
        {"max-age==60", "max-age=0"},
        {"s-maxage", "s-maxage=0"},
        {"s-maxage=abc", "s-maxage=0"},
        {"stale-while-revalidate=x", "swr=0"},
        {"stale-if-error", "sie=0"},
        {"max-stale=x", "max-stale=0"},
        {"min-fresh=x", "min-fresh=2147483648"},
        {"min-fresh", "min-fresh=2147483648"},
    }));
    CAPTURE(value);
    CHECK(parsed("Cache-Control: " + value) == expected);
}

TEST_CASE("a directive that contradicts itself gives no lifetime", "[cache][cache_control][rfc9111-4.2.1]") {
    const auto [value, expected] = GENERATE(table<std::string, std::string>({
        {"max-age=60, max-age=60", "max-age=60"},
        {"max-age=60, max-age=\"60\"", "max-age=60"},
        {"max-age=60, max-age=61", "max-age=0"},
        {"max-age=0, max-age=60", "max-age=0"},
        {"max-age=60, max-age=61, max-age=60", "max-age=0"},
        {"max-age=60, max-age", "max-age=0"},
        {"s-maxage=60, max-age=10, s-maxage=61", "max-age=10 s-maxage=0"},
        {"min-fresh=1, min-fresh=2", "min-fresh=2147483648"},
        {"max-stale, max-stale=5", "max-stale=0"},
        {"private, private", "private"},
        {"public, private", "private public"},
    }));
    CAPTURE(value);
    CHECK(parsed("Cache-Control: " + value) == expected);
}

TEST_CASE("all lines of a head are merged", "[cache][cache_control][rfc9110-5.3]") {
    CHECK(parsed("Cache-Control: public\nX: y\ncache-control: max-age=60") == "public max-age=60");
    CHECK(parsed("Cache-Control: max-age=60\nCACHE-CONTROL: no-store") == "no-store max-age=60");
    CHECK(parsed("Cache-Control: max-age=60\nCache-Control: max-age=30") == "max-age=0");
    CHECK(parsed("Cache-Control: unknown=\"a\nCache-Control: private, x=\"") == "private");
    CHECK(parsed("X: y").empty());
}

TEST_CASE("delta-seconds is digits, and large ones count as 2^31", "[cache][cache_control][rfc9111-1.2.2]") {
    CHECK(parse_delta_seconds("0") == seconds{0});
    CHECK(parse_delta_seconds("007") == seconds{7});
    CHECK(parse_delta_seconds("2147483647") == seconds{2147483647});
    CHECK(parse_delta_seconds("2147483648") == seconds{2147483648});
    CHECK(parse_delta_seconds("2147483649") == seconds{2147483648});
    CHECK(parse_delta_seconds("99999999999999999999999999999999999") == seconds{2147483648});
    CHECK(parse_delta_seconds("000000000000000000000000000000000001") == seconds{1});
    for (const char* text : {"", " 1", "1 ", "-1", "+1", "1.0", "a", "1a", "\"1\""}) {
        CAPTURE(text);
        CHECK_FALSE(parse_delta_seconds(text));
    }
}

TEST_CASE("private and no-cache may be about some fields only",
          "[cache][cache_control][rfc9111-5.2.2.4][rfc9111-5.2.2.7]") {
    const auto [value, expected] = GENERATE(table<std::string, std::string>({
        {"private=\"Set-Cookie, X-User\"", "private:set-cookie private:x-user"},
        {"private=\"a\", private=\"b, A\"", "private:a private:b"},
        {"private=\"a\", private", "private private:a"},
        {"private=\"a\", no-cache=\"b\", max-age=1", "max-age=1 private:a no-cache:b"},
        {"no-cache=\" a ,, b \"", "no-cache:a no-cache:b"},
        {"private=", "private"},
        {"private=\"\"", "private"},
        {"private=\",\"", "private"},
        {"private=\"a b\"", "private"},
        {"private=\"a", "private"},
        {"private=\"a;b\"", "private"},
        {"private=\"\\a\"", "private"},
        {"no-cache=\"Vary\"", "no-cache"},
        {"no-cache=\"Content-Encoding\"", "no-cache"},
        {"private=\"content-type\", max-age=1", "private max-age=1"},
    }));
    CAPTURE(value);
    const std::string got = parsed("Cache-Control: " + value);
    CHECK(got == expected);
}

TEST_CASE("a targeted field goes before Cache-Control, weir's own before all", "[cache][cache_control][rfc9213-2.2]") {
    const auto [fields, expected] = GENERATE(table<std::string, std::string>({
        {"Cache-Control: max-age=1\nCDN-Cache-Control: max-age=2", "max-age=2 targeted"},
        {"CDN-Cache-Control: max-age=2\nWeir-Cache-Control: max-age=3", "max-age=3 targeted"},
        {"Cache-Control: no-store\nCDN-Cache-Control: max-age=2", "max-age=2 targeted"},
        {"Cache-Control: max-age=1\nCDN-Cache-Control: no-store", "no-store targeted"},
        {"cdn-cache-control: max-age=2, private\nCDN-Cache-Control: public", "private public max-age=2 targeted"},
        {"Cache-Control: max-age=1\nCDN-Cache-Control: unknown", "targeted"},
        // Absent, empty or no dictionary: passed over.
        {"Cache-Control: max-age=1\nCDN-Cache-Control:", "max-age=1"},
        {"Cache-Control: max-age=1\nCDN-Cache-Control: max-age=60; no-store", "max-age=60 targeted"},  // a parameter
        {"Cache-Control: max-age=1\nCDN-Cache-Control: Max-Age=60", "max-age=1"},
        {"Cache-Control: max-age=1\nCDN-Cache-Control: max-age=60,", "max-age=1"},
        {"Cache-Control: max-age=1\nCDN-Cache-Control: max-age= 60", "max-age=1"},
        {"Cache-Control: max-age=1\nCDN-Cache-Control: max-age=60\nCDN-Cache-Control: ;", "max-age=1"},
        {"CDN-Cache-Control: max-age=2\nWeir-Cache-Control: max-age=3 x", "max-age=2 targeted"},
        {"Cache-Control: max-age=1\nSurrogate-Control: max-age=9\nX-CDN-Cache-Control: max-age=9", "max-age=1"},
    }));
    CAPTURE(fields);
    CHECK(parsed(fields) == expected);
}

TEST_CASE("directives of a targeted field are typed", "[cache][cache_control][rfc9213-2.1][rfc9213-2.2]") {
    const auto [value, expected] = GENERATE(table<std::string, std::string>({
        {"max-age=60, s-maxage=0", "max-age=60 s-maxage=0"},
        {"max-age=999999999999999", "max-age=2147483648"},
        {"max-age=-1", "max-age=0"},
        {"max-age=60.0", "max-age=0"},
        {"max-age=\"60\"", "max-age=0"},
        {"max-age=sixty", "max-age=0"},
        {"max-age", "max-age=0"},
        {"max-age=?0", "max-age=0"},
        {"max-age=(60)", "max-age=0"},
        {"max-age=60, max-age=30", "max-age=30"},  // the last one counts (RFC 9651 section 4.2.2)
        {"max-age=60;x=y", "max-age=60"},
        {"no-store", "no-store"},
        {"no-store=?1", "no-store"},
        {"no-store=?0", ""},
        {"no-store=0", "no-store"},
        {"no-store=\"\"", "no-store"},
        {"no-cache, must-revalidate=1", "no-cache must-revalidate"},
        {"public=?1, must-understand", "public must-understand"},
        {"public=1, immutable=\"x\"", ""},
        {"private=?0, public", "public"},
        {"private=\"Set-Cookie, X-A\"", "private:set-cookie private:x-a"},
        {"private=x-a, no-cache=\"b\"", "private:x-a no-cache:b"},
        {"private=(\"x-a\")", "private"},
        {"no-cache=1", "no-cache"},
        {"stale-while-revalidate=5, stale-if-error=6", "swr=5 sie=6"},
        {"stale-if-error=x", "sie=0"},
        {"unknown=?1, a=(1 2), b=:eA==:, max-age=1", "max-age=1"},
    }));
    CAPTURE(value);
    const std::string all = expected + (expected.empty() ? "targeted" : " targeted");
    CHECK(parsed("Cache-Control: no-store, max-age=99\nCDN-Cache-Control: " + value) == all);
}

std::string asked(const std::string& fields) {
    return describe(request_control(test::request(fields).fields()));
}

TEST_CASE("a request's directives are those of Cache-Control, else Pragma",
          "[cache][cache_control][rfc9111-5.2.1][rfc9111-5.4]") {
    CHECK(asked("Cache-Control: no-cache, max-age=0\nCache-Control: min-fresh=5") == "no-cache max-age=0 min-fresh=5");
    CHECK(asked("Pragma: no-cache") == "no-cache");
    CHECK(asked("Pragma: x, No-Cache") == "no-cache");
    CHECK(asked("Pragma: no-cache\nCache-Control: max-stale=5") == "max-stale=5");
    CHECK(asked("Pragma: public").empty());
    CHECK(asked("CDN-Cache-Control: no-cache").empty());
    CHECK(asked("Cache-Control: no-cache=\"x\", private=\"y\"") == "no-cache private");
}

TEST_CASE("only-if-cached is asked of the request's own fields", "[cache][cache_control][rfc9111-5.2.1.7]") {
    CHECK(only_if_cached(test::request("Cache-Control: max-stale=10, Only-If-Cached").fields()));
    CHECK_FALSE(only_if_cached(test::request("Cache-Control: no-cache").fields()));
    CHECK_FALSE(only_if_cached(test::request("X-Cache-Control: only-if-cached").fields()));
}

}  // namespace
}  // namespace weir::cache
