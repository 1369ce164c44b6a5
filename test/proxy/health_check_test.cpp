#include "proxy/health_check.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "test/proxy/settings.hpp"

using namespace weir;
using namespace weir::proxy;
using namespace std::chrono_literals;
using test::make_address;

TEST_CASE("a check asks with the Host of the upstream's requests", "[proxy][health]") {
    conf::upstream_settings upstream;
    upstream.health = conf::health_settings{.path = "/alive?deep=1"};
    const auto expect = [&](const char* address, const std::string& host) {
        CHECK(check_request(upstream, make_address(address)) ==
              "GET /alive?deep=1 HTTP/1.1\r\nHost: " + host +
                  "\r\nUser-Agent: weir-health\r\nConnection: close\r\n\r\n");
    };
    SECTION("the client's, which there is none of") {
        expect("127.0.0.1:9001", "127.0.0.1:9001");
        expect("[::1]:9001", "[::1]:9001");
        expect("unix:/run/a.sock", "localhost");
    }
    SECTION("the server's own") {
        upstream.host = {conf::host_rule::kind::server, {}};
        expect("app.example:80", "app.example:80");
    }
    SECTION("a literal") {
        upstream.host = {conf::host_rule::kind::literal, "www.example"};
        expect("127.0.0.1:9001", "www.example");
        expect("unix:/run/a.sock", "www.example");
    }
}

TEST_CASE("an answer is good by its status alone", "[proxy][health]") {
    const conf::health_settings usual;
    CHECK(fault_of({.status = 200}, usual).empty());
    CHECK(fault_of({.status = 399}, usual).empty());
    CHECK(fault_of({.status = 199}, usual) == "status 199");
    CHECK(fault_of({.status = 404}, usual) == "status 404");
    CHECK(fault_of({.fault = "connection refused", .status = 200}, usual) == "connection refused");
    const conf::health_settings strict{.expect_from = 204, .expect_to = 204};
    CHECK(fault_of({.status = 204}, strict).empty());
    CHECK(fault_of({.status = 200}, strict) == "status 200");
}

TEST_CASE("checks of many endpoints are spread", "[proxy][health]") {
    const auto interval = GENERATE(500ms, 2000ms, 3'600'000ms);
    std::vector<std::chrono::milliseconds> firsts;
    for (std::uint32_t id = 0; id < 100; ++id) {
        firsts.push_back(first_check_after(id, interval));
        CHECK(firsts.back() >= 0ms);
        CHECK(firsts.back() < std::min(interval, 1000ms));
        CHECK(next_check_after(id, interval) >= interval * 95 / 100);
        CHECK(next_check_after(id, interval) <= interval * 105 / 100);
    }
    // In each tenth of the time about a tenth of them.
    const auto tenth = std::min(interval, 1000ms) / 10;
    for (int i = 0; i < 10; ++i) {
        const auto in_it = std::ranges::count_if(firsts, [&](auto f) { return f >= tenth * i && f < tenth * (i + 1); });
        CHECK(in_it >= 7);
        CHECK(in_it <= 13);
    }
}
