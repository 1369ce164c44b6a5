#include "proxy/forward.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "test/http/parsed.hpp"
#include "test/proxy/settings.hpp"

using namespace weir;
using namespace weir::proxy;
using http::body_kind;
using http::test::request;
using http::test::response;
using test::make_address;

namespace {

// 2026-01-01T00:00:00.007Z
constexpr wall_time received{std::chrono::milliseconds{1767225600007}};

// What goes into a request for an endpoint, apart from the head that the client sent.
struct circumstances {
    std::vector<conf::header_rule> rules{};
    std::optional<conf::rewrite_settings> rewrite{};
    conf::host_rule host{};
    std::string endpoint = "127.0.0.1:9001";
    std::string peer = "192.0.2.7";
    std::string path{};
    wall_time at = received;
    body_kind body = body_kind::none;
    std::uint64_t content_length = 0;
    bool pass_expect = false;
    bool pass_upgrade = false;
    bool keep_alive = true;
    std::optional<conf::route_cache_settings> cache = conf::route_cache_settings{};
    bool has_pages = false;
    bool may_store = false;
    std::string validators{};
};

std::string compose(const std::string& head, const circumstances& c = {}) {
    const auto from = request(head);
    CAPTURE(head);
    REQUIRE(from.error == http::head_error::none);
    conf::route_settings route;
    route.request_headers = c.rules;
    route.rewrite = c.rewrite;
    route.cache = c.cache;
    if (c.has_pages) route.memcached_pages.emplace();
    const http::forwarded_client client{.address = boost::asio::ip::make_address(c.peer),
                                        .scheme = "http",
                                        .host = from.head.host,
                                        .from_trusted = false};
    const outgoing_request out{.request = from.head,
                               .route = route,
                               .host_rule = c.host,
                               .client = client,
                               .path = c.path,
                               .request_id = "0123456789abcdef",
                               .received = c.at,
                               .body = c.body,
                               .content_length = c.content_length,
                               .pass_expect = c.pass_expect,
                               .pass_upgrade = c.pass_upgrade,
                               .keep_alive = c.keep_alive,
                               .keyed = c.may_store,
                               .fills = c.may_store,
                               .validators = c.validators};
    std::string text = "left from the request before";
    compose_request(out, balancer::endpoint(0, make_address(c.endpoint)), text);
    // What we send has to be beyond doubt to ourselves.
    const auto sent = request(text);
    CAPTURE(text);
    REQUIRE(sent.error == http::head_error::none);
    CHECK(sent.head.size == text.size());
    CHECK(sent.head.fields.count(http::field_id::host) == 1);
    return text;
}

std::string compose_with(const std::string& lines, const circumstances& c = {}) {
    return compose("GET / HTTP/1.1\r\nHost: example.org\r\n" + lines + "\r\n", c);
}

// The values of all fields `name`, in their order.
using value_list = std::vector<std::string>;
value_list all(const std::string& head, std::string_view name) {
    value_list found;
    const auto parsed = request(head);
    for (const http::field_view field : parsed.head.fields) {
        if (http::iequals(field.name, name)) found.emplace_back(field.value);
    }
    return found;
}

std::string response_fields(const std::string& lines, const std::vector<conf::header_rule>& rules = {}) {
    const auto from = response("HTTP/1.1 200 OK\r\n" + lines + "\r\n");
    CAPTURE(lines);
    REQUIRE(from.error == http::head_error::none);
    conf::route_settings route;
    route.response_headers = rules;
    std::string out;
    append_response_fields(from.head, route, received, out);
    return out;
}

}  // namespace

TEST_CASE("a request goes to an endpoint as it came, and tells who asked", "[proxy][forward][rfc9110-7.6]") {
    CHECK(compose("GET /a%2Fb?q=%41 HTTP/1.1\r\nHost: Example.org:8880\r\naccept: */*\r\nCookie: a=1\r\nCookie: b=2\r\n"
                  "\r\n") ==
          "GET /a%2Fb?q=%41 HTTP/1.1\r\n"
          "Host: Example.org:8880\r\n"
          "accept: */*\r\n"
          "Cookie: a=1\r\n"
          "Cookie: b=2\r\n"
          "X-Forwarded-For: 192.0.2.7\r\n"
          "X-Forwarded-Proto: http\r\n"
          "X-Forwarded-Host: Example.org:8880\r\n"
          "Forwarded: for=192.0.2.7;host=\"Example.org:8880\";proto=http\r\n"
          "X-Request-ID: 0123456789abcdef\r\n"
          "X-Request-Start: t=1767225600.007\r\n"
          "Via: 1.1 weir\r\n"
          "\r\n");
}

TEST_CASE("the request line is the client's in our version", "[proxy][forward][rfc9112-3]") {
    const auto [line, expected] = GENERATE(table<std::string, std::string>({
        {"GET /a HTTP/1.1", "GET /a HTTP/1.1"},
        {"GET /a HTTP/1.0", "GET /a HTTP/1.1"},
        {"OPTIONS * HTTP/1.1", "OPTIONS * HTTP/1.1"},
        {"BREW /pot HTTP/1.1", "BREW /pot HTTP/1.1"},
        {"GET http://example.org/a?b HTTP/1.1", "GET /a?b HTTP/1.1"},
        {"GET http://example.org HTTP/1.1", "GET / HTTP/1.1"},
        {"GET http://example.org?b HTTP/1.1", "GET /?b HTTP/1.1"},
    }));
    CHECK(compose(line + "\r\nHost: example.org\r\n\r\n").starts_with(expected + "\r\n"));
}

TEST_CASE("Host is what the rule of the upstream says", "[proxy][forward][rfc9110-7.2]") {
    using kind = conf::host_rule::kind;
    const auto [head, rule, endpoint, expected] = GENERATE(table<std::string, kind, std::string, std::string>({
        {"GET / HTTP/1.1\r\nHost: Example.org:8880\r\n\r\n", kind::preserve, "127.0.0.1:9001", "Example.org:8880"},
        {"GET http://a.org/ HTTP/1.1\r\nHost: b.org\r\n\r\n", kind::preserve, "127.0.0.1:9001", "a.org"},
        {"GET / HTTP/1.0\r\n\r\n", kind::preserve, "app.example:9001", "app.example:9001"},
        {"GET / HTTP/1.0\r\n\r\n", kind::preserve, "unix:/run/app.sock", "localhost"},
        {"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", kind::server, "app.example:9001", "app.example:9001"},
        {"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", kind::server, "[::1]:9001", "[::1]:9001"},
        {"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", kind::server, "unix:/run/app.sock", "localhost"},
        {"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", kind::literal, "127.0.0.1:9001", "inner.example"},
        {"GET / HTTP/1.0\r\n\r\n", kind::literal, "127.0.0.1:9001", "inner.example"},
    }));
    CAPTURE(head, endpoint);
    const std::string sent = compose(head, {.host = {rule, "inner.example"}, .endpoint = endpoint});
    CHECK(all(sent, "Host") == value_list{expected});
}

TEST_CASE("what is hop-by-hop ends here", "[proxy][forward][rfc9110-7.6.1]") {
    for (const std::string name : {"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade",
                                   "Proxy-Authenticate", "Proxy-Authorization", "HTTP2-Settings"}) {
        for (const std::string& text : {name, "x" + name}) {
            CAPTURE(text);
            CHECK(all(compose_with(text + ": close\r\n"), text) == (text == name ? value_list{} : value_list{"close"}));
        }
    }
}

TEST_CASE("fields that Connection names end here", "[proxy][forward][rfc9110-7.6.1]") {
    const std::string sent = compose_with(
        "X-Private: 1\r\nx-other: 2\r\nX-Kept: 3\r\nConnection: x-PRIVATE , close\r\nConnection: X-Other\r\n"
        "X-Private: 4\r\n");
    CHECK(all(sent, "X-Private").empty());
    CHECK(all(sent, "X-Other").empty());
    CHECK(all(sent, "X-Kept") == value_list{"3"});
    CHECK(all(sent, "Connection").empty());
}

TEST_CASE("Connection takes away neither Host nor what we say ourselves", "[proxy][forward][security]") {
    const std::string sent = compose_with(
        "Via: 1.1 other\r\nConnection: close, Host, Via, X-Forwarded-For, X-Forwarded-Proto, X-Request-ID, Forwarded, "
        "Content-Length\r\n",
        {.body = body_kind::length, .content_length = 5});
    CHECK(all(sent, "Host") == value_list{"example.org"});
    CHECK(all(sent, "X-Forwarded-For") == value_list{"192.0.2.7"});
    CHECK(all(sent, "X-Forwarded-Proto") == value_list{"http"});
    CHECK(all(sent, "X-Request-ID") == value_list{"0123456789abcdef"});
    CHECK(all(sent, "Forwarded").size() == 1);
    CHECK(all(sent, "Content-Length") == value_list{"5"});
    CHECK(all(sent, "Via") == value_list{"1.1 other", "1.1 weir"});
}

TEST_CASE("a field whose name WSGI would take for another is dropped", "[proxy][forward][security]") {
    const std::string sent = compose_with("X_Forwarded_For: 6.6.6.6\r\nREMOTE_USER: root\r\nX-A_: 1\r\nX-A: 2\r\n");
    CHECK(sent.find('_') == std::string::npos);
    CHECK(all(sent, "X-A") == value_list{"2"});
}

TEST_CASE("what a client says of itself is replaced", "[proxy][forward][security]") {
    const auto [name, expected] = GENERATE(table<std::string, value_list>({
        {"X-Forwarded-For", {"192.0.2.7"}},
        {"x-forwarded-for", {"192.0.2.7"}},
        {"X-Forwarded-Proto", {"http"}},
        {"X-Forwarded-Host", {"example.org"}},
        {"X-Forwarded-Port", {}},
        {"X-Forwarded-Server", {}},
        {"X-Forwarded-Prefix", {}},
        {"Forwarded", {"for=192.0.2.7;host=example.org;proto=http"}},
        {"X-Real-IP", {}},
        {"X-Request-ID", {"0123456789abcdef"}},
        {"X-Request-Start", {"t=1767225600.007"}},
        {"X-Queue-Time", {}},
    }));
    CAPTURE(name);
    CHECK(all(compose_with(name + ": spoofed\r\n" + name + ": twice\r\n"), name) == expected);
}

TEST_CASE("the client's address is written as RFC 7239 wants it", "[proxy][forward][rfc7239-4]") {
    const auto [peer, plain, node] = GENERATE(table<std::string, value_list, std::string>({
        {"192.0.2.7", {"192.0.2.7"}, "192.0.2.7"},
        {"2001:db8::7", {"2001:db8::7"}, "\"[2001:db8::7]\""},
        {"0.0.0.0", {}, "unknown"},
    }));
    const std::string sent = compose_with("", {.peer = peer});
    CHECK(all(sent, "X-Forwarded-For") == plain);
    CHECK(all(sent, "Forwarded") == value_list{"for=" + node + ";host=example.org;proto=http"});
}

TEST_CASE("Via tells every hop and its version", "[proxy][forward][rfc9110-7.6.3]") {
    CHECK(all(compose("GET / HTTP/1.0\r\nHost: example.org\r\n\r\n"), "Via") == value_list{"1.0 weir"});
    CHECK(all(compose_with("Via: 1.0 a\r\nVia: 1.1 b, 1.1 c\r\n"), "Via") ==
          value_list{"1.0 a", "1.1 b, 1.1 c", "1.1 weir"});
}

TEST_CASE("X-Request-Start has seconds and three digits of milliseconds", "[proxy][forward]") {
    const auto [ms, expected] = GENERATE(table<long, std::string>({
        {1767225600000, "t=1767225600.000"},
        {1767225600070, "t=1767225600.070"},
        {1767225600999, "t=1767225600.999"},
        {1000, "t=1.000"},
        {1, "t=0.001"},
    }));
    const std::string sent = compose_with("", {.at = wall_time(std::chrono::milliseconds(ms))});
    CHECK(all(sent, "X-Request-Start") == value_list{expected});
}

TEST_CASE("Expect goes on only where the endpoint is to answer it", "[proxy][forward][rfc9110-10.1.1]") {
    CHECK(all(compose_with("Expect: 100-continue\r\n"), "Expect").empty());
    CHECK(all(compose_with("Expect: 100-Continue\r\nContent-Length: 5\r\n",
                           {.body = body_kind::length, .content_length = 5, .pass_expect = true}),
              "Expect") == value_list{"100-continue"});
    CHECK(all(compose_with("", {.pass_expect = true}), "Expect").empty());
}

TEST_CASE("Upgrade goes on for websocket only", "[proxy][forward][rfc9110-7.8][security]") {
    const std::string lines =
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: "
        "13\r\n";
    const std::string sent = compose_with(lines, {.pass_upgrade = true});
    CHECK(all(sent, "Connection") == value_list{"Upgrade"});
    CHECK(all(sent, "Upgrade") == value_list{"websocket"});
    CHECK(all(sent, "Sec-WebSocket-Key") == value_list{"x"});
    CHECK(all(compose_with(lines), "Upgrade").empty());
    CHECK(all(compose_with(lines), "Connection").empty());
    const std::string h2c =
        compose_with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n");
    CHECK(all(h2c, "Upgrade").empty());
    CHECK(all(h2c, "Connection").empty());
    CHECK(all(h2c, "HTTP2-Settings").empty());
}

TEST_CASE("an endpoint whose connections are not kept is told", "[proxy][forward][rfc9112-9.6]") {
    CHECK(all(compose_with("Connection: keep-alive\r\n", {.keep_alive = false}), "Connection") == value_list{"close"});
    CHECK(all(compose_with("Connection: close\r\n"), "Connection").empty());
}

TEST_CASE("a request is framed anew in one way", "[proxy][forward][rfc9112-6.3][security]") {
    const std::string counted = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0005\r\n\r\n";
    const std::string chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n";
    const auto [kind, length, length_field, coding_field] =
        GENERATE(table<body_kind, std::uint64_t, value_list, value_list>({
            {body_kind::none, 0, {}, {}},
            {body_kind::length, 0, {"0"}, {}},
            {body_kind::length, 5, {"5"}, {}},
            {body_kind::length, 9223372036854775807u, {"9223372036854775807"}, {}},
            {body_kind::chunked, 0, {}, {"chunked"}},
        }));
    for (const std::string& head : {counted, chunked}) {
        CAPTURE(head);
        const std::string sent = compose(head, {.body = kind, .content_length = length});
        CHECK(all(sent, "Content-Length") == length_field);
        CHECK(all(sent, "Transfer-Encoding") == coding_field);
        CHECK(all(sent, "Trailer").empty());
    }
}

TEST_CASE("a route's rules set and remove request fields", "[proxy][forward][rules]") {
    const std::vector<conf::header_rule> rules{{"X-Tenant", "blue"}, {"cookie", std::nullopt}, {"Accept", ""}};
    const std::string sent = compose_with(
        "X-TENANT: red\r\nx-tenant: green\r\nCookie: a=1\r\nAccept: */*\r\nX-Other: 1\r\n", {.rules = rules});
    CHECK(all(sent, "X-Tenant") == value_list{"blue"});
    CHECK(sent.find("X-Tenant: blue\r\n") != std::string::npos);
    CHECK(all(sent, "Cookie").empty());
    CHECK(all(sent, "Accept") == value_list{""});
    CHECK(all(sent, "X-Other") == value_list{"1"});
}

TEST_CASE("a rewrite changes the target but OPTIONS *", "[proxy][forward][rewrite]") {
    const circumstances c{.rewrite = conf::rewrite_settings{.strip = "/app", .add = "/v2"}};
    CHECK(compose("GET /app/a?b HTTP/1.1\r\nHost: x\r\n\r\n", c).starts_with("GET /v2/a?b HTTP/1.1\r\n"));
    CHECK(compose("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", c).starts_with("OPTIONS * HTTP/1.1\r\n"));
}

TEST_CASE("no spelling of its prefix takes a path around the rewrite", "[proxy][forward][rewrite][security]") {
    const auto [target, normalised, expected] = GENERATE(table<std::string, std::string, std::string>({
        {"/app/%61?%61", "/app/a", "/v2/%61?%61"},
        {"/%61pp/x?q=%41", "/app/x", "/v2/x?q=%41"},
        {"/./app/x", "/app/x", "/v2/x"},
        {"/x/../app/y?q", "/app/y", "/v2/y?q"},
        {"/%61pp", "/app", "/v2/"},
        {"/other", "/other", "/v2/other"},
    }));
    CAPTURE(target);
    circumstances c{.rewrite = conf::rewrite_settings{.strip = "/app", .add = "/v2"}};
    c.path = normalised;
    CHECK(
        compose("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n", c).starts_with("GET " + expected + " HTTP/1.1\r\n"));
}

TEST_CASE("Max-Forwards is counted down where it is heeded", "[proxy][forward][rfc9110-7.6.2]") {
    const auto [method, value, heeded, sent] = GENERATE(table<std::string, std::string, int, std::string>({
        {"OPTIONS", "5", 5, "4"},
        {"TRACE", "1", 1, "0"},
        {"TRACE", "0010", 10, "9"},
        {"GET", "5", -1, "5"},
        {"OPTIONS", "-1", -1, "-1"},
        {"OPTIONS", "5, 6", -1, "5, 6"},
        {"OPTIONS", "99999999999999999999", -1, "99999999999999999999"},
        {"OPTIONS", "", -1, ""},
    }));
    CAPTURE(method, value);
    const std::string head = method + " / HTTP/1.1\r\nHost: x\r\nMax-Forwards: " + value + "\r\n\r\n";
    const auto asked = request(head);
    REQUIRE(asked.error == http::head_error::none);
    CHECK(max_forwards(asked.head) == (heeded < 0 ? std::optional<std::uint64_t>() : heeded));
    CHECK(all(compose(head), "Max-Forwards") == value_list{sent});
}

const std::vector<std::string> target_switches = {
    "X-Original-URL",       "X-Original-URI",   "x-rewrite-url",     "X-Original-Host", "X-Host",
    "X-HTTP-Host-Override", "X-Script-Name",    "X-Path-Info",       "X-Scheme",        "X-Url-Scheme",
    "X-Vhm-Host",           "X-VHM-Root",       "Front-End-HTTPS",   "X-Forwarded",     "X-Forwarded-Server",
    "X-Forwarded-Scheme",   "X-Forwarded-Port", "X-Forwarded-Prefix"};
const std::vector<std::string> method_switches = {"X-HTTP-Method", "X-HTTP-Method-Override", "x-method-override"};

TEST_CASE("what no key knows cannot switch an application on a cached route", "[proxy][forward][cache][security]") {
    for (const std::string& name : target_switches) {
        CAPTURE(name);
        CHECK(all(compose_with(name + ": evil\r\n"), name).empty());
        CHECK(all(compose_with(name + ": evil\r\n", {.may_store = true}), name).empty());
        CHECK(all(compose("POST / HTTP/1.1\r\nHost: a\r\n" + name + ": evil\r\n\r\n"), name).empty());
    }
    for (const std::string& name : method_switches) {
        CAPTURE(name);
        for (const std::string method : {"GET", "HEAD", "OPTIONS"})
            CHECK(all(compose(method + " / HTTP/1.1\r\nHost: a\r\n" + name + ": PUT\r\n\r\n"), name).empty());
    }
}

TEST_CASE("nor on a route whose pages the application itself keeps", "[proxy][forward][memcached][security]") {
    for (const std::string& name : {target_switches.front(), method_switches.front()}) {
        CAPTURE(name);
        CHECK(all(compose_with(name + ": evil\r\n", {.cache = std::nullopt, .has_pages = true}), name).empty());
        CHECK(all(compose_with(name + ": evil\r\n", {.has_pages = true}), name).empty());
    }
}

TEST_CASE("an application is switched where nothing is stored of it", "[proxy][forward][cache]") {
    for (const std::string& name : method_switches) {
        CAPTURE(name);
        CHECK(all(compose("POST / HTTP/1.1\r\nHost: a\r\n" + name + ": PATCH\r\n\r\n"), name) == value_list{"PATCH"});
        CHECK(all(compose_with(name + ": PUT\r\n", {.cache = std::nullopt}), name) == value_list{"PUT"});
    }
    CHECK(all(compose_with("X-Original-URL: /a\r\n", {.cache = std::nullopt}), "X-Original-URL") == value_list{"/a"});
}

TEST_CASE("what the route's key has is forwarded", "[proxy][forward][cache]") {
    conf::route_cache_settings keyed;
    keyed.key.headers = {"x-http-method-override", "x-script-name"};
    const auto sent = compose_with("X-Script-Name: /a\r\nX-HTTP-Method-Override: GET\r\nX-Scheme: ftp\r\n",
                                   {.cache = keyed, .may_store = true});
    CHECK(all(sent, "X-Script-Name") == value_list{"/a"});
    CHECK(all(sent, "X-HTTP-Method-Override") == value_list{"GET"});
    CHECK(all(sent, "X-Scheme").empty());
}

TEST_CASE("a route may set what a client may not", "[proxy][forward][cache][rules]") {
    const auto sent = compose_with("X-Script-Name: /evil\r\n", {.rules = {{"X-Script-Name", "/app"}}});
    CHECK(all(sent, "X-Script-Name") == value_list{"/app"});
}

TEST_CASE("for a response that may be stored the endpoint gets the target of the key", "[proxy][forward][cache]") {
    conf::route_cache_settings keyed;
    keyed.key.ignore_query = {"utm_*"};
    const std::string head = "GET /app/a?utm_x=1&b=2 HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK(compose(head, {.cache = keyed, .may_store = true}).starts_with("GET /app/a?b=2 HTTP/1.1\r\n"));
    CHECK(compose(head, {.cache = keyed}).starts_with("GET /app/a?utm_x=1&b=2 HTTP/1.1\r\n"));
    CHECK(compose(head, {.may_store = true}).starts_with("GET /app/a?utm_x=1&b=2 HTTP/1.1\r\n"));
    CHECK(compose(head, {.rewrite = {{"/app", "/to"}}, .path = "/app/a", .cache = keyed, .may_store = true})
              .starts_with("GET /to/a?b=2 HTTP/1.1\r\n"));
    CHECK(compose("GET /%61pp/a?utm_x=1&b=2 HTTP/1.1\r\nHost: a\r\n\r\n",
                  {.rewrite = {{"/app", "/to"}}, .path = "/app/a", .cache = keyed, .may_store = true})
              .starts_with("GET /to/a?b=2 HTTP/1.1\r\n"));
}

TEST_CASE("for a response that may be stored the cache's conditions replace the client's",
          "[proxy][forward][cache][rfc9111-4.3.1]") {
    const std::string narrow =
        "Range: bytes=0-1\r\nIf-Range: \"a\"\r\nIf-None-Match: \"a\"\r\n"
        "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
    const auto fill = compose_with(narrow, {.may_store = true, .validators = "If-None-Match: \"b\"\r\n"});
    CHECK(all(fill, "If-None-Match") == value_list{"\"b\""});
    for (const char* name : {"Range", "If-Range", "If-Modified-Since"}) CHECK(all(fill, name).empty());
    const auto passed = compose_with(narrow);
    CHECK(all(passed, "If-None-Match") == value_list{"\"a\""});
    for (const char* name : {"Range", "If-Range", "If-Modified-Since"}) CHECK(all(passed, name).size() == 1);
}

TEST_CASE("a target is rewritten by whole segments", "[proxy][forward][rewrite]") {
    const auto [strip, add, target, expected] = GENERATE(table<std::string, std::string, std::string, std::string>({
        {"", "", "/a?b", "/a?b"},
        {"/app", "", "/app/a/b", "/a/b"},
        {"/app", "", "/app", "/"},
        {"/app", "", "/app/", "/"},
        {"/app", "", "/app?q=/app", "/?q=/app"},
        {"/app", "", "/app/?q", "/?q"},
        {"/app", "", "/apple", "/apple"},
        {"/app", "", "/a", "/a"},
        {"/app", "", "/x/app", "/x/app"},
        {"/app", "", "/app//a", "//a"},
        {"/app", "", "/app/app", "/app"},
        {"/app/", "", "/app/a", "/a"},
        {"/app/", "", "/app", "/app"},
        {"/", "", "/a", "/a"},
        {"/a/b", "", "/a/b/c", "/c"},
        {"/a?b", "", "/a?b", "/a?b"},
        {"", "/v2", "/a", "/v2/a"},
        {"", "/v2/", "/a", "/v2/a"},
        {"", "/v2", "/", "/v2/"},
        {"", "/v2", "/?q", "/v2/?q"},
        {"/app", "/v2", "/app/a?q", "/v2/a?q"},
        {"/app", "/v2/", "/app/a", "/v2/a"},
        {"/app", "/v2", "/app?q", "/v2/?q"},
        {"/app", "/v2", "/other", "/v2/other"},
    }));
    CAPTURE(strip, add, target);
    std::string out = "GET ";
    append_rewritten_target(target, {strip, add}, {.host = "example.org"}, out);
    CHECK(out == "GET " + expected);
}

TEST_CASE("a rewrite may say where the client came in", "[proxy][forward][rewrite]") {
    const auto [scheme, host, expected] = GENERATE(table<std::string, std::string, std::string>({
        {"http", "example.org", "http/example.org:80"},
        {"https", "example.org", "https/example.org:443"},
        {"https", "example.org:8443", "https/example.org:8443"},
        {"http", "[::1]", "http/[::1]:80"},
        {"http", "[::1]:8080", "http/[::1]:8080"},
    }));
    CAPTURE(scheme, host);
    std::string out;
    const conf::rewrite_settings zope{"/site", "/VirtualHostBase/{scheme}/{host}:{port}/Plone/VirtualHostRoot"};
    append_rewritten_target("/site/a?b", zope, {.scheme = scheme, .host = host}, out);
    CHECK(out == "/VirtualHostBase/" + expected + "/Plone/VirtualHostRoot/a?b");
}

TEST_CASE("a response goes to the client with what is its own", "[proxy][forward][rfc9110-7.6]") {
    CHECK(response_fields("Server: CherryPy\r\nSet-Cookie: a=1\r\nConnection: X-Private, keep-alive\r\nX-Private: 1\r\n"
                          "Keep-Alive: timeout=5\r\nset-cookie: b=2\r\nContent-Length: 5\r\nTrailer: A\r\n"
                          "Proxy-Authenticate: Basic\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                          "X_Underscore: stays\r\nVia: 1.1 inner\r\nAge: 3\r\nCache-Status: inner; hit\r\n") ==
          "Server: CherryPy\r\n"
          "Set-Cookie: a=1\r\n"
          "set-cookie: b=2\r\n"
          "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
          "X_Underscore: stays\r\n"
          "Via: 1.1 inner\r\n"
          "Age: 3\r\n"
          "Cache-Status: inner; hit\r\n");
    CHECK(response_fields("Date: x\r\nTransfer-Encoding: chunked\r\nUpgrade: h2c\r\n") == "Date: x\r\n");
}

TEST_CASE("a response without Date gets the time of its receipt", "[proxy][forward][rfc9110-6.6.1]") {
    CHECK(response_fields("Server: x\r\n") == "Server: x\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n");
    CHECK(response_fields("") == "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n");
    CHECK(response_fields("Date: other\r\nConnection: Date\r\n") == "Date: other\r\n");
}

TEST_CASE("a route's rules set and remove response fields", "[proxy][forward][rules]") {
    CHECK(response_fields("SERVER: CherryPy\r\nx-frame-options: ALLOW\r\nDate: x\r\nserver: twice\r\n",
                          {{"Server", std::nullopt}, {"X-Frame-Options", "DENY"}, {"X-New", "1"}}) ==
          "Date: x\r\nX-Frame-Options: DENY\r\nX-New: 1\r\n");
}

TEST_CASE("an interim response carries its fields", "[proxy][forward][rfc9110-15.2]") {
    const auto hints = response(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Private\r\nX-Private: 1\r\n\r\n");
    std::string out;
    append_interim_fields(hints.head, out);
    CHECK(out == "Link: </a.css>; rel=preload\r\n");
}

TEST_CASE("a route's rules go before what weir says itself", "[proxy][forward][rules]") {
    const std::string sent = compose_with("", {.rules = {{"X-Forwarded-Proto", "https"},
                                                         {"x-request-id", "fixed"},
                                                         {"Forwarded", std::nullopt},
                                                         {"X-Request-Start", std::nullopt}}});
    CHECK(all(sent, "X-Forwarded-Proto") == value_list{"https"});
    CHECK(all(sent, "X-Request-ID") == value_list{"fixed"});
    CHECK(all(sent, "Forwarded").empty());
    CHECK(all(sent, "X-Request-Start").empty());
    CHECK(all(sent, "X-Forwarded-For") == value_list{"192.0.2.7"});
}

TEST_CASE("a rule for Date leaves one Date", "[proxy][forward][rules][rfc9110-6.6.1]") {
    CHECK(response_fields("Date: other\r\n", {{"Date", "Thu, 01 Jan 2026 00:00:01 GMT"}}) ==
          "Date: Thu, 01 Jan 2026 00:00:01 GMT\r\n");
}

TEST_CASE("no dot segment leads out of what a rewrite adds", "[proxy][forward][rewrite][security]") {
    const auto [strip, target, normalised, expected] =
        GENERATE(table<std::string, std::string, std::string, std::string>({
            {"/app", "/app/x/../../app/secret", "/app/secret", "/public/secret"},
            {"", "/a/../../secret", "/secret", "/public/secret"},
            {"/app", "/app/%2e%2e/app/secret?q", "/app/secret", "/public/secret?q"},
        }));
    circumstances c{.rewrite = conf::rewrite_settings{.strip = strip, .add = "/public"}};
    c.path = normalised;
    CHECK(
        compose("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n", c).starts_with("GET " + expected + " HTTP/1.1\r\n"));
}
