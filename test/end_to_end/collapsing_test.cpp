// One fetch for a page, however many ask for it at once (RFC 9111 section 4).
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/patience.hpp"

namespace weir::test {
namespace {

const std::string stored_for_a_minute = "Cache-Control: max-age=60\r\n";

std::vector<raw_client> ask_at_once(const weir_instance& weir, std::size_t count, const std::string& request) {
    std::vector<raw_client> clients;
    for (std::size_t i = 0; i < count; ++i) {
        clients.push_back(weir.client());
        clients.back().send(request);
    }
    return clients;
}

bool is_collapsed(const response& got) {
    return got.text("Cache-Status").find("; collapsed") != std::string::npos;
}

// Answers when it is opened.
struct gated_origin {
    gate open;
    scripted_origin::script script(std::function<std::string(const request&)> answer) {
        return [this, answer = std::move(answer)](origin_connection& peer) {
            for (;;) {
                const request got = peer.read_request();
                open.wait();
                peer.send(answer(got));
            }
        };
    }
};

// One response, the second half of which comes when the gate opens.
scripted_origin::script in_two_halves(const std::string& first, const std::string& second, gate& between) {
    return [&](origin_connection& peer) {
        peer.read_request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(first.size() + second.size()) + "\r\n" +
                  stored_for_a_minute + "\r\n" + first);
        between.wait();
        peer.send(second);
        peer.wait_for_end();
    };
}

}  // namespace

TEST_CASE("a thousand clients on a cold key make one request", "[end_to_end][collapsing][rfc9111-4]") {
    const unsigned workers = GENERATE(2u, 4u);
    gated_origin gated;
    const std::string content = noise(200'000);
    const origin_and_weir under_test(gated.script([&](const request&) { return ok(content, stored_for_a_minute); }),
                                     {.workers = workers});
    auto clients = ask_at_once(under_test.weir, 1000, get("/"));
    under_test.origin.wait_for_requests(1);
    gated.open.open();
    std::size_t wrong = 0;
    std::size_t collapsed = 0;
    for (raw_client& client : clients) {
        const response got = client.read_response();
        wrong += got.status != 200 || got.content != content;
        collapsed += is_collapsed(got);
    }
    CHECK(wrong == 0);
    CHECK(collapsed > 0);
    CHECK(under_test.origin.requests() == 1);
}

TEST_CASE("who waits sees the response while it arrives", "[end_to_end][collapsing]") {
    gate end;
    const std::string first = noise(100'000, 1);
    const std::string second = noise(100'000, 2);
    const origin_and_weir under_test(in_two_halves(first, second, end), {.workers = 4});
    auto clients = ask_at_once(under_test.weir, 100, get("/"));
    // Every one has the first half before the origin says the second.
    for (raw_client& client : clients) {
        CHECK(read_response_head(client.stream()).status == 200);
        CHECK(client.stream().take(first.size()) == first);
    }
    end.open();
    for (raw_client& client : clients) CHECK(client.stream().take(second.size()) == second);
    CHECK(under_test.origin.requests() == 1);
}

TEST_CASE("what proves uncacheable is fetched side by side, and remembered", "[end_to_end][collapsing]") {
    gate all_here;
    std::atomic<unsigned> count{0};
    const origin_and_weir under_test(
        [&](origin_connection& peer) {
            for (;;) {
                peer.read_request();
                // The first is answered at once, the others only when all of them are here.
                if (++count > 1) all_here.wait();
                peer.send(ok("private", "Cache-Control: private\r\n"));
            }
        },
        {.workers = 4});
    auto clients = ask_at_once(under_test.weir, 10, get("/"));
    under_test.origin.wait_for_requests(10);
    all_here.open();
    for (raw_client& client : clients) CHECK(client.read_response().content == "private");
    // Remembered: a request goes on while another for the same key waits.
    const auto later = under_test.weir.ask_get("/");
    CHECK(later.text("Cache-Status").find("fwd=uri-miss") != std::string::npos);
    CHECK(later.text("Cache-Status").find("detail=private") != std::string::npos);
}

TEST_CASE("variants are not taken for one another by those who wait", "[end_to_end][collapsing][rfc9111-4.1]") {
    gated_origin gated;
    const origin_and_weir under_test(gated.script([](const request& got) {
        return ok(got.text("Accept-Language"), stored_for_a_minute + "Vary: Accept-Language\r\n");
    }),
                                     {.workers = 4});
    std::vector<raw_client> clients;
    const std::vector<std::string> languages{"en", "de", "fr"};
    for (unsigned i = 0; i < 30; ++i) {
        clients.push_back(under_test.weir.client());
        clients.back().send(get("/", "Accept-Language: " + languages[i % 3] + "\r\n"));
    }
    under_test.origin.wait_for_requests(1);
    gated.open.open();
    for (unsigned i = 0; i < 30; ++i) CHECK(clients[i].read_response().content == languages[i % 3]);
    CHECK(under_test.origin.requests() == 3);
}

TEST_CASE("the fetch goes on when the client that asked first leaves", "[end_to_end][collapsing]") {
    gated_origin gated;
    const origin_and_weir under_test(gated.script([](const request&) { return ok("page", stored_for_a_minute); }),
                                     {.workers = 4, .admin = true});
    {
        auto leader = under_test.weir.client();
        leader.send(get("/"));
        under_test.origin.wait_for_requests(1);
        auto followers = ask_at_once(under_test.weir, 5, get("/"));
        CHECK(has_active(under_test.weir, 6));
        leader.stream().close();
        gated.open.open();
        for (raw_client& follower : followers) CHECK(follower.read_response().content == "page");
    }
    CHECK(under_test.origin.requests() == 1);
}

TEST_CASE("a fetch that nobody waits for is given up", "[end_to_end][collapsing]") {
    gate left;
    const origin_and_weir under_test([&](origin_connection& peer) {
        peer.read_request();
        if (peer.number() == 0) {
            CHECK(peer.wait_for_end().empty());
            left.open();
            return;
        }
        peer.send(ok("page", stored_for_a_minute));
    });
    {
        auto alone = under_test.weir.client();
        alone.send(get("/"));
        under_test.origin.wait_for_requests(1);
    }
    left.wait();
    CHECK(under_test.weir.ask_get("/").content == "page");
}

TEST_CASE("who waits learns of a failure at once", "[end_to_end][collapsing]") {
    gate fail;
    const origin_and_weir under_test(
        [&](origin_connection& peer) {
            peer.read_request();
            fail.wait();
            peer.reset();
        },
        {.upstream = no_retry, .workers = 4});
    auto clients = ask_at_once(under_test.weir, 20, get("/"));
    under_test.origin.wait_for_requests(1);
    fail.open();
    for (raw_client& client : clients) CHECK(client.read_response().status == 502);
    // Those that came when the first had failed already asked on their own.
    CHECK(under_test.origin.requests() <= 20);
}

TEST_CASE("a response that breaks off is whole for nobody", "[end_to_end][collapsing]") {
    gate end;
    const std::string half = noise(100'000);
    const origin_and_weir under_test(
        [&](origin_connection& peer) {
            peer.read_request();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n" + stored_for_a_minute + "\r\n" + half);
            end.wait();
            peer.reset();
        },
        {.upstream = no_retry, .workers = 4});
    auto clients = ask_at_once(under_test.weir, 20, get("/"));
    for (raw_client& client : clients) {
        read_response_head(client.stream());
        CHECK(client.stream().take(half.size()) == half);
    }
    end.open();
    for (raw_client& client : clients) CHECK_THROWS_AS(client.stream().take(1), connection_ended);
}

TEST_CASE("nobody waits longer than collapse_timeout", "[end_to_end][collapsing]") {
    gate first;
    std::atomic<unsigned> count{0};
    const origin_and_weir under_test(
        [&](origin_connection& peer) {
            for (;;) {
                peer.read_request();
                if (++count == 1) first.wait();
                peer.send(ok("page", "Cache-Control: no-store\r\n"));
            }
        },
        {.top = "cache: {collapse_timeout: 100ms}\n"});
    auto leader = under_test.weir.client();
    leader.send(get("/"));
    under_test.origin.wait_for_requests(1);
    CHECK(under_test.weir.ask_get("/").content == "page");
    first.open();
    CHECK(leader.read_response().content == "page");
}

TEST_CASE("who asks after a purge or an unsafe request waits for nothing older", "[end_to_end][collapsing][purge]") {
    const bool by_purge = GENERATE(true, false);
    CAPTURE(by_purge);
    gate first;
    std::atomic<unsigned> count{0};
    const origin_and_weir under_test(
        [&](origin_connection& peer) {
            for (;;) {
                const request got = peer.read_request();
                if (got.method == "POST") {
                    peer.send(ok("done"));
                    continue;
                }
                const unsigned n = ++count;
                if (n == 1) first.wait();
                peer.send(ok("version " + std::to_string(n), stored_for_a_minute));
            }
        },
        {.top = "cache: {purge: {allow: [127.0.0.1]}}\n", .workers = 4, .admin = true});
    auto leader = under_test.weir.client();
    leader.send(get("/"));
    under_test.origin.wait_for_requests(1);
    if (by_purge) {
        CHECK(under_test.weir.ask("PURGE / HTTP/1.1\r\nHost: test.example\r\n\r\n").status == 200);
    } else {
        CHECK(under_test.weir.ask(post("/", "x")).status == 200);
    }
    auto later = under_test.weir.client();
    later.send(get("/"));
    CHECK(has_active(under_test.weir, 2));
    first.open();
    CHECK(leader.read_response().content == "version 1");
    CHECK(later.read_response().content == "version 2");
    CHECK(under_test.weir.ask_get("/").content == "version 2");
}

TEST_CASE("what is fetched after a purge is stored, though its client came before", "[end_to_end][collapsing][purge]") {
    gated_origin gated;
    std::atomic<unsigned> count{0};
    const origin_and_weir under_test(
        gated.script([&](const request&) { return ok("version " + std::to_string(++count), stored_for_a_minute); }),
        {.top = "cache: {purge: {allow: [127.0.0.1]}}\n", .workers = 4, .admin = true});
    auto clients = ask_at_once(under_test.weir, 2, get("/"));
    under_test.origin.wait_for_requests(1);
    CHECK(has_active(under_test.weir, 2));
    CHECK(under_test.weir.ask("PURGE / HTTP/1.1\r\nHost: test.example\r\n\r\n").status == 200);
    gated.open.open();
    std::vector<std::string> contents;
    for (raw_client& client : clients) contents.push_back(client.read_response().content);
    std::sort(contents.begin(), contents.end());
    CHECK(contents == std::vector<std::string>{"version 1", "version 2"});
    CHECK(under_test.weir.ask_get("/").content == "version 2");
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("a personal request does not get what was fetched for somebody else",
          "[end_to_end][collapsing][session_cookies]") {
    gate first;
    const origin_and_weir under_test(
        [&](origin_connection& peer) {
            for (;;) {
                const request got = peer.read_request();
                if (!got.has("Cookie")) first.wait();
                peer.send(ok(got.has("Cookie") ? "personal" : "for all", stored_for_a_minute));
            }
        },
        {.route = "    cache: {session_cookies: [session_id]}\n"});
    auto anonymous = under_test.weir.client();
    anonymous.send(get("/"));
    under_test.origin.wait_for_requests(1);
    const auto personal = under_test.weir.ask_get("/", "Cookie: session_id=1\r\n");
    CHECK(personal.content == "personal");
    CHECK(personal.text("Cache-Status") == "weir; fwd=bypass; detail=session-cookie");
    first.open();
    CHECK(anonymous.read_response().content == "for all");
    CHECK(under_test.weir.ask_get("/").content == "for all");
    CHECK(under_test.weir.ask_get("/", "Cookie: session_id=2\r\n").content == "personal");
    // Other cookies do not matter.
    CHECK(under_test.weir.ask_get("/", "Cookie: _ga=3\r\n").content == "for all");
    CHECK(under_test.origin.requests() == 3);
}

TEST_CASE("what broke off is joined by nobody, however slow its first client is", "[end_to_end][collapsing]") {
    gate half_read;
    std::atomic<unsigned> count{0};
    const std::string content = noise(2'000'000);
    const origin_and_weir under_test(
        [&](origin_connection& peer) {
            peer.read_request();
            if (++count > 1) return peer.send(ok(content, stored_for_a_minute));
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n" + stored_for_a_minute + "\r\n" +
                      content.substr(0, 1'900'000));
        },
        {.upstream = no_retry, .workers = 4});
    auto slow = under_test.weir.client();
    slow.send(get("/"));
    CHECK(read_response_head(slow.stream()).status == 200);
    under_test.origin.wait_for_ended(1);
    CHECK(eventually([&] {
        const auto got = under_test.weir.client();
        auto other = under_test.weir.client();
        other.send(get("/"));
        return read_broken_response(other.stream()).content == content;
    }));
    CHECK(under_test.weir.ask_get("/").content == content);
}

TEST_CASE("a storable page is fetched once though its first client left", "[end_to_end][collapsing]") {
    gate end;
    const std::string first = noise(100'000, 1);
    const std::string second = noise(100'000, 2);
    const origin_and_weir under_test(in_two_halves(first, second, end), {.workers = 4, .admin = true});
    {
        auto leader = under_test.weir.client();
        leader.send(get("/"));
        CHECK(read_response_head(leader.stream()).status == 200);
    }
    auto follower = under_test.weir.client();
    follower.send(get("/"));
    CHECK(read_response_head(follower.stream()).status == 200);
    CHECK(follower.stream().take(first.size()) == first);
    end.open();
    CHECK(follower.stream().take(second.size()) == second);
    CHECK(under_test.weir.ask_get("/").content == first + second);
    CHECK(under_test.origin.requests() == 1);
}

TEST_CASE("with min_uses a response is shared before it is stored", "[end_to_end][collapsing][min_uses]") {
    std::atomic<unsigned> count{0};
    const origin_and_weir under_test(
        scripted_origin::answering([&](const request&) { return ok(std::to_string(++count), stored_for_a_minute); }),
        {.route = "    cache: {min_uses: 3}\n"});
    const auto first = under_test.weir.ask_get("/");
    CHECK(first.content == "1");
    CHECK(first.text("Cache-Status").find("detail=min-uses") != std::string::npos);
    CHECK(under_test.weir.ask_get("/").content == "2");
    CHECK(under_test.weir.ask_get("/").content == "3");
    CHECK(under_test.weir.ask_get("/").content == "3");
}

}  // namespace weir::test
