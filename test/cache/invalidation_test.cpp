#include "cache/invalidation.hpp"

#include <catch2/catch.hpp>

#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

TEST_CASE("a successful unsafe method invalidates, an unknown one too", "[cache][invalidation][rfc9111-4.4]") {
    const auto [method, status, expected] = GENERATE(table<std::string, int, bool>({
        {"POST", 200, true},       {"POST", 201, true},    {"POST", 204, true},     {"POST", 303, true},
        {"PUT", 204, true},        {"DELETE", 200, true},  {"PATCH", 200, true},    {"PROPPATCH", 207, true},
        {"FROBNICATE", 200, true}, {"get", 200, true},     {"POST", 399, true},     {"POST", 400, false},
        {"DELETE", 404, false},    {"PUT", 500, false},    {"POST", 199, false},    {"FROBNICATE", 503, false},
        {"GET", 200, false},       {"HEAD", 200, false},   {"OPTIONS", 200, false}, {"TRACE", 200, false},
        {"PROPFIND", 207, false},  {"REPORT", 207, false}, {"SEARCH", 207, false},
    }));
    CAPTURE(method, status);
    const test::request asked("", method);
    CHECK(invalidates(asked.head().method, static_cast<std::uint16_t>(status)) == expected);
}

// The targets, each behind its host where that is not example.org.
std::string uris(const std::string& fields, std::string_view target = "/a/b?q", std::string_view scheme = "http",
                 std::string_view host = "Example.ORG:80") {
    std::string text;
    for (const invalidated_uri& uri : invalidated_uris(scheme, host, target, test::response(fields).fields())) {
        if (!text.empty()) text += " ";
        if (uri.host != "example.org") text += uri.host;
        text += uri.target;
    }
    return text;
}

TEST_CASE("Location and Content-Location are resolved against the target URI",
          "[cache][invalidation][rfc9111-4.4][rfc3986-5.2]") {
    const auto [reference, expected] = GENERATE(table<std::string, std::string>({
        {"/x", "/x"},
        {"/x?y=1", "/x?y=1"},
        {"/x#f?y", "/x"},
        {"x", "/a/x"},
        {"./x", "/a/x"},
        {"../x", "/x"},
        {"../../../x", "/x"},
        {"x/", "/a/x/"},
        {".", "/a/"},
        {"..", "/"},
        {"x/../y/./z", "/a/y/z"},
        {"/x/./y/../z/..", "/x/"},
        {"/..", "/"},
        {"/x//y", "/x//y"},
        {"/...", "/..."},
        {"/x/..y", "/x/..y"},
        {"?r", "/a/b?r"},
        {"?", "/a/b?"},
        {"x?../y", "/a/x?../y"},
        {"http://example.org/x", "/x"},
        {"HTTP://EXAMPLE.org:80/x", "/x"},
        {"http://example.org./x", "/x"},
        {"http://example.org:0080", "/"},
        {"http://example.org?x", "/?x"},
        {"http://example.org/x/../y", "/y"},
        {"//example.org/x", "/x"},
        {"/%7Ex", "/%7Ex"},  // keys decode nothing
        {"/x:y", "/x:y"},
        {"./x:y", "/a/x:y"},
    }));
    CAPTURE(reference);
    CHECK(uris("Location: " + reference) == expected);
    CHECK(uris("Content-Location: " + reference) == expected);
}

TEST_CASE("another origin's URIs stay", "[cache][invalidation][rfc9111-4.4][security]") {
    const std::string reference = GENERATE(
        as<std::string>(), "http://example.com/x", "https://example.org/x", "http://example.org:8080/x",
        "//example.com/x", "http://sub.example.org/x", "http://user@example.org/x", "http://example.org@evil/x",
        "http:x", "http:/x", "ftp://example.org/x", "mailto:a@example.org", "x:y", "http://", "http:///x", "",
        "#fragment", "http://example.org:x/", "http://exa mple.org/", "/a b", "/\xc3\xbc", "//");
    CAPTURE(reference);
    CHECK(uris("Location: " + reference).empty());
}

TEST_CASE("each URI is given once, with its own host and port", "[cache][invalidation][rfc9111-4.4]") {
    CHECK(uris("Location: /x\nContent-Location: /y\nLink: /z") == "/x /y");
    CHECK(uris("Location: /x\nContent-Location: http://example.org/x") == "/x");
    CHECK(uris("X: y").empty());
    CHECK(uris("Location: x", "/", "https", "example.org:8443") == "example.org:8443/x");
    CHECK(uris("Location: https://example.org:443/x", "/", "https", "example.org") == "/x");
    CHECK(uris("Location: http://example.org:443/x", "/", "https", "example.org").empty());
    CHECK(uris("Location: x", "*") == "/x");
    CHECK(uris("Location: /x", "/", "http", "") == "/x");
    CHECK(uris("Location: http://example.org/x", "/", "http", "").empty());
}

}  // namespace
}  // namespace weir::cache
