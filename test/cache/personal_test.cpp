#include "cache/personal.hpp"

#include <catch2/catch.hpp>

#include "cache/cookies.hpp"
#include "test/cache/allocation_count.hpp"
#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using names = std::vector<std::string>;

TEST_CASE("a request with a session cookie is personal", "[cache][personal]") {
    const auto [fields, expected] = GENERATE(table<std::string, bool>({
        {"", false},
        {"Cookie:", false},
        {"Cookie: sid=1", true},
        {"Cookie: sid=", true},
        {"Cookie: a=b; sid=1", true},
        {"Cookie: a=b;sid=1", true},
        {"Cookie: a=b\nCookie: sid=1", true},
        {"Cookie: __ac=\"x\"; b=c", true},
        {"cookie: sid=1", true},
        {"Cookie: SID=1", false},
        {"Cookie: sidx=1", false},
        {"Cookie: xsid=1", false},
        {"Cookie: a=sid", false},
        {"Cookie: a=sid=1", false},
        {"Cookie: sid", false},
        {"Cookie: sid; a=1", false},
        {"X-Cookie: sid=1", false},
        {"Set-Cookie: sid=1", false},
        {"sid: 1", false},
        // What one server or another takes for a cookie: http.cookies, Zope, str.strip().
        {"Cookie: a=b sid=1", true},
        {"Cookie: a=b\tsid=1", true},
        {"Cookie: a=b,sid=1", true},
        {"Cookie: a=\"b\"sid=1", true},
        {"Cookie: a=\"b; sid=1\"", true},
        {"Cookie: sid =1", true},
        {"Cookie: sid\t = 1", true},
        {"Cookie: a=b; \xa0sid=1", true},
        {"Cookie: sid\x85=1", true},
        {"Cookie: ;;, sid=1", true},
        {"Cookie: sid sid=1", true},
    }));
    CAPTURE(fields);
    CHECK(has_any_cookie(test::request(fields).fields(), names{"sid", "__ac"}) == expected);
}

TEST_CASE("without names no request is personal", "[cache][personal]") {
    CHECK_FALSE(has_any_cookie(test::request("Cookie: sid=1; =2").fields(), names{}));
}

TEST_CASE("a cookie's values are found one after the other", "[cache][personal]") {
    const test::request request("Cookie: a=1; b= \"x, y\" ;a=\nX: a=9\nCookie: c=0 a = 2 3 ;b=4");
    const auto all = [&](std::string_view name) {
        std::vector<std::string> values;
        cookie_reader cookies(request.fields(), name);
        while (const auto value = cookies.next()) values.emplace_back(*value);
        CHECK_FALSE(cookies.next());
        return values;
    };
    CHECK(all("a") == names{"1", "", "2 3"});
    CHECK(all("b") == names{"\"x, y\"", "4"});
    CHECK(all("c") == names{"0 a = 2 3"});
    CHECK(all("d").empty());
}

TEST_CASE("a field or a cookie takes a request past the cache", "[cache][personal]") {
    const conf::bypass_settings settings{.headers = {"x-preview", "x-editor"}, .cookies = {"edit", "draft"}};
    const auto [fields, expected] = GENERATE(table<std::string, bool>({
        {"", false},
        {"X-Preview: 1", true},
        {"x-editor:", true},
        {"X-Previews: 1", false},
        {"Cookie: draft=1", true},
        {"Cookie: a=1; edit=", true},
        {"Cookie: edits=1", false},
        {"Cookie: x-preview=1", false},
        {"edit: 1", false},
    }));
    CAPTURE(fields);
    CHECK(bypasses(test::request(fields).fields(), settings) == expected);
    CHECK_FALSE(bypasses(test::request(fields).fields(), {}));
}

TEST_CASE("whether it is personal is found out without allocation", "[cache][personal]") {
    const test::request request(
        "Cookie: a_name_that_is_longer_than_a_short_string=1; x=2; y=3\nCookie: z=4\n"
        "Connection: keep-alive, TE");
    const names sessions{"session_id", "sessionid", "a_name_that_is_longer_than_a_short_string2"};
    const conf::bypass_settings settings{.headers = {"x-preview"}, .cookies = {"edit"}};
    const auto before = test::allocations();
    const bool found = has_any_cookie(request.fields(), sessions) || bypasses(request.fields(), settings);
    CHECK(test::allocations() == before);
    CHECK_FALSE(found);
}

TEST_CASE("cookies are read in linear time", "[cache][personal][limits]") {
    const std::string separators(400'000, ' ');
    CHECK(has_any_cookie(test::request("Cookie: a=" + separators + ";sid=1").fields(), names{"sid"}));
    std::string starts;
    for (int i = 0; i < 60'000; ++i) starts += "sid ";
    CHECK_FALSE(has_any_cookie(test::request("Cookie: " + starts + "b=1").fields(), names{"sid"}));
}

}  // namespace
}  // namespace weir::cache
