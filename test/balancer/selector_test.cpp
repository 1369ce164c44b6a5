#include "balancer/selector.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "support.hpp"

namespace weir::balancer::test {

TEST_CASE("a sticky client gets its endpoint under every policy", "[balancer][selector][sticky]") {
    const auto policy =
        GENERATE(conf::balance_policy::round_robin, conf::balance_policy::least_requests, conf::balance_policy::hash);
    const upstream among = make_upstream({{}, {}, {}}, policy);
    const affinity own{.hash = 1, .sticky = among.members[2].endpoint->address_hash()};
    selector from;
    for (int i = 0; i < 20; ++i) CHECK(from.choose(among, now, {}, own).endpoint == among.members[2].endpoint);
}

TEST_CASE("a sticky client waits for its own endpoint", "[balancer][selector][sticky]") {
    const upstream among = make_upstream({{}, {.max_in_flight = 1}});
    const affinity own{.sticky = among.members[1].endpoint->address_hash()};
    selector from;
    REQUIRE(from.choose(among, now, {}, own).endpoint == among.members[1].endpoint);
    const choice second = from.choose(among, now, {}, own);
    CHECK_FALSE(second.endpoint);
    CHECK(second.full);
    CHECK(second.wait_for == among.members[1].endpoint.get());
    CHECK(among.members[1].endpoint->in_flight() == 1);
}

TEST_CASE("a sticky client goes elsewhere when its endpoint is not to be had", "[balancer][selector][sticky]") {
    const upstream among = make_upstream({{}, {}});
    endpoint& own = *among.members[1].endpoint;
    affinity request{.sticky = own.address_hash()};
    std::vector<std::uint32_t> tried;
    SECTION("it is down") {
        own.set(out_of_use::unhealthy, true, now);
    }
    SECTION("it drains") {
        own.set(out_of_use::draining, true, now);
    }
    SECTION("it refused just now") {
        own.pass_over(now, std::chrono::seconds(1));
    }
    SECTION("it was tried") {
        tried.push_back(own.id());
    }
    SECTION("nobody knows it") {
        request.sticky = 12345;
        own.try_take_slot();
        own.configure(1, {});
    }
    selector from;
    for (int i = 0; i < 4; ++i) CHECK(from.choose(among, now, tried, request).endpoint == among.members[0].endpoint);
}

TEST_CASE("a sticky client stays with a backup that it came to", "[balancer][selector][sticky]") {
    const upstream among = make_upstream({{}, {.backup = true}});
    const affinity own{.sticky = among.members[1].endpoint->address_hash()};
    selector from;
    CHECK(from.choose(among, now, {}, own).endpoint == among.members[1].endpoint);
}

TEST_CASE("a full group does not send its requests to the backups", "[balancer][selector]") {
    const auto policy =
        GENERATE(conf::balance_policy::round_robin, conf::balance_policy::least_requests, conf::balance_policy::hash);
    const upstream among = make_upstream({{.max_in_flight = 1}, {.max_in_flight = 2}, {.backup = true}}, policy);
    selector from;
    for (int i = 0; i < 3; ++i) CHECK(from.choose(among, now, {}, {}).endpoint->id() != 2);
    const choice none = from.choose(among, now, {}, {});
    CHECK_FALSE(none.endpoint);
    CHECK(none.full);
    CHECK(none.wait_for == nullptr);
}

TEST_CASE("when all are down all are tried, but none that was taken out by hand", "[balancer][selector]") {
    const upstream among = make_upstream({{}, {}, {}});
    among.members[0].endpoint->set(out_of_use::unhealthy, true, now);
    among.members[1].endpoint->set(out_of_use::ejected, true, now);
    among.members[2].endpoint->set(out_of_use::held_down, true, now);
    selector from;
    std::vector<int> served(3);
    for (int i = 0; i < 10; ++i) ++served[from.choose(among, now, {}, {}).endpoint->id()];
    CHECK(served == std::vector<int>{5, 5, 0});
}

TEST_CASE("a request that began before a reload may ask who is gone, if all are", "[balancer][selector][reload]") {
    const upstream among = make_upstream({{}, {}});
    selector from;
    among.members[0].endpoint->set(out_of_use::gone, true, now);
    for (int i = 0; i < 3; ++i) CHECK(from.choose(among, now, {}, {}).endpoint->id() == 1);
    among.members[1].endpoint->set(out_of_use::gone, true, now);
    CHECK(from.choose(among, now, {}, {}).endpoint);
}

TEST_CASE("nobody is full where nobody may be asked", "[balancer][selector]") {
    const upstream among = make_upstream({{}});
    selector from;
    const std::uint32_t tried[] = {0};
    const choice none = from.choose(among, now, tried, {});
    CHECK_FALSE(none.endpoint);
    CHECK_FALSE(none.full);
}

TEST_CASE("one that rests keeps its sticky clients, and backups out", "[balancer][selector]") {
    const upstream among = make_upstream({{}, {}, {.backup = true}});
    selector turns;
    among.members[0].endpoint->let_rest(now, std::chrono::seconds(10));
    const auto chosen = [&](const affinity& request) {
        const choice made = turns.choose(among, now, {}, request);
        made.endpoint->give_back_slot();
        return made.endpoint->id();
    };
    for (int i = 0; i < 4; ++i) CHECK(chosen({}) == 1);
    CHECK(chosen({.sticky = among.members[0].endpoint->address_hash()}) == 0);
    among.members[1].endpoint->let_rest(now, std::chrono::seconds(10));
    std::set<std::uint32_t> both;
    for (int i = 0; i < 4; ++i) both.insert(chosen({}));
    CHECK(both == std::set<std::uint32_t>{0, 1});
}

}  // namespace weir::balancer::test
