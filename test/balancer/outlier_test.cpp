#include "balancer/outlier.hpp"

#include <catch2/catch.hpp>
#include <map>

namespace weir::balancer {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// An upstream whose endpoints fail as a test says.
struct watched {
    explicit watched(std::uint32_t count) {
        for (std::uint32_t id = 0; id < count; ++id) endpoints.push_back({id, 0});
    }
    void fail(std::uint32_t id, unsigned times) {
        for (outlier::standing& s : endpoints) s.failures += s.id == id ? times : 0;
    }
    // What changes within `time`, looked at every 100 ms: "-1" endpoint 1 is ejected, "+1" it is back.
    std::string pass(milliseconds time) {
        std::string all;
        for (const clock::time_point end = now + time; now < end; now += milliseconds(100)) all += look();
        return all;
    }
    std::string look() {
        std::string all;
        for (const outlier::change& c : ejection.update(settings, endpoints, now)) {
            all += (c.ejected ? '-' : '+') + std::to_string(c.id);
            reason = c.reason;
            lasts = c.lasts;
        }
        return all;
    }

    outlier ejection;
    std::optional<conf::eject_settings> settings = conf::eject_settings{};  // 5 in 10s, for 10s, half of them
    std::vector<outlier::standing> endpoints;
    clock::time_point now{std::chrono::hours(1)};
    std::string reason;
    milliseconds lasts{0};
};

}  // namespace

TEST_CASE("an endpoint that fails too often is ejected for a while", "[balancer][outlier]") {
    watched w(2);
    CHECK(w.look() == "");
    w.fail(1, 4);
    CHECK(w.pass(seconds(1)) == "");
    w.fail(1, 1);
    CHECK(w.look() == "-1");
    CHECK(w.reason == "5 failures in 10s");
    CHECK(w.pass(seconds(10)) == "");
    CHECK(w.look() == "+1");
    CHECK(w.reason == "its time is over");
}

TEST_CASE("failures count for the time of the window", "[balancer][outlier]") {
    watched w(2);
    w.settings->window = milliseconds(1500);
    w.look();
    SECTION("not beyond it") {
        for (int i = 0; i < 20; ++i) {
            w.fail(1, 4);
            CHECK(w.pass(milliseconds(1600)) == "");
        }
    }
    SECTION("at its end they do") {
        w.fail(1, 4);
        CHECK(w.pass(milliseconds(1500)) == "");
        w.fail(1, 2);
        CHECK(w.look() == "-1");
        CHECK(w.reason == "6 failures in 1500ms");
    }
}

TEST_CASE("what an endpoint failed before it was watched does not count", "[balancer][outlier]") {
    watched w(2);
    w.fail(1, 1000);
    CHECK(w.pass(seconds(1)) == "");
}

TEST_CASE("failures while it is ejected do not count", "[balancer][outlier]") {
    watched w(2);
    w.look();
    w.fail(1, 5);
    CHECK(w.look() == "-1");
    w.fail(1, 100);
    CHECK(w.pass(milliseconds(10'100)) == "+1");
    CHECK(w.pass(seconds(5)) == "");
}

TEST_CASE("ejections in a row are longer each time, and are forgiven in a calm time", "[balancer][outlier]") {
    watched w(2);
    w.look();
    const auto ejected_for = [&] {
        w.fail(1, 5);
        REQUIRE(w.look() == "-1");
        const milliseconds lasts = w.lasts;
        const clock::time_point end = w.now + lasts;
        while (w.look() != "+1") w.now += milliseconds(100);
        CHECK(w.now == end);
        return lasts;
    };
    CHECK(ejected_for() == seconds(10));
    CHECK(ejected_for() == seconds(20));
    CHECK(ejected_for() == seconds(30));
    SECTION("one for as long as it was away") {
        w.pass(seconds(29));
        CHECK(ejected_for() == seconds(40));
        w.pass(milliseconds(40'100));
        CHECK(ejected_for() == seconds(40));
    }
    SECTION("all in time") {
        w.pass(seconds(61));
        CHECK(ejected_for() == seconds(10));
    }
    SECTION("never more than ten times as long") {
        for (int i = 0; i < 10; ++i) ejected_for();
        CHECK(ejected_for() == seconds(100));
    }
}

TEST_CASE("only so many endpoints are ejected at a time", "[balancer][outlier]") {
    const auto [endpoints, percent, most] = GENERATE(table<unsigned, unsigned, std::size_t>({
        {1, 50, 0},
        {1, 100, 0},  // a lone one never
        {2, 50, 1},
        {2, 10, 1},  // one at least
        {2, 0, 0},   // unless there is to be none
        {2, 100, 2},
        {3, 50, 1},  // rounded down
        {3, 67, 2},
        {10, 50, 5},
        {10, 19, 1},
    }));
    CAPTURE(endpoints, percent);
    watched w(endpoints);
    w.settings->max_ejected_percent = percent;
    w.look();
    for (std::uint32_t id = 0; id < endpoints; ++id) w.fail(id, 1000);
    CHECK(w.look().size() == 2 * most);
    CHECK(w.pass(seconds(5)) == "");
}

TEST_CASE("who goes on failing is ejected when another is back", "[balancer][outlier]") {
    watched w(2);
    w.look();
    w.fail(0, 5);
    w.fail(1, 5);
    CHECK(w.look() == "-0");
    CHECK(w.pass(seconds(9)) == "");
    w.fail(1, 5);
    CHECK(w.pass(milliseconds(1100)) == "+0-1");
}

TEST_CASE("ejection survives a reload", "[balancer][outlier][reload]") {
    watched w(3);
    w.look();
    w.fail(1, 5);
    REQUIRE(w.look() == "-1");
    SECTION("that changes the members") {
        w.endpoints = {{7, 0}, w.endpoints[1], w.endpoints[0]};
        CHECK(w.pass(seconds(10)) == "");
        CHECK(w.look() == "+1");
    }
    SECTION("that removes it") {
        const outlier::standing gone = w.endpoints[1];
        w.endpoints.erase(w.endpoints.begin() + 1);
        CHECK(w.pass(seconds(20)) == "");
        w.endpoints.push_back(gone);
        CHECK(w.pass(seconds(20)) == "");
    }
    SECTION("that changes the rules") {
        w.settings->duration = seconds(1);
        w.settings->failures = 1;
        CHECK(w.pass(seconds(10)) == "");
        CHECK(w.look() == "+1");
        w.fail(1, 1);
        CHECK(w.look() == "-1");
        CHECK(w.reason == "1 failure in 10s");
        CHECK(w.pass(milliseconds(2100)) == "+1");
    }
    SECTION("but not one that turns it off") {
        w.settings.reset();
        CHECK(w.look() == "+1");
        CHECK(w.reason == "ejection is off");
        w.fail(1, 100);
        CHECK(w.look() == "");
    }
}

TEST_CASE("a reload that allows fewer ejections brings back who has waited longest", "[balancer][outlier][reload]") {
    watched w(6);
    w.look();
    // 4 is away for longer than the others: it was ejected before.
    w.fail(4, 5);
    REQUIRE(w.look() == "-4");
    REQUIRE(w.pass(milliseconds(10'100)) == "+4");
    w.fail(4, 5);
    REQUIRE(w.look() == "-4");
    w.fail(5, 5);
    REQUIRE(w.look() == "-5");
    w.now += seconds(1);
    w.fail(1, 5);
    REQUIRE(w.look() == "-1");
    SECTION("with a lower share") {
        w.settings->max_ejected_percent = 17;
        CHECK(w.look() == "+5+1");
        CHECK(w.reason == "too many are ejected");
        CHECK(w.look() == "");
    }
    SECTION("with none") {
        w.settings->max_ejected_percent = 0;
        CHECK(w.look() == "+5+1+4");
    }
    SECTION("with fewer servers") {
        w.endpoints = {w.endpoints[1], w.endpoints[4], w.endpoints[5]};
        CHECK(w.look() == "+5+1");
    }
    SECTION("with a lone one") {
        w.endpoints = {w.endpoints[4]};
        CHECK(w.look() == "+4");
        w.fail(4, 100);
        CHECK(w.pass(seconds(20)) == "");
    }
    SECTION("but nobody where those that went were the others") {
        w.endpoints = {w.endpoints[0], w.endpoints[4]};
        CHECK(w.look() == "");
    }
}

TEST_CASE("what is kept of failures is bounded by what it takes to be ejected", "[balancer][outlier]") {
    // A lone endpoint that always fails: the count that is kept never grows beyond the last that matter.
    watched w(1);
    w.look();
    for (int i = 0; i < 100; ++i) {
        w.fail(0, 3);
        CHECK(w.look() == "");
        w.now += milliseconds(10);
    }
    w.endpoints.push_back({9, 0});
    CHECK(w.look() == "-0");
    CHECK(w.reason == "6 failures in 10s");
}

}  // namespace weir::balancer
