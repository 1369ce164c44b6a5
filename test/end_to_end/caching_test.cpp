// What is answered from memory, and what never is (RFC 9111).
#include <time.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>

#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/json.hpp"
#include "test/support/python_server.hpp"

namespace weir::test {
namespace {

// Answers every request with its number; the fields of the answer are given by the target.
scripted_origin::script counting(std::function<std::string(const request&)> fields) {
    auto count = std::make_shared<std::atomic<unsigned>>(0);
    return scripted_origin::answering(
        [count, fields = std::move(fields)](const request& got) { return ok(std::to_string(++*count), fields(got)); });
}

scripted_origin::script always(const std::string& fields) {
    return counting([fields](const request&) { return fields; });
}

scripted_origin::script always_with(const std::string& content, const std::string& fields) {
    return scripted_origin::answering(ok(content, fields));
}

bool is_hit(const response& got) {
    return got.text("Cache-Status").find("; hit") != std::string::npos;
}

bool is_forwarded(const response& got, const std::string& why) {
    const auto status = got.text("Cache-Status");
    return status.find("fwd=" + why) != std::string::npos && status.find("hit") == std::string::npos;
}

}  // namespace

TEST_CASE("a miss, then hits", "[end_to_end][caching]") {
    const origin_and_weir under_test(always(
        "Cache-Control: max-age=60\r\nContent-Type: text/x-test\r\nX-Kept: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"));
    auto client = under_test.weir.client();
    const auto miss = client.ask_get("/page");
    CHECK(is_forwarded(miss, "uri-miss"));
    CHECK(!miss.has("Age"));
    for (int i = 0; i < 3; ++i) {
        const auto hit = client.ask_get("/page");
        CHECK(is_hit(hit));
        CHECK(hit.status == 200);
        CHECK(hit.content == "1");
        CHECK(hit.text("Content-Type") == "text/x-test");
        CHECK(hit.text("X-Kept") == "1");
        CHECK(hit.text("Date") == miss.text("Date"));
        CHECK(!hit.has("X-Hop"));
        CHECK(std::stoi(hit.text("Age")) <= 60);
    }
    CHECK(is_hit(under_test.weir.ask_get("/page")));
    CHECK(under_test.origin.requests() == 1);
}

TEST_CASE("a chunked response is stored and served with its length", "[end_to_end][caching]") {
    const std::string content = noise(500'000);
    const origin_and_weir under_test(scripted_origin::answering(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n" +
        in_chunks(content, 10'000)));
    CHECK(under_test.weir.ask_get("/").content == content);
    const auto hit = under_test.weir.ask_get("/");
    CHECK(is_hit(hit));
    CHECK(hit.end == content_end::by_length);
    CHECK(hit.content == content);
    CHECK(under_test.origin.requests() == 1);
}

TEST_CASE("hits are pipelined, and served to HTTP/1.0 clients", "[end_to_end][caching]") {
    const origin_and_weir under_test(always("Cache-Control: max-age=60\r\n"));
    auto client = under_test.weir.client();
    client.send(get("/") + get("/") + get("/other") + get("/"));
    for (const std::string content : {"1", "1", "2", "1"}) CHECK(client.read_response().content == content);
    auto old = under_test.weir.client();
    old.send("GET / HTTP/1.0\r\nHost: test.example\r\n\r\n");
    const auto hit = old.read_response();
    CHECK(is_hit(hit));
    CHECK(hit.content == "1");
    CHECK(old.rest_until_closed().empty());
}

TEST_CASE("Age counts what the response had spent elsewhere", "[end_to_end][caching][rfc9111-4.2.3]") {
    const origin_and_weir under_test(always("Cache-Control: max-age=60\r\nAge: 20\r\n"));
    under_test.weir.ask_get("/");
    const auto hit = under_test.weir.ask_get("/");
    REQUIRE(is_hit(hit));
    const int age = std::stoi(hit.text("Age"));
    CHECK(age >= 20);
    CHECK(age < 40);
}

TEST_CASE("a response that has spent its lifetime elsewhere is not fresh", "[end_to_end][caching][rfc9111-4.2]") {
    const origin_and_weir under_test(counting([](const request& got) -> std::string {
        if (got.target == "/aged") return "Cache-Control: max-age=60\r\nAge: 60\r\n";
        if (got.target == "/dated") return "Cache-Control: max-age=60\r\nDate: Sat, 21 Nov 2020 10:00:00 GMT\r\n";
        return "Expires: Sat, 21 Nov 2020 10:00:00 GMT\r\n";
    }));
    for (const std::string target : {"/aged", "/dated", "/expired"}) {
        CAPTURE(target);
        const auto first = under_test.weir.ask_get(target).content;
        CHECK(under_test.weir.ask_get(target).content != first);
    }
}

TEST_CASE("the lifetime is taken from the response", "[end_to_end][caching][rfc9111-4.2.1]") {
    const auto fields = GENERATE(std::string("Cache-Control: s-maxage=60\r\n"),
                                 std::string("Cache-Control: max-age=0, s-maxage=60\r\n"),
                                 std::string("Cache-Control: public\r\nCache-Control: max-age=60\r\n"),
                                 std::string("CACHE-CONTROL: MAX-AGE=\"60\"\r\n"),
                                 std::string("Cache-Control: max-age=99999999999999999999\r\n"),
                                 std::string("Expires: Fri, 01 Jan 2100 00:00:00 GMT\r\n"));
    CAPTURE(fields);
    const origin_and_weir under_test(always(fields));
    under_test.weir.ask_get("/");
    CHECK(is_hit(under_test.weir.ask_get("/")));
    CHECK(under_test.origin.requests() == 1);
}

TEST_CASE("Expires without Date counts from the second in which it was said", "[end_to_end][caching][rfc9111-4.2.1]") {
    // Answers as a second begins, when a clock that goes only by the kernel's ticks still shows the one before.
    const origin_and_weir under_test(counting([](const request&) {
        using namespace std::chrono;
        const auto second = ceil<seconds>(system_clock::now());
        while (system_clock::now() < second) std::this_thread::sleep_until(second);
        const std::time_t expires = system_clock::to_time_t(second + 60s);
        std::tm parts;
        ::gmtime_r(&expires, &parts);
        char text[sizeof "Sat, 21 Nov 2020 10:00:00 GMT"];
        std::strftime(text, sizeof text, "%a, %d %b %Y %T GMT", &parts);
        return "Expires: " + std::string(text) + "\r\n";
    }));
    for (const std::string target : {"/1", "/2", "/3"}) {
        const auto status = under_test.weir.ask_get(target).text("Cache-Status");
        CAPTURE(status);
        const auto ttl = status.find("ttl=");
        REQUIRE(ttl != status.npos);
        CHECK(std::stoi(status.substr(ttl + 4)) <= 60);
    }
}

TEST_CASE("what may not be stored is asked for each time", "[end_to_end][caching][rfc9111-3]") {
    const auto fields = GENERATE(
        std::string("Cache-Control: no-store, max-age=60\r\n"), std::string("Cache-Control: private, max-age=60\r\n"),
        std::string("Cache-Control: max-age=60\r\nCache-Control: PRIVATE\r\n"),
        std::string("Cache-Control: no-cache, max-age=60\r\n"),
        std::string("Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n"),
        std::string("Cache-Control: max-age=60\r\nVary: *\r\n"),
        std::string("Cache-Control: max-age=60\r\nVary: Accept, *\r\n"), std::string("Cache-Control: max-age=0\r\n"),
        std::string("Cache-Control: max-age=60, s-maxage=0\r\n"), std::string("Cache-Control: max-age=-5\r\n"),
        std::string("Cache-Control: max-age=nonsense\r\n"), std::string("Expires: 0\r\n"), std::string(""));
    CAPTURE(fields);
    const origin_and_weir under_test(always(fields));
    for (const std::string content : {"1", "2", "3"}) {
        const auto got = under_test.weir.ask_get("/");
        CHECK(got.content == content);
        CHECK(!is_hit(got));
    }
}

TEST_CASE("a request with Authorization is stored only where the response allows it",
          "[end_to_end][caching][rfc9111-3.5]") {
    const origin_and_weir under_test(counting([](const request& got) {
        return "Cache-Control: max-age=60" + (got.target == "/" ? std::string() : ", " + got.target.substr(1)) + "\r\n";
    }));
    const std::string secret = "Authorization: Basic YTpi\r\n";
    CHECK(under_test.weir.ask_get("/", secret).content == "1");
    CHECK(under_test.weir.ask_get("/", secret).content == "2");
    CHECK(under_test.weir.ask_get("/").content == "3");
    for (const std::string target : {"/public", "/s-maxage=60", "/must-revalidate"}) {
        CAPTURE(target);
        const auto first = under_test.weir.ask_get(target, secret).content;
        CHECK(under_test.weir.ask_get(target).content == first);
    }
}

TEST_CASE("statuses: a 404 with a lifetime is stored, errors without one are not", "[end_to_end][caching]") {
    const origin_and_weir under_test(scripted_origin::answering([](const request& got) -> std::string {
        const std::string lifetime = "Cache-Control: max-age=60\r\nContent-Length: 0\r\n\r\n";
        if (got.target == "/404") return "HTTP/1.1 404 Not Found\r\n" + lifetime;
        if (got.target == "/302") return "HTTP/1.1 302 Found\r\nLocation: /x\r\n" + lifetime;
        if (got.target == "/206") return "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-0/9\r\n" + lifetime;
        return "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    }));
    for (const std::string target : {"/404", "/302"}) {
        CAPTURE(target);
        under_test.weir.ask_get(target);
        CHECK(is_hit(under_test.weir.ask_get(target)));
    }
    for (const std::string target : {"/206", "/500"}) {
        CAPTURE(target);
        under_test.weir.ask_get(target);
        CHECK(!is_hit(under_test.weir.ask_get(target)));
    }
}

TEST_CASE("query, host and path are all in the key, the port of the scheme is not", "[end_to_end][caching][key]") {
    const origin_and_weir under_test(always("Cache-Control: max-age=60\r\n"));
    const auto ask = [&](const std::string& host, const std::string& target) {
        return under_test.weir.ask("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n").content;
    };
    CHECK(ask("a", "/x") == "1");
    CHECK(ask("a", "/x?1") == "2");
    CHECK(ask("a", "/x?2") == "3");
    CHECK(ask("a", "/X") == "4");
    CHECK(ask("b", "/x") == "5");
    CHECK(ask("a", "/x?") == "6");
    CHECK(ask("a", "/%78") == "7");
    CHECK(ask("a:8080", "/x") == "8");
    CHECK(ask("a", "/x?1") == "2");
    CHECK(ask("A", "/x") == "1");
    CHECK(ask("a:80", "/x") == "1");
    CHECK(under_test.weir.ask("GET http://a/x HTTP/1.1\r\nHost: b\r\n\r\n").content == "1");
}

TEST_CASE("variants live side by side", "[end_to_end][caching][vary]") {
    const origin_and_weir under_test(
        always("Cache-Control: max-age=60\r\nVary: Accept-Language\r\nVary: accept-encoding\r\n"));
    const auto ask = [&](const std::string& fields) { return under_test.weir.ask_get("/", fields); };
    CHECK(ask("Accept-Language: de\r\n").content == "1");
    const auto other = ask("Accept-Language: en\r\n");
    CHECK(other.content == "2");
    CHECK(is_forwarded(other, "vary-miss"));
    CHECK(ask("").content == "3");
    CHECK(ask("Accept-Language: de\r\nAccept-Encoding: gzip\r\n").content == "4");
    CHECK(ask("accept-language:   de\r\n").content == "1");
    CHECK(ask("Accept-Language: en\r\nX-Other: y\r\n").content == "2");
    CHECK(ask("").content == "3");
    CHECK(under_test.origin.requests() == 4);
}

TEST_CASE("HEAD is answered from what a GET stored, and stores nothing itself", "[end_to_end][caching]") {
    const origin_and_weir under_test(scripted_origin::answering([](const request& got) {
        return got.method == "HEAD" ? "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 7\r\n\r\n"
                                    : ok("content", "Cache-Control: max-age=60\r\n");
    }));
    const std::string head = "HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n";
    auto client = under_test.weir.client();
    CHECK(!is_hit(client.ask(head)));
    CHECK(client.ask_get("/").content == "content");
    const auto hit = client.ask(head);
    CHECK(is_hit(hit));
    CHECK(hit.text("Content-Length") == "7");
    CHECK(client.ask_get("/").content == "content");
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("conditions are answered from a stored response", "[end_to_end][caching][rfc9110-13]") {
    const origin_and_weir under_test(
        always("Cache-Control: max-age=60\r\nETag: \"v1\"\r\nLast-Modified: Sat, 21 Nov 2020 10:00:00 GMT\r\nX-Other: "
               "1\r\nContent-Type: a/b\r\n"));
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/").status == 200);
    const auto status_of = [&](const std::string& fields) { return client.ask_get("/", fields).status; };
    const auto not_modified = client.ask_get("/", "If-None-Match: \"v1\"\r\n");
    CHECK(not_modified.status == 304);
    CHECK(not_modified.text("ETag") == "\"v1\"");
    CHECK(not_modified.text("Cache-Control") == "max-age=60");
    CHECK(not_modified.has("Date"));
    CHECK(status_of("If-None-Match: \"v0\", W/\"v1\"\r\n") == 304);
    CHECK(status_of("If-None-Match: *\r\n") == 304);
    CHECK(status_of("If-None-Match: \"v2\"\r\n") == 200);
    CHECK(status_of("If-Modified-Since: Sat, 21 Nov 2020 10:00:00 GMT\r\n") == 304);
    CHECK(status_of("If-Modified-Since: Sat, 21 Nov 2020 09:59:59 GMT\r\n") == 200);
    // If-None-Match decides where both are there (section 13.2.2).
    CHECK(status_of("If-None-Match: \"v2\"\r\nIf-Modified-Since: Sat, 21 Nov 2020 10:00:00 GMT\r\n") == 200);
    CHECK(client.ask_get("/").content == "1");
    CHECK(under_test.origin.requests() == 1);
}

TEST_CASE("conditions on what is not stored are judged when it is here", "[end_to_end][caching][rfc9110-13]") {
    const std::string control = GENERATE(as<std::string>{}, "max-age=60", "no-store");
    CAPTURE(control);
    const origin_and_weir under_test(scripted_origin::answering([&](const request&) {
        return ok("content", "ETag: \"v1\"\r\nContent-Type: a/b\r\nX-Seen: 1\r\nCache-Control: " + control + "\r\n");
    }));
    auto client = under_test.weir.client();
    const auto got = client.ask_get("/", "If-None-Match: \"v1\"\r\n");
    CHECK(got.status == 304);
    CHECK(got.text("ETag") == "\"v1\"");
    CHECK_FALSE(got.has("Content-Type"));
    CHECK_FALSE(under_test.origin.last().has("If-None-Match"));
    CHECK(client.ask_get("/").content == "content");
}

TEST_CASE("content that a 304 leaves behind does not hold the connection", "[end_to_end][caching][rfc9110-13]") {
    const origin_and_weir under_test(scripted_origin::answering([](const request& got) {
                                         const std::string content =
                                             got.target == "/large" ? std::string(400'000, 'x') : "small";
                                         return ok(content, "ETag: \"v1\"\r\nCache-Control: no-store\r\n");
                                     }),
                                     {.route = "    buffering: {response: off}\n"});
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/large", "If-None-Match: \"v1\"\r\n").status == 304);
    CHECK(client.ask_get("/small").content == "small");
}

TEST_CASE("conditions on what is known not to be storable are the origin's", "[end_to_end][caching][rfc9110-13]") {
    const origin_and_weir under_test(scripted_origin::answering([](const request& got) {
        return got.has("If-None-Match") ? std::string("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n")
                                        : ok("content", "ETag: \"v1\"\r\nCache-Control: private\r\n");
    }));
    CHECK(under_test.weir.ask_get("/").content == "content");
    CHECK(under_test.weir.ask_get("/", "If-None-Match: \"v1\"\r\n").status == 304);
    CHECK(under_test.origin.last().text("If-None-Match") == "\"v1\"");
    CHECK(under_test.weir.ask_get("/").content == "content");
}

TEST_CASE("a range of what is not stored fetches the whole, or is passed on", "[end_to_end][caching][range]") {
    const bool whole = GENERATE(true, false);
    CAPTURE(whole);
    const origin_and_weir under_test(
        scripted_origin::answering([](const request& got) {
            return got.has("Range") ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/7\r\nCache-Control: "
                                      "max-age=60\r\nContent-Length: 3\r\n\r\ncon"
                                    : ok("content", "Cache-Control: max-age=60\r\n");
        }),
        {.route = whole ? "" : "    cache: {ranges: pass}\n"});
    const auto part = under_test.weir.ask_get("/", "Range: bytes=0-2\r\n");
    CHECK(part.status == 206);
    CHECK(part.content == "con");
    CHECK(part.text("Content-Range") == "bytes 0-2/7");
    CHECK(under_test.origin.last().has("Range") == !whole);
    // The part was not taken for the whole.
    CHECK(under_test.weir.ask_get("/").content == "content");
    CHECK(under_test.origin.requests() == (whole ? 1 : 2));
    const auto again = under_test.weir.ask_get("/", "Range: bytes=-3\r\n");
    CHECK(again.status == 206);
    CHECK(is_hit(again));
    CHECK(again.content == "ent");
    const auto several = under_test.weir.ask_get("/", "Range: bytes=0-0,6-6\r\n");
    CHECK(several.status == 206);
    CHECK(several.text("Content-Type").starts_with("multipart/byteranges; boundary="));
    CHECK(occurrences(several.content, "Content-Range: bytes ") == 2);
    const auto none = under_test.weir.ask_get("/", "Range: bytes=7-\r\n");
    CHECK(none.status == 416);
    CHECK(none.text("Content-Range") == "bytes */7");
    CHECK(under_test.origin.requests() == (whole ? 1 : 2));
}

TEST_CASE("a range beyond what is fetched for it is answered with nothing behind it", "[end_to_end][caching][range]") {
    const std::string content = noise(300'000);
    const origin_and_weir under_test(always_with(content, "Cache-Control: max-age=60\r\nETag: \"v1\"\r\n"));
    auto client = under_test.weir.client();
    const auto none = client.ask_get("/", "Range: bytes=999999-\r\n");
    CHECK(none.status == 416);
    CHECK(none.content.empty());
    // The next answer begins where the one before ended.
    CHECK(client.ask_get("/").content == content);
    CHECK(client.ask_get("/other", "If-None-Match: \"v1\"\r\n").status == 304);
    CHECK(client.ask_get("/other").content == content);
    CHECK(client.ask_get("/third", "Range: bytes=299990-\r\n").content == content.substr(299'990));
    CHECK(client.ask_get("/third").content == content);
    CHECK(under_test.origin.requests() == 3);
}

TEST_CASE("a range of what may not be stored is fetched again, while the whole still comes",
          "[end_to_end][caching][range]") {
    const std::string content = noise(600'000);
    // With no room for the rest of it, either.
    const bool spools = GENERATE(true, false);
    const auto script = [&](origin_connection& peer) {
        for (;;) {
            const request got = peer.read_request();
            if (got.has("Range")) {
                peer.send(
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-0/600000\r\n"
                    "Content-Length: 1\r\n\r\n" +
                    content.substr(0, 1));
                continue;
            }
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 600000\r\nCache-Control: private\r\n\r\n" +
                      content.substr(0, 100'000));
            peer.stream().try_send(content.substr(100'000, 400'000));
            peer.wait_for_end();
            return;
        }
    };
    const origin_and_weir under_test(script, {.top = spools ? "" : "buffering: {response: 64KiB, spool_max: off}\n"});
    auto client = under_test.weir.client();
    for (int i = 0; i < 3; ++i) {
        const auto part = client.ask_get("/" + std::to_string(i), "Range: bytes=0-0\r\n");
        CHECK(part.status == 206);
        CHECK(part.content == content.substr(0, 1));
    }
}

TEST_CASE("a WebSocket is none of the cache's business", "[end_to_end][caching]") {
    const origin_and_weir under_test(scripted_origin::answering([](const request& got) {
        return got.has("Upgrade") ? ok("no socket here", "Cache-Control: max-age=60\r\n")
                                  : ok("page", "Cache-Control: max-age=60\r\n");
    }));
    CHECK(under_test.weir.ask_get("/", websocket_handshake).content == "no socket here");
    CHECK(under_test.weir.ask_get("/").content == "page");
    CHECK(under_test.weir.ask_get("/", websocket_handshake).content == "no socket here");
}

TEST_CASE("a host has one key, but for spellings that a server may take for another",
          "[end_to_end][caching][poisoning]") {
    const origin_and_weir under_test(scripted_origin::answering(
        [](const request& got) { return ok(got.text("Host"), "Cache-Control: max-age=60\r\n"); }));
    const auto ask = [&](const std::string& host) {
        return under_test.weir.ask("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n").content;
    };
    CHECK(ask("WWW.Example.org") == "WWW.Example.org");
    CHECK(ask("www.example.org") == "WWW.Example.org");
    CHECK(ask("www.example.org:80") == "WWW.Example.org");
    CHECK(under_test.origin.requests() == 1);
    CHECK(ask("www.example.org.") != "WWW.Example.org");
    CHECK(ask("www.example.org:8080") == "www.example.org:8080");
    CHECK(ask("www.example.org") == "WWW.Example.org");
    CHECK(under_test.origin.requests() == 3);
}

TEST_CASE("ignored parameters reach no server, and are no part of the key", "[end_to_end][caching][key]") {
    const origin_and_weir under_test(
        scripted_origin::answering([](const request& got) { return ok(got.target, "Cache-Control: max-age=60\r\n"); }),
        {.route = "    cache: {key: {ignore_query: [utm_*], headers: [X-Device], cookies: [lang]}}\n"});
    CHECK(under_test.weir.ask_get("/?utm_source=evil&a=1").content == "/?a=1");
    CHECK(is_hit(under_test.weir.ask_get("/?a=1&utm_medium=x")));
    CHECK(is_forwarded(under_test.weir.ask_get("/?a=1", "X-Device: phone\r\n"), "uri-miss"));
    CHECK(is_hit(under_test.weir.ask_get("/?a=1", "X-Device: phone\r\n")));
    CHECK(is_forwarded(under_test.weir.ask_get("/?a=1", "Cookie: b=c; lang=de\r\n"), "uri-miss"));
    CHECK(is_hit(under_test.weir.ask_get("/?a=1", "Cookie: lang=de; b=d\r\n")));
    CHECK(under_test.origin.requests() == 3);
}

TEST_CASE("who bypasses the cache changes nothing in it", "[end_to_end][caching][bypass]") {
    const origin_and_weir under_test(always("Cache-Control: max-age=60\r\n"),
                                     {.route = "    cache: {bypass: {headers: [X-Preview], cookies: [editor]}}\n"});
    CHECK(under_test.weir.ask_get("/", "Cookie: editor=1\r\n").content == "1");
    CHECK(under_test.weir.ask_get("/").content == "2");
    CHECK(under_test.weir.ask_get("/", "X-Preview: yes\r\n").content == "3");
    CHECK(under_test.weir.ask_get("/").content == "2");
}

TEST_CASE("tags stay when a response is freshened", "[end_to_end][caching][purge]") {
    const origin_and_weir under_test(
        scripted_origin::answering([count = std::make_shared<std::atomic<unsigned>>(0)](const request& got) {
            if (got.has("If-None-Match"))
                return std::string("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nCache-Control: max-age=60\r\n\r\n");
            return ok(std::to_string(++*count), "ETag: \"v1\"\r\nSurrogate-Key: a b\r\nCache-Control: max-age=1\r\n");
        }),
        {.route = "    response_headers: {Surrogate-Key: null}\n", .top = "cache: {purge: {allow: [127.0.0.1]}}\n"});
    auto client = under_test.weir.client();
    CHECK_FALSE(client.ask_get("/").has("Surrogate-Key"));
    while (under_test.origin.requests() == 1) client.ask_get("/");
    CHECK(is_hit(client.ask_get("/")));
    client.ask("PURGE / HTTP/1.1\r\nHost: test.example\r\nSurrogate-Key: b\r\n\r\n");
    CHECK(client.ask_get("/").content == "2");
}

TEST_CASE("a range of what is too long to store is passed on", "[end_to_end][caching][range]") {
    const std::string content = noise(300'000);
    const origin_and_weir under_test(
        [&](origin_connection& peer) {
            for (;;) {
                const request got = peer.read_request();
                if (got.has("Range")) {
                    peer.send(
                        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 299999-299999/300000\r\n"
                        "Content-Length: 1\r\n\r\n" +
                        content.substr(299'999));
                } else if (!peer.stream().try_send(ok(content, "Cache-Control: max-age=60\r\n"))) {
                    return;
                }
            }
        },
        {.top = "cache: {max_response: 100KiB}\n"});
    for (int i = 0; i < 2; ++i) {
        const auto part = under_test.weir.ask_get("/", "Range: bytes=299999-\r\n");
        CHECK(part.status == 206);
        CHECK(part.content == content.substr(299'999));
    }
    // What is too long was learnt once.
    CHECK(under_test.origin.requests() == 3);
}

TEST_CASE("a successful unsafe method removes what is stored", "[end_to_end][caching][rfc9111-4.4]") {
    const origin_and_weir under_test(
        scripted_origin::answering([count = std::make_shared<std::atomic<unsigned>>(0)](const request& got) {
            const auto content = std::to_string(++*count);
            if (got.target == "/fails" && got.method == "POST")
                return "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" + std::string();
            return ok(content, "Cache-Control: max-age=60\r\n");
        }));
    for (const std::string method : {"POST", "PUT", "DELETE", "PATCH"}) {
        CAPTURE(method);
        const auto before = under_test.weir.ask_get("/page").content;
        CHECK(under_test.weir.ask_get("/page").content == before);
        CHECK(
            under_test.weir.ask(method + " /page HTTP/1.1\r\nHost: test.example\r\nContent-Length: 0\r\n\r\n").status ==
            200);
        CHECK(under_test.weir.ask_get("/page").content != before);
    }
    const auto before = under_test.weir.ask_get("/fails").content;
    CHECK(under_test.weir.ask(post("/fails", "x")).status == 500);
    CHECK(under_test.weir.ask_get("/fails").content == before);
}

TEST_CASE("a stored response expires", "[end_to_end][caching][rfc9111-4.2]") {
    const origin_and_weir under_test(always("Cache-Control: max-age=1\r\n"));
    CHECK(under_test.weir.ask_get("/").content == "1");
    CHECK(eventually([&] { return under_test.weir.ask_get("/").content == "2"; }));
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("a route says how long what says nothing stays fresh", "[end_to_end][caching][freshness]") {
    const auto script =
        scripted_origin::answering([count = std::make_shared<std::atomic<unsigned>>(0)](const request& got) {
            const auto content = std::to_string(++*count);
            if (got.target == "/404")
                return "HTTP/1.1 404 Not Found\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" +
                       content;
            if (got.target == "/no-store") return ok(content, "Cache-Control: no-store\r\n");
            if (got.target == "/zero") return ok(content, "Cache-Control: max-age=0\r\n");
            if (got.target == "/modified") return ok(content, "Last-Modified: Sat, 21 Nov 2020 10:00:00 GMT\r\n");
            return ok(content);
        });
    const auto stored = [&](const std::string& freshness, const std::string& target) {
        const origin_and_weir under_test(script, {.route = "    cache: {freshness: " + freshness + "}\n"});
        const auto first = under_test.weir.ask_get(target).content;
        return under_test.weir.ask_get(target).content == first;
    };
    CHECK(stored("{default: 60s}", "/"));
    CHECK(stored("{default: 60s}", "/404"));
    CHECK(!stored("{default: 60s, statuses: [200]}", "/404"));
    CHECK(!stored("{default: 60s}", "/zero"));
    CHECK(!stored("{default: 60s}", "/no-store"));
    CHECK(stored("{override: 60s}", "/zero"));
    CHECK(!stored("{override: 60s}", "/no-store"));
    CHECK(stored("{by_status: {404: 60s}}", "/404"));
    CHECK(!stored("{by_status: {404: 60s}}", "/"));
    CHECK(stored("{heuristic: 10%}", "/modified"));
    CHECK(!stored("{heuristic: 10%}", "/"));
}

TEST_CASE("a cache that is off stores nothing", "[end_to_end][caching]") {
    const bool whole = GENERATE(false, true);
    CAPTURE(whole);
    const origin_and_weir under_test(
        always("Cache-Control: max-age=60\r\n"),
        whole ? configuration{.top = "cache: {memory: off}\n"} : configuration{.route = no_cache});
    CHECK(under_test.weir.ask_get("/").content == "1");
    const auto got = under_test.weir.ask_get("/");
    CHECK(got.content == "2");
    CHECK(!is_hit(got));
}

TEST_CASE("Cache-Status may be left out", "[end_to_end][caching]") {
    const origin_and_weir under_test(always("Cache-Control: max-age=60\r\n"),
                                     {.route = "    cache: {cache_status: false}\n"});
    CHECK(!under_test.weir.ask_get("/").has("Cache-Status"));
    const auto hit = under_test.weir.ask_get("/");
    CHECK(hit.content == "1");
    CHECK(!hit.has("Cache-Status"));
}

TEST_CASE("weir's Cache-Status comes after that of a cache behind it", "[end_to_end][caching][rfc9211]") {
    const origin_and_weir under_test(always("Cache-Control: max-age=60\r\nCache-Status: inner; hit\r\n"));
    const auto joined = [](const response& got) {
        std::string all;
        for (const auto& one : got.values("Cache-Status")) all += (all.empty() ? "" : ", ") + one;
        return all;
    };
    const auto miss = joined(under_test.weir.ask_get("/"));
    CHECK(miss.starts_with("inner; hit, "));
    CHECK(miss.find("fwd=uri-miss") != std::string::npos);
    const auto hit = joined(under_test.weir.ask_get("/"));
    CHECK(hit.starts_with("inner; hit, "));
    CHECK(occurrences(hit, "; hit") == 2);
}

TEST_CASE("memory is bounded, and what was stored last is there", "[end_to_end][caching][lru]") {
    const std::string content(64 * 1024, 'x');
    const origin_and_weir under_test(
        scripted_origin::answering([&](const request&) { return ok(content, "Cache-Control: max-age=60\r\n"); }),
        {.top = "cache: {memory: 1MiB}\n", .admin = true});
    auto client = under_test.weir.client();
    for (int i = 0; i < 40; ++i) {
        client.ask_get("/" + std::to_string(i));
        CHECK(is_hit(client.ask_get("/" + std::to_string(i))));
    }
    CHECK(under_test.origin.requests() == 40);
    const auto use = under_test.weir.status().as_object().at("cache").as_object();
    CHECK(use.at("limit_bytes").to_number<std::uint64_t>() == 1024 * 1024);
    CHECK(use.at("bytes").to_number<std::uint64_t>() <= 1024 * 1024);
    CHECK(use.at("bytes").to_number<std::uint64_t>() > 512 * 1024);
    CHECK(use.at("evictions").to_number<std::uint64_t>() >= 24);
    int hits = 0;
    for (int i = 0; i < 40; ++i) {
        if (is_hit(client.ask("HEAD /" + std::to_string(i) + " HTTP/1.1\r\nHost: test.example\r\n\r\n"))) ++hits;
    }
    CHECK(hits >= 8);
    CHECK(hits <= 16);
}

TEST_CASE("only-if-cached never asks the origin", "[end_to_end][caching][rfc9111-5.2.1.7]") {
    const origin_and_weir under_test(always("Cache-Control: max-age=60\r\n"));
    CHECK(under_test.weir.ask_get("/", "Cache-Control: only-if-cached\r\n").status == 504);
    CHECK(under_test.origin.connections() == 0);
    under_test.weir.ask_get("/");
    CHECK(is_hit(under_test.weir.ask_get("/", "Cache-Control: only-if-cached\r\n")));
}

TEST_CASE("a response beyond max_response is passed on and not stored", "[end_to_end][caching][limits]") {
    const std::string content(200'000, 'x');
    const origin_and_weir under_test(
        scripted_origin::answering([&](const request& got) {
            return got.target == "/chunked"
                       ? "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n" +
                             in_chunks(content, 10'000)
                       : ok(content, "Cache-Control: max-age=60\r\n");
        }),
        {.top = "cache: {max_response: 100KiB}\n"});
    for (const std::string target : {"/length", "/chunked"}) {
        CAPTURE(target);
        for (int i = 0; i < 2; ++i) {
            const auto got = under_test.weir.ask_get(target);
            CHECK(got.content == content);
            CHECK(!is_hit(got));
        }
    }
}

TEST_CASE("CherryPy's pages are cached as they say", "[end_to_end][caching][cherrypy]") {
    cherrypy_server server;
    const weir_instance weir(configuration{.servers = {server.address()}});
    CHECK(weir.ask_get("/cached").content == "cached 1");
    CHECK(weir.ask_get("/cached").content == "cached 1");
    CHECK(weir.ask_get("/cached?other").content == "cached 2");
    CHECK(weir.ask_get("/nocache").content == "nocache 1");
    CHECK(weir.ask_get("/nocache").content == "nocache 2");
    CHECK(weir.ask_get("/cookie").content == "cookie 1");
    CHECK(weir.ask_get("/cookie").content == "cookie 2");
    CHECK(weir.ask_get("/vary", "Accept-Language: de\r\n").content == "vary de 1");
    CHECK(weir.ask_get("/vary", "Accept-Language: en\r\n").content == "vary en 1");
    CHECK(weir.ask_get("/vary", "Accept-Language: de\r\n").content == "vary de 1");
    const auto head = weir.ask("HEAD /cached HTTP/1.1\r\nHost: test.example\r\n\r\n");
    CHECK(head.text("Content-Length") == "8");
}

TEST_CASE("when no server can be had a stale response that allows it stands in", "[end_to_end][caching][rfc5861-4]") {
    const bool allowed = GENERATE(true, false);
    CAPTURE(allowed);
    const std::string directives = allowed ? "max-age=1, stale-if-error=600" : "max-age=1";
    origin_and_weir under_test(scripted_origin::answering(ok("page", "Cache-Control: " + directives + "\r\n")));
    CHECK(under_test.weir.ask_get("/").content == "page");
    under_test.origin.stop();
    auto client = under_test.weir.client();
    response got = client.ask_get("/");
    while (got.text("Cache-Status").starts_with("weir; hit")) got = client.ask_get("/");
    if (!allowed) {
        CHECK(got.status == 502);
        return;
    }
    CHECK(got.status == 200);
    CHECK(got.content == "page");
    CHECK(got.text("Cache-Status") ==
          "weir; fwd=stale; ttl=" + std::to_string(1 - std::stoi(got.text("Age"))) + "; detail=stale-if-error");
    CHECK(std::stoi(got.text("Age")) >= 1);
    CHECK(got.values("Content-Length").size() == 1);
    CHECK(client.ask("HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n").text("Age") != "");
}

}  // namespace weir::test
