// What the client sees of a response: framed for its version, without what belongs to the hop, and visibly cut where it
// was cut.
#include <catch2/catch.hpp>
#include <string>

#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/json.hpp"

namespace weir::test {
namespace {

std::string chunked(const std::string& content, const std::string& fields = "") {
    return "HTTP/1.1 200 OK\r\n" + fields + "Transfer-Encoding: chunked\r\n\r\n" + in_chunks(content);
}

// Sends its bytes, then closes the connection.
scripted_origin::script sending_and_closing(std::string bytes) {
    return [bytes = std::move(bytes)](origin_connection& one) {
        one.read_request();
        one.send(bytes);
    };
}

scripted_origin::script sending_and_resetting(std::string bytes, gate& when) {
    return [bytes = std::move(bytes), &when](origin_connection& one) {
        one.read_request();
        one.send(bytes);
        when.wait();
        one.reset();
    };
}

}  // namespace

TEST_CASE("a connection is kept, and closed where the client asks for it", "[end_to_end][forwarding][persistence]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")));
    auto client = under_test.weir.client();
    for (int i = 0; i < 5; ++i) CHECK(!client.ask_get("/").lists("Connection", "close"));
    const auto last = client.ask_get("/", "Connection: close\r\n");
    CHECK(last.lists("Connection", "close"));
    CHECK(client.rest_until_closed().empty());
    CHECK(under_test.origin.connections() == 1);
}

TEST_CASE("an HTTP/1.0 client gets a response it understands", "[end_to_end][forwarding][http10]") {
    const origin_and_weir under_test(scripted_origin::answering([](const request& got) {
        if (got.target == "/chunked") return chunked("some content", "Trailer: X-T\r\n");
        return "HTTP/1.1 103 Early Hints\r\n\r\n" + ok("some content");
    }));
    for (const std::string target : {"/chunked", "/length"}) {
        CAPTURE(target);
        auto client = under_test.weir.client();
        client.send("GET " + target + " HTTP/1.0\r\n\r\n");
        const auto got = client.read_response();
        CHECK(got.status == 200);
        CHECK(got.content == "some content");
        CHECK(!got.has("Transfer-Encoding"));
        CHECK(got.interim.empty());
        CHECK(client.rest_until_closed().empty());
        CHECK(under_test.origin.last().version == "HTTP/1.1");
    }
    auto keeping = under_test.weir.client();
    const std::string question = "GET /length HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
    const auto kept = keeping.ask(question);
    CHECK(kept.content == "some content");
    if (kept.lists("Connection", "keep-alive")) CHECK(keeping.ask(question).content == "some content");
}

TEST_CASE("pipelined requests are answered in their order", "[end_to_end][forwarding][pipelining]") {
    const origin_and_weir under_test(
        scripted_origin::answering([](const request& got) { return ok(got.method + got.target + got.content); }));
    auto client = under_test.weir.client();
    client.send(get("/1") + post("/2", "content") + "HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n" + get("/4") +
                get("/5", "Connection: close\r\n") + get("/6"));
    CHECK(client.read_response().content == "GET/1");
    CHECK(client.read_response().content == "POST/2content");
    CHECK(client.read_response("HEAD").text("Content-Length") == "6");
    CHECK(client.read_response().content == "GET/4");
    CHECK(client.read_response().content == "GET/5");
    CHECK(client.rest_until_closed().empty());
    CHECK(under_test.origin.requests() == 5);
}

TEST_CASE("chunks and trailers of a response: the content passes, the trailers do not",
          "[end_to_end][forwarding][chunked]") {
    const origin_and_weir under_test(
        scripted_origin::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: "
                                   "X-Sum\r\n\r\n4;x=y\r\nsome\r\n0\r\nX-Sum: 1\r\n\r\n"));
    auto client = under_test.weir.client();
    for (int i = 0; i < 2; ++i) {
        const auto got = client.ask_get("/");
        CHECK(got.content == "some");
        CHECK(got.trailers.empty());
        CHECK(!got.has("X-Sum"));
        CHECK(!got.has("Trailer"));
    }
    CHECK(under_test.origin.connections() == 1);
}

TEST_CASE("responses without content leave the connection in step", "[end_to_end][forwarding]") {
    const origin_and_weir under_test(scripted_origin::answering([](const request& got) -> std::string {
        if (got.target == "/204") return "HTTP/1.1 204 No Content\r\n\r\n";
        if (got.target == "/304") return "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 100\r\n\r\n";
        if (got.method == "HEAD" && got.target == "/chunked")
            return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        if (got.method == "HEAD") return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
        return ok("whole");
    }));
    auto client = under_test.weir.client();
    const auto head = client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(head.text("Content-Length") == "100");
    CHECK(client.ask("HEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\n").status == 200);
    const auto empty = client.ask_get("/204");
    CHECK(empty.status == 204);
    CHECK(!empty.has("Content-Length"));
    CHECK(!empty.has("Transfer-Encoding"));
    CHECK(client.ask_get("/304", "If-None-Match: \"a\"\r\n").status == 304);
    CHECK(client.ask_get("/").content == "whole");
    CHECK(under_test.origin.connections() == 3);  // none goes on that has answered HEAD
}

TEST_CASE("hop-by-hop fields of a response end at weir, all others pass unchanged",
          "[end_to_end][forwarding][rfc9110-7.6.1]") {
    const origin_and_weir under_test(
        scripted_origin::answering(ok("answered",
                                      "Connection: X-Named, keep-alive\r\nX-Named: 1\r\nKeep-Alive: "
                                      "timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Connection: x\r\n"
                                      "Upgrade: h2c\r\nsEt-cOOkie: a=b\r\nSet-Cookie: c=d\r\nServer: its own\r\nDate: "
                                      "Sat, 21 Nov 2026 10:00:00 GMT\r\n")));
    const auto got = under_test.weir.ask_get("/");
    for (const std::string name : {"X-Named", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Upgrade"}) {
        CAPTURE(name);
        CHECK(!got.has(name));
    }
    CHECK(got.values("Set-Cookie") == std::vector<std::string>{"a=b", "c=d"});
    CHECK(got.head.find("sEt-cOOkie: a=b\r\n") != std::string::npos);
    CHECK(got.text("Server") == "its own");
    CHECK(got.text("Date") == "Sat, 21 Nov 2026 10:00:00 GMT");
    CHECK(got.reason == "OK");
}

TEST_CASE("early hints are relayed before the response is there", "[end_to_end][forwarding][rfc9110-15.2]") {
    gate hinted;
    const origin_and_weir under_test([&](origin_connection& one) {
        one.read_request();
        one.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n");
        hinted.wait();
        one.send(ok("answered"));
        one.wait_for_end();
    });
    auto client = under_test.weir.client();
    client.send(get("/"));
    const auto hint = read_response_head(client.stream());
    CHECK(hint.status == 103);
    CHECK(hint.text("Link") == "</style.css>; rel=preload");
    hinted.open();
    CHECK(client.read_response().content == "answered");
}

TEST_CASE("a response delimited by the end of its connection is framed for the client", "[end_to_end][forwarding]") {
    const auto content = noise(300'000);
    const origin_and_weir under_test(sending_and_closing("HTTP/1.0 200 OK\r\nContent-Type: x/y\r\n\r\n" + content));
    auto client = under_test.weir.client();
    for (int i = 0; i < 2; ++i) {
        const auto got = client.ask_get("/");
        CHECK((got.end == content_end::by_length || got.end == content_end::by_last_chunk));
        CHECK(got.content == content);
    }
}

TEST_CASE("a response cut short is visibly cut, and not stored", "[end_to_end][forwarding][cut]") {
    const std::string part(100'000, 'x');
    const std::string caching = "Cache-Control: max-age=60\r\n";
    const auto head = GENERATE(std::string("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n"),
                               std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"));
    const bool chunks = head.find("chunked") != std::string::npos;
    CAPTURE(head);
    gate seen[2];
    const origin_and_weir under_test(
        [&](origin_connection& one) {
            one.read_request();
            one.send(head + caching + "\r\n" + (chunks ? "186a0\r\n" + part + "\r\n" : part));
            seen[one.number()].wait();
        },
        {.upstream = no_retry});
    for (auto& one : seen) {
        auto client = under_test.weir.client();
        client.send(get("/"));
        // Once its start was passed on there is no taking it back.
        REQUIRE(client.stream().take_until("xxx").starts_with("HTTP/1.1 200 "));
        one.open();
        const auto rest = client.stream().take_to_end();
        CHECK(rest.bytes.size() < 200'000);
        CHECK(!rest.bytes.ends_with("0\r\n\r\n"));
    }
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("a response cut before any of it was passed on is a 502, and not stored", "[end_to_end][forwarding][cut]") {
    const origin_and_weir under_test(
        sending_and_closing("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\nCache-Control: max-age=60\r\n\r\nonly this"),
        {.upstream = no_retry});
    CHECK(under_test.weir.ask_get("/").status == 502);
    CHECK(under_test.weir.ask_get("/").status == 502);
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("a response that ends by a reset is cut for the client too", "[end_to_end][forwarding][cut]") {
    gate read;
    const origin_and_weir under_test(
        sending_and_resetting("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\n" + std::string(200'000, 'x'), read),
        {.upstream = no_retry});
    auto client = under_test.weir.client();
    client.send(get("/"));
    // What has come so far is passed on, or the reset could overtake it.
    client.stream().take_until("xxx");
    read.open();
    const auto rest = client.stream().take_to_end();
    CHECK(!rest.bytes.ends_with("0\r\n\r\n"));
    raw_client again = under_test.weir.client();
    again.send(get("/"));
    again.stream().take_until("\r\n\r\n");
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("an HTTP/1.0 client sees a cut response reset", "[end_to_end][forwarding][cut]") {
    gate seen;
    const origin_and_weir under_test(
        [&](origin_connection& one) {
            one.read_request();
            one.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n" + std::string(100'000, 'x') +
                     "\r\n");
            seen.wait();
        },
        {.upstream = no_retry});
    auto client = under_test.weir.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    client.stream().take_until("xxx");
    seen.open();
    // Nothing but the reset tells this client that content is missing.
    CHECK(client.stream().take_to_end().how == ending::reset);
}

TEST_CASE("an endpoint is free once its response is read, however slow the client",
          "[end_to_end][forwarding][buffering]") {
    const std::string content = noise(30 * 1024 * 1024);
    const origin_and_weir under_test(scripted_origin::answering(ok(content)),
                                     {.upstream = "    keepalive: off\n", .top = "buffering: {response: 32MiB}\n"});
    auto slow = under_test.weir.client();
    slow.send(get("/"));
    // Weir closes the connection when it has read the whole response; the client has read nothing yet.
    under_test.origin.wait_for_ended(1);
    CHECK(sha256(slow.read_response().content) == sha256(content));
}

TEST_CASE("a response that is not buffered flows as it comes", "[end_to_end][forwarding][buffering]") {
    gate first_seen;
    const origin_and_weir under_test(
        [&](origin_connection& one) {
            one.read_request();
            one.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nevent "
                "1\r\n");
            first_seen.wait();
            one.send("7\r\nevent 2\r\n0\r\n\r\n");
            one.wait_for_end();
        },
        {.route = GENERATE(std::string(), std::string("    buffering: {response: off}\n"))});
    auto client = under_test.weir.client();
    client.send(get("/"));
    client.stream().take_until("event 1");
    first_seen.open();
    client.stream().take_until("event 2");
    client.stream().take_until("0\r\n\r\n");
}

TEST_CASE("a response that stops in the middle is given up and cut", "[end_to_end][forwarding][timeout]") {
    const origin_and_weir under_test(
        [](origin_connection& one) {
            one.read_request();
            one.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + std::string(100'000, 'x'));
            one.wait_for_end();
        },
        {.upstream = "    retry: off\n    timeouts: {read: 300ms}\n"});
    auto client = under_test.weir.client();
    client.send(get("/"));
    const auto got = read_broken_response(client.stream());
    CHECK(got.status == 200);
    CHECK((got.end == content_end::cut_by_close || got.end == content_end::cut_by_reset));
    under_test.origin.wait_for_ended(1);
}

TEST_CASE("a client that takes nothing is dropped", "[end_to_end][forwarding][timeout]") {
    const std::string content = noise(30 * 1024 * 1024);
    const std::string limits = GENERATE("write_timeout: 300ms", "write_timeout: 300ms, min_rate: 1KiB/s");
    CAPTURE(limits);
    const origin_and_weir under_test(
        [&](origin_connection& one) {
            one.read_request();
            one.stream().try_send(ok(content));
            one.wait_for_end();
        },
        {.top = "client: {" + limits + "}\n", .admin = true});
    auto client = under_test.weir.client();
    client.send(get("/"));
    under_test.origin.wait_for_requests(1);
    const auto active = [&] {
        return under_test.weir.status().as_object().at("clients").as_object().at("connections_active").to_number<int>();
    };
    CHECK(eventually([&] { return active() == 0; }));
    CHECK(client.stream().take_to_end().bytes.size() < content.size());
}

}  // namespace weir::test
