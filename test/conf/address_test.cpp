#include "conf/address.hpp"
#include "conf/cidr.hpp"
#include "conf/match.hpp"

#include <arpa/inet.h>
#include <catch2/catch.hpp>

#include <array>

using namespace weir::conf;

namespace {

std::string normal(const std::string& text, address_use use) {
    std::string why;
    const auto out = parse_address(text, use, why);
    return out ? out->text : "refused: " + why;
}

bool in_block(const std::string& block, const std::string& ip) {
    std::string why;
    const auto parsed = parse_cidr(block, why);
    REQUIRE(parsed);
    std::array<std::uint8_t, 16> bytes{};
    const bool v6 = ip.find(':') != std::string::npos;
    REQUIRE(inet_pton(v6 ? AF_INET6 : AF_INET, ip.c_str(), bytes.data()) == 1);
    return parsed->contains(std::span<const std::uint8_t>(bytes).first(v6 ? 16 : 4));
}

}  // namespace

TEST_CASE("addresses have one text each", "[conf][address]") {
    const auto [text, use, expected] = GENERATE(table<std::string, address_use, std::string>({
        {"127.0.0.1:9001", address_use::server, "127.0.0.1:9001"},
        {"App.Example.COM:80", address_use::server, "app.example.com:80"},
        {"my_service-1:8000", address_use::server, "my_service-1:8000"},
        {"[::1]:8880", address_use::listen, "[::1]:8880"},
        {"[0:0:0:0:0:0:0:1]:8880", address_use::listen, "[::1]:8880"},
        {"[FD00::A]:1", address_use::server, "[fd00::a]:1"},
        {":8880", address_use::listen, ":8880"},
        {"*:8880", address_use::listen, ":8880"},
        {"127.0.0.1:0", address_use::listen, "127.0.0.1:0"},
        {"127.0.0.1:09001", address_use::server, "127.0.0.1:9001"},
        {"unix:/run/app.sock", address_use::server, "unix:/run/app.sock"},
    }));
    CAPTURE(text);
    CHECK(normal(text, use) == expected);
}

TEST_CASE("the parts of an address are there for those who connect", "[conf][address]") {
    std::string why;
    const auto tcp = parse_address("[::1]:8880", address_use::listen, why);
    REQUIRE(tcp);
    CHECK(tcp->type == address::kind::host_port);
    CHECK(tcp->host == "::1");
    CHECK(tcp->port == 8880);
    const auto local = parse_address("unix:/a", address_use::server, why);
    REQUIRE(local);
    CHECK(local->type == address::kind::unix_path);
    CHECK(local->path == "/a");
    const auto any = parse_address(":80", address_use::listen, why);
    REQUIRE(any);
    CHECK(any->host.empty());
}

TEST_CASE("what is no address is refused with the cure", "[conf][address]") {
    const auto [text, use, says] = GENERATE(table<std::string, address_use, std::string>({
        {"", address_use::server, "has no port; give host:port"},
        {"localhost", address_use::server, "has no port"},
        {"[::1]", address_use::listen, "has no port"},
        {"8880", address_use::listen, "has no port"},
        {"::1:8880", address_use::listen, "written in brackets and quotes"},
        {"[127.0.0.1]:80", address_use::server, "no IPv6 address between"},
        {"[]:80", address_use::server, "no IPv6 address between"},
        {"[::1]x:80", address_use::server, "no IPv6 address between"},
        {"http://127.0.0.1:9001", address_use::server, "is a URL; give host:port only"},
        {"127.0.0.1:65536", address_use::server, "not a number from 1 to 65535"},
        {"127.0.0.1:0", address_use::server, "cannot have port 0"},
        {"127.0.0.1:", address_use::listen, "not a number from 0 to 65535"},
        {"127.0.0.1:x", address_use::listen, "not a number"},
        {"127.0.0.1:-1", address_use::listen, "not a number"},
        {"127.0.0.1:80/", address_use::listen, "not a number"},
        {":9001", address_use::server, "a server needs a host"},
        {"*:9001", address_use::server, "neither a host name nor an IP address"},
        {"a b:80", address_use::server, "neither a host name nor an IP address"},
        {"-a:80", address_use::server, "neither a host name nor an IP address"},
        {"a..b:80", address_use::server, "neither a host name nor an IP address"},
        {"1.2.3:80", address_use::server, "is not an IPv4 address"},
        {"256.0.0.1:80", address_use::server, "is not an IPv4 address"},
        {"unix:run/app.sock", address_use::server, "needs an absolute path"},
        {"unix:", address_use::server, "needs an absolute path"},
        {"unix:/" + std::string(107, 'x'), address_use::server, "at most 107 bytes, this has 108"},
        {"unix:/a\nb", address_use::server, "control characters"},
    }));
    CAPTURE(text);
    CHECK_THAT(normal(text, use), Catch::StartsWith("refused: ") && Catch::Contains(says));
}

TEST_CASE("loopback addresses and unix sockets are local", "[conf][address]") {
    const auto [text, local] = GENERATE(table<std::string, bool>({
        {"127.0.0.1:1", true},
        {"127.9.9.9:1", true},
        {"[::1]:1", true},
        {"localhost:1", true},
        {"unix:/a", true},
        {":1", false},
        {"0.0.0.0:1", false},
        {"[::]:1", false},
        {"10.0.0.1:1", false},
        {"127.example.com:1", false},
    }));
    CAPTURE(text);
    std::string why;
    const auto parsed = parse_address(text, address_use::listen, why);
    REQUIRE(parsed);
    CHECK(is_local(*parsed) == local);
}

TEST_CASE("two listeners cannot have one address", "[conf][address]") {
    const auto [a, b, collision] = GENERATE(table<std::string, std::string, bool>({
        {"127.0.0.1:1", "127.0.0.1:1", true},
        {"127.0.0.1:1", "127.0.0.2:1", false},
        {"127.0.0.1:1", "127.0.0.1:2", false},
        {":1", "127.0.0.1:1", true},
        {"[::1]:1", ":1", true},
        {"127.0.0.1:0", "127.0.0.1:0", false},
        {"unix:/a", "unix:/a", true},
        {"unix:/a", "unix:/b", false},
        {"unix:/a", ":1", false},
    }));
    CAPTURE(a, b);
    std::string why;
    const auto first = parse_address(a, address_use::listen, why);
    const auto second = parse_address(b, address_use::listen, why);
    REQUIRE(first);
    REQUIRE(second);
    CHECK(collide(*first, *second) == collision);
    CHECK(collide(*second, *first) == collision);
}

TEST_CASE("a block contains the addresses with its prefix", "[conf][cidr]") {
    const auto [block, ip, contained] = GENERATE(table<std::string, std::string, bool>({
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "::1", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"::/0", "fd00::1", true},
        {"::/0", "10.0.0.1", false},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe00::1", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1", "::1", true},
    }));
    CAPTURE(block, ip);
    CHECK(in_block(block, ip) == contained);
}

TEST_CASE("what is no block is refused with the cure", "[conf][cidr]") {
    const auto [text, says] = GENERATE(table<std::string, std::string>({
        {"", "write 10.0.0.0/8"},
        {"10.0.0/8", "not a block"},
        {"10.0.0.0/33", "not a prefix length from 0 to 32"},
        {"fd00::/129", "not a prefix length from 0 to 128"},
        {"10.0.0.0/", "not a prefix length"},
        {"10.0.0.0/-1", "not a prefix length"},
        {"10.0.0.0/8x", "not a prefix length"},
        {"10.0.0.1/8", "the block is 10.0.0.0/8"},
        {"fd00::1/8", "the block is fd00::/8"},
        {"::ffff:10.0.0.0/104", "is an IPv4 block; write it as one"},
        {"example.com", "not a block"},
    }));
    CAPTURE(text);
    std::string why;
    CHECK_FALSE(parse_cidr(text, why));
    CHECK_THAT(why, Catch::Contains(says));
}

TEST_CASE("a block is written as it is read", "[conf][cidr]") {
    std::string why;
    for (const auto* text : {"10.0.0.0/8", "192.0.2.1/32", "fd00::/8", "::/0", "0.0.0.0/0"}) {
        const auto parsed = parse_cidr(text, why);
        REQUIRE(parsed);
        CHECK(parsed->text() == text);
    }
}

TEST_CASE("path patterns are in the normal form that requests are matched in", "[conf][match]") {
    const auto [text, path, exact] = GENERATE(table<std::string, std::string, bool>({
        {"/", "/", false},
        {"/app", "/app", false},
        {"/app/", "/app/", false},
        {"= /", "/", true},
        {"=  /favicon.ico", "/favicon.ico", true},
        {"/a%20b/~c:@!$&'()*+,;=", "/a%20b/~c:@!$&'()*+,;=", false},
        {"/..a/b..", "/..a/b..", false},
    }));
    CAPTURE(text);
    std::string why;
    const auto pattern = parse_path_pattern(text, why);
    REQUIRE(pattern);
    CHECK(pattern->path == path);
    CHECK(pattern->exact == exact);
}

TEST_CASE("a path that no request can match is refused with the cure", "[conf][match]") {
    const auto [text, says] = GENERATE(table<std::string, std::string>({
        {"", "has to begin with a slash"},
        {"app", "has to begin with a slash"},
        {"=/app", "needs a space after the ="},
        {"= app", "has to begin with a slash"},
        {"= ", "has to begin with a slash"},
        {"/a?b", "has a query or fragment"},
        {"/a#b", "has a query or fragment"},
        {"/a b", "percent-encode"},
        {"/\u00e9", "percent-encode"},
        {"/%61dmin", "write \"a\" instead"},
        {"/%7euser", "write \"~\" instead"},
        {"/%", "without two hexadecimal digits"},
        {"/%2", "without two hexadecimal digits"},
        {"/%zz", "without two hexadecimal digits"},
        {"/a/../b", "has the segment \"..\""},
        {"/.", "has the segment \".\""},
        {"/" + std::string(4'096, 'x'), "at most 4096 bytes"},
    }));
    CAPTURE(text);
    std::string why;
    CHECK_FALSE(parse_path_pattern(text, why));
    CHECK_THAT(why, Catch::Contains(says));
}

TEST_CASE("host patterns are names, suffixes or any", "[conf][match]") {
    std::string why;
    CHECK(parse_host_pattern("*", why) == "*");
    CHECK(parse_host_pattern("Example.COM", why) == "example.com");
    CHECK(parse_host_pattern("*.example.com", why) == "*.example.com");
    CHECK(parse_host_pattern("[::0:1]", why) == "[::1]");
    for (const auto* text :
         {"", "*.", "*example.com", "a.*.b", "example.com:80", "example.com.", "a b", "*.*.b", "::1"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_host_pattern(text, why));
    }
}
