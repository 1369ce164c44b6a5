#include "proxy/http/target.hpp"

#include <catch2/catch.hpp>

using namespace weir::http;

TEST_CASE("a path is normalised", "[http][target][rfc3986-6.2.2]") {
    const auto [target, normal] = GENERATE(table<std::string, std::string>({
        {"/", "/"},
        {"", "/"},
        {"?a", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/a/b", "/a/b"},
        {"*", "*"},
        // the query is left out
        {"/a?b", "/a"},
        {"/?a/../b", "/"},
        {"/a?b%zz", "/a"},
        {"/a??", "/a"},
        {"/a%3Fb", "/a%3Fb"},
        // dot segments
        {"/.", "/"},
        {"/..", "/"},
        {"/./", "/"},
        {"/../", "/"},
        {"/a/.", "/a/"},
        {"/a/./", "/a/"},
        {"/a/..", "/"},
        {"/a/../", "/"},
        {"/a/b/..", "/a/"},
        {"/a/b/../", "/a/"},
        {"/a/b/../c", "/a/c"},
        {"/a/./b", "/a/b"},
        {"/a/b/../../c", "/c"},
        {"/a/../../../b", "/b"},
        {"/../a", "/a"},
        {"/./a", "/a"},
        {"/a/b/c/./../../g", "/a/g"},
        {"/mid/content=5/../6", "/mid/6"},
        {"/...", "/..."},
        {"/a/.../b", "/a/.../b"},
        {"/.a", "/.a"},
        {"/a.", "/a."},
        {"/..a", "/..a"},
        {"/a../b", "/a../b"},
        {"/a/..;/b", "/a/..;/b"},
        // repeated slashes stay
        {"//", "//"},
        {"//a", "//a"},
        {"/a//b", "/a//b"},
        {"/a//../b", "/a/b"},
        {"/a//../../b", "/b"},
        {"/a/..//b", "//b"},
        {"//..", "/"},
        {"//../a", "/a"},
        // unreserved characters
        {"/%61dmin", "/admin"},
        {"/%41%5A%7a%30%39", "/AZz09"},
        {"/%2D%2e%5F%7E", "/-._~"},
        {"/%2e", "/"},
        {"/%2E%2e", "/"},
        {"/a/%2e%2E/b", "/b"},
        {"/a/.%2e/b", "/b"},
        {"/a/%2e/b", "/a/b"},
        {"/a%2eb", "/a.b"},
        {"/%2e%2ea", "/..a"},
        // others stay encoded, in capitals
        {"/%20", "/%20"},
        {"/%2f", "/%2F"},
        {"/a%2fb", "/a%2Fb"},
        {"/a%5cb", "/a%5Cb"},
        {"/%25", "/%25"},
        {"/%252e", "/%252e"},
        {"/%252e%252e/a", "/%252e%252e/a"},
        {"/%c3%a9", "/%C3%A9"},
        {"/%00", "/%00"},
        {"/%3b", "/%3B"},
        {"/%252f..", "/%252f.."},
        {"/a%2fb/./c", "/a%2Fb/c"},
        {"/x/../a%2fb", "/a%2Fb"},
        {"/a%2f...", "/a%2F..."},
        {"/%2fa", "/%2Fa"},
        {"/a%2f", "/a%2F"},
        {"/a%2f%2fb", "/a%2F%2Fb"},
        {"/a%2f/b/../c", "/a%2F/c"},
    }));
    CAPTURE(target);
    std::string out = "left over";
    CHECK(normalise_path(target, out));
    CHECK(out == normal);
}

TEST_CASE("a path whose segments depend on who decodes first is refused", "[http][target][smuggling]") {
    const std::string target = GENERATE(
        as<std::string>(), "/a%2f..%2fadmin", "/a%2F../b", "/a/..%2fb", "/..%2fa", "/%2e%2e%2fa", "/a%5c..%5cb",
        "/a%5C../b", "/..%5ca", "/a%2f%2e%2e/b", "/a%2f.%2e", "/a%2f.", "/.%2fa", "/a%2f.%2fb", "/a%5c.", "/a%2f..",
        "/%2f..", "/%2f../a", "/a%2fb/../c", "/a%5cb/..", "/a%2fb/x/../../c", "/a%2f/../b", "/%2f/..", "/a%2f..?b");
    CAPTURE(target);
    std::string out;
    CHECK_FALSE(normalise_path(target, out));
}

TEST_CASE("a broken escape is refused", "[http][target]") {
    const std::string target = GENERATE(as<std::string>(), "/%", "/%4", "/%zz", "/%4z", "/%z4", "/a%", "/a%/b", "/%%41",
                                        "/%u0041", "/%4?1", "/% 41");
    CAPTURE(target);
    std::string out;
    CHECK_FALSE(normalise_path(target, out));
}

TEST_CASE("a normal path is its own normal form", "[http][target]") {
    const std::string target =
        GENERATE(as<std::string>(), "/a/b/../c", "//a/./b", "/%61/%2e%2e/b", "/a%2fb", "/%c3%a9/..//x");
    std::string once, twice;
    REQUIRE(normalise_path(target, once));
    REQUIRE(normalise_path(once, twice));
    CHECK(once == twice);
}

TEST_CASE("hosts that name the same are written the same", "[http][target]") {
    const auto [host, scheme, normal] = GENERATE(table<std::string, std::string, std::string>({
        {"example.com", "http", "example.com"},
        {"Example.COM", "http", "example.com"},
        {"example.com:80", "http", "example.com"},
        {"example.com:080", "http", "example.com"},
        {"example.com:443", "https", "example.com"},
        {"example.com:443", "http", "example.com:443"},
        {"example.com:80", "https", "example.com:80"},
        {"example.com:", "http", "example.com"},
        {"example.com:8080", "http", "example.com:8080"},
        {"example.com:08080", "http", "example.com:8080"},
        {"example.com:0", "http", "example.com:0"},
        {"example.com.", "http", "example.com"},
        {"example.com.:80", "http", "example.com"},
        {"[2001:DB8::1]", "http", "[2001:db8::1]"},
        {"[2001:DB8::1]:80", "http", "[2001:db8::1]"},
        {"[::1]:8080", "http", "[::1]:8080"},
        {"127.0.0.1:80", "http", "127.0.0.1"},
    }));
    CAPTURE(host, scheme);
    REQUIRE(valid_host(host));
    std::string out = "before ";
    append_normalised_host(host, scheme, out);
    CHECK(out == "before " + normal);
}

TEST_CASE("hosts are uri-host and port", "[http][target][rfc9110-7.2]") {
    const auto [host, valid] = GENERATE(table<std::string, bool>({
        {"a", true},
        {"a.b-c_d~e", true},
        {"1.2.3.4", true},
        {"a!$&'()*+;=", true},
        {"%41", true},
        {"a:0", true},
        {"a:65535", true},
        {"[::]", true},
        {"[1:2:3:4:5:6:7:8]", true},
        {"[::ffff:1.2.3.4]:80", true},
        {"", false},
        {":", false},
        {"a:65536", false},
        {"a:000080", false},
        {"a:-1", false},
        {"a:8 0", false},
        {"a:b", false},
        {"a::", false},
        {"1::2", false},
        {"[]", false},
        {"[", false},
        {"]", false},
        {"[a", false},
        {"[1.2.3.4]", false},
        {"[::g]", false},
        {"[::1]]", false},
        {"[[::1]]", false},
        {"[v1.a]", false},
        {"a[::1]", false},
        {"[::1]:x", false},
        {"[::1]80", false},
        {"%", false},
        {"%4", false},
        {"%zz", false},
        {"a%", false},
        {".", false},
        {"a..b", false},
        {"a..", false},
        {"a ", false},
        {"a\t", false},
        {"a\r\nb", false},
        {"a@b", false},
        {"a/", false},
    }));
    CAPTURE(host);
    CHECK(valid_host(host) == valid);
}

TEST_CASE("a host with a NUL is none", "[http][target]") {
    CHECK_FALSE(valid_host(std::string_view("a\0b", 3)));
    CHECK_FALSE(valid_host(std::string_view("[::1\0]", 6)));
}

TEST_CASE("origin-form starts with a slash", "[http][target][rfc9112-3.2.1]") {
    CHECK(valid_origin_form("/"));
    CHECK(valid_origin_form("/a%20b?c=[d]"));
    CHECK_FALSE(valid_origin_form(""));
    CHECK_FALSE(valid_origin_form("a"));
    CHECK_FALSE(valid_origin_form("*"));
    CHECK_FALSE(valid_origin_form("/ "));
    CHECK_FALSE(valid_origin_form("/a#"));
}
