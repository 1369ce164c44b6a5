#include "balancer/selector.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>

#include "support.hpp"

namespace weir::balancer::test {

namespace {

// Whom a request that holds no slot afterwards gets; null: nobody.
endpoint* pick(selector& turns, const upstream& among, clock::time_point at, std::span<const std::uint32_t> tried) {
    const choice made = turns.choose(among, at, tried, {});
    if (made.endpoint) made.endpoint->give_back_slot();
    return made.endpoint.get();
}

std::string picks(selector& turns, const upstream& among, int count) {
    std::string order;
    for (int i = 0; i < count; ++i) {
        const endpoint* chosen = pick(turns, among, now, {});
        order += chosen ? static_cast<char>('a' + chosen->id()) : '-';
    }
    return order;
}

}  // namespace

TEST_CASE("round robin takes endpoints in turn", "[balancer][round_robin]") {
    const upstream among = make_upstream({{}, {}, {}});
    selector turns;
    CHECK(picks(turns, among, 9) == "abcabcabc");
}

TEST_CASE("weights are kept exactly and spread out smoothly", "[balancer][round_robin]") {
    const upstream among = make_upstream({{.weight = 5}, {.weight = 1}, {.weight = 1}});
    selector turns(1);
    const std::string order = picks(turns, among, 70);
    CHECK(std::count(order.begin(), order.end(), 'a') == 50);
    CHECK(std::count(order.begin(), order.end(), 'b') == 10);
    CHECK(std::count(order.begin(), order.end(), 'c') == 10);
    // Never as many in a row as a plain "five, then one, then one" would give across a seam.
    CHECK(order.find("aaaaaa") == std::string::npos);
}

TEST_CASE("workers start at different endpoints", "[balancer][round_robin]") {
    const upstream among = make_upstream({{}, {}, {}, {}});
    std::set<char> first;
    for (std::uint32_t worker = 0; worker < 4; ++worker) {
        selector turns(worker);
        const std::string order = picks(turns, among, 8);
        first.insert(order[0]);
        for (const char each : {'a', 'b', 'c', 'd'}) CHECK(std::count(order.begin(), order.end(), each) == 2);
    }
    CHECK(first.size() == 4);
}

TEST_CASE("backups serve only when no other endpoint is up", "[balancer][round_robin]") {
    const upstream among = make_upstream({{}, {.backup = true}, {.backup = true}});
    selector turns;
    CHECK(picks(turns, among, 3) == "aaa");

    SECTION("the main one refused") {
        among.members[0].endpoint->pass_over(now, std::chrono::seconds(1));
        CHECK(picks(turns, among, 4).find('a') == std::string::npos);
    }
    SECTION("its name does not resolve") {
        among.members[0].endpoint->set_addresses(nullptr);
        CHECK(picks(turns, among, 4).find('a') == std::string::npos);
    }
    SECTION("it was tried for this request") {
        const std::uint32_t tried[] = {0};
        CHECK(pick(turns, among, now, tried)->id() != 0);
    }
}

TEST_CASE("an endpoint that refused is passed over until its pause ends", "[balancer][round_robin]") {
    const upstream among = make_upstream({{}, {}});
    selector turns;
    among.members[0].endpoint->pass_over(now, std::chrono::seconds(1));
    CHECK(picks(turns, among, 3) == "bbb");
    std::set<std::uint32_t> later;
    for (int i = 0; i < 4; ++i) later.insert(pick(turns, among, now + std::chrono::milliseconds(1001), {})->id());
    CHECK(later.size() == 2);
}

TEST_CASE("when all are passed over one is tried rather than none", "[balancer][round_robin]") {
    const upstream among = make_upstream({{}, {}});
    selector turns;
    for (const auto& m : among.members) m.endpoint->pass_over(now, std::chrono::seconds(1));
    CHECK(pick(turns, among, now, {}) != nullptr);
}

TEST_CASE("nothing is left when every endpoint was tried or is down", "[balancer][round_robin]") {
    const upstream among = make_upstream({{}, {}});
    selector turns;
    const std::uint32_t both[] = {0, 1};
    CHECK(pick(turns, among, now, both) == nullptr);
    for (const auto& m : among.members) m.endpoint->set_addresses(nullptr);
    CHECK(pick(turns, among, now, {}) == nullptr);
    CHECK(pick(turns, upstream{}, now, {}) == nullptr);
}

TEST_CASE("in turn, an endpoint that came back gets less at first", "[balancer][round_robin][slow_start]") {
    const upstream among = make_upstream({{}, {}});
    come_back(*among.members[0].endpoint, now, std::chrono::seconds(10));
    selector turns;
    const auto [after, share] = GENERATE(table<int, int>({
        {0, 10},     // seconds, and percent of the other's
        {5, 50},     //
        {10, 100},   //
        {3600, 100}  //
    }));
    CAPTURE(after);
    int first = 0;
    for (int i = 0; i < 100 + share; ++i)
        first += pick(turns, among, now + std::chrono::seconds(after), {})->id() == 0 ? 1 : 0;
    CHECK(first == share);
}

TEST_CASE("a reload that adds and removes endpoints keeps the turns fair", "[balancer][round_robin]") {
    upstream among = make_upstream({{}, {}});
    selector turns;
    picks(turns, among, 3);
    among.members.push_back({make_endpoint(2), 1, false});
    among.members.erase(among.members.begin());
    const std::string order = picks(turns, among, 10);
    CHECK(std::count(order.begin(), order.end(), 'b') == 5);
    CHECK(std::count(order.begin(), order.end(), 'c') == 5);
}

}  // namespace weir::balancer::test
