// What the application sees of a request: what the client sent unchanged, what belongs to the hop taken off, what tells
// of the client set by weir and by nobody else.
#include <catch2/catch.hpp>
#include <regex>
#include <string>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

scripted_origin::script echo() {
    return scripted_origin::answering(ok("answered"));
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the target reaches the application as it was sent", "[end_to_end][forwarding]") {
    const origin_and_weir under_test(echo());
    for (const std::string target :
         {"/", "/a//b/./c;x=1", "/%7e/%41%2D?q=%20+&&==?", "/a%2Fb?", "/caf%C3%A9?next=/a/../b", "/a/../b/%2e%2E/c"}) {
        CAPTURE(target);
        CHECK(under_test.weir.ask_get(target).status == 200);
        CHECK(under_test.origin.last().target == target);
        CHECK(under_test.origin.last().version == "HTTP/1.1");
    }
}

TEST_CASE("Host, the case of names, values and their order reach the application unchanged",
          "[end_to_end][forwarding]") {
    const origin_and_weir under_test(echo());
    const std::string fields =
        "X-MiXeD-cAsE: vAlUe  with  spaces\r\nx-twice: 1\r\nX-Between: y\r\nX-TWICE: 2\r\nCookie: a=b; c=\"d\"\r\n";
    CHECK(under_test.weir.ask("GET / HTTP/1.1\r\nhOsT: Some.Example:8080\r\n" + fields + "\r\n").status == 200);
    const auto seen = under_test.origin.last();
    CHECK(seen.text("Host") == "Some.Example:8080");
    CHECK(contains(seen.head, "X-MiXeD-cAsE: vAlUe  with  spaces\r\n"));
    CHECK(contains(seen.head, "Cookie: a=b; c=\"d\"\r\n"));
    const auto first = seen.head.find("x-twice: 1\r\n");
    const auto second = seen.head.find("X-TWICE: 2\r\n");
    REQUIRE(first != std::string::npos);
    REQUIRE(second != std::string::npos);
    CHECK(first < second);
}

TEST_CASE("fields of the hop, named by Connection, or with an underscore end at weir",
          "[end_to_end][forwarding][rfc9110-7.6.1]") {
    const origin_and_weir under_test(echo());
    auto client = under_test.weir.client();
    const auto got = client.ask_get(
        "/",
        "Connection: X-Named, keep-alive\r\nConnection: x-NAMED-too\r\nX-Named: 1\r\nX-Named-Too: 1\r\nKeep-Alive: "
        "timeout=5\r\n"
        "Proxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: X-T\r\nProxy-Authorization: Basic eA==\r\n"
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\nX_Under_Score: 1\r\nX-Forwarded_For: 1.2.3.4\r\nX-Kept: 1\r\n");
    CHECK(got.status == 200);
    const auto seen = under_test.origin.last();
    for (const std::string name :
         {"X-Named", "X-Named-Too", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Proxy-Authorization",
          "HTTP2-Settings", "X_Under_Score", "X-Forwarded_For", "Transfer-Encoding", "Upgrade"}) {
        CAPTURE(name);
        CHECK(!seen.has(name));
    }
    CHECK(!seen.lists("Connection", "X-Named"));
    CHECK(seen.text("X-Kept") == "1");
    // A GET without content is framed by nothing at all.
    CHECK(!seen.has("Content-Length"));
}

TEST_CASE("a client cannot take off by Connection what weir or the message needs",
          "[end_to_end][forwarding][rfc9110-7.6.1]") {
    const origin_and_weir under_test(echo());
    const auto got = under_test.weir.ask(post("/", "abc",
                                              "Connection: Host, Content-Length, X-Forwarded-For, X-Forwarded-Proto, "
                                              "Forwarded, Via, X-Request-ID, close\r\n"));
    CHECK(got.status == 200);
    const auto seen = under_test.origin.last();
    CHECK(seen.content == "abc");
    CHECK(seen.text("Content-Length") == "3");
    CHECK(seen.text("Host") == "test.example");
    for (const std::string name : {"X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via", "X-Request-ID"}) {
        CAPTURE(name);
        CHECK(seen.has(name));
    }
}

TEST_CASE("the application learns who asked, from weir alone", "[end_to_end][forwarding][forwarded]") {
    const origin_and_weir under_test(echo());
    const std::string spoofed =
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Port: "
        "666\r\n"
        "Forwarded: for=6.6.6.6;host=evil.example;proto=https\r\nX-Real-IP: 6.6.6.6\r\nX-Request-ID: "
        "spoofed\r\nX-Request-Start: t=6\r\n"
        "x-forwarded-for: 6.6.6.6\r\n";
    CHECK(under_test.weir.ask_get("/", spoofed).status == 200);
    const auto seen = under_test.origin.last();
    CHECK(seen.text("X-Forwarded-For") == "127.0.0.1");
    CHECK(seen.text("X-Forwarded-Proto") == "http");
    CHECK(seen.text("X-Forwarded-Host") == "test.example");
    const auto forwarded = seen.text("Forwarded");
    CHECK(contains(forwarded, "for=127.0.0.1"));
    CHECK(contains(forwarded, "proto=http"));
    CHECK(contains(forwarded, "test.example"));
    CHECK(!contains(seen.head, "6.6.6.6"));
    CHECK(!contains(seen.head, "evil.example"));
    CHECK(!seen.has("X-Forwarded-Port"));
    CHECK(!seen.has("X-Real-IP"));
    CHECK(!seen.text("X-Request-ID").empty());
    CHECK(seen.text("X-Request-ID") != "spoofed");
    CHECK(std::regex_match(seen.text("X-Request-Start"), std::regex("t=[0-9]{10}\\.[0-9]{3}")));
}

TEST_CASE("each request has an identifier of its own", "[end_to_end][forwarding][forwarded]") {
    const origin_and_weir under_test(echo());
    auto client = under_test.weir.client();
    client.ask_get("/1");
    client.ask_get("/2");
    const auto seen = under_test.origin.seen();
    REQUIRE(seen.size() == 2);
    CHECK(seen[0].text("X-Request-ID") != seen[1].text("X-Request-ID"));
}

TEST_CASE("a trusted proxy is believed, hop by hop from the right", "[end_to_end][forwarding][forwarded]") {
    const origin_and_weir under_test(echo(), {.top = "client: {trusted_proxies: [127.0.0.0/8, 10.1.0.0/16]}\n"});
    const auto seen_with = [&](const std::string& fields) {
        CHECK(under_test.weir.ask_get("/", fields).status == 200);
        return under_test.origin.last();
    };
    const auto seen = seen_with(
        "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.1.2.3\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: "
        "public.example\r\n"
        "X-Request-ID: kept-id\r\n");
    CHECK(seen.text("X-Forwarded-For") == "203.0.113.9");
    CHECK(seen.text("X-Forwarded-Proto") == "https");
    CHECK(seen.text("X-Forwarded-Host") == "public.example");
    CHECK(contains(seen.text("Forwarded"), "203.0.113.9"));
    CHECK(contains(seen.text("Forwarded"), "proto=https"));
    CHECK(seen.text("X-Request-ID") == "kept-id");
    CHECK(!contains(seen.head, "6.6.6.6"));

    CHECK(seen_with("X-Forwarded-For: garbage, 10.1.2.3\r\n").text("X-Forwarded-For") == "10.1.2.3");
    CHECK(seen_with("X-Forwarded-Proto: gopher\r\n").text("X-Forwarded-Proto") == "http");
    CHECK(seen_with("").text("X-Forwarded-For") == "127.0.0.1");
    CHECK(contains(seen_with("Forwarded: for=203.0.113.7;proto=https\r\n").text("X-Forwarded-For"), "203.0.113.7"));
}

TEST_CASE("Via names the proxies on the way", "[end_to_end][forwarding][rfc9110-7.6.3]") {
    const origin_and_weir under_test(echo());
    under_test.weir.ask_get("/");
    CHECK(under_test.origin.last().text("Via").starts_with("1.1 "));
    under_test.weir.ask("GET / HTTP/1.0\r\nHost: a\r\nVia: 1.0 before\r\n\r\n");
    std::string all;
    for (const auto& one : under_test.origin.last().values("Via")) all += (all.empty() ? "" : ", ") + one;
    CHECK(std::regex_match(all, std::regex("1\\.0 before, 1\\.0 \\S+")));
}

TEST_CASE("an absolute target replaces Host", "[end_to_end][forwarding][rfc9112-3.2.2]") {
    const origin_and_weir under_test(echo());
    CHECK(under_test.weir.ask("GET http://Real.example:81/x?y HTTP/1.1\r\nHost: other.example\r\n\r\n").status == 200);
    CHECK(under_test.origin.last().target == "/x?y");
    CHECK(under_test.origin.last().text("Host") == "Real.example:81");
    CHECK(under_test.weir.ask("GET http://real.example HTTP/1.1\r\nHost: other.example\r\n\r\n").status == 200);
    CHECK(under_test.origin.last().target == "/");
    CHECK(under_test.weir.ask("GET HTTP://real.example/x HTTP/1.1\r\nHost: other.example\r\n\r\n").status == 200);
    CHECK(under_test.origin.last().target == "/x");
    CHECK(under_test.weir.ask("GET http://real.example?q HTTP/1.1\r\nHost: other.example\r\n\r\n").status == 200);
    CHECK(under_test.origin.last().target == "/?q");
}

TEST_CASE("OPTIONS of the whole server is passed on", "[end_to_end][forwarding][rfc9112-3.2.4]") {
    const origin_and_weir under_test(echo());
    CHECK(under_test.weir.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").status == 200);
    CHECK(under_test.origin.last().start_line == "OPTIONS * HTTP/1.1");
    CHECK(under_test.weir.ask("OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n").status == 200);
    CHECK(under_test.origin.last().start_line == "OPTIONS /x HTTP/1.1");
}

TEST_CASE("Max-Forwards is counted down, and ends at zero", "[end_to_end][forwarding][rfc9110-7.6.2]") {
    const origin_and_weir under_test(echo());
    CHECK(under_test.weir.ask("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 5\r\n\r\n").status == 200);
    CHECK(under_test.origin.last().text("Max-Forwards") == "4");
    for (const std::string method : {"OPTIONS", "TRACE"}) {
        CAPTURE(method);
        const auto got = under_test.weir.ask(method + " / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
        CHECK((got.status == 200 || got.status == 405 || got.status == 501));
        CHECK(under_test.origin.requests() == 1);
    }
}

TEST_CASE("request and response rules set and remove fields", "[end_to_end][forwarding][rules]") {
    const origin_and_weir under_test(
        scripted_origin::answering(ok("answered", "X-Powered-By: x\r\nX-Powered-By: y\r\nX-Kept: 1\r\n")),
        {.route = "    request_headers: {X-Set: new value, X-Gone: null}\n"
                  "    response_headers: {X-Frame-Options: DENY, X-Powered-By: null, X-Kept: \"2\"}\n"});
    const auto got = under_test.weir.ask_get("/", "x-set: old\r\nX-SET: older\r\nX-Gone: 1\r\n");
    CHECK(under_test.origin.last().text("X-Set") == "new value");
    CHECK(!under_test.origin.last().has("X-Gone"));
    CHECK(got.text("X-Frame-Options") == "DENY");
    CHECK(!got.has("X-Powered-By"));
    CHECK(got.text("X-Kept") == "2");
}

TEST_CASE("a route rewrites the start of the path", "[end_to_end][forwarding][rewrite]") {
    const auto target_of = [](const std::string& rewrite, const std::string& sent) {
        const origin_and_weir under_test(echo(), {.route = "    rewrite: " + rewrite + "\n"});
        CHECK(under_test.weir.ask("GET " + sent + " HTTP/1.1\r\nHost: test.example:8000\r\n\r\n").status == 200);
        return under_test.origin.last().target;
    };
    CHECK(target_of("{strip: /api}", "/api/x%20y?z") == "/x%20y?z");
    CHECK(target_of("{strip: /api}", "/api") == "/");
    CHECK(target_of("{strip: /api}", "/api?z") == "/?z");
    CHECK(target_of("{strip: /api}", "/apix") == "/apix");
    CHECK(target_of("{add: /v1}", "/x?y") == "/v1/x?y");
    CHECK(target_of("{strip: /api, add: /v1}", "/api/x") == "/v1/x");
    CHECK(target_of("{add: \"/VirtualHostBase/{scheme}/{host}:{port}/Plone/VirtualHostRoot\"}", "/x") ==
          "/VirtualHostBase/http/test.example:8000/Plone/VirtualHostRoot/x");
}

TEST_CASE("an upstream may want another Host", "[end_to_end][forwarding][host]") {
    const origin_and_weir server(echo(), {.upstream = "    host: server\n"});
    server.weir.ask_get("/");
    CHECK(server.origin.last().values("Host") == std::vector<std::string>{server.origin.address()});
    CHECK(server.origin.last().text("X-Forwarded-Host") == "test.example");
    const origin_and_weir literal(echo(), {.upstream = "    host: inside.example\n"});
    literal.weir.ask_get("/");
    CHECK(literal.origin.last().values("Host") == std::vector<std::string>{"inside.example"});
}

TEST_CASE("a request's content arrives whatever its framing", "[end_to_end][forwarding][content]") {
    const auto route = GENERATE(std::string(), std::string(streamed_requests));
    CAPTURE(route);
    const origin_and_weir under_test(echo(), {.route = route});
    for (const std::size_t size : {0, 1, 1000, 70'000, 3'000'000}) {
        CAPTURE(size);
        const auto content = noise(size);
        CHECK(under_test.weir.ask(post("/", content)).status == 200);
        CHECK(sha256(under_test.origin.last().content) == sha256(content));
        CHECK(under_test.origin.last().text("Content-Length") == std::to_string(size));
        CHECK(under_test.weir
                  .ask("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(content, 4000))
                  .status == 200);
        CHECK(sha256(under_test.origin.last().content) == sha256(content));
    }
    CHECK(under_test.origin.faults().empty());
}

}  // namespace weir::test
