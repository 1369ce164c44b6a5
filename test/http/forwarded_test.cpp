#include "proxy/http/forwarded.hpp"

#include "test/http/parsed.hpp"

using namespace weir::http;
using boost::asio::ip::address;
using boost::asio::ip::make_address;

namespace {

// 10.0.0.0/8 and fd00::/8 are ours.
bool ours(const address& a) {
    return a.is_v4() ? a.to_v4().to_bytes()[0] == 10 : a.to_v6().to_bytes()[0] == 0xfd;
}

struct seen {
    std::string address, scheme, host;
    bool from_trusted;
};

seen resolve(std::string_view lines, std::string_view peer = "10.0.0.1") {
    const auto r = test::request("GET / HTTP/1.1\r\nHost: example.com\r\n" + std::string(lines) + "\r\n");
    REQUIRE(r.error == head_error::none);
    const forwarded_client client = resolve_client(r.head, make_address(std::string(peer)), ours);
    return {client.address.to_string(), std::string(client.scheme), std::string(client.host), client.from_trusted};
}

}  // namespace

TEST_CASE("a peer that is not trusted is the client, whatever it says", "[http][forwarded][security]") {
    const seen s = resolve(
        "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=1.1.1.1\r\n",
        "192.0.2.9");
    CHECK(s.address == "192.0.2.9");
    CHECK(s.scheme == "http");
    CHECK(s.host == "example.com");
    CHECK_FALSE(s.from_trusted);
}

TEST_CASE("X-Forwarded-For is read from right to left over trusted hops", "[http][forwarded]") {
    const auto [lines, client] = GENERATE(table<std::string, std::string>({
        {"", "10.0.0.1"},
        {"X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
        {"X-Forwarded-For: 6.6.6.6, 1.1.1.1\r\n", "1.1.1.1"},
        {"X-Forwarded-For: 1.1.1.1, 10.0.0.2\r\n", "1.1.1.1"},
        {"X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.0.0.3, 10.0.0.2\r\n", "1.1.1.1"},
        {"X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"},
        {"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"},
        {"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 10.0.0.2\r\n", "1.1.1.1"},
        {"x-forwarded-for: 1.1.1.1,10.0.0.2\r\n", "1.1.1.1"},
        {"X-Forwarded-For: 1.1.1.1, , 10.0.0.2,\r\n", "1.1.1.1"},
        {"X-Forwarded-For:\r\n", "10.0.0.1"},
        // ports
        {"X-Forwarded-For: 1.1.1.1:8080\r\n", "1.1.1.1"},
        {"X-Forwarded-For: [2001:db8::1]:8080\r\n", "2001:db8::1"},
        {"X-Forwarded-For: [2001:db8::1]\r\n", "2001:db8::1"},
        {"X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"},
        {"X-Forwarded-For: 1.1.1.1, [fd00::1]:80, 10.0.0.2:90\r\n", "1.1.1.1"},
        {"X-Forwarded-For: ::ffff:1.1.1.1\r\n", "1.1.1.1"},
        {"X-Forwarded-For: 1.1.1.1, ::ffff:10.0.0.2\r\n", "1.1.1.1"},
        // what cannot be read ends the walk at the last good hop
        {"X-Forwarded-For: 1.1.1.1, junk\r\n", "10.0.0.1"},
        {"X-Forwarded-For: 1.1.1.1, junk, 10.0.0.2\r\n", "10.0.0.2"},
        {"X-Forwarded-For: unknown\r\n", "10.0.0.1"},
        {"X-Forwarded-For: _hidden, 10.0.0.2\r\n", "10.0.0.2"},
        {"X-Forwarded-For: 1.1.1.1:port\r\n", "10.0.0.1"},
        {"X-Forwarded-For: 1.1.1.1:\r\n", "10.0.0.1"},
        {"X-Forwarded-For: [1.1.1.1]\r\n", "10.0.0.1"},
        {"X-Forwarded-For: [2001:db8::1\r\n", "10.0.0.1"},
        {"X-Forwarded-For: [2001:db8::1]x\r\n", "10.0.0.1"},
        {"X-Forwarded-For: fe80::1%eth0\r\n", "10.0.0.1"},
        {"X-Forwarded-For: 1.1.1\r\n", "10.0.0.1"},
        {"X-Forwarded-For: 1.1.1.1 2.2.2.2\r\n", "10.0.0.1"},
        // a client's quotation mark hides nothing
        {"X-Forwarded-For: \", 1.1.1.1\r\n", "1.1.1.1"},
        // Forwarded is only read without it
        {"X-Forwarded-For: 1.1.1.1\r\nForwarded: for=2.2.2.2\r\n", "1.1.1.1"},
    }));
    CAPTURE(lines);
    const seen s = resolve(lines);
    CHECK(s.address == client);
    CHECK(s.from_trusted);
}

TEST_CASE("Forwarded is read in the same way", "[http][forwarded][rfc7239]") {
    const auto [lines, client] = GENERATE(table<std::string, std::string>({
        {"Forwarded: for=1.1.1.1\r\n", "1.1.1.1"},
        {"Forwarded: For=\"1.1.1.1\"\r\n", "1.1.1.1"},
        {"Forwarded: for=\"1.1.1.1:8080\"\r\n", "1.1.1.1"},
        {"Forwarded: for=\"[2001:db8::1]\"\r\n", "2001:db8::1"},
        {"Forwarded: FOR=\"[2001:db8::1]:8080\"\r\n", "2001:db8::1"},
        {"Forwarded: for=6.6.6.6, for=1.1.1.1\r\n", "1.1.1.1"},
        {"Forwarded: for=1.1.1.1, for=10.0.0.2\r\n", "1.1.1.1"},
        {"Forwarded: for=1.1.1.1;by=10.0.0.9 ; proto=http, by=10.0.0.9;for=10.0.0.2\r\n", "1.1.1.1"},
        {"Forwarded: for=1.1.1.1\r\nForwarded: for=10.0.0.2\r\n", "1.1.1.1"},
        {"Forwarded: for=1.1.1.1;x=\"a, for=2.2.2.2\", for=10.0.0.2\r\n", "1.1.1.1"},
        // ends of the walk
        {"Forwarded: for=unknown\r\n", "10.0.0.1"},
        {"Forwarded: for=_obfuscated\r\n", "10.0.0.1"},
        {"Forwarded: for=1.1.1.1, for=unknown, for=10.0.0.2\r\n", "10.0.0.2"},
        {"Forwarded: for=\"_a:80\", for=10.0.0.2\r\n", "10.0.0.2"},
        {"Forwarded: proto=https\r\n", "10.0.0.1"},
        {"Forwarded: for\r\n", "10.0.0.1"},
        {"Forwarded: for=\r\n", "10.0.0.1"},
        {"Forwarded: for = 1.1.1.1\r\n", "10.0.0.1"},
        {"Forwarded: for=1.1.1.1 x\r\n", "10.0.0.1"},
        {"Forwarded: for=\"1.1.1.1\r\n", "10.0.0.1"},
        {"Forwarded: for=\"1.1.1.1\"x\r\n", "10.0.0.1"},
        {"Forwarded: for=2001:db8::1\r\n", "10.0.0.1"},
        {"Forwarded: for=1.1.1.1;x=\", for=10.0.0.2\r\n", "10.0.0.1"},
    }));
    CAPTURE(lines);
    CHECK(resolve(lines).address == client);
}

TEST_CASE("scheme and host of a trusted proxy are believed when they are valid", "[http][forwarded]") {
    const auto [lines, scheme, host] = GENERATE(table<std::string, std::string, std::string>({
        {"X-Forwarded-Proto: https\r\n", "https", "example.com"},
        {"X-Forwarded-Proto: HTTPS\r\n", "https", "example.com"},
        {"X-Forwarded-Proto: http\r\n", "http", "example.com"},
        {"X-Forwarded-Proto: http, https\r\n", "https", "example.com"},
        {"X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n", "https", "example.com"},
        {"X-Forwarded-Proto: ftp\r\n", "http", "example.com"},
        {"X-Forwarded-Proto: https,\r\n", "http", "example.com"},
        {"X-Forwarded-Proto: javascript:\r\n", "http", "example.com"},
        {"X-Forwarded-Host: a.example\r\n", "http", "a.example"},
        {"X-Forwarded-Host: a.example, b.example:81\r\n", "http", "b.example:81"},
        {"X-Forwarded-Host: a b\r\n", "http", "example.com"},
        {"X-Forwarded-Host: a/b\r\n", "http", "example.com"},
        {"X-Forwarded-Host:\r\n", "http", "example.com"},
        {"Forwarded: for=1.1.1.1;proto=https;host=a.example\r\n", "https", "a.example"},
        {"Forwarded: for=1.1.1.1;proto=https;host=\"a.example:81\"\r\n", "https", "a.example:81"},
        {"Forwarded: for=1.1.1.1;proto=https, for=10.0.0.2;proto=http\r\n", "https", "example.com"},
        {"Forwarded: for=1.1.1.1;proto=gopher;host=\"a b\"\r\n", "http", "example.com"},
        {"X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1;proto=https\r\n", "http", "example.com"},
    }));
    CAPTURE(lines);
    const seen s = resolve(lines);
    CHECK(s.scheme == scheme);
    CHECK(s.host == host);
}

TEST_CASE("an IPv4 peer of a dual-stack listener is IPv4", "[http][forwarded]") {
    CHECK(resolve("X-Forwarded-For: 1.1.1.1\r\n", "::ffff:10.0.0.1").address == "1.1.1.1");
    CHECK(resolve("X-Forwarded-For: 1.1.1.1\r\n", "::ffff:192.0.2.9").address == "192.0.2.9");
}

TEST_CASE("without anybody to trust nothing is believed", "[http][forwarded]") {
    const auto r = test::request("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n");
    CHECK(resolve_client(r.head, make_address("10.0.0.1"), {}).address == make_address("10.0.0.1"));
}

TEST_CASE("the application is told of one client", "[http][forwarded]") {
    const auto [node, scheme, host, lines] = GENERATE(table<std::string, std::string, std::string, std::string>({
        {"192.0.2.1", "http", "example.com",
         "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: example.com\r\n"
         "Forwarded: for=192.0.2.1;host=example.com;proto=http\r\n"},
        {"2001:db8::1", "https", "example.com:8443",
         "X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: example.com:8443\r\n"
         "Forwarded: for=\"[2001:db8::1]\";host=\"example.com:8443\";proto=https\r\n"},
        {"192.0.2.1", "http", "",
         "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nForwarded: for=192.0.2.1;proto=http\r\n"},
        {"0.0.0.0", "http", "x",
         "X-Forwarded-Proto: http\r\nX-Forwarded-Host: x\r\nForwarded: for=unknown;host=x;proto=http\r\n"},
    }));
    std::string out;
    append_forwarded({.address = make_address(node), .scheme = scheme, .host = host, .from_trusted = false}, out);
    CHECK(out == lines);
}

TEST_CASE("what is told is understood by the next hop", "[http][forwarded]") {
    std::string out;
    append_forwarded({.address = make_address("2001:db8::1"), .scheme = "https", .host = "a.example:81"}, out);
    const seen by_x = resolve(out);
    CHECK(by_x.address == "2001:db8::1");
    CHECK(by_x.scheme == "https");
    CHECK(by_x.host == "a.example:81");
    const seen by_forwarded = resolve(out.substr(out.find("Forwarded: for")));
    CHECK(by_forwarded.address == "2001:db8::1");
    CHECK(by_forwarded.scheme == "https");
    CHECK(by_forwarded.host == "a.example:81");
}
