#include "balancer/least_requests.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "support.hpp"

namespace weir::balancer::test {

namespace {

upstream make(const std::vector<line>& lines) {
    return make_upstream(lines, conf::balance_policy::least_requests);
}

// So many requests that do not end: how many each endpoint has.
std::vector<std::int64_t> hold(selector& from, const upstream& among, int requests) {
    for (int i = 0; i < requests; ++i) REQUIRE(from.choose(among, now, {}, {}).endpoint);
    std::vector<std::int64_t> held;
    for (const auto& m : among.members) held.push_back(m.endpoint->in_flight());
    return held;
}

}  // namespace

TEST_CASE("who has the fewest requests under way gets the next", "[balancer][least_requests]") {
    const upstream among = make({{}, {}, {}});
    for (const int busy : {0, 0, 0, 1, 2, 2}) among.members[static_cast<std::size_t>(busy)].endpoint->try_take_slot();
    selector fewest;
    CHECK(hold(fewest, among, 1) == std::vector<std::int64_t>{3, 2, 2});
    CHECK(hold(fewest, among, 2) == std::vector<std::int64_t>{3, 3, 3});
    among.members[1].endpoint->give_back_slot();
    CHECK(fewest.choose(among, now, {}, {}).endpoint == among.members[1].endpoint);
}

TEST_CASE("requests under way are by weight", "[balancer][least_requests]") {
    const upstream among = make({{.weight = 5}, {.weight = 1}, {.weight = 4}});
    selector fewest;
    CHECK(hold(fewest, among, 100) == std::vector<std::int64_t>{50, 10, 40});
}

TEST_CASE("one that came back has fewer requests under way at first", "[balancer][least_requests][slow_start]") {
    const upstream among = make({{}, {}});
    come_back(*among.members[0].endpoint, now, std::chrono::seconds(10));
    selector fewest;
    CHECK(hold(fewest, among, 110) == std::vector<std::int64_t>{10, 100});
}

TEST_CASE("idle endpoints share", "[balancer][least_requests]") {
    const std::size_t count = GENERATE(2u, 8u, 20u);
    const upstream among = make(std::vector<line>(count));
    selector fewest(3);
    std::vector<int> served(count);
    const int each = 500;
    for (int i = 0; i < each * static_cast<int>(count); ++i) {
        const choice made = fewest.choose(among, now, {}, {});
        ++served[made.endpoint->id()];
        made.endpoint->give_back_slot();
    }
    for (const int n : served) CHECK(n == Approx(each).epsilon(0.2));
}

TEST_CASE("of many endpoints the better of two is taken", "[balancer][least_requests]") {
    const std::size_t count = 50;
    SECTION("which spreads requests almost evenly") {
        const upstream among = make(std::vector<line>(count));
        selector fewest;
        const auto held = hold(fewest, among, 5000);
        // Blind draws would give about 100 plus or minus 30.
        for (const std::int64_t n : held) CHECK(n == Approx(100).margin(6));
    }
    SECTION("and by weight") {
        std::vector<line> lines(count, line{.weight = 2});
        lines[7].weight = 20;
        const upstream among = make(lines);
        selector fewest;
        const auto held = hold(fewest, among, 5000);
        CHECK(held[7] == Approx(5000 * 20 / 118).epsilon(0.1));
    }
    SECTION("of those with a free slot") {
        std::vector<line> lines(count, line{.max_in_flight = 1});
        const upstream among = make(lines);
        selector fewest;
        const auto held = hold(fewest, among, static_cast<int>(count));
        CHECK(std::ranges::count(held, 1) == static_cast<std::ptrdiff_t>(count));
        const choice none = fewest.choose(among, now, {}, {});
        CHECK_FALSE(none.endpoint);
        CHECK(none.full);
    }
}

TEST_CASE("an endpoint that is slow gets fewer requests", "[balancer][least_requests]") {
    const upstream among = make({{}, {}, {}, {}});
    selector fewest;
    std::mt19937 random(1);
    std::vector<std::shared_ptr<endpoint>> running;
    std::vector<int> served(4);
    for (int i = 0; i < 20'000; ++i) {
        const auto chosen = fewest.choose(among, now, {}, {}).endpoint;
        ++served[chosen->id()];
        running.push_back(chosen);
        // One of those under way ends; a request of the first endpoint takes four times as long as others.
        while (running.size() > 40) {
            const std::size_t ends = random() % running.size();
            if (running[ends]->id() == 0 && random() % 4 != 0) continue;
            running[ends]->give_back_slot();
            running.erase(running.begin() + static_cast<std::ptrdiff_t>(ends));
        }
    }
    for (const std::size_t quick : {1u, 2u, 3u}) CHECK(served[quick] > 3 * served[0]);
}

TEST_CASE("the same start draws the same", "[balancer][least_requests]") {
    const auto draws = [](std::uint32_t start) {
        const upstream among = make(std::vector<line>(30));
        selector fewest(start);
        std::vector<std::uint32_t> ids;
        for (int i = 0; i < 50; ++i) ids.push_back(fewest.choose(among, now, {}, {}).endpoint->id());
        return ids;
    };
    CHECK(draws(5) == draws(5));
    CHECK(draws(5) != draws(6));
}

}  // namespace weir::balancer::test
