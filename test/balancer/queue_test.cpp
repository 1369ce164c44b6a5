#include "balancer/queue.hpp"

#include <catch2/catch.hpp>
#include <memory>

#include "support.hpp"

namespace weir::balancer::test {

namespace {

using conf::priority;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct bell final : http::wakeable {
    void wake() noexcept override { ++rung; }
    int rung = 0;
};

// A request that waits.
struct guest {
    explicit guest(priority of = priority::normal, std::vector<std::uint32_t> has_tried = {},
                   const endpoint* only = nullptr)
        : tried(std::move(has_tried)), place(bell, of, tried, only) {}
    guest(const guest&) = delete;
    guest& operator=(const guest&) = delete;

    test::bell bell;
    std::vector<std::uint32_t> tried;
    queue::waiter place;
};

// An upstream all of whose slots are taken, and its queue.
struct full_upstream {
    explicit full_upstream(std::vector<line> lines = {{.max_in_flight = 1}}) : among(make_upstream(lines)) {
        for (const auto& m : among.members) {
            while (m.endpoint->has_free_slot()) m.endpoint->try_take_slot();
        }
    }
    const std::shared_ptr<endpoint>& at(std::size_t i) const { return among.members[i].endpoint; }
    bool join(guest& one, clock::time_point when = now) {
        return among.queue->join(one.place, limits, when) == queue::joined::waits;
    }
    void release(std::size_t i = 0, clock::time_point when = now) { release_slot(among, at(i), when); }
    // The endpoint that it got, as a letter; '-' for none yet, 'x' where it lost its place.
    char left(guest& one) {
        const queue::outcome got = among.queue->leave(one.place);
        CHECK(one.bell.rung == (got.granted || got.displaced ? 1 : 0));
        if (got.displaced) return 'x';
        return got.granted ? static_cast<char>('a' + got.granted->id()) : '-';
    }

    upstream among;
    conf::queue_settings limits{.length = 3, .timeout = seconds(10)};
};

}  // namespace

TEST_CASE("while waits are short the first who came is the first served", "[balancer][queue]") {
    full_upstream u;
    guest first, second, third;
    CHECK(u.join(first));
    CHECK(u.join(second, now + milliseconds(1)));
    CHECK(u.join(third, now + milliseconds(2)));
    CHECK(u.among.queue->waiting() == 3);
    u.release(0, now + seconds(5));
    CHECK(first.bell.rung == 1);
    CHECK(u.among.queue->waiting() == 2);
    CHECK(u.at(0)->in_flight() == 1);  // the slot went from one to the other
    u.release(0, now + seconds(5));
    CHECK(second.bell.rung == 1);
    CHECK(u.left(third) == '-');
    CHECK(u.left(second) == 'a');
    CHECK(u.left(first) == 'a');
    CHECK(u.among.queue->waiting() == 0);
}

TEST_CASE("when the oldest has waited for half the time the newest is served first", "[balancer][queue]") {
    full_upstream u;
    guest first, second, third;
    u.join(first);
    u.join(second, now + seconds(1));
    u.join(third, now + seconds(4));
    u.release(0, now + milliseconds(5001));
    CHECK(third.bell.rung == 1);
    SECTION("until those who are late have left") {
        CHECK(u.left(first) == '-');
        guest fourth;
        u.join(fourth, now + milliseconds(5001));
        u.release(0, now + seconds(6));
        CHECK(second.bell.rung == 1);
        CHECK(u.left(fourth) == '-');
    }
    SECTION("all the time that they wait") {
        u.release(0, now + seconds(9));
        CHECK(second.bell.rung == 1);
        u.release(0, now + seconds(9));
        CHECK(first.bell.rung == 1);
    }
    for (guest* g : {&first, &second, &third}) u.left(*g);
}

TEST_CASE("a full queue takes no more", "[balancer][queue]") {
    full_upstream u;
    guest first, second, third, late;
    for (guest* g : {&first, &second, &third}) REQUIRE(u.join(*g));
    SECTION("while waits are short") {
        CHECK_FALSE(u.join(late, now + seconds(5)));
        CHECK(u.left(first) == '-');
    }
    SECTION("unless somebody has waited for too long: he gives way") {
        CHECK(u.join(late, now + milliseconds(5001)));
        CHECK(u.among.queue->waiting() == 3);
        CHECK(u.left(first) == 'x');
        u.release(0, now + seconds(6));
        CHECK(u.left(late) == 'a');
    }
    SECTION("until somebody leaves") {
        CHECK(u.left(second) == '-');
        CHECK(u.join(late));
        CHECK(u.left(late) == '-');
        CHECK(u.left(first) == '-');
    }
    SECTION("until there is room again with a reload") {
        u.limits.length = 4;
        CHECK(u.join(late));
        CHECK(u.left(late) == '-');
        CHECK(u.left(first) == '-');
    }
    u.left(second);
    u.left(third);
}

TEST_CASE("who has a higher priority is served first", "[balancer][queue]") {
    full_upstream u;
    guest low(priority::low), normal, high(priority::high);
    for (guest* g : {&low, &normal, &high}) REQUIRE(u.join(*g));
    u.release();
    CHECK(u.left(high) == 'a');
    u.release();
    CHECK(u.left(normal) == 'a');
    u.release();
    CHECK(u.left(low) == 'a');
}

TEST_CASE("in a full queue one with a lower priority gives way", "[balancer][queue]") {
    full_upstream u;
    guest first(priority::low), second(priority::low), normal, high(priority::high);
    for (guest* g : {&first, &second, &normal}) REQUIRE(u.join(*g));
    SECTION("who would be served last: the newest while waits are short") {
        CHECK(u.join(high, now + seconds(1)));
        CHECK(u.left(second) == 'x');
        CHECK(u.left(first) == '-');
    }
    SECTION("the oldest when it has waited for too long") {
        CHECK(u.join(high, now + seconds(6)));
        CHECK(u.left(first) == 'x');
        CHECK(u.left(second) == '-');
    }
    SECTION("and never one with a higher") {
        u.left(first);
        u.left(second);
        guest more[2];
        for (guest& g : more) REQUIRE(u.join(g));
        guest low(priority::low);
        CHECK_FALSE(u.join(low, now + seconds(60)));
        for (guest& g : more) CHECK(u.left(g) == '-');
    }
    u.left(normal);
    u.left(high);
}

TEST_CASE("nobody gets an endpoint again that he has tried", "[balancer][queue][retry]") {
    full_upstream u({{.max_in_flight = 1}, {.max_in_flight = 1}});
    guest again(priority::high, {0}), fresh;
    REQUIRE(u.join(again));
    REQUIRE(u.join(fresh));
    u.release(0);
    CHECK(u.left(fresh) == 'a');
    u.release(0);
    CHECK(again.bell.rung == 0);
    CHECK(u.at(0)->in_flight() == 0);
    u.release(1);
    CHECK(u.left(again) == 'b');
}

TEST_CASE("who has tried all others waits for a backup", "[balancer][queue][retry]") {
    full_upstream u({{.max_in_flight = 1}, {.backup = true, .max_in_flight = 1}});
    guest fresh, again(priority::normal, {0});
    REQUIRE(u.join(fresh));
    REQUIRE(u.join(again));
    u.release(1);
    CHECK(fresh.bell.rung == 0);
    CHECK(u.left(again) == 'b');
    u.release(0);
    CHECK(u.left(fresh) == 'a');
}

TEST_CASE("a slot of an endpoint that is out of use goes to nobody", "[balancer][queue]") {
    full_upstream u({{.max_in_flight = 1}, {.max_in_flight = 1}});
    guest one;
    REQUIRE(u.join(one));
    u.at(0)->set(out_of_use::draining, true, now);
    u.release(0);
    CHECK(one.bell.rung == 0);
    SECTION("until it is back") {
        u.at(0)->set(out_of_use::draining, false, now);
        offer_free_slots(u.among, now);
        CHECK(u.left(one) == 'a');
    }
    SECTION("and that of another does") {
        u.release(1);
        CHECK(u.left(one) == 'b');
    }
}

TEST_CASE("a sticky client waits for its own endpoint while that is usable", "[balancer][queue][sticky]") {
    full_upstream u({{.max_in_flight = 1}, {.max_in_flight = 1}});
    guest own(priority::normal, {}, u.at(1).get());
    REQUIRE(u.join(own));
    u.release(0);
    CHECK(own.bell.rung == 0);
    SECTION("and gets it") {
        u.release(1);
        CHECK(u.left(own) == 'b');
    }
    SECTION("and falls back to another when it is not") {
        u.at(1)->set(out_of_use::ejected, true, now);
        offer_free_slots(u.among, now);
        CHECK(u.left(own) == 'a');
    }
    SECTION("and does not stand in the way of others") {
        guest other;
        REQUIRE(u.join(other));
        offer_free_slots(u.among, now);
        CHECK(u.left(other) == 'a');
        CHECK(u.left(own) == '-');
    }
}

TEST_CASE("a sticky client waits for its backup, which serves nobody else", "[balancer][queue][sticky]") {
    full_upstream u({{.max_in_flight = 1}, {.backup = true, .max_in_flight = 1}});
    guest other, own(priority::normal, {}, u.at(1).get());
    REQUIRE(u.join(other));
    REQUIRE(u.join(own));
    u.release(1);
    CHECK(u.left(own) == 'b');
    CHECK(u.left(other) == '-');
}

TEST_CASE("who leaves with a slot can pass it on", "[balancer][queue]") {
    full_upstream u;
    guest first, second;
    REQUIRE(u.join(first));
    REQUIRE(u.join(second));
    u.release();
    const queue::outcome got = u.among.queue->leave(first.place);
    REQUIRE(got.granted == u.at(0));
    CHECK(second.bell.rung == 0);
    release_slot(u.among, got.granted, now);
    CHECK(u.left(second) == 'a');
    CHECK(u.at(0)->in_flight() == 1);
}

TEST_CASE("who leaves gets nothing", "[balancer][queue]") {
    full_upstream u;
    guest gone;
    REQUIRE(u.join(gone));
    CHECK(u.left(gone) == '-');
    CHECK(u.left(gone) == '-');  // to leave twice is nothing
    CHECK(u.among.queue->waiting() == 0);
    u.release();
    CHECK(gone.bell.rung == 0);
    CHECK(u.at(0)->in_flight() == 0);
}

TEST_CASE("a slot that became free before the wait is found after it", "[balancer][queue]") {
    // Between choose() and join() somebody gave back a slot and saw nobody waiting.
    full_upstream u;
    u.release();
    guest one, two;
    REQUIRE(u.join(one));
    REQUIRE(u.join(two));
    offer_free_slots(u.among, now);
    CHECK(u.left(one) == 'a');
    CHECK(u.left(two) == '-');
}

TEST_CASE("a limit that is raised serves as many as it lets", "[balancer][queue][reload]") {
    full_upstream u;
    guest first, second, third;
    for (guest* g : {&first, &second, &third}) REQUIRE(u.join(*g));
    u.at(0)->configure(3, {});
    offer_free_slots(u.among, now);
    CHECK(u.left(first) == 'a');
    CHECK(u.left(second) == 'a');
    CHECK(u.left(third) == '-');
    CHECK(u.at(0)->in_flight() == 3);
}

}  // namespace weir::balancer::test
