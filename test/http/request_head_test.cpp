#include "test/http/parsed.hpp"

using namespace weir::http;
using test::request;
using test::request_with;
using namespace std::string_literals;

namespace {

std::string with_target(std::string_view target) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n";
}
std::string with_host(std::string_view host) {
    return "GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n";
}

}  // namespace

TEST_CASE("a plain request is read", "[http][head]") {
    const auto r =
        request("GET /a?b=c HTTP/1.1\r\nHost: Example.com:80\r\nX-Mixed-CASE: \t a value \t\r\nEmpty:\r\n\r\n");
    REQUIRE(r.error == head_error::none);
    CHECK(r.head.method == verb::get);
    CHECK(r.head.method_text == "GET");
    CHECK(r.head.target == "/a?b=c");
    CHECK(r.head.host == "Example.com:80");
    CHECK(r.head.version == 11);
    CHECK(r.head.keep_alive);
    CHECK(r.head.body == body_kind::none);
    CHECK(r.head.size == r.bytes.size());
    REQUIRE(r.head.fields.size() == 3);
    CHECK(r.head.fields[0].id == field_id::host);
    CHECK(r.head.fields[1].name == "X-Mixed-CASE");
    CHECK(r.head.fields[1].value == "a value");
    CHECK(r.head.fields[1].id == field_id::unknown);
    CHECK(r.head.fields[2].value.empty());
}

TEST_CASE("what follows the head is no part of it", "[http][head]") {
    const auto r = request("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    REQUIRE(r.error == head_error::none);
    CHECK(r.head.size == r.bytes.size() - 5);
}

TEST_CASE("methods are tokens", "[http][head][rfc9110-9.1]") {
    const auto [line, error] = GENERATE(table<std::string, head_error>({
        {"GET / HTTP/1.1", head_error::none},
        {"BREW / HTTP/1.1", head_error::none},
        {"get / HTTP/1.1", head_error::none},
        {"M!#$%&'*+-.^_`|~09 / HTTP/1.1", head_error::none},
        {"CONNECT x:443 HTTP/1.1", head_error::connect_refused},
        {"CONNECT / HTTP/1.1", head_error::connect_refused},
        {" GET / HTTP/1.1", head_error::bad_method},
        {"G@T / HTTP/1.1", head_error::bad_method},
        {"G\xc3\xa9T / HTTP/1.1", head_error::bad_method},
        {"GET\t/ HTTP/1.1", head_error::bad_method},
        {"GET\x0b/ HTTP/1.1", head_error::bad_method},
        {"GET", head_error::bad_method},
        {"", head_error::bad_method},
    }));
    CAPTURE(line);
    CHECK(request(line + "\r\nHost: x\r\n\r\n").error == error);
}

TEST_CASE("a method that Beast does not know keeps its text", "[http][head]") {
    const auto r = request("BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(r.error == head_error::none);
    CHECK(r.head.method == verb::unknown);
    CHECK(r.head.method_text == "BREW");
}

TEST_CASE("only HTTP/1.0 and HTTP/1.1 are spoken", "[http][head][rfc9112-2.3]") {
    const auto [version, error] = GENERATE(table<std::string, head_error>({
        {"HTTP/1.1", head_error::none},
        {"HTTP/1.0", head_error::none},
        {"HTTP/1.2", head_error::unsupported_version},
        {"HTTP/2.0", head_error::unsupported_version},
        {"HTTP/3.0", head_error::unsupported_version},
        {"HTTP/2", head_error::unsupported_version},
        {"HTTP/3", head_error::unsupported_version},
        {"HTTP/0.9", head_error::bad_version},
        {"http/1.1", head_error::bad_version},
        {"Http/1.1", head_error::bad_version},
        {"HTTP/1", head_error::bad_version},
        {"HTTP/11", head_error::bad_version},
        {"HTTP/1.10", head_error::bad_version},
        {"HTTP/01.1", head_error::bad_version},
        {"HTTP/1,1", head_error::bad_version},
        {"HTTP 1.1", head_error::bad_version},
        {"HTTP/1.1 ", head_error::bad_version},
        {" HTTP/1.1", head_error::bad_version},
        {"HTTP/1.1\t", head_error::bad_version},
        {"HTT", head_error::bad_version},
        {"", head_error::bad_version},
    }));
    CAPTURE(version);
    CHECK(request("GET / " + version + "\r\nHost: x\r\n\r\n").error == error);
}

TEST_CASE("the preface of HTTP/2 is told from garbage", "[http][head]") {
    CHECK(request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").error == head_error::unsupported_version);
}

TEST_CASE("targets are what RFC 3986 allows", "[http][head][rfc9112-3.2]") {
    const auto [target, error] = GENERATE(table<std::string, head_error>({
        {"/", head_error::none},
        {"/a/b?c=d&e=f", head_error::none},
        {"/a//b/../c/./d", head_error::none},
        {"/-._~!$&'()*+,;=:@/%41?/?", head_error::none},
        {"/?a[]=1", head_error::none},
        {"/?family=A|B&f={a}^`\\", head_error::none},
        {"/?a#b", head_error::bad_target},
        {"/?a\"b", head_error::bad_target},
        {"/?a<b", head_error::bad_target},
        {"/?a\x80", head_error::bad_target},
        {"//x/", head_error::none},
        {"/a#b", head_error::bad_target},
        {"/a\"b", head_error::bad_target},
        {"/a<b", head_error::bad_target},
        {"/a>b", head_error::bad_target},
        {"/a\\b", head_error::bad_target},
        {"/a^b", head_error::bad_target},
        {"/a`b", head_error::bad_target},
        {"/a{b", head_error::bad_target},
        {"/a|b", head_error::bad_target},
        {"/a}b", head_error::bad_target},
        {"/a\tb", head_error::bad_target},
        {"/a\x01"
         "b",
         head_error::bad_target},
        {"/a\0b"s, head_error::bad_target},
        {"/a\x7f", head_error::bad_target},
        {"/\xc3\xa9", head_error::bad_target},
        {"/\x80", head_error::bad_target},
        {"/\xff", head_error::bad_target},
        {"/a\rb", head_error::bad_target},
        {"/a b", head_error::bad_version},
        {"", head_error::bad_target},
        {"*", head_error::bad_target},
        {"a/b", head_error::bad_target},
        {"?a", head_error::bad_target},
        {"x:80", head_error::bad_target},
        {"ftp://x/", head_error::bad_target},
        {"http:/x", head_error::bad_target},
        {"http:", head_error::bad_target},
        {"http://", head_error::bad_target},
        {"http:///a", head_error::bad_target},
        {"http://?a", head_error::bad_target},
        {"http://x?a=b", head_error::none},
        {"http://x?a#b", head_error::bad_target},
        {"http://u@x/", head_error::bad_target},
        {"http://u:p@x/", head_error::bad_target},
        {"http://x:port/", head_error::bad_target},
        {"http://x:80:80/", head_error::bad_target},
        {"http://[::1/", head_error::bad_target},
        {"http://x/#a", head_error::bad_target},
        {"http://x/a|b", head_error::bad_target},
        {"http://x\\y/", head_error::bad_target},
    }));
    CAPTURE(target);
    CHECK(request(with_target(target)).error == error);
}

TEST_CASE("absolute-form is cut to what follows the authority, which replaces Host", "[http][head][rfc9112-3.2.2]") {
    const auto [target, cut, host] = GENERATE(table<std::string, std::string, std::string>({
        {"http://example.com/a?b", "/a?b", "example.com"},
        {"HTTP://Example.com:8080/", "/", "Example.com:8080"},
        {"https://[2001:db8::1]:8443/a", "/a", "[2001:db8::1]:8443"},
        {"http://example.com", "/", "example.com"},
        {"http://example.com//a", "//a", "example.com"},
        {"http://example.com/?a=http://y/", "/?a=http://y/", "example.com"},
    }));
    CAPTURE(target);
    const auto r = request(with_target(target));
    REQUIRE(r.error == head_error::none);
    CHECK(r.head.target == cut);
    CHECK(r.head.host == host);
    CHECK(r.head.fields.value(field_id::host) == "x");
}

TEST_CASE("absolute-form needs a valid Host as well", "[http][head][rfc9112-3.2.2]") {
    CHECK(request("GET http://x/ HTTP/1.1\r\n\r\n").error == head_error::bad_host);
    CHECK(request("GET http://x/ HTTP/1.1\r\nHost: a b\r\n\r\n").error == head_error::bad_host);
    CHECK(request("GET http://x/ HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n").error == head_error::bad_host);
    const auto r = request("GET http://x/a HTTP/1.0\r\n\r\n");
    CHECK(r.error == head_error::none);
    CHECK(r.head.host == "x");
}

TEST_CASE("the asterisk is for OPTIONS", "[http][head][rfc9112-3.2.4]") {
    const auto asterisk = request("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(asterisk.error == head_error::none);
    CHECK(asterisk.head.target == "*");
    const auto absolute = request("OPTIONS http://y HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(absolute.error == head_error::none);
    CHECK(absolute.head.target == "*");
    CHECK(absolute.head.host == "y");
    CHECK(request("OPTIONS http://y/ HTTP/1.1\r\nHost: x\r\n\r\n").head.target == "/");
    CHECK(request("HEAD * HTTP/1.1\r\nHost: x\r\n\r\n").error == head_error::bad_target);
    CHECK(request("OPTIONS ** HTTP/1.1\r\nHost: x\r\n\r\n").error == head_error::bad_target);
}

TEST_CASE("HTTP/1.1 has exactly one valid Host", "[http][head][rfc9112-3.2]") {
    CHECK(request("GET / HTTP/1.1\r\n\r\n").error == head_error::bad_host);
    CHECK(request("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n").error == head_error::bad_host);
    CHECK(request("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nhOST: y\r\n\r\n").error == head_error::bad_host);
    const auto [host, valid] = GENERATE(table<std::string, bool>({
        {"example.com", true},   {"example.com:8080", true},
        {"example.com:", true},  {"127.0.0.1", true},
        {"[::1]", true},         {"[::1]:80", true},
        {"a_b.example", true},   {"a%41.example", true},
        {"example.com.", true},  {"", false},
        {":80", false},          {"a b", false},
        {"a,b", false},          {"x/y", false},
        {"u@x", false},          {"x:y", false},
        {"x:65536", false},      {"x:80:80", false},
        {"[::1", false},         {"::1", false},
        {"[::1]x", false},       {"[:::]", false},
        {"[::1%25eth0]", false}, {"x?", false},
        {"x#", false},           {"a\"b", false},
        {"<x>", false},          {"\xc3\xa9", false},
        {"a%4", false},          {"a..b", false},
        {".a", false},           {"x\\y", false},
    }));
    CAPTURE(host);
    CHECK(request(with_host(host)).error == (valid ? head_error::none : head_error::bad_host));
}

TEST_CASE("HTTP/1.0 may go without Host", "[http][head]") {
    const auto none = request("GET / HTTP/1.0\r\n\r\n");
    CHECK(none.error == head_error::none);
    CHECK(none.head.host.empty());
    CHECK(none.head.version == 10);
    CHECK(request("GET / HTTP/1.0\r\nHost: a b\r\n\r\n").error == head_error::bad_host);
    CHECK(request("GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n").error == head_error::bad_host);
}

TEST_CASE("Expect is 100-continue or nothing", "[http][head][rfc9110-10.1.1]") {
    CHECK(request(request_with("Content-Length: 3\r\nExpect: 100-continue\r\n")).head.expects_continue);
    CHECK(request(request_with("Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n")).head.expects_continue);
    CHECK(request(request_with("Expect: 200-ok\r\n")).error == head_error::bad_expect);
    CHECK(request(request_with("Expect:\r\n")).error == head_error::bad_expect);
    CHECK(request(request_with("Expect: 100-continue, x\r\n")).error == head_error::bad_expect);
    const auto without_content = request(request_with("Expect: 100-continue\r\n"));
    CHECK(without_content.error == head_error::none);
    CHECK_FALSE(without_content.head.expects_continue);
    const auto old = request("POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 200-ok\r\n\r\n");
    CHECK(old.error == head_error::none);
    CHECK_FALSE(old.head.expects_continue);
    CHECK_FALSE(request("POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").head.expects_continue);
}

TEST_CASE("a WebSocket is asked for in one way only", "[http][head][rfc9110-7.8]") {
    const auto [bytes, upgrades] = GENERATE(table<std::string, bool>({
        {"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websockets\r\nConnection: Upgrade\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", false},
        {"POST / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nTransfer-Encoding: chunked\r\n\r\n",
         false},
    }));
    CAPTURE(bytes);
    const auto r = request(bytes);
    CHECK(r.error == head_error::none);
    CHECK(r.head.upgrade_websocket == upgrades);
}

TEST_CASE("a request line of 8000 octets is accepted by default", "[http][head][rfc9112-3]") {
    const auto r = request(with_target("/" + std::string(8000 - 1, 'a')));
    CHECK(r.error == head_error::none);
    CHECK(r.head.target.size() == 8000);
}

TEST_CASE("start line and fields share one limit", "[http][head][limits]") {
    // Beast's header_limit applies to each apart.
    const std::string line = "/" + std::string(8000, 'a'), field = "A: " + std::string(8000, 'b') + "\r\n";
    const std::string bytes = "GET " + line + " HTTP/1.1\r\nHost: x\r\n" + field + "\r\n";
    CHECK(request(bytes, {.max_bytes = 8192, .max_fields = 128}).error == head_error::too_large);
    CHECK(request(bytes, {.max_bytes = 16384, .max_fields = 128}).error == head_error::none);
    request_head head;
    CHECK(parse_request_head(bytes, {.max_bytes = 8192, .max_fields = 128}, head) == head_error::too_large);
}

TEST_CASE("a field longer than 64 KiB is no accident", "[http][head][limits]") {
    const std::string value(100'000, 'b');
    const auto r = request(request_with("A: " + value + "\r\nB: c\r\n"), {.max_bytes = 200'000, .max_fields = 128});
    REQUIRE(r.error == head_error::none);
    CHECK(r.head.fields.value("A") == value);
    CHECK(r.head.fields.value("B") == "c");
    const std::string name(70'000, 'a');
    CHECK(request(request_with(name + ": b\r\n"), {.max_bytes = 200'000, .max_fields = 128}).error ==
          head_error::too_large);
}

TEST_CASE("fields are counted", "[http][head][limits]") {
    std::string lines;
    for (int i = 0; i < 127; ++i) lines += "A: b\r\n";
    CHECK(request(request_with(lines)).error == head_error::none);
    CHECK(request(request_with(lines + "A: b\r\n")).error == head_error::too_many_fields);
}

TEST_CASE("a failed parse leaves nothing behind for the next", "[http][head]") {
    request_head head;
    const std::string bad = request_with("Connection: close\r\nContent-Length: 7\r\nExpect: 100-continue\r\nA : b\r\n");
    const std::string good = "GET / HTTP/1.1\r\nHost: y\r\n\r\n";
    CHECK(parse_request_head(bad, {}, head) == head_error::bad_field_name);
    REQUIRE(parse_request_head(good, {}, head) == head_error::none);
    CHECK(head.keep_alive);
    CHECK(head.body == body_kind::none);
    CHECK(head.content_length == 0);
    CHECK_FALSE(head.expects_continue);
    CHECK(head.fields.size() == 1);
    CHECK(head.host == "y");
}
