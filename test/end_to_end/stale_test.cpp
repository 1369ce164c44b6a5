// Stale responses: validated, used while they are refreshed behind the client's back, and where endpoints fail (RFC
// 9111 section 4.3, RFC 5861).
#include <atomic>
#include <catch2/catch.hpp>
#include <string>

#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/patience.hpp"

namespace weir::test {
namespace {

bool says(const response& got, const std::string& text) {
    return got.text("Cache-Status").find(text) != std::string::npos;
}

// Asks until the response is no longer fresh, and gives the first that says so.
response ask_until_stale(raw_client& client, const std::string& fields = "") {
    for (;;) {
        const response got = client.ask_get("/", fields);
        if (!says(got, "; hit; ttl=") || says(got, "ttl=0") || says(got, "ttl=-")) return got;
    }
}

const std::string not_modified = "HTTP/1.1 304 Not Modified\r\n";

}  // namespace

TEST_CASE("a stale response is validated, and freshened by a 304",
          "[end_to_end][stale][rfc9111-4.3.1][rfc9111-4.3.4]") {
    const origin_and_weir under_test(scripted_origin::answering([](const request& got) {
        const std::string common = "ETag: \"v1\"\r\nLast-Modified: Sat, 21 Nov 2020 10:00:00 GMT\r\n";
        if (got.has("If-None-Match")) return not_modified + common + "Cache-Control: max-age=60\r\nX-Count: 2\r\n\r\n";
        return ok("content", common + "Cache-Control: max-age=1\r\nX-Count: 1\r\n");
    }));
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/").text("X-Count") == "1");
    const auto got = ask_until_stale(client);
    CHECK(got.status == 200);
    CHECK(got.content == "content");
    CHECK(got.text("X-Count") == "2");
    CHECK(says(got, "fwd=stale; fwd-status=304"));
    const auto asked = under_test.origin.last();
    CHECK(asked.text("If-None-Match") == "\"v1\"");
    CHECK(asked.text("If-Modified-Since") == "Sat, 21 Nov 2020 10:00:00 GMT");
    // It is fresh again, for as long as the 304 said.
    const auto later = client.ask_get("/");
    CHECK(says(later, "; hit; ttl="));
    CHECK(later.text("X-Count") == "2");
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("the client's own condition is answered from what was validated", "[end_to_end][stale][rfc9111-4.3.2]") {
    const origin_and_weir under_test(scripted_origin::answering([](const request& got) {
        if (got.has("If-None-Match")) return not_modified + "ETag: \"v1\"\r\nCache-Control: max-age=1\r\n\r\n";
        return ok("content", "ETag: \"v1\"\r\nCache-Control: max-age=1\r\n");
    }));
    auto client = under_test.weir.client();
    client.ask_get("/");
    CHECK(ask_until_stale(client).status == 200);
    const auto same = ask_until_stale(client, "If-None-Match: \"v0\", W/\"v1\"\r\n");
    CHECK(same.status == 304);
    CHECK(under_test.origin.last().text("If-None-Match") == "\"v1\"");
    CHECK(client.ask_get("/", "If-None-Match: \"v0\"\r\n").content == "content");
}

TEST_CASE("what changed takes the place of the stale response", "[end_to_end][stale][rfc9111-4.3.3]") {
    std::atomic<unsigned> version{0};
    const origin_and_weir under_test(scripted_origin::answering([&](const request&) {
        const std::string v = std::to_string(++version);
        return ok("version " + v, "ETag: \"" + v + "\"\r\nCache-Control: max-age=" + (v == "1" ? "1" : "60") + "\r\n");
    }));
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/").content == "version 1");
    const auto got = ask_until_stale(client);
    CHECK(got.content == "version 2");
    CHECK(says(got, "fwd=stale; stored"));
    CHECK(client.ask_get("/").content == "version 2");
}

TEST_CASE("no-cache is stored, and validated each time", "[end_to_end][stale][rfc9111-5.2.2.4]") {
    const origin_and_weir under_test(scripted_origin::answering([](const request& got) {
        if (got.has("If-None-Match")) return not_modified + "ETag: \"v1\"\r\n\r\n";
        return ok("content", "ETag: \"v1\"\r\nCache-Control: no-cache\r\n");
    }));
    auto client = under_test.weir.client();
    for (unsigned i = 1; i <= 3; ++i) {
        CHECK(client.ask_get("/").content == "content");
        CHECK(under_test.origin.requests() == i);
        CHECK(under_test.origin.last().has("If-None-Match") == (i > 1));
    }
}

TEST_CASE("a stale response goes out at once while one request asks for a newer", "[end_to_end][stale][rfc5861-3]") {
    gate answer;
    std::atomic<unsigned> version{0};
    const origin_and_weir under_test(
        [&](origin_connection& peer) {
            for (;;) {
                peer.read_request();
                if (++version == 1) {
                    peer.send(ok("1", "Cache-Control: max-age=1, stale-while-revalidate=600\r\n"));
                } else {
                    answer.wait();
                    peer.send(ok("2", "Cache-Control: max-age=60\r\n"));
                }
            }
        },
        {.workers = 4});
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/").content == "1");
    const auto stale = ask_until_stale(client);
    CHECK(stale.content == "1");
    CHECK(says(stale, "; hit; ttl="));
    CHECK(says(stale, "detail=stale-while-revalidate"));
    under_test.origin.wait_for_requests(2);
    // However many ask, on however many workers, while it runs: nobody waits, and nobody else asks.
    for (int i = 0; i < 100; ++i) CHECK(under_test.weir.ask_get("/").content == "1");
    CHECK(under_test.origin.requests() == 2);
    answer.open();
    CHECK(eventually([&] { return client.ask_get("/").content == "2"; }));
    CHECK(says(client.ask_get("/"), "; hit; ttl="));
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("what asks behind a client's back asks for itself", "[end_to_end][stale][rfc5861-3]") {
    const origin_and_weir under_test(scripted_origin::answering(
        [](const request&) { return ok("content", "Cache-Control: max-age=1, stale-while-revalidate=600\r\n"); }));
    auto client = under_test.weir.client();
    client.ask_get("/");
    const std::string fields =
        "Cache-Control: only-if-cached, no-cache\r\nRange: bytes=0-1\r\nIf-None-Match: \"x\"\r\n"
        "Accept: a/b\r\n";
    while (under_test.origin.requests() == 1) CHECK(client.ask_get("/", fields).content == "co");
    const auto asked = under_test.origin.last();
    CHECK(asked.method == "GET");
    CHECK(asked.text("Host") == "test.example");
    CHECK(asked.text("Accept") == "a/b");
    for (const char* name : {"Cache-Control", "Range", "If-None-Match"}) {
        CAPTURE(name);
        CHECK_FALSE(asked.has(name));
    }
    CHECK(client.ask("HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n").text("Content-Length") == "7");
}

TEST_CASE("the windows may be the route's, but not against must-revalidate", "[end_to_end][stale][rfc9111-4.2.4]") {
    const auto [directives, stale_is_used] = GENERATE(table<std::string, bool>({
        {"max-age=1", true},
        {"max-age=1, must-revalidate", false},
        {"s-maxage=1", false},
        {"max-age=1, stale-while-revalidate=0", false},
    }));
    CAPTURE(directives);
    std::atomic<unsigned> version{0};
    const origin_and_weir under_test(scripted_origin::answering([&, control = directives](const request&) {
                                         return ok(std::to_string(++version), "Cache-Control: " + control + "\r\n");
                                     }),
                                     {.route = "    cache: {stale: {while_revalidate: 10m}}\n"});
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/").content == "1");
    CHECK(ask_until_stale(client).content == (stale_is_used ? "1" : "2"));
}

TEST_CASE("a refresh that fails is tried again later, and the stale response stays", "[end_to_end][stale][rfc5861-3]") {
    std::atomic<unsigned> count{0};
    const origin_and_weir under_test(
        scripted_origin::answering([&](const request&) {
            if (++count == 1) return ok("page", "Cache-Control: max-age=1, stale-while-revalidate=600\r\n");
            return std::string("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 3\r\n\r\nbad");
        }),
        {.upstream = "    retry: off\n    eject: off\n"});
    auto client = under_test.weir.client();
    client.ask_get("/");
    CHECK(ask_until_stale(client).content == "page");
    under_test.origin.wait_for_requests(2);
    unsigned bad = 0;
    for (int i = 0; i < 300; ++i) bad += client.ask_get("/").content != "page";
    CHECK(bad == 0);
    // The pause before the next try is a second at least; 300 hits take far less, even if the machine is slow.
    CHECK(under_test.origin.requests() <= 4);
}

TEST_CASE("a stale response stands in for an error", "[end_to_end][stale][rfc5861-4]") {
    const std::string how = GENERATE(as<std::string>{}, "500", "503", "reset", "slow", "gone", "404");
    const bool by_route = GENERATE(true, false);
    CAPTURE(how, by_route);
    std::atomic<unsigned> count{0};
    gate end;
    origin_and_weir under_test(
        [&](origin_connection& peer) {
            for (;;) {
                peer.read_request();
                if (++count == 1) {
                    peer.send(ok("page", std::string("Cache-Control: max-age=1") +
                                             (by_route ? "" : ", stale-if-error=600") + "\r\n"));
                } else if (how == "reset") {
                    return peer.reset();
                } else if (how == "slow") {
                    end.wait();
                    return;
                } else {
                    peer.send("HTTP/1.1 " + how + " Something\r\nContent-Length: 3\r\n\r\nbad");
                }
            }
        },
        {.upstream = std::string(no_retry) + (how == "slow" ? "    timeouts: {first_byte: 100ms}\n" : ""),
         .route = by_route ? "    cache: {stale: {if_error: 10m}}\n" : ""});
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/").content == "page");
    if (how == "gone") under_test.origin.stop();
    const auto got = ask_until_stale(client);
    if (how == "404") {
        CHECK(got.status == 404);
    } else {
        CHECK(got.status == 200);
        CHECK(got.content == "page");
        CHECK(says(got, "fwd=stale"));
        CHECK(says(got, "detail=stale-if-error"));
        CHECK(says(got, "fwd-status=" + how) == (how == "500" || how == "503"));
    }
    end.open();
}

TEST_CASE("an error that a stale response stands in for does not hold the connection",
          "[end_to_end][stale][rfc5861-4]") {
    std::atomic<bool> fails{false};
    const origin_and_weir under_test(scripted_origin::answering([&](const request& got) {
                                         if (got.target != "/") return ok("other", "Cache-Control: no-store\r\n");
                                         if (!fails)
                                             return ok("content", "Cache-Control: max-age=1, stale-if-error=600\r\n");
                                         return "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 400000\r\n\r\n" +
                                                std::string(400'000, 'x');
                                     }),
                                     {.upstream = no_retry, .route = "    buffering: {response: off}\n"});
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/").content == "content");
    fails = true;
    const response got = ask_until_stale(client);
    CHECK(got.content == "content");
    CHECK(client.ask_get("/other").content == "other");
}

TEST_CASE("the response to a HEAD freshens what is stored, or takes it away", "[end_to_end][stale][rfc9111-4.3.5]") {
    const bool same = GENERATE(true, false);
    CAPTURE(same);
    const origin_and_weir under_test(scripted_origin::answering([&](const request& got) {
        const std::string start = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n";
        if (got.method == "HEAD")
            return start + "ETag: \"" + (same ? "v1" : "v2") + "\"\r\nCache-Control: max-age=60\r\n\r\n";
        return start + "ETag: \"v1\"\r\nCache-Control: max-age=1\r\n\r\ncontent";
    }));
    auto client = under_test.weir.client();
    client.ask_get("/");
    // Hits, until the one that asks.
    while (under_test.origin.requests() == 1) client.ask("HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n");
    const auto got = client.ask_get("/");
    CHECK(got.content == "content");
    CHECK(says(got, "; hit") == same);
    CHECK(under_test.origin.requests() == (same ? 2 : 3));
}

}  // namespace weir::test
