#include "proxy/control.hpp"

#include <catch2/catch.hpp>

#include "proxy/log.hpp"
#include "proxy/upstream_registry.hpp"
#include "test/proxy/settings.hpp"

using namespace weir;
using namespace weir::proxy;
using balancer::out_of_use;
using namespace std::chrono_literals;

namespace {

const balancer::clock::time_point now{1000s};

struct two_servers {
    two_servers() {
        log::set_level(log::level::error);
        auto settings = test::make_settings({{"app", {"127.0.0.1:9001", "127.0.0.1:9002"}}, {"blog", {"unix:/run/b"}}});
        settings.upstreams["app"].slow_start = 10'000ms;
        upstreams = registry.make(settings);
        registry.put_to_use(upstreams);
        for (const auto& one : all_endpoints(upstreams))
            one->set_addresses(std::make_shared<const balancer::address_list>(1));
    }
    ~two_servers() { log::set_level(log::level::info); }

    hand_result change(const char* upstream, const char* address, by_hand action,
                       balancer::clock::time_point at = now) {
        return change_by_hand({upstream, address, action}, upstreams, at);
    }
    balancer::endpoint& first() { return *upstreams.at("app").upstream->members[0].endpoint; }

    upstream_registry registry{1};
    std::map<std::string, upstream_in_use> upstreams;
};

}  // namespace

TEST_CASE("a change by hand is named by its path", "[proxy][control]") {
    struct row {
        const char* path;
        const char* upstream;
        const char* address;
        by_hand action;
    };
    const row rows[] = {
        {"/upstreams/app/servers/127.0.0.1:9001/drain", "app", "127.0.0.1:9001", by_hand::drain},
        {"/upstreams/app/servers/127.0.0.1%3A9001/ready", "app", "127.0.0.1:9001", by_hand::ready},
        {"/upstreams/app/servers/App.Example:80/down", "app", "app.example:80", by_hand::down},
        {"/upstreams/app/servers/[::1]:80/down", "app", "[::1]:80", by_hand::down},
        {"/upstreams/app/servers/%5B::1%5D:80/down", "app", "[::1]:80", by_hand::down},
        {"/upstreams/app/servers/unix:%2Frun%2fa.sock/drain", "app", "unix:/run/a.sock", by_hand::drain},
        {"/upstreams/app/servers/unix:/run/a.sock/drain", "app", "unix:/run/a.sock", by_hand::drain},
        {"/upstreams/a%20b/servers/no-address/drain", "a b", "no-address", by_hand::drain},
    };
    for (const row& r : rows) {
        CAPTURE(r.path);
        const auto got = parse_hand_change(r.path);
        REQUIRE(got);
        CHECK(got->upstream == r.upstream);
        CHECK(got->address == r.address);
        CHECK(got->action == r.action);
        // What a client makes of it is read back as the same.
        const auto again = parse_hand_change(path_of(*got));
        REQUIRE(again);
        CHECK(again->address == got->address);
        CHECK(again->upstream == got->upstream);
    }
    for (const char* path :
         {"", "/upstreams", "/upstreams/app", "/upstreams/app/servers", "/upstreams/app/servers/",
          "/upstreams/app/servers/127.0.0.1:9001", "/upstreams/app/servers/127.0.0.1:9001/",
          "/upstreams/app/servers//drain", "/upstreams//servers/127.0.0.1:9001/drain",
          "/upstreams/app/servers/127.0.0.1:9001/Drain", "/upstreams/app/servers/127.0.0.1:9001/drain/",
          "/upstreams/app/servers/%zz/drain", "/upstreams/app/servers/127.0.0.1:9001%/drain",
          "/x/upstreams/app/servers/127.0.0.1:9001/drain"}) {
        CAPTURE(path);
        CHECK_FALSE(parse_hand_change(path));
    }
}

TEST_CASE("drain, down and ready change what a person said, and nothing else", "[proxy][control]") {
    two_servers under_test;
    balancer::endpoint& one = under_test.first();
    REQUIRE(one.in_use());

    const hand_result drained = under_test.change("app", "127.0.0.1:9001", by_hand::drain);
    REQUIRE(drained.member);
    CHECK(drained.member->endpoint.get() == &one);
    CHECK(drained.upstream->name == "app");
    CHECK(one.is(out_of_use::draining));

    under_test.change("app", "127.0.0.1:9001", by_hand::down);
    CHECK(one.is(out_of_use::held_down));
    CHECK_FALSE(one.is(out_of_use::draining));
    under_test.change("app", "127.0.0.1:9001", by_hand::drain);
    CHECK_FALSE(one.is(out_of_use::held_down));
    CHECK(one.is(out_of_use::draining));

    one.set(out_of_use::unhealthy, true, now);
    under_test.change("app", "127.0.0.1:9001", by_hand::ready);
    CHECK_FALSE(one.is(out_of_use::draining));
    CHECK(one.is(out_of_use::unhealthy));
    CHECK(under_test.upstreams.at("app").upstream->members[1].endpoint->in_use());
}

TEST_CASE("ready starts slowly, is not passed over, and is no return when it was never away", "[proxy][control]") {
    two_servers under_test;
    balancer::endpoint& one = under_test.first();
    under_test.change("app", "127.0.0.1:9001", by_hand::ready);
    CHECK(one.share_percent(now) == 100);
    under_test.change("app", "127.0.0.1:9001", by_hand::drain);
    one.pass_over(now, 1h);
    under_test.change("app", "127.0.0.1:9001", by_hand::ready, now + 5s);
    CHECK(one.usable(now + 5s));
    CHECK(one.share_percent(now + 5s) == 10);
    CHECK(one.share_percent(now + 10s) == 50);
    CHECK(one.share_percent(now + 15s) == 100);
}

TEST_CASE("what is not known is answered with what is", "[proxy][control]") {
    two_servers under_test;
    const hand_result no_upstream = under_test.change("ap", "127.0.0.1:9001", by_hand::drain);
    CHECK_FALSE(no_upstream.member);
    CHECK(no_upstream.why == "there is no upstream ap; there are: app, blog");
    const hand_result no_server = under_test.change("app", "127.0.0.1:9003", by_hand::drain);
    CHECK_FALSE(no_server.member);
    CHECK(no_server.why == "app has no server 127.0.0.1:9003; it has: 127.0.0.1:9001, 127.0.0.1:9002");
    CHECK(under_test.first().in_use());
}

TEST_CASE("a reload keeps what a person said", "[proxy][control][reload]") {
    two_servers under_test;
    under_test.change("app", "127.0.0.1:9001", by_hand::drain);
    auto settings = test::make_settings({{"app", {"127.0.0.1:9003", "127.0.0.1:9001"}}});
    const auto made = under_test.registry.make(settings);
    under_test.registry.put_to_use(made);
    CHECK(made.at("app").upstream->members[1].endpoint->is(out_of_use::draining));
}
