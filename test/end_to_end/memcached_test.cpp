// The cache's second level, on real memcached servers: a warm restart, one fetch for several weirs, and servers that
// come and go. See memcached_nodes_test.cpp and memcached_faults_test.cpp, too.
#include <signal.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "test/end_to_end/memcached_and_weir.hpp"
#include "test/support/patience.hpp"

namespace weir::test {

TEST_CASE("a restart of weir answers from memcached", "[end_to_end][memcached]") {
    const std::string memory = GENERATE(as<std::string>(), "", "memory: off");
    CAPTURE(memory);
    memcached_process memcached;
    counting_origin origin;
    const configuration parts = of(origin, tier(memcached, patient, memory));
    {
        const weir_instance weir(parts);
        for (const char* target : {"/a", "/b", "/c?d=e"}) CHECK(weir.ask_get(target).status == 200);
    }
    CHECK(origin.origin.requests() == 3);
    const weir_instance weir(parts);
    CHECK(weir.ask_get("/b").content == "answer 2 to /b");
    const response got = weir.ask_get("/c?d=e");
    CHECK(got.content == "answer 3 to /c?d=e");
    CHECK(cache_status(got).starts_with("weir; hit; ttl="));
    CHECK(cache_status(got).ends_with("; detail=memcached"));
    CHECK(origin.origin.requests() == 3);
    // From there it went into memory, where there is one.
    CHECK((cache_status(weir.ask_get("/b")).find("memcached") == std::string::npos) == memory.empty());
    CHECK(origin.origin.requests() == 3);
}

TEST_CASE("what memcached holds is a stored response like any other", "[end_to_end][memcached]") {
    memcached_process memcached;
    const std::string page = std::string(3'000'000, 'x') + "the end";
    const scripted_origin origin(scripted_origin::answering([&](const request& got) {
        if (got.value("Accept-Language") == "de") {
            return ok("deutsch", for_a_minute + "Vary: Accept-Language\r\nETag: \"de\"\r\n");
        }
        return ok(page, for_a_minute + "Vary: Accept-Language\r\nETag: \"en\"\r\n");
    }));
    const configuration parts{.servers = {origin.address()}, .top = tier(memcached)};
    {
        const weir_instance weir(parts);
        CHECK(weir.ask_get("/", "Accept-Language: de\r\n").content == "deutsch");
        CHECK(weir.ask_get("/").content == page);
    }
    const auto restarted = [&] { return weir_instance(parts); };
    SECTION("one of several variants") {
        const weir_instance weir = restarted();
        CHECK(weir.ask_get("/", "Accept-Language: de\r\n").content == "deutsch");
        CHECK(weir.ask_get("/").content == page);
    }
    SECTION("a range") {
        const weir_instance weir = restarted();
        const response got = weir.ask_get("/", "Range: bytes=-7\r\n");
        CHECK(got.status == 206);
        CHECK(got.content == "the end");
    }
    SECTION("a condition") {
        const weir_instance weir = restarted();
        CHECK(weir.ask_get("/", "If-None-Match: \"en\"\r\n").status == 304);
    }
    SECTION("its head alone") {
        const weir_instance weir = restarted();
        const response got = weir.ask("HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n");
        CHECK(got.status == 200);
        CHECK(got.value("Content-Length") == std::to_string(page.size()));
    }
    SECTION("and for who takes nothing else") {
        const weir_instance weir = restarted();
        CHECK(weir.ask_get("/", "Cache-Control: only-if-cached\r\n").content == page);
        CHECK(weir.ask_get("/not-there", "Cache-Control: only-if-cached\r\n").status == 504);
    }
    CHECK(origin.requests() == 2);
}

TEST_CASE("what memcached holds is validated where it has to be", "[end_to_end][memcached]") {
    const memcached_process memcached;
    const scripted_origin origin(scripted_origin::answering([](const request& got) {
        const std::string fields = "ETag: \"1\"\r\nCache-Control: no-cache\r\n";
        if (got.value("If-None-Match") == "\"1\"") return "HTTP/1.1 304 Not Modified\r\n" + fields + "\r\n";
        return ok("page", fields);
    }));
    const configuration parts{.servers = {origin.address()}, .top = tier(memcached)};
    CHECK(weir_instance(parts).ask_get("/").content == "page");
    const response got = weir_instance(parts).ask_get("/");
    CHECK(got.content == "page");
    CHECK(cache_status(got).find("fwd=stale; fwd-status=304") != std::string::npos);
    CHECK(origin.last().value("If-None-Match") == "\"1\"");
    CHECK(origin.requests() == 2);
}

TEST_CASE("memcached alone is a cache, too", "[end_to_end][memcached]") {
    const memcached_process memcached;
    counting_origin origin(for_a_minute + "ETag: \"1\"\r\n");
    const weir_instance weir(of(origin, tier(memcached, patient, "memory: off")));
    CHECK(weir.ask_get("/").content == "answer 1 to /");
    CHECK(eventually([&] { return is_hit(weir.ask_get("/")); }));
    const unsigned before = origin.count;
    const response whole = weir.ask_get("/");
    CHECK(whole.content == "answer " + std::to_string(before) + " to /");
    CHECK(cache_status(whole).ends_with("; detail=memcached"));
    const response part = weir.ask_get("/", "Range: bytes=0-5\r\n");
    CHECK(part.status == 206);
    CHECK(part.content == "answer");
    CHECK(part.text("Content-Range") == "bytes 0-5/" + std::to_string(whole.content.size()));
    CHECK(weir.ask_get("/", "Range: bytes=1000-\r\n").status == 416);
    CHECK(weir.ask_get("/", "If-None-Match: \"1\"\r\n").status == 304);
    CHECK(weir.ask_get("/", "If-None-Match: \"2\"\r\n").content == whole.content);
    const response head = weir.ask("HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n");
    CHECK(is_hit(head));
    CHECK(head.text("Content-Length") == std::to_string(whole.content.size()));
    CHECK(origin.count == before);
    CHECK(weir.ask("PURGE / HTTP/1.1\r\nHost: test.example\r\n\r\n").status == 200);
    CHECK(weir.ask_get("/").content == "answer " + std::to_string(before + 1) + " to /");
}

TEST_CASE("memcached alone validates what is stale, and has it stand in for an error",
          "[end_to_end][memcached][rfc9111-4.3.4][rfc5861-4]") {
    const memcached_process memcached;
    std::atomic<bool> fails{false};
    const scripted_origin origin([&](origin_connection& peer) {
        for (;;) {
            const request got = peer.read_request();
            if (fails) return peer.close();
            const std::string fields = "ETag: \"1\"\r\nCache-Control: max-age=1, stale-if-error=600\r\n";
            if (got.value("If-None-Match") == "\"1\"") {
                peer.send("HTTP/1.1 304 Not Modified\r\n" + fields + "X-Validated: yes\r\n\r\n");
            } else {
                peer.send(ok("page", fields + "X-Validated: no\r\n"));
            }
        }
    });
    const weir_instance weir(
        {.servers = {origin.address()}, .upstream = no_retry, .top = tier(memcached, patient, "memory: off")});
    CHECK(weir.ask_get("/").content == "page");
    const auto ask_until = [&](const std::string& said) {
        bool is_right = true;
        CHECK(eventually([&] {
            const response got = weir.ask_get("/");
            is_right = is_right && got.status == 200 && got.content == "page";
            return cache_status(got).find(said) != std::string::npos;
        }));
        CHECK(is_right);
    };
    ask_until("fwd=stale; fwd-status=304");
    CHECK(origin.last().value("If-None-Match") == "\"1\"");
    // What was validated is what lies there.
    CHECK(eventually([&] {
        const response got = weir.ask_get("/");
        return is_hit(got) && got.text("X-Validated") == "yes";
    }));
    fails = true;
    ask_until("detail=stale-if-error");
}

TEST_CASE("clients that come together make one fetch with memcached alone", "[end_to_end][memcached]") {
    const memcached_process memcached;
    gate all_ask;
    const scripted_origin origin(scripted_origin::answering([&](const request&) {
        all_ask.wait();
        return ok("page", for_a_minute);
    }));
    const weir_instance weir(
        {.servers = {origin.address()}, .top = tier(memcached, patient, "memory: off"), .workers = 2, .admin = true});
    std::vector<raw_client> clients;
    for (int i = 0; i < 40; ++i) {
        clients.push_back(weir.client());
        clients.back().send(get("/"));
    }
    CHECK(has_active(weir, 40));
    all_ask.open();
    for (raw_client& client : clients) CHECK(client.read_response().content == "page");
    CHECK(origin.requests() == 1);
}

TEST_CASE("a cold page is fetched once for three weirs", "[end_to_end][memcached]") {
    memcached_process memcached;
    gate all_ask;
    const scripted_origin origin(scripted_origin::answering([&](const request&) {
        all_ask.wait();
        return ok("page", for_a_minute);
    }));
    // Nobody is to give up waiting here because the machine is slow.
    const configuration parts{.servers = {origin.address()},
                              .top = tier(memcached, patient + ", fill_lock: 1m", "collapse_timeout: 1m"),
                              .workers = 2,
                              .admin = true};
    const weir_instance first(parts);
    const weir_instance second(parts);
    const weir_instance third(parts);
    std::vector<raw_client> clients;
    for (int i = 0; i < 10; ++i) {
        for (const weir_instance* weir : {&first, &second, &third}) {
            clients.push_back(weir->client());
            clients.back().send(get("/"));
        }
    }
    for (const weir_instance* weir : {&first, &second, &third}) CHECK(has_active(*weir, 10));
    all_ask.open();
    for (raw_client& client : clients) CHECK(client.read_response().content == "page");
    CHECK(origin.requests() == 1);
}

TEST_CASE("what may not be stored is asked for side by side on every weir", "[end_to_end][memcached]") {
    memcached_process memcached;
    counting_origin origin("Cache-Control: no-store\r\n");
    const configuration parts = of(origin, tier(memcached));
    const weir_instance first(parts);
    const weir_instance second(parts);
    CHECK(first.ask_get("/").content == "answer 1 to /");
    CHECK(second.ask_get("/").content == "answer 2 to /");
    CHECK(first.ask_get("/").content == "answer 3 to /");
    CHECK(second.ask_get("/").content == "answer 4 to /");
}

TEST_CASE("a weir that dies with the fill lock delays nobody beyond its limit", "[end_to_end][memcached]") {
    memcached_process memcached;
    std::atomic<unsigned> count{0};
    const scripted_origin origin([&](origin_connection& peer) {
        peer.read_request();
        if (++count == 1) peer.wait_for_end();
        peer.send(ok("page", for_a_minute));
        peer.wait_for_end();
    });
    const configuration parts{.servers = {origin.address()}, .top = tier(memcached, patient + ", fill_lock: 1s")};
    weir_instance dying(parts);
    raw_client waiting = dying.client();
    waiting.send(get("/"));
    origin.wait_for_requests(1);
    dying.expect_any_end();
    dying.program().signal(SIGKILL);
    dying.program().wait();
    const weir_instance other(parts);
    CHECK(other.ask_get("/").content == "page");
    CHECK(origin.requests() == 2);
}

TEST_CASE("a weir that was stopped meanwhile learns what was purged", "[end_to_end][memcached][purge]") {
    memcached_process memcached;
    counting_origin origin;
    const configuration parts = of(origin, tier(memcached));
    const weir_instance first(parts);
    weir_instance second(parts);
    CHECK(second.ask_get("/").content == "answer 1 to /");
    second.program().signal(SIGSTOP);
    CHECK(first.ask("PURGE / HTTP/1.1\r\nHost: test.example\r\n\r\n").status == 200);
    CHECK(first.ask_get("/").content == "answer 2 to /");
    second.program().signal(SIGCONT);
    CHECK(eventually([&] { return second.ask_get("/").content != "answer 1 to /"; }));
    CHECK(origin.origin.requests() <= 3);
}

TEST_CASE("when the log of purges is lost, what memory holds is validated", "[end_to_end][memcached][purge]") {
    memcached_process memcached;
    counting_origin origin(for_a_minute + "ETag: \"1\"\r\n");
    const weir_instance weir(of(origin, tier(memcached)));
    CHECK(weir.ask_get("/").content == "answer 1 to /");
    CHECK(weir.ask_get("/").content == "answer 1 to /");
    memcached.kill();
    memcached.start();
    CHECK(eventually([&] { return weir.log().find("purge log in memcached is gone") != std::string::npos; }));
    CHECK(eventually([&] { return weir.ask_get("/").content != "answer 1 to /"; }));
    CHECK(origin.origin.last().value("If-None-Match") == "\"1\"");
}

TEST_CASE("what is stale in memcached is answered at once, and refreshed behind",
          "[end_to_end][memcached][rfc5861-3]") {
    const memcached_process memcached;
    gate finish;
    std::atomic<unsigned> count{0};
    const scripted_origin origin(scripted_origin::answering([&](const request&) {
        if (++count == 1) return ok("old", "Cache-Control: max-age=1, stale-while-revalidate=600\r\n");
        finish.wait();
        return ok("new", for_a_minute);
    }));
    const weir_instance weir(
        {.servers = {origin.address()}, .top = tier(memcached, patient, "memory: off"), .workers = 2, .admin = true});
    CHECK(weir.ask_get("/").content == "old");
    // It is there a moment after its client has it.
    REQUIRE(eventually([&] { return memcached_count(weir, "stores") == 1; }));
    bool only_old = true;
    const auto ask = [&] {
        const response got = weir.ask_get("/");
        only_old = only_old && is_hit(got) && got.content == "old";
    };
    CHECK(eventually([&] {
        ask();
        return count == 2;
    }));
    for (int i = 0; i < 10; ++i) ask();
    CHECK(only_old);
    finish.open();
    CHECK(eventually([&] { return weir.ask_get("/").content == "new"; }));
}

TEST_CASE("a personal request gets nothing from memcached that is not public",
          "[end_to_end][memcached][session_cookies]") {
    const memcached_process memcached;
    counting_origin origin;
    configuration parts = of(origin, tier(memcached));
    parts.route = "    cache: {session_cookies: [sid]}\n";
    CHECK(weir_instance(parts).ask_get("/").content == "answer 1 to /");
    const weir_instance weir(parts);
    CHECK(weir.ask_get("/", "Cookie: sid=1\r\n").content == "answer 2 to /");
    CHECK(weir.ask_get("/").content == "answer 1 to /");
}

TEST_CASE("all who wait get the stale response of memcached where the origin fails",
          "[end_to_end][memcached][rfc5861-4]") {
    const memcached_process memcached;
    std::atomic<unsigned> count{0};
    const scripted_origin origin([&](origin_connection& peer) {
        peer.read_request();
        if (++count > 1) return peer.close();
        peer.send(ok("page", "Connection: close\r\nCache-Control: max-age=1, stale-if-error=600\r\n"));
    });
    const configuration parts{
        .servers = {origin.address()}, .upstream = no_retry, .top = tier(memcached), .workers = 2};
    const weir_instance first(parts);
    CHECK(first.ask_get("/").content == "page");
    // From then on it is stale.
    CHECK(eventually([&] { return cache_status(first.ask_get("/")).find("stale-if-error") != std::string::npos; }));
    const weir_instance weir(parts);
    std::vector<raw_client> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(weir.client());
        clients.back().send(get("/"));
    }
    for (raw_client& client : clients) CHECK(client.read_response().content == "page");
}

TEST_CASE("no request fails with memcached", "[end_to_end][memcached]") {
    memcached_process memcached;
    counting_origin origin;
    const weir_instance weir(of(origin, tier(memcached, "timeout: 50ms")));
    CHECK(weir.ask_get("/before").status == 200);
    const auto break_it = GENERATE(0, 1);
    CAPTURE(break_it);
    if (break_it == 0) {
        memcached.kill();
    } else {
        memcached.program().signal(SIGSTOP);
    }
    for (int i = 0; i < 20; ++i) {
        const std::string target = "/after" + std::to_string(i);
        CHECK(weir.ask_get(target).content == "answer " + std::to_string(i + 2) + " to " + target);
        CHECK(weir.ask_get(target).content == "answer " + std::to_string(i + 2) + " to " + target);
    }
    CHECK(eventually([&] { return weir.log().find(memcached.address()) != std::string::npos; }));
    if (break_it == 0) {
        memcached.start();
    } else {
        memcached.program().signal(SIGCONT);
    }
    // It is taken back by itself: what is fetched now is there for another weir.
    CHECK(eventually([&] {
        const std::string target = "/again" + std::to_string(origin.count);
        weir.ask_get(target);
        const weir_instance other(of(origin, tier(memcached)));
        return cache_status(other.ask_get(target)).ends_with("detail=memcached");
    }));
}

TEST_CASE("what is asked of each server is counted", "[end_to_end][memcached][status]") {
    const memcached_process on_tcp;
    const memcached_process on_unix(memcached_process::where::unix_socket);
    counting_origin origin;
    const std::string top = "cache: {memory: off, memcached: {timeout: 5s, servers: [" + on_tcp.address() +
                            ", \"unix:" + on_unix.path() + "\"]}}\n";
    const weir_instance weir(of(origin, top));
    for (int i = 0; i < 40; ++i) weir.ask_get('/' + std::to_string(i));
    const auto sum = [&](const char* name) {
        std::int64_t total = 0;
        const boost::json::value status = weir.status();
        for (const auto& server : status.at("memcached").as_array()) {
            CHECK(server.at("state").as_string() == "in use");
            CHECK(server.at("requests").to_number<std::int64_t>() > 0);
            total += server.at(name).to_number<std::int64_t>();
        }
        return total;
    };
    CHECK(eventually([&] { return sum("stores") == 40; }));
    for (int i = 0; i < 40; ++i) weir.ask_get('/' + std::to_string(i));
    CHECK(origin.count == 40);
    CHECK(sum("hits") == 40);
    const std::string metrics = weir.ask_admin("/metrics").content;
    for (const std::string& server : {on_tcp.address(), "unix:" + on_unix.path()}) {
        CHECK(metrics.find("weir_memcached_open{server=\"" + server + "\"} 0\n") != std::string::npos);
        CHECK(metrics.find("weir_memcached_hits_total{server=\"" + server + "\"} 0\n") == std::string::npos);
        CHECK(metrics.find("weir_memcached_duration_seconds_count{server=\"" + server + "\"} ") != std::string::npos);
    }
    CHECK(metrics.find("weir_cache_requests_total{outcome=\"memcached\"} 40\n") != std::string::npos);
    CHECK(metrics.find("weir_cache_hits_total{tier=\"memcached\"} 40\n") != std::string::npos);
    const boost::json::value status = weir.status();
    CHECK(status.at("cache").at("hits").at("memcached") == 40);
    for (const auto& server : status.at("memcached").as_array()) {
        CHECK(server.at("latency").at("count").to_number<std::int64_t>() > 0);
        CHECK(server.at("mean_batch").to_number<double>() >= 1);
        CHECK(server.at("since").as_string().ends_with("Z"));
    }
}

TEST_CASE("the status says how a weir stands to the log of purges", "[end_to_end][memcached][purge][status]") {
    memcached_process memcached;
    counting_origin origin;
    const weir_instance weir(of(origin, tier(memcached)));
    const auto log = [&] { return weir.status().at("purge_log"); };
    const std::string purge = "PURGE / HTTP/1.1\r\nHost: test.example\r\n\r\n";
    CHECK(eventually([&] { return log().at("in_step") == true && log().at("last_read").is_string(); }));
    CHECK(log().at("times_lost") == 0);
    CHECK(weir.ask(purge).status == 200);
    CHECK(eventually([&] { return log().at("appended") == 1 && log().at("waiting") == 0; }));
    memcached.kill();
    CHECK(weir.ask(purge).status == 200);
    CHECK(eventually([&] { return log().at("in_step") == false && log().at("waiting") == 1; }));
    memcached.start();
    CHECK(eventually([&] { return log().at("in_step") == true && log().at("waiting") == 0; }));
    CHECK(log().at("times_lost") == 1);
    CHECK(eventually(
        [&] { return weir.ask_admin("/metrics").content.find("weir_purge_log_lost_total 1\n") != std::string::npos; }));
}

TEST_CASE("weir starts without its memcached", "[end_to_end][memcached]") {
    const refusing_port nobody;
    counting_origin origin;
    const weir_instance weir(of(origin, "cache: {memcached: {servers: [" + nobody.address() + "]}}\n"));
    CHECK(weir.ask_get("/").content == "answer 1 to /");
    CHECK(weir.ask_get("/").content == "answer 1 to /");
    CHECK(eventually([&] { return weir.log().find(nobody.address()) != std::string::npos; }));
}

}  // namespace weir::test
