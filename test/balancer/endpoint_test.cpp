#include "balancer/endpoint.hpp"

#include <catch2/catch.hpp>

#include "support.hpp"

namespace weir::balancer::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

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
        server->closed_after(milliseconds(1000));
        CHECK(server->idle_life() == milliseconds(800));
        server->closed_after(seconds(30));
        CHECK(server->idle_life() == milliseconds(800));
    }
    SECTION("not from one that ended at once, as in a restart") {
        server->closed_after(milliseconds(3));
        CHECK(server->idle_life() == milliseconds(1500));
    }
}

TEST_CASE("a connection that succeeds ends the pause", "[balancer][endpoint]") {
    const auto server = make_endpoint(0);
    const clock::time_point now{seconds(100)};
    server->pass_over(now, seconds(1));
    CHECK(server->passed_over(now));
    server->connected();
    CHECK_FALSE(server->passed_over(now));
}

}  // namespace weir::balancer::test
