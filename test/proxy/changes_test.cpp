#include "proxy/changes.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "proxy/upstream_registry.hpp"
#include "test/proxy/settings.hpp"

using namespace weir;
using namespace weir::proxy;
using test::make_settings;
using namespace std::chrono_literals;

TEST_CASE("a reload's summary names what changed", "[proxy][changes][reload]") {
    const conf::settings before = make_settings({{"app", {"127.0.0.1:9001", "127.0.0.1:9002"}}});
    struct row {
        const char* expected;
        std::function<void(conf::settings&)> change;
    };
    const row rows[] = {
        {"nothing changed", [](auto&) {}},
        {"listen", [](auto& s) { s.listen.push_back({test::make_address("127.0.0.1:8880")}); }},
        {"routes", [](auto& s) { s.routes.push_back({.upstream = "app"}); }},
        {"client", [](auto& s) { s.client.max_fields = 7; }},
        {"buffering", [](auto& s) { s.buffering.memory_max_bytes = 1; }},
        {"cache", [](auto& s) { s.cache.memory_bytes.reset(); }},
        {"log", [](auto& s) { s.log.format = conf::log_format::json; }},
        {"admin", [](auto& s) { s.admin.token = "x"; }},
        {"dns", [](auto& s) { s.dns.refresh.reset(); }},
        {"drain_timeout", [](auto& s) { s.drain_timeout = 1ms; }},
        {"app: settings", [](auto& s) { s.upstreams["app"].retry.retries = 5; }},
        {"app: settings", [](auto& s) { s.upstreams["app"].servers[0].weight = 5; }},
        {"app: settings", [](auto& s) { std::swap(s.upstreams["app"].servers[0], s.upstreams["app"].servers[1]); }},
        {"app: -127.0.0.1:9001", [](auto& s) { s.upstreams["app"].servers.erase(s.upstreams["app"].servers.begin()); }},
        {"blog: new", [](auto& s) { s.upstreams["blog"] = s.upstreams["app"]; }},
        {"app: gone", [](auto& s) { s.upstreams.clear(); }},
        {"blog: new; app: gone",
         [](auto& s) {
             s.upstreams["blog"] = s.upstreams["app"];
             s.upstreams.erase("app");
         }},
        {"app: +127.0.0.1:9003 -127.0.0.1:9001; routes; client",
         [](auto& s) {
             s.upstreams["app"].servers[0].address = test::make_address("127.0.0.1:9003");
             s.routes.push_back({.upstream = "app"});
             s.client.max_fields = 7;
         }},
    };
    for (const row& r : rows) {
        conf::settings now = before;
        r.change(now);
        CHECK(describe_changes(before, now) == r.expected);
    }
}

TEST_CASE("an upstream is described with the state of its endpoints", "[proxy][changes][status]") {
    const steady::time_point now{100s};
    auto settings = make_settings({{"app", {"127.0.0.1:9001", "127.0.0.1:9002", "app.example:80"}}});
    settings.upstreams["app"].servers[1].weight = 4;
    settings.upstreams["app"].servers[1].backup = true;
    upstream_registry registry(2);
    const auto made = registry.make(settings);
    const auto& [upstream, counters] = made.at("app");
    for (const auto& member : upstream->members) {
        if (member.endpoint->name() == "app.example:80") continue;
        member.endpoint->set_addresses(std::make_shared<const balancer::address_list>(1));
    }
    balancer::endpoint& first = *upstream->members[0].endpoint;
    first.try_take_slot();
    first.try_take_slot();
    first.idle_connections = -1;  // between two relaxed updates
    first.requests = 30;
    first.failures = 4;
    upstream->members[1].endpoint->pass_over(now, 1s);
    counters->by_worker[0].responses[2].add(10);
    counters->by_worker[1].responses[2].add(5);
    counters->by_worker[1].retries.add(3);

    const upstream_status status = describe(*upstream, *counters, now);
    CHECK(status.name == "app");
    CHECK(status.responses[2] == 15);
    CHECK(status.retries == 3);
    REQUIRE(status.endpoints.size() == 3);
    CHECK(status.endpoints[0].address == "127.0.0.1:9001");
    CHECK(status.endpoints[0].state == "up");
    CHECK(status.endpoints[0].reason.empty());
    CHECK(status.endpoints[0].in_flight == 2);
    CHECK(status.endpoints[0].idle_connections == 0);
    CHECK(status.endpoints[0].requests == 30);
    CHECK(status.endpoints[0].failures == 4);
    CHECK(status.endpoints[1].state == "passed over");
    CHECK_FALSE(status.endpoints[1].reason.empty());
    CHECK(status.endpoints[1].weight == 4);
    CHECK(status.endpoints[1].backup);
    CHECK(status.endpoints[2].state == "unresolved");
    CHECK_FALSE(status.endpoints[2].reason.empty());
    CHECK(describe(*upstream, *counters, now + 1s).endpoints[1].state == "up");
}
