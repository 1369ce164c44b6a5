#include "balancer/endpoint.hpp"

#include <catch2/catch.hpp>

#include "support.hpp"

namespace weir::balancer::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

bool closed_after(endpoint& server, const std::vector<int>& idle) {
    return server.closed_after(std::vector<milliseconds>(idle.begin(), idle.end()));
}

}  // namespace

TEST_CASE("an endpoint without addresses is down", "[balancer][endpoint]") {
    const auto named = make_endpoint(0, false);
    CHECK_FALSE(named->resolved());
    named->set_addresses(std::make_shared<const address_list>(address_list{boost::asio::ip::tcp::endpoint()}));
    CHECK(named->resolved());
    named->set_addresses(std::make_shared<const address_list>());
    CHECK_FALSE(named->resolved());
}

TEST_CASE("an endpoint's idle life is learned", "[balancer][endpoint][keepalive]") {
    const auto server = make_endpoint(0);
    CHECK(server->idle_life() == milliseconds(1500));

    SECTION("from Keep-Alive: timeout, with a second to spare") {
        server->learn_idle_life(seconds(10));
        CHECK(server->idle_life() == seconds(9));
        server->learn_idle_life(seconds(1));
        CHECK(server->idle_life() == milliseconds(500));
        server->learn_idle_life(seconds(3600));
        CHECK(server->idle_life() == seconds(60));
        server->learn_idle_life(seconds(0));
        CHECK(server->idle_life() == milliseconds(100));
    }
    SECTION("from a connection that it closed") {
        CHECK(closed_after(*server, {1000}));
        CHECK(server->idle_life() == milliseconds(800));
        CHECK(closed_after(*server, {30'000}));
        CHECK(server->idle_life() == milliseconds(800));
    }
    SECTION("from the one that it kept least of those that ran into its limit") {
        CHECK(closed_after(*server, {1900, 1000, 2800}));
        CHECK(server->idle_life() == milliseconds(800));
    }
    SECTION("from what it does rather than from what it says") {
        server->learn_idle_life(seconds(10));
        closed_after(*server, {5000});
        CHECK(server->idle_life() == seconds(4));
        server->learn_idle_life(seconds(10));
        CHECK(server->idle_life() == seconds(4));
    }
}

TEST_CASE("a restart does not teach an idle life", "[balancer][endpoint][keepalive]") {
    const auto server = make_endpoint(0);
    server->learn_idle_life(seconds(20));
    const std::vector<int> closed = GENERATE(std::vector<int>{3}, std::vector<int>{499}, std::vector<int>{100, 2000},
                                             std::vector<int>{1000, 3501}, std::vector<int>{17'000, 600, 4000});
    CHECK_FALSE(closed_after(*server, closed));
    CHECK(server->idle_life() == seconds(19));
}

TEST_CASE("an idle life rises by a probe", "[balancer][endpoint][keepalive]") {
    const auto server = make_endpoint(0);
    REQUIRE(server->begin_probe(now));

    SECTION("to what is a second and a fifth less") {
        const auto [kept, life] = GENERATE(table<int, int>({
            {9900, 7920},      // CherryPy
            {4800, 3800},      // a fifth would not be a second
            {60'000, 48'000},  //
            {2900, 1900},      // gunicorn, when it looks once a second
            {2400, 1500},      // less than is known
            {100, 1500},       //
        }));
        server->kept_for(milliseconds(kept));
        CHECK(server->idle_life() == milliseconds(life));
    }
    SECTION("from what a restart taught") {
        closed_after(*server, {700});
        REQUIRE(server->idle_life() == milliseconds(560));
        REQUIRE(server->begin_probe(now + std::chrono::minutes(5)));
        server->kept_for(milliseconds(9900));
        CHECK(server->idle_life() == milliseconds(7920));
    }
    SECTION("not where a connection was closed too soon in the meantime") {
        closed_after(*server, {1000});
        server->kept_for(milliseconds(9900));
        CHECK(server->idle_life() == milliseconds(800));
    }
    SECTION("and falls again at once") {
        server->kept_for(milliseconds(60'000));
        closed_after(*server, {2100});
        CHECK(server->idle_life() == milliseconds(1680));
    }
    SECTION("not beyond what the endpoint says") {
        server->learn_idle_life(seconds(5));
        server->kept_for(milliseconds(60'000));
        CHECK(server->idle_life() == seconds(4));
    }
}

TEST_CASE("probes are few", "[balancer][endpoint][keepalive]") {
    const auto server = make_endpoint(0);
    SECTION("one in five minutes") {
        CHECK(server->begin_probe(now));
        CHECK_FALSE(server->begin_probe(now + std::chrono::minutes(5) - milliseconds(1)));
        CHECK(server->begin_probe(now + std::chrono::minutes(5)));
        CHECK_FALSE(server->begin_probe(now + std::chrono::minutes(5)));
    }
    SECTION("none where the endpoint says what it does") {
        server->learn_idle_life(seconds(5));
        CHECK_FALSE(server->begin_probe(now));
        closed_after(*server, {2000});
        CHECK(server->begin_probe(now));
    }
    SECTION("none that could teach nothing") {
        REQUIRE(server->begin_probe(now));
        server->kept_for(endpoint::longest_probe);
        CHECK_FALSE(server->begin_probe(now + std::chrono::hours(1)));
    }
}

TEST_CASE("an endpoint that came back gets its share little by little", "[balancer][endpoint][slow_start]") {
    const auto server = make_endpoint(0);
    server->configure({}, seconds(20));
    CHECK(server->share_percent(now) == 100);  // it was never away
    server->set(out_of_use::ejected, true, now);
    server->set(out_of_use::unhealthy, true, now);
    server->set(out_of_use::ejected, false, now + seconds(5));
    CHECK_FALSE(server->in_use());
    const clock::time_point back = now + seconds(10);
    server->set(out_of_use::unhealthy, false, back);
    CHECK(server->in_use());

    const auto [after, share] = GENERATE(table<int, unsigned>({
        {0, 10},       // milliseconds
        {2000, 10},    //
        {2200, 11},    //
        {10'000, 50},  //
        {19'999, 99},  //
        {20'000, 100},
        {3'600'000, 100},
    }));
    CAPTURE(after);
    CHECK(server->share_percent(back + milliseconds(after)) == share);
    server->configure({}, {});
    CHECK(server->share_percent(back + milliseconds(after)) == 100);
}

TEST_CASE("an endpoint has so many slots", "[balancer][endpoint]") {
    const auto server = make_endpoint(0);
    for (int i = 0; i < 3; ++i) CHECK(server->try_take_slot());
    server->configure(2, {});
    CHECK_FALSE(server->has_free_slot());
    CHECK_FALSE(server->try_take_slot());
    server->give_back_slot();
    server->give_back_slot();
    CHECK(server->in_flight() == 1);
    CHECK(server->try_take_slot());
    CHECK_FALSE(server->try_take_slot());
    server->configure({}, {});
    CHECK(server->try_take_slot());
}

TEST_CASE("what an endpoint's hash says is of its address alone", "[balancer][endpoint][sticky]") {
    CHECK(make_endpoint(1)->address_hash() == make_endpoint(1)->address_hash());
    CHECK(make_endpoint(1)->address_hash() != make_endpoint(2)->address_hash());
    conf::address address;
    address.text = "abc";
    CHECK(endpoint(7, address).address_hash() == 0xba7816bf8f01cfea);  // FIPS 180-2, appendix B.1
}

TEST_CASE("a connection that succeeds ends the pause", "[balancer][endpoint]") {
    const auto server = make_endpoint(0);
    server->pass_over(now, seconds(1));
    CHECK(server->passed_over(now));
    server->end_pause();
    CHECK_FALSE(server->passed_over(now));
}

TEST_CASE("an endpoint that rests is up, and rests for the longest that it asked for", "[balancer][endpoint]") {
    const auto server = make_endpoint(0);
    server->let_rest(now, seconds(60));
    server->let_rest(now, seconds(1));
    CHECK(server->rests(now + seconds(59)));
    CHECK_FALSE(server->rests(now + seconds(60)));
    CHECK(server->usable(now));
    server->end_pause();
    CHECK_FALSE(server->rests(now));
}

}  // namespace weir::balancer::test
