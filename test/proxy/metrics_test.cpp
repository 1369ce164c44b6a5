#include "proxy/metrics.hpp"

#include <catch2/catch.hpp>

using namespace weir::proxy;
using std::chrono::microseconds;
using histogram = duration_histogram;

TEST_CASE("a duration falls into the first bucket whose bound is not below it", "[proxy][metrics]") {
    std::size_t expected = 0;
    // Every duration near a bound or a power of two, where the short cut by bit width could go wrong.
    for (std::int64_t us = 0; us < 70'000'000; us += us < 300'000 ? 1 : 997) {
        while (expected < histogram::bounds_us.size() && us > histogram::bounds_us[expected]) ++expected;
        if (histogram::bucket_of(us) != expected) {
            CAPTURE(us);
            REQUIRE(histogram::bucket_of(us) == expected);
        }
    }
    for (std::size_t index = 0; index < histogram::bounds_us.size(); ++index) {
        CAPTURE(index);
        CHECK(histogram::bucket_of(histogram::bounds_us[index]) == index);
        CHECK(histogram::bucket_of(histogram::bounds_us[index] + 1) == index + 1);
    }
    CHECK(histogram::bucket_of(std::numeric_limits<std::int64_t>::max()) == histogram::bounds_us.size());
}

TEST_CASE("a histogram counts and sums, a clock that ran backwards counts as zero", "[proxy][metrics]") {
    histogram durations;
    durations.record(microseconds(90));
    durations.record(microseconds(100));
    durations.record(microseconds(101));
    durations.record(std::chrono::hours(1));
    durations.record(microseconds(-5));
    CHECK(durations.bucket(0) == 3);
    CHECK(durations.bucket(1) == 1);
    CHECK(durations.bucket(histogram::bucket_count - 1) == 1);
    CHECK(durations.sum_us() == 90 + 100 + 101 + 3'600'000'000u);
}

TEST_CASE("the class of a status is its first digit, or 0 for what is none", "[proxy][metrics]") {
    const auto [status, expected] = GENERATE(table<unsigned, std::size_t>(
        {{0, 0}, {99, 0}, {100, 1}, {200, 2}, {304, 3}, {404, 4}, {599, 5}, {600, 0}, {999, 0}}));
    CAPTURE(status);
    CHECK(status_class(status) == expected);
}

TEST_CASE("counters only grow, gauges go both ways", "[proxy][metrics]") {
    worker_metrics worker;
    worker.requests.add();
    worker.requests.add(4);
    worker.connections_idle.add(3);
    worker.connections_idle.add(-2);
    worker.connections_active.set(7);
    worker.cache(cache_metric::miss).add();
    CHECK(worker.requests.value() == 5);
    CHECK(worker.connections_idle.value() == 1);
    CHECK(worker.connections_active.value() == 7);
    CHECK(worker.cache(cache_metric::miss).value() == 1);
    CHECK(worker.cache(cache_metric::hit).value() == 0);
    CHECK(alignof(worker_metrics) == 64);
}
