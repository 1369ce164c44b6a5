#include "balancer/consistent_hash.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "support.hpp"

namespace weir::balancer::test {

namespace {

upstream make(const std::vector<line>& lines) {
    return make_upstream(lines, conf::balance_policy::hash);
}

void rebuild(upstream& among) {
    among.ring = std::make_shared<const hash_ring>(among.members);
}

choice choose(selector& from, const upstream& among, std::uint64_t hash) {
    return from.choose(among, now, {}, {.hash = hash, .sticky = {}});
}

// The endpoints of so many hashes, asked for one after the other.
std::vector<std::uint32_t> owners(const upstream& among, int hashes) {
    selector from;
    std::mt19937_64 random(7);
    std::vector<std::uint32_t> ids;
    for (int i = 0; i < hashes; ++i) {
        const choice made = choose(from, among, random());
        REQUIRE(made.endpoint);
        made.endpoint->give_back_slot();
        ids.push_back(made.endpoint->id());
    }
    return ids;
}

std::vector<int> counts(const std::vector<std::uint32_t>& ids, std::size_t endpoints) {
    std::vector<int> each(endpoints);
    for (const std::uint32_t id : ids) ++each[id];
    return each;
}

constexpr int many = 20'000;

}  // namespace

TEST_CASE("an endpoint that comes moves its share of the requests and no others", "[balancer][hash]") {
    upstream among = make(std::vector<line>(10));
    const auto before = owners(among, many);
    among.members.push_back({make_endpoint(10), 1, false});
    rebuild(among);
    const auto after = owners(among, many);
    int moved = 0;
    int elsewhere = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
        moved += after[i] == 10 ? 1 : 0;
        elsewhere += after[i] != 10 && after[i] != before[i] ? 1 : 0;
    }
    CHECK(elsewhere == 0);
    CHECK(moved == Approx(many / 11).epsilon(0.25));
}

TEST_CASE("an endpoint that goes leaves its requests to all others", "[balancer][hash]") {
    upstream among = make(std::vector<line>(10));
    const auto before = owners(among, many);
    SECTION("with a reload") {
        among.members.erase(among.members.begin() + 3);
        rebuild(among);
    }
    SECTION("because it is down") {
        among.members[3].endpoint->set(out_of_use::unhealthy, true, now);
    }
    const auto after = owners(among, many);
    std::vector<int> heirs(10);
    int elsewhere = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (before[i] == 3) {
            ++heirs[after[i]];
        } else {
            elsewhere += after[i] != before[i] ? 1 : 0;
        }
    }
    CHECK(elsewhere == 0);
    CHECK(heirs[3] == 0);
    CHECK(std::ranges::count(heirs, 0) == 1);
}

TEST_CASE("the order of the lines does not matter", "[balancer][hash]") {
    upstream among = make({{.weight = 3}, {}, {.weight = 2}, {}, {}});
    const auto before = owners(among, many);
    std::ranges::reverse(among.members);
    rebuild(among);
    CHECK(owners(among, many) == before);
}

TEST_CASE("requests are spread evenly and by weight", "[balancer][hash]") {
    SECTION("evenly") {
        const std::size_t endpoints = GENERATE(2u, 10u, 50u);
        const double share = many / static_cast<double>(endpoints);
        for (const int n : counts(owners(make(std::vector<line>(endpoints)), many), endpoints))
            CHECK(n == Approx(share).epsilon(0.25));
    }
    SECTION("by weight") {
        const std::vector<line> lines{{.weight = 1}, {.weight = 2}, {.weight = 5}};
        const auto each = counts(owners(make(lines), many), 3);
        for (std::size_t i = 0; i < 3; ++i) CHECK(each[i] == Approx(many * lines[i].weight / 8).epsilon(0.2));
    }
    SECTION("by weights that are great") {
        const std::vector<line> lines{{.weight = 1000}, {.weight = 500}, {.weight = 1}};
        const upstream among = make(lines);
        CHECK(among.ring->size() <= 1 << 16);
        const auto each = counts(owners(among, many), 3);
        CHECK(each[0] == Approx(many * 2 / 3).epsilon(0.1));
        CHECK(each[1] == Approx(many / 3).epsilon(0.1));
    }
}

TEST_CASE("weights of others do not move requests", "[balancer][hash]") {
    upstream among = make({{.weight = 3}, {}, {}});
    const auto before = owners(among, many);
    among.members[0].weight = 1;
    rebuild(among);
    const auto after = owners(among, many);
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (before[i] != after[i]) REQUIRE(before[i] == 0);
    }
}

TEST_CASE("no endpoint has more than five quarters of its share under way", "[balancer][hash]") {
    const upstream among = make({{}, {}, {.weight = 2}, {}, {}});
    constexpr std::int64_t weights = 6;
    selector from;
    std::mt19937_64 random(1);
    std::vector<std::shared_ptr<endpoint>> running;
    const std::uint64_t hot = 12345;
    for (int i = 0; i < 20'000; ++i) {
        // Most ask for one and the same.
        const choice made = choose(from, among, random() % 10 != 0 ? hot : random());
        REQUIRE(made.endpoint);
        running.push_back(made.endpoint);
        const auto total = static_cast<std::int64_t>(running.size());
        const std::int64_t weight = made.endpoint->id() == 2 ? 2 : 1;
        const std::int64_t bound = (5 * total * weight + 4 * weights - 1) / (4 * weights);
        if (made.endpoint->in_flight() > bound) FAIL(made.endpoint->in_flight() << " of " << total);
        while (running.size() > random() % 60) {
            std::swap(running[random() % running.size()], running.back());
            running.back()->give_back_slot();
            running.pop_back();
        }
    }
}

TEST_CASE("a request that its endpoint may not have goes to the next, always the same", "[balancer][hash]") {
    const upstream among = make(std::vector<line>(4, line{.max_in_flight = 1}));
    selector from;
    std::vector<std::uint32_t> order;
    for (int i = 0; i < 4; ++i) order.push_back(choose(from, among, 99).endpoint->id());
    std::vector<std::uint32_t> sorted = order;
    std::ranges::sort(sorted);
    CHECK(sorted == std::vector<std::uint32_t>{0, 1, 2, 3});
    const choice none = choose(from, among, 99);
    CHECK_FALSE(none.endpoint);
    CHECK(none.full);
    for (const auto& m : among.members) m.endpoint->give_back_slot();
    for (int i = 0; i < 4; ++i) CHECK(choose(from, among, 99).endpoint->id() == order[static_cast<std::size_t>(i)]);
}

TEST_CASE("a request that was tried goes to the next", "[balancer][hash][retry]") {
    const upstream among = make(std::vector<line>(4));
    selector from;
    std::vector<std::uint32_t> tried;
    while (tried.size() < 4) {
        const choice made = from.choose(among, now, tried, {.hash = 99, .sticky = {}});
        REQUIRE(made.endpoint);
        CHECK(std::ranges::count(tried, made.endpoint->id()) == 0);
        tried.push_back(made.endpoint->id());
    }
    CHECK_FALSE(from.choose(among, now, tried, {.hash = 99, .sticky = {}}).endpoint);
}

TEST_CASE("backups have what is theirs when no other is up", "[balancer][hash]") {
    const upstream among = make({{}, {.backup = true}, {.backup = true}});
    CHECK(counts(owners(among, 100), 3)[0] == 100);
    among.members[0].endpoint->set(out_of_use::unhealthy, true, now);
    const auto each = counts(owners(among, many), 3);
    CHECK(each[0] == 0);
    CHECK(each[1] == Approx(many / 2).epsilon(0.2));
}

TEST_CASE("one that came back has few of its requests under way at first", "[balancer][hash][slow_start]") {
    const upstream among = make({{}, {}});
    come_back(*among.members[0].endpoint, now, std::chrono::seconds(10));
    selector from;
    std::mt19937_64 random(1);
    for (int i = 0; i < 110; ++i) REQUIRE(choose(from, among, random()).endpoint);
    CHECK(among.members[0].endpoint->in_flight() <= 13);  // 5/4 of 1/11
}

}  // namespace weir::balancer::test
