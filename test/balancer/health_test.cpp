#include "balancer/health.hpp"

#include <catch2/catch.hpp>

namespace weir::balancer {

namespace {

// The results of checks, + or -, and what each changed: u up, d down, . nothing.
std::string changes(health& of, const conf::health_settings& settings, const std::string& results) {
    std::string all;
    for (const char result : results) {
        const auto change = result == '+' ? of.passed(settings) : of.failed(settings, "connection refused");
        all += !change ? '.' : change->up ? 'u' : 'd';
    }
    return all;
}

}  // namespace

TEST_CASE("checks in a row decide whether an endpoint is up", "[balancer][health]") {
    const auto [results, expected] = GENERATE(table<std::string, std::string>({
        {"-", "d"},        // the first decides alone
        {"+", "."},        // it counted as up before
        {"+---", "...d"},  //
        {"+--+--+", "......."},
        {"+----", "...d."},
        {"-++", "d.u"},
        {"-+-+++", "d...u."},
        {"-++---++", "d.u..d.u"},
    }));
    CAPTURE(results);
    health one;
    CHECK(one.up());
    CHECK(changes(one, {.rise = 2, .fall = 3}, results) == expected);
}

TEST_CASE("a change of health says why", "[balancer][health]") {
    const conf::health_settings settings{.rise = 2, .fall = 3};
    health one;
    const auto first = one.failed(settings, "status 503");
    REQUIRE(first);
    CHECK_FALSE(first->up);
    CHECK_FALSE(one.up());
    CHECK(first->reason == "1 check failed: status 503");
    one.passed(settings);
    const auto up = one.passed(settings);
    REQUIRE(up);
    CHECK(up->up);
    CHECK(one.up());
    CHECK(up->reason == "2 checks passed");
    one.failed(settings, "timeout");
    one.failed(settings, "timeout");
    const auto down = one.failed(settings, "connection refused");
    REQUIRE(down);
    CHECK(down->reason == "3 checks failed: connection refused");
}

TEST_CASE("settings of a reload hold for the next check", "[balancer][health][reload]") {
    health one;
    CHECK(changes(one, {.rise = 2, .fall = 3}, "+--") == "...");
    CHECK(changes(one, {.rise = 2, .fall = 1}, "-") == "d");
    CHECK(changes(one, {.rise = 1, .fall = 1}, "+") == "u");
}

}  // namespace weir::balancer
