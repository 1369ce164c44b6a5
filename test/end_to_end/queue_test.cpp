// Admission: endpoints get no more than they can do, the rest waits in line or is told so, and who has left does not.
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

configuration one_slot(const std::string& queue) {
    configuration parts;
    parts.upstream = "    max_in_flight: 1\n    queue: " + queue + "\n    retry: off\n";
    parts.route = no_cache;
    parts.admin = true;
    return parts;
}

// Answers /hold only once the gate opens, all else at once.
scripted_origin::script holding(gate& let_go) {
    return [&let_go](origin_connection& one) {
        for (;;) {
            const request asked = one.read_request();
            if (asked.target == "/hold") let_go.wait();
            one.send(ok(asked.target));
        }
    };
}

bool waiting(const weir_instance& weir, int count) {
    return eventually([&] {
        return weir.ask_admin("/metrics")
                   .content.find("weir_queue_length{upstream=\"app\"} " + std::to_string(count) + "\n") !=
               std::string::npos;
    });
}

// One request is at the origin until its gate opens, another waits for its slot.
struct held_and_second {
    held_and_second(const weir_instance& weir, const scripted_origin& origin)
        : held(weir.client()), second(weir.client()) {
        held.send(get("/hold"));
        origin.wait_for_requests(1);
        second.send(get("/second"));
        CHECK(waiting(weir, 1));
    }
    raw_client held;
    raw_client second;
};

}  // namespace

TEST_CASE("a request waits for a slot, in order, and tells the application how long", "[end_to_end][queue]") {
    gate let_go;
    configuration parts = one_slot("{length: 10, timeout: 60s}");
    parts.workers = 2;
    const origin_and_weir under_test(holding(let_go), parts);
    auto [first, second] = held_and_second(under_test.weir, under_test.origin);
    auto third = under_test.weir.client();
    third.send(get("/third"));
    CHECK(waiting(under_test.weir, 2));
    CHECK(under_test.origin.requests() == 1);
    let_go.open();
    CHECK(first.read_response().content == "/hold");
    CHECK(second.read_response().content == "/second");
    CHECK(third.read_response().content == "/third");
    const auto seen = under_test.origin.seen();
    REQUIRE(seen.size() == 3);
    CHECK_FALSE(seen[0].has("X-Queue-Time"));
    CHECK(seen[1].target == "/second");
    CHECK(std::stoi(seen[1].text("X-Queue-Time")) > 0);
    CHECK(seen[2].has("X-Queue-Time"));
    CHECK(waiting(under_test.weir, 0));
}

TEST_CASE("a full queue answers 503 at once, and one that is too slow when the time is over", "[end_to_end][queue]") {
    gate let_go;
    const auto [queue, error] = GENERATE(table<std::string, std::string>({
        {"{length: 1, timeout: 60s}", "queue-full"},
        {"off", "queue-full"},
        {"{length: 10, timeout: 50ms}", "queue-timeout"},
    }));
    CAPTURE(queue);
    configuration parts = one_slot(queue);
    parts.access_log = "stdout, format: json";
    origin_and_weir under_test(holding(let_go), parts);
    auto first = under_test.weir.client();
    first.send(get("/hold"));
    under_test.origin.wait_for_requests(1);
    std::optional<raw_client> second;
    if (queue.find("length: 1,") != std::string::npos) {
        second.emplace(under_test.weir.client());
        second->send(get("/second"));
        CHECK(waiting(under_test.weir, 1));
    }
    auto third = under_test.weir.client();
    const response refused = third.ask_get("/third");
    CHECK(refused.status == 503);
    CHECK(refused.text("Retry-After") == "1");
    CHECK(refused.text("Proxy-Status") == "weir; error=connection_limit_reached");
    CHECK(eventually([&] { return under_test.weir.program().output().find(error) != std::string::npos; }));
    let_go.open();
    CHECK(first.read_response().status == 200);
    if (second) CHECK(second->read_response().content == "/second");
    // The refused client's connection is as good as before.
    CHECK(third.ask_get("/again").content == "/again");
}

TEST_CASE("a higher priority goes first", "[end_to_end][queue][priority]") {
    gate let_go;
    configuration parts = one_slot("{length: 10, timeout: 60s}");
    scripted_origin origin(holding(let_go));
    parts.servers = {origin.address()};
    std::string written = parts.yaml();
    const std::size_t routes = written.find("routes:\n") + 8;
    written.insert(routes,
                   "  - match: {path: /low}\n    upstream: app\n    priority: low\n    cache: off\n"
                   "  - match: {path: /high}\n    upstream: app\n    priority: high\n    cache: off\n");
    const weir_instance weir(written);
    auto first = weir.client();
    first.send(get("/hold"));
    origin.wait_for_requests(1);
    auto low = weir.client();
    low.send(get("/low"));
    CHECK(waiting(weir, 1));
    auto normal = weir.client();
    normal.send(get("/normal"));
    CHECK(waiting(weir, 2));
    auto high = weir.client();
    high.send(get("/high"));
    CHECK(waiting(weir, 3));
    let_go.open();
    CHECK(low.read_response().status == 200);
    const auto seen = origin.seen();
    REQUIRE(seen.size() == 4);
    CHECK(seen[1].target == "/high");
    CHECK(seen[2].target == "/normal");
    CHECK(seen[3].target == "/low");
}

TEST_CASE("a client that leaves the queue is never served", "[end_to_end][queue][departure]") {
    gate let_go;
    const bool reset = GENERATE(false, true);
    // With more than one, who waits may be all that its worker has to do.
    const unsigned workers = GENERATE(1U, 3U);
    CAPTURE(reset, workers);
    configuration parts = one_slot("{length: 10, timeout: 60s}");
    parts.workers = workers;
    const origin_and_weir under_test(holding(let_go), parts);
    auto [first, second] = held_and_second(under_test.weir, under_test.origin);
    reset ? second.stream().reset() : second.stream().close();
    CHECK(waiting(under_test.weir, 0));
    let_go.open();
    CHECK(first.read_response().status == 200);
    CHECK(under_test.weir.ask_get("/third").content == "/third");
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("a client that leaves while its endpoint works frees the endpoint", "[end_to_end][departure]") {
    const bool reset = GENERATE(false, true);
    const std::string begun = GENERATE("", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    CAPTURE(reset, begun);
    const origin_and_weir under_test(
        [&](origin_connection& one) {
            const request asked = one.read_request();
            if (asked.target != "/left") return one.send(ok(asked.target));
            one.send(begun);
            one.wait_for_end();
        },
        one_slot("{length: 10, timeout: 60s}"));
    auto leaving = under_test.weir.client();
    leaving.send(get("/left"));
    under_test.origin.wait_for_requests(1);
    if (!begun.empty()) CHECK(leaving.stream().take_until("abc").ends_with("abc"));
    reset ? leaving.stream().reset() : leaving.stream().close();
    under_test.origin.wait_for_ended(1);
    CHECK(under_test.weir.ask_get("/next").content == "/next");
    CHECK(under_test.origin.faults().empty());
}

TEST_CASE("a response that will be stored is fetched to its end for others", "[end_to_end][departure][cache]") {
    gate left;
    configuration parts;
    parts.upstream = "    max_in_flight: 1\n";
    parts.admin = true;
    const origin_and_weir under_test(
        [&](origin_connection& one) {
            one.read_request();
            one.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 200000\r\n\r\n");
            one.send(std::string(100'000, 'a'));
            left.wait();
            one.send(std::string(100'000, 'a'));
        },
        parts);
    auto leaving = under_test.weir.client();
    leaving.send(get("/"));
    CHECK(leaving.stream().take_until("aaaa").ends_with("aaaa"));
    leaving.stream().reset();
    left.open();
    CHECK(eventually([&] {
        return under_test.weir.ask_admin("/metrics").content.find("weir_cache_responses 1\n") != std::string::npos;
    }));
    CHECK(under_test.weir.ask_get("/").text("Cache-Status").starts_with("weir; hit"));
    CHECK(under_test.origin.requests() == 1);
}

TEST_CASE("a slot is given back however an exchange ends", "[end_to_end][queue]") {
    const std::string ending = GENERATE("close", "reset", "garbage", "cut", "whole");
    CAPTURE(ending);
    const origin_and_weir under_test(
        [&](origin_connection& one) {
            const request asked = one.read_request();
            if (asked.target == "/fine" || ending == "whole") return one.send(ok("fine"));
            if (ending == "reset") return one.reset();
            if (ending == "garbage") return one.send("garbage\r\n\r\n");
            if (ending == "cut") return one.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
        },
        one_slot("off"));
    for (int i = 0; i < 3; ++i) under_test.weir.ask_get("/ends");
    const response got = under_test.weir.ask_get("/fine");
    CHECK(got.status == 200);
    CHECK(got.content == "fine");
}

TEST_CASE("after an outage nobody is served who has gone", "[end_to_end][queue][departure]") {
    gate back;
    const origin_and_weir under_test(holding(back), one_slot("{length: 100, timeout: 60s}"));
    auto first = under_test.weir.client();
    first.send(get("/hold"));
    under_test.origin.wait_for_requests(1);
    {
        std::vector<raw_client> gone;
        for (int i = 0; i < 50; ++i) {
            gone.push_back(under_test.weir.client());
            gone.back().send(get("/gone"));
        }
        CHECK(waiting(under_test.weir, 50));
        auto patient = under_test.weir.client();
        patient.send(get("/patient"));
        CHECK(waiting(under_test.weir, 51));
        gone.clear();
        CHECK(waiting(under_test.weir, 1));
        back.open();
        CHECK(patient.read_response().content == "/patient");
    }
    CHECK(first.read_response().content == "/hold");
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("more than can be done is answered or refused, never passed on", "[end_to_end][queue][overload]") {
    constexpr int waves = 3;
    std::array<gate, waves + 1> done;
    std::atomic<std::size_t> wave{0};
    std::atomic<int> at_once{0};
    std::atomic<int> most{0};
    configuration parts;
    parts.upstream = "    max_in_flight: 3\n    queue: {length: 20, timeout: 60s}\n    retry: off\n";
    parts.route = no_cache;
    parts.admin = true;
    parts.workers = 2;
    const origin_and_weir under_test(
        [&](origin_connection& one) {
            for (;;) {
                one.read_request();
                const int now = ++at_once;
                for (int known = most; now > known && !most.compare_exchange_weak(known, now);) {
                }
                done[wave].wait();
                --at_once;
                one.send(ok("done"));
            }
        },
        parts);
    int answered = 0;
    int refused = 0;
    for (; wave < waves; ++wave) {
        std::vector<raw_client> clients;
        for (int i = 0; i < 60; ++i) {
            clients.push_back(under_test.weir.client());
            clients.back().send(get("/"));
        }
        const std::string all_refused =
            "weir_queue_refused_total{upstream=\"app\",reason=\"full\"} " + std::to_string(37 * (wave + 1)) + "\n";
        CHECK(eventually(
            [&] { return under_test.weir.ask_admin("/metrics").content.find(all_refused) != std::string::npos; }));
        done[wave].open();
        for (raw_client& client : clients) {
            const response got = client.read_response();
            CAPTURE(got.status);
            const bool well = got.status == 200 && got.content == "done";
            CHECK((well || (got.status == 503 && got.text("Retry-After") == "1")));
            well ? ++answered : ++refused;
        }
    }
    CHECK(answered == 23 * waves);
    CHECK(refused == 37 * waves);
    CHECK(under_test.origin.requests() == static_cast<std::size_t>(answered));
    CHECK(most == 3);
    done[waves].open();
    for (int i = 0; i < 5; ++i) CHECK(under_test.weir.ask_get("/").status == 200);
}

TEST_CASE("who waits for an upstream that a reload renames is served", "[end_to_end][queue][reload]") {
    gate let_go;
    scripted_origin origin(holding(let_go));
    configuration parts = one_slot("{length: 10, timeout: 60s}");
    parts.servers = {origin.address()};
    weir_instance weir(parts);
    auto [first, second] = held_and_second(weir, origin);
    std::string renamed = parts.yaml();
    for (std::size_t at = 0; (at = renamed.find("app", at)) != std::string::npos; at += 3)
        renamed.replace(at, 3, "web");
    CHECK(weir.reload(renamed).find("reloaded") != std::string::npos);
    let_go.open();
    CHECK(first.read_response().content == "/hold");
    CHECK(second.read_response().content == "/second");
    CHECK(weir.ask_get("/third").content == "/third");
}

}  // namespace weir::test
