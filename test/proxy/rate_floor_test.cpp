#include "proxy/rate_floor.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using weir::proxy::rate_floor;

TEST_CASE("a transfer is too slow when a whole window of waiting moved too little", "[proxy][rate_floor]") {
    rate_floor floor;
    for (int second = 1; second < 10; ++second) {
        floor.moved(100);
        CHECK_FALSE(floor.too_slow(1s, 1024));
    }
    CHECK(floor.too_slow(1s, 1024));
}

TEST_CASE("a transfer that keeps the rate goes on for ever", "[proxy][rate_floor]") {
    rate_floor floor;
    // In bursts, as the kernel reports it.
    for (int window = 0; window < 100; ++window) {
        floor.moved(11 * 1024);
        CHECK_FALSE(floor.too_slow(9s, 1024));
        CHECK_FALSE(floor.too_slow(1s, 1024));
    }
    SECTION("and each window counts for itself") {
        CHECK_FALSE(floor.too_slow(9s, 1024));
        floor.moved(1024);
        CHECK(floor.too_slow(1s, 1024));
    }
}

TEST_CASE("neither an endpoint's slowness counts nor the time before the first byte", "[proxy][rate_floor]") {
    rate_floor floor;
    CHECK_FALSE(floor.too_slow(60s, 1024));
    // A byte now and then, which the client takes at once.
    for (int i = 0; i < 1000; ++i) {
        floor.moved(1);
        CHECK_FALSE(floor.too_slow(0ms, 1024));
    }
}
