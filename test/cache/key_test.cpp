#include "cache/key.hpp"

#include <catch2/catch.hpp>

#include "proxy/http/target.hpp"
#include "test/cache/allocation_count.hpp"
#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

TEST_CASE("the key is scheme, normalised host and the target as it is forwarded", "[cache][key][rfc9111-2]") {
    const auto [scheme, host, target, expected] = GENERATE(table<std::string, std::string, std::string, std::string>({
        {"http", "example.org", "/", "http://example.org/"},
        {"http", "EXAMPLE.Org", "/", "http://example.org/"},
        {"http", "example.org:80", "/", "http://example.org/"},
        {"http", "example.org.", "/", "http://example.org/"},
        {"http", "example.org:8080", "/", "http://example.org:8080/"},
        {"http", "example.org:443", "/", "http://example.org:443/"},
        {"https", "example.org:443", "/", "https://example.org/"},
        {"https", "example.org:80", "/", "https://example.org:80/"},
        {"http", "[2001:DB8::1]:80", "/", "http://[2001:db8::1]/"},
        {"http", "example.org", "/A?b=2&a=1", "http://example.org/A?b=2&a=1"},
        {"http", "example.org", "/a%2Fb", "http://example.org/a%2Fb"},
        {"http", "example.org", "/a%2fb", "http://example.org/a%2fb"},
        {"http", "example.org", "/%61", "http://example.org/%61"},
        {"http", "example.org", "/a/../b//c?", "http://example.org/a/../b//c?"},
        {"http", "", "/", "http:///"},
    }));
    CAPTURE(scheme, host, target);
    std::string normalised;
    http::append_normalised_host(host, scheme, normalised);
    std::string key = "what was there before";
    make_key(scheme, normalised, target, {}, test::request().fields(), key);
    CHECK(key == expected);
}

TEST_CASE("a key is written without allocation once its string has the size", "[cache][key]") {
    const conf::key_settings settings = GENERATE(as<conf::key_settings>{}, conf::key_settings{},
                                                 conf::key_settings{.query = conf::key_settings::query_parts::listed,
                                                                    .query_names = {"x"},
                                                                    .ignore_query = {"utm_*"},
                                                                    .headers = {"accept-language"},
                                                                    .cookies = {"a_name_longer_than_a_short_string"}});
    const test::request request("Accept-Language: de\nCookie: a_name_longer_than_a_short_string=1");
    std::string key(300, ' ');
    const auto before = test::allocations();
    make_key("http", "example.org:81", "/a/path/that/is/longer/than/a/short/string?x=y", settings, request.fields(),
             key);
    CHECK(test::allocations() == before);
}

std::optional<std::vector<vary_field>> vary_for(const std::string& response_fields, const std::string& request_fields) {
    return vary_of(test::response(response_fields).fields(), {test::request(request_fields).fields()});
}

TEST_CASE("Vary takes the request's side of every field it names", "[cache][key][rfc9111-4.1]") {
    const auto vary = vary_for("Vary: Accept-Encoding, X-One\nVary: x-none,ACCEPT-ENCODING",
                               "Accept-Encoding: gzip\nX-One: a\nAccept-Encoding: br");
    REQUIRE(vary);
    REQUIRE(vary->size() == 3);
    CHECK((*vary)[0].name == "accept-encoding");
    CHECK((*vary)[0].value == "gzip, br");
    CHECK((*vary)[0].id == http::field_id::accept_encoding);
    CHECK((*vary)[1].name == "x-one");
    CHECK((*vary)[1].value == "a");
    CHECK((*vary)[2].name == "x-none");
    CHECK((*vary)[2].value == std::nullopt);
    CHECK(vary_for("X: y", "")->empty());
    CHECK(vary_for("Vary:", "")->empty());
    CHECK(vary_for("Vary: , ,", "")->empty());
}

TEST_CASE("Vary: * and what is no list of names select nothing", "[cache][key][rfc9111-4.1]") {
    for (const char* value : {"*", "Accept, *", "*, Accept", "a b", "a;b", "\"a\"", "a:b"}) {
        CAPTURE(value);
        CHECK_FALSE(vary_for(std::string("Vary: ") + value, ""));
    }
    CHECK_FALSE(vary_for("Vary: Accept\nVary: *", ""));
    // What the origin saw there was not the client's.
    for (const char* name : {"Forwarded", "X-Forwarded-For", "x-real-ip"})
        CHECK_FALSE(vary_for(std::string("Vary: ") + name, ""));
}

bool is_selected(const std::string& name, const std::string& first, const std::string& second) {
    const auto vary = vary_for("Vary: " + name, first);
    REQUIRE(vary);
    return selects(*vary, {test::request(second).fields()});
}

TEST_CASE("a request selects what an equal request brought", "[cache][key][rfc9111-4.1]") {
    const auto [name, first, second, expected] = GENERATE(table<std::string, std::string, std::string, bool>({
        {"Accept", "Accept: a", "Accept: a", true},
        {"Accept", "Accept: a", "accept: a", true},
        {"Accept", "Accept: a", "Accept: b", false},
        {"Accept", "Accept: a", "", false},
        {"Accept", "", "Accept: a", false},
        {"Accept", "", "", true},
        {"Accept", "Accept:", "", false},
        {"Accept", "", "Accept:", false},
        {"Accept", "Accept:", "Accept:", true},
        {"Accept", "X: 1", "X: 2", true},
        {"Accept", "Accept: a", "Accept: a\nAccept:", false},
        {"X-Own", "X-Own: a", "x-OWN: a", true},
        {"X-Own", "X-Own: a", "X-Own: b", false},
        {"X-Own", "X-Own: a", "X-Other: a", false},
        {"Accept, X-Own", "Accept: a\nX-Own: b", "X-Own: b\nAccept: a", true},
        {"Accept, X-Own", "Accept: a\nX-Own: b", "X-Own: c\nAccept: a", false},
    }));
    CAPTURE(name, first, second);
    CHECK(is_selected(name, first, second) == expected);
}

TEST_CASE("white space around commas and the cut into lines do not matter", "[cache][key][rfc9111-4.1]") {
    const auto [first, second, expected] = GENERATE(table<std::string, std::string, bool>({
        {"X: a, b", "X: a,b", true},
        {"X: a,b", "X: a \t, \t b", true},
        {"X: a, b", "X: a\nX: b", true},
        {"X: a\nX: b", "X: a,b", true},
        {"X: a\nX: b", "X: a\nX: b", true},
        {"X: a\nX: b\nX: c", "X: a , b\nX: c", true},
        {"X: a\nX: b", "X: b\nX: a", false},
        {"X: a, b", "X: a b", false},
        {"X: a b", "X: a  b", false},
        {"X: a  b, c", "X: a  b,c", true},
        {"X: a,b", "X: a,,b", false},
        {"X: ab", "X: a,b", false},
        {"X: a,b", "X: a,b,c", false},
        {"X: a,b,c", "X: a,b", false},
        {"X: a, b", "X: A, b", false},
        {"X: \"a, b\"", "X: \"a,b\"", false},
        {"X: \"a, b\", c", "X: \"a, b\",c", true},
        {"X: \"a\\\", b\", c", "X: \"a\\\",b\", c", false},
        {"X: \"a\", b", "X: \"a\",b", true},
    }));
    CAPTURE(first, second);
    CHECK(is_selected("X", first, second) == expected);
}

TEST_CASE("Accept-Encoding and Accept-Language compare without regard to case", "[cache][key][rfc9111-4.1]") {
    CHECK(is_selected("Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: GZIP,Br"));
    CHECK(is_selected("Accept-Language", "Accept-Language: en-GB", "Accept-Language: en-gb"));
    CHECK_FALSE(is_selected("Accept-Language", "Accept-Language: en-GB", "Accept-Language: en"));
    CHECK_FALSE(is_selected("Accept-Encoding", "Accept-Encoding: gzip", "Accept-Encoding: gzip, br"));
    CHECK_FALSE(is_selected("User-Agent", "User-Agent: A", "User-Agent: a"));
}

TEST_CASE("in fields that are no lists every byte counts", "[cache][key][rfc9111-4.1]") {
    CHECK(is_selected("Cookie", "Cookie: a=1, 2", "Cookie: a=1, 2"));
    CHECK_FALSE(is_selected("Cookie", "Cookie: a=1, 2", "Cookie: a=1,2"));
    CHECK_FALSE(is_selected("User-Agent", "User-Agent: (KHTML, like Gecko)", "User-Agent: (KHTML,like Gecko)"));
    CHECK_FALSE(is_selected("Authorization", "Authorization: Digest a=\"1\", b", "Authorization: Digest a=\"1\",b"));
    CHECK(is_selected("Cookie", "Cookie: a=1\nCookie: b=2", "Cookie: a=1\nCookie: b=2"));
    CHECK_FALSE(is_selected("Cookie", "Cookie: a=1\nCookie: b=2", "Cookie: a=1\nCookie: b=3"));
}

TEST_CASE("selecting allocates nothing", "[cache][key]") {
    const auto vary = vary_for("Vary: Accept-Encoding, Cookie, X-Absent, X-Long",
                               "Accept-Encoding: gzip, deflate, br\nCookie: session=0123456789abcdef0123456789abcdef\n"
                               "X-Long: a, b, a member that is longer than a short string");
    REQUIRE(vary);
    const test::request same(
        "Accept-Encoding: gzip, deflate, br\nCookie: session=0123456789abcdef0123456789abcdef\n"
        "X-Long: a\nX-Long: b,a member that is longer than a short string");
    const auto before = test::allocations();
    const bool selected = selects(*vary, {same.fields()});
    CHECK(test::allocations() == before);
    CHECK(selected);
}

TEST_CASE("selecting is linear in a value's white space", "[cache][key][limits]") {
    const std::string spaces(200'000, ' ');
    CHECK(is_selected("X", "X: a" + spaces + "b, c", "X: a" + spaces + "b,c"));
    const std::string quotes(200'000, '"');
    CHECK(is_selected("X", "X: " + quotes + ", c", "X: " + quotes + ",c"));
}

bool supersedes(const std::vector<vary_field>& newer, const std::vector<vary_field>& older) {
    return is_superseded(make_response({.vary = older})->vary, make_response({.vary = newer})->vary);
}

TEST_CASE("a response supersedes those its own request would have selected", "[cache][key][rfc9111-4.1]") {
    const auto gzip = *vary_for("Vary: Accept-Encoding", "Accept-Encoding: gzip, br");
    const auto same = *vary_for("Vary: Accept-Encoding", "Accept-Encoding: gzip,br");
    const auto none = *vary_for("Vary: Accept-Encoding", "");
    const auto wider = *vary_for("Vary: Accept-Encoding, Accept", "Accept-Encoding: gzip, br\nAccept: a");
    CHECK(supersedes(same, gzip));
    CHECK(supersedes(none, none));
    CHECK_FALSE(supersedes(none, gzip));
    CHECK_FALSE(supersedes(gzip, none));
    CHECK(supersedes(wider, gzip));
    CHECK_FALSE(supersedes(gzip, wider));
    CHECK(supersedes(gzip, {}));
    CHECK(supersedes({}, {}));
}

std::optional<std::vector<vary_field>> vary_on_cookie(const std::string& cookie, std::optional<bool> personal) {
    return vary_of(test::response("Vary: Cookie").fields(), {test::request(cookie).fields(), personal});
}

TEST_CASE("with session cookies, Vary: Cookie means personal or not", "[cache][key][rfc9111-4.1]") {
    const auto [stored, first, second, personal, expected] =
        GENERATE(table<std::string, std::optional<bool>, std::string, std::optional<bool>, bool>({
            {"Cookie: a=1", false, "Cookie: a=2", false, true},
            {"Cookie: a=1", false, "", false, true},
            {"", false, "Cookie: a=1\nCookie: b=2", false, true},
            {"Cookie: sid=1", true, "Cookie: sid=2", true, true},
            {"Cookie: sid=1", true, "", false, false},
            {"Cookie: a=1", false, "Cookie: sid=1", true, false},
            // The setting changed in between.
            {"", false, "", std::nullopt, false},
            {"Cookie: a=1", false, "Cookie: a=1", std::nullopt, false},
            {"Cookie: shared", false, "Cookie: shared", std::nullopt, false},
            {"Cookie: sid=1", true, "Cookie: sid=1", std::nullopt, false},
            {"Cookie: a=1", std::nullopt, "Cookie: a=1", false, true},
            {"Cookie: a=1", std::nullopt, "Cookie: a=2", false, false},
            {"Cookie: a=1", std::nullopt, "", false, false},
            {"", std::nullopt, "", false, true},
            {"Cookie: personal", std::nullopt, "Cookie: sid=1", true, false},
        }));
    CAPTURE(stored, second);
    const auto vary = vary_on_cookie(stored, first);
    REQUIRE(vary);
    CHECK(selects(*vary, {test::request(second).fields(), personal}) == expected);
}

TEST_CASE("whether it is personal does not matter to other fields", "[cache][key][rfc9111-4.1]") {
    const auto vary = vary_of(test::response("Vary: Accept, Cookie").fields(),
                              {test::request("Accept: a\nCookie: a=1").fields(), false});
    REQUIRE(vary);
    CHECK(selects(*vary, {test::request("Accept: a").fields(), false}));
    CHECK_FALSE(selects(*vary, {test::request("Accept: b").fields(), false}));
}

TEST_CASE("what is personal supersedes nothing that is not", "[cache][key][rfc9111-4.1]") {
    CHECK(supersedes(*vary_on_cookie("Cookie: a=2", false), *vary_on_cookie("Cookie: a=1", false)));
    CHECK_FALSE(supersedes(*vary_on_cookie("Cookie: sid=2", true), *vary_on_cookie("Cookie: a=1", false)));
    CHECK_FALSE(supersedes(*vary_on_cookie("Cookie: a=1", std::nullopt), *vary_on_cookie("Cookie: a=1", false)));
}

}  // namespace
}  // namespace weir::cache
