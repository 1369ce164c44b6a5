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
        {"app: +127.0.0.1:9003 -127.0.0.1:9001 settings",
         [](auto& s) {
             s.upstreams["app"].servers[0].address = test::make_address("127.0.0.1:9003");
             s.upstreams["app"].retry.retries = 5;
         }},
        {"app: +127.0.0.1:9003 settings",
         [](auto& s) {
             auto& servers = s.upstreams["app"].servers;
             servers.push_back({.address = test::make_address("127.0.0.1:9003")});
             servers[0].weight = 5;
         }},
    };
    for (const row& r : rows) {
        conf::settings now = before;
        r.change(now);
        CHECK(describe_changes(before, now) == r.expected);
    }
}

namespace {

struct described {
    described() {
        auto settings = test::make_settings({{"app", {"127.0.0.1:9001"}}});
        settings.upstreams["app"].slow_start = 10'000ms;
        settings.upstreams["app"].servers[0].max_in_flight = 20;
        upstreams = registry.make(settings);
        registry.put_to_use(upstreams);
    }
    const balancer::upstream::member& member() const { return upstreams.at("app").upstream->members[0]; }
    balancer::endpoint& endpoint() const { return *member().endpoint; }
    endpoint_status now(const endpoint_notes& notes = {}) const { return describe(member(), notes, at); }

    steady::time_point at{100s};
    upstream_registry registry{2};
    std::map<std::string, upstream_in_use> upstreams;
};

void resolve(balancer::endpoint& one) {
    one.set_addresses(std::make_shared<const balancer::address_list>(1));
}

}  // namespace

TEST_CASE("an endpoint is described with its numbers", "[proxy][changes][status]") {
    described d;
    resolve(d.endpoint());
    d.endpoint().try_take_slot();
    d.endpoint().try_take_slot();
    d.endpoint().idle_connections = -1;  // between two relaxed updates
    d.endpoint().requests = 30;
    d.endpoint().failures = 4;
    balancer::upstream::member member = d.member();
    member.weight = 4;
    member.backup = true;
    const auto got = describe(member, {.checks = checks_status{.started = 3, .done = 2}}, d.at);
    CHECK(got.address == "127.0.0.1:9001");
    CHECK(got.state == "up");
    CHECK(got.reason.empty());
    CHECK(got.out_of_use.empty());
    CHECK(got.in_flight == 2);
    CHECK(got.max_in_flight == 20u);
    CHECK(got.idle_connections == 0);
    CHECK(got.requests == 30);
    CHECK(got.failures == 4);
    CHECK(got.weight == 4);
    CHECK(got.backup);
    REQUIRE(got.checks);
    CHECK(got.checks->started == 3);
}

TEST_CASE("an endpoint's state is what says most of it", "[proxy][changes][status]") {
    using balancer::out_of_use;
    described d;
    const endpoint_notes notes{.down_why = "3 checks failed: status 500", .ejected_why = "5 failures in 10s"};
    CHECK(d.now().state == "unresolved");
    CHECK(d.now().reason == "its name does not resolve");
    resolve(d.endpoint());
    CHECK(d.now().state == "up");

    d.endpoint().pass_over(d.at, 1s);
    CHECK(d.now().state == "passed over");
    CHECK(d.now().out_of_use.empty());
    d.at += 1s;
    CHECK(d.now().state == "up");

    d.endpoint().let_rest(d.at, 60s);
    CHECK(d.now().state == "resting");
    CHECK(d.now().reason == "it answered 503 and asked to be left alone");
    CHECK(d.now().out_of_use.empty());
    d.endpoint().pass_over(d.at, 1s);
    CHECK(d.now().state == "passed over");
    d.at += 60s;
    CHECK(d.now().state == "up");

    d.endpoint().set(out_of_use::ejected, true, d.at);
    CHECK(d.now(notes).state == "ejected");
    CHECK(d.now(notes).reason == "5 failures in 10s");
    d.endpoint().set(out_of_use::unhealthy, true, d.at);
    CHECK(d.now(notes).state == "down");
    d.endpoint().set(out_of_use::draining, true, d.at);
    CHECK(d.now(notes).state == "draining");
    CHECK(d.now(notes).reason == "by hand; down: 3 checks failed: status 500; ejected: 5 failures in 10s");
    CHECK(d.now(notes).out_of_use == std::vector<std::string>{"draining", "down", "ejected"});
    d.endpoint().set(out_of_use::held_down, true, d.at);
    CHECK(d.now(notes).state == "held down");

    for (const auto why : {out_of_use::ejected, out_of_use::unhealthy, out_of_use::draining, out_of_use::held_down})
        d.endpoint().set(why, false, d.at);
    CHECK(d.now().state == "slow start");
    CHECK(d.now().share_percent == 10);
    CHECK(d.now().reason == "it gets 10% of its share");
    d.at += 10s;
    CHECK(d.now().state == "up");
}

TEST_CASE("an upstream is described with what its workers counted", "[proxy][changes][status]") {
    described d;
    const auto& [upstream, counters] = d.upstreams.at("app");
    counters->by_worker[0].responses[2].add(10);
    counters->by_worker[1].responses[2].add(5);
    counters->by_worker[1].retries.add(3);
    const upstream_status status = describe(*upstream, *counters);
    CHECK(status.name == "app");
    CHECK(status.responses[2] == 15);
    CHECK(status.retries == 3);
    CHECK(status.queued == 0);
}
