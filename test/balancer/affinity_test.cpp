#include "balancer/affinity.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "test/http/parsed.hpp"

namespace weir::balancer {

namespace {

auto request(const std::string& fields, const std::string& target = "/") {
    return http::test::request("GET " + target + " HTTP/1.1\r\nHost: example.org\r\n" + fields + "\r\n");
}

constexpr auto uri = conf::hash_source::kind::uri;
constexpr auto client = conf::hash_source::kind::client;
constexpr auto header = conf::hash_source::kind::header;
constexpr auto cookie = conf::hash_source::kind::cookie;

}  // namespace

TEST_CASE("a cookie is found among all that a client sends", "[balancer][affinity][rfc6265-4.2]") {
    const auto [fields, value] = GENERATE(table<std::string, std::string>({
        {"Cookie: s=1\r\n", "1"},
        {"Cookie: a=2; s=1; b=3\r\n", "1"},
        {"Cookie: a=2;s=1;b=3\r\n", "1"},
        {"Cookie: a=2;  s=1 \r\n", "1"},
        {"Cookie: a=2\r\ncookie: b=3; s=1\r\n", "1"},
        {"Cookie: s=1; s=2\r\n", "1"},
        {"Cookie: s=a=b\r\n", "a=b"},
        {"Cookie: s=\"1\"\r\n", "\"1\""},
        {"Cookie: s=\r\n", ""},
        {"Cookie: ;;;s=1;\r\n", "1"},
        {"", "none"},
        {"Cookie:\r\n", "none"},
        {"Cookie: s\r\n", "none"},
        {"Cookie: S=1; xs=1; sx=1; a=s=1\r\n", "none"},
        {"X-Cookie: s=1\r\n", "none"},
    }));
    CAPTURE(fields);
    const auto message = request(fields);
    REQUIRE(message.error == http::head_error::none);
    CHECK(cookie_value(message.head.fields, "s").value_or("none") == value);
}

TEST_CASE("a sticky cookie comes back as it was sent", "[balancer][affinity][sticky]") {
    const std::uint64_t hash = GENERATE(0u, 1u, 0x0123456789abcdefu, 0xffffffffffffffffu);
    std::string line;
    append_sticky_cookie("srv", hash, false, line);
    const std::string name = "Set-Cookie: ";
    REQUIRE(line.starts_with(name));
    const std::string pair = line.substr(name.size(), line.find(';') - name.size());
    const auto message = request("Cookie: other=1; " + pair + "\r\n");
    CHECK(sticky_value(message.head.fields, "srv") == hash);
}

TEST_CASE("a sticky cookie is for the server alone", "[balancer][affinity][sticky]") {
    std::string out = "X: y\r\n";
    append_sticky_cookie("srv", 0x0123456789abcdef, false, out);
    CHECK(out == "X: y\r\nSet-Cookie: srv=0123456789abcdef; Path=/; HttpOnly; SameSite=Lax\r\n");
    out.clear();
    append_sticky_cookie("srv", 0xfedcba9876543210, true, out);
    CHECK(out == "Set-Cookie: srv=fedcba9876543210; Path=/; HttpOnly; SameSite=Lax; Secure\r\n");
}

TEST_CASE("a sticky cookie that is none of ours says nothing", "[balancer][affinity][sticky]") {
    const std::string value = GENERATE("", "1", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF",
                                       "0123456789abcdeg", "\"123456789abcde\"", "0x23456789abcdef");
    CAPTURE(value);
    const auto message = request("Cookie: srv=" + value + "\r\n");
    CHECK_FALSE(sticky_value(message.head.fields, "srv"));
    CHECK_FALSE(sticky_value(message.head.fields, "other"));
}

TEST_CASE("requests that share what hash_on names share a hash", "[balancer][affinity][hash]") {
    const auto hash = [](conf::hash_source source, const std::string& fields, const std::string& target,
                         std::string_view host, std::string_view from) {
        const auto message = request(fields, target);
        REQUIRE(message.error == http::head_error::none);
        return request_hash(source, message.head, host, from);
    };
    SECTION("uri: host and target") {
        const std::uint64_t one = hash({uri, ""}, "X: 1\r\n", "/a?b", "example.org", "192.0.2.1");
        CHECK(one == hash({uri, ""}, "X: 2\r\n", "/a?b", "EXAMPLE.org", "192.0.2.2"));
        CHECK(one != hash({uri, ""}, "X: 1\r\n", "/a?c", "example.org", "192.0.2.1"));
        CHECK(one != hash({uri, ""}, "X: 1\r\n", "/a?b", "example.com", "192.0.2.1"));
    }
    SECTION("client: its address") {
        const std::uint64_t one = hash({client, ""}, "", "/a", "a", "192.0.2.1");
        CHECK(one == hash({client, ""}, "", "/b", "b", "192.0.2.1"));
        CHECK(one != hash({client, ""}, "", "/a", "a", "192.0.2.2"));
    }
    SECTION("header: a field") {
        const std::uint64_t one = hash({header, "X-User"}, "x-user: ann\r\n", "/a", "a", "192.0.2.1");
        CHECK(one == hash({header, "X-User"}, "X-User: ann\r\n", "/b", "b", "192.0.2.2"));
        CHECK(one != hash({header, "X-User"}, "X-User: bob\r\n", "/a", "a", "192.0.2.1"));
    }
    SECTION("cookie: one of them") {
        const std::uint64_t one = hash({cookie, "id"}, "Cookie: x=1; id=ann\r\n", "/a", "a", "192.0.2.1");
        CHECK(one == hash({cookie, "id"}, "Cookie: id=ann; x=2\r\n", "/b", "b", "192.0.2.2"));
        CHECK(one != hash({cookie, "id"}, "Cookie: id=bob\r\n", "/a", "a", "192.0.2.1"));
    }
    SECTION("and those without it that of their client") {
        const std::uint64_t of_client = hash({client, ""}, "", "/a", "a", "192.0.2.1");
        CHECK(of_client == hash({header, "X-User"}, "", "/b", "b", "192.0.2.1"));
        CHECK(of_client == hash({cookie, "id"}, "Cookie: x=1\r\n", "/b", "b", "192.0.2.1"));
    }
}

}  // namespace weir::balancer
