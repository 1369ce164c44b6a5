#include "balancer/retry.hpp"

#include <catch2/catch.hpp>

namespace weir::balancer {

namespace {

const clock::time_point now{std::chrono::hours(1)};

next_step decide(attempt failed, request_facts request, unsigned retries = 1) {
    retry_budget budget;
    return after_failure(failed, request, {.retries = retries, .budget_percent = 20}, budget, now);
}

}  // namespace

TEST_CASE("an attempt is repeated only where that can do no harm", "[balancer][retry][rfc9110-9.2.2]") {
    const attempt unsent{};
    const attempt sent{.bytes_sent = 100};
    const attempt reused_sent{.reused_connection = true, .bytes_sent = 100};
    const attempt reused_unsent{.reused_connection = true};
    const attempt timed_out{.reused_connection = true, .timed_out = true, .bytes_sent = 100};
    const attempt half_answered{.reused_connection = true, .bytes_sent = 100, .bytes_received = 10};
    const request_facts get{.idempotent = true};
    const request_facts post{};
    struct row {
        const char* what;
        attempt failed;
        request_facts request;
        next_step expected;
    };
    const row rows[] = {
        {"a GET that was refused", unsent, get, next_step::other_endpoint},
        {"a POST that was refused", unsent, post, next_step::other_endpoint},
        {"a GET that was sent", sent, get, next_step::retry},
        {"a POST that was sent", sent, post, next_step::give_up},
        {"a GET on a reused connection that died", reused_sent, get, next_step::same_endpoint},
        {"a POST on a reused connection that died after it was sent", reused_sent, post, next_step::give_up},
        {"a POST on a reused connection that took no byte", reused_unsent, post, next_step::same_endpoint},
        {"a GET that timed out on a reused connection", timed_out, get, next_step::retry},
        {"a POST that timed out", timed_out, post, next_step::give_up},
        {"a GET whose response broke off", half_answered, get, next_step::retry},
    };
    for (const row& r : rows) {
        CAPTURE(r.what);
        CHECK(decide(r.failed, r.request) == r.expected);
    }
}

TEST_CASE("nothing is repeated once the client has part of a response", "[balancer][retry]") {
    CHECK(decide({}, {.idempotent = true, .response_begun = true}) == next_step::give_up);
}

TEST_CASE("nothing is repeated whose content is gone", "[balancer][retry]") {
    CHECK(decide({}, {.idempotent = true, .content_replayable = false}) == next_step::give_up);
}

TEST_CASE("a connection is replaced once; after that the endpoint has failed", "[balancer][retry]") {
    const attempt died{.reused_connection = true, .bytes_sent = 1};
    CHECK(decide(died, {.idempotent = true, .fresh_connection_tried = true}) == next_step::retry);
}

TEST_CASE("retries are counted", "[balancer][retry]") {
    const attempt sent{.bytes_sent = 1};
    CHECK(decide(sent, {.idempotent = true, .retries_made = 0}, 0) == next_step::give_up);
    CHECK(decide(sent, {.idempotent = true, .retries_made = 1}, 1) == next_step::give_up);
    CHECK(decide(sent, {.idempotent = true, .retries_made = 1}, 2) == next_step::retry);
}

TEST_CASE("the budget gives ten retries a second and a share of the requests beyond", "[balancer][retry]") {
    retry_budget budget;
    int taken = 0;
    for (int i = 0; i < 50; ++i) taken += budget.take(now);
    CHECK(taken == 10);

    SECTION("a new second brings ten more") {
        taken = 0;
        for (int i = 0; i < 50; ++i) taken += budget.take(now + std::chrono::seconds(1));
        CHECK(taken == 10);
    }
    SECTION("a hundred requests at 20 % allow twenty in all") {
        for (int i = 0; i < 100; ++i) budget.request_came(20);
        for (int i = 0; i < 50; ++i) taken += budget.take(now);
        CHECK(taken == 20);
    }
    SECTION("at 0 % requests bring nothing") {
        for (int i = 0; i < 100; ++i) budget.request_came(0);
        CHECK_FALSE(budget.take(now));
    }
    SECTION("what a calm time saves up is bounded") {
        for (int i = 0; i < 100'000; ++i) budget.request_came(100);
        taken = 0;
        for (int i = 0; i < 1000; ++i) taken += budget.take(now);
        CHECK(taken == 100);
    }
}

// Every attempt fails after it was sent, and every request would be tried four times.
TEST_CASE("retries never double an overload", "[balancer][retry]") {
    const auto [requests_a_second, least, most] = GENERATE(table<int, int, int>({
        // In a minute, each after a calm time; what that saved up is at most 100.
        {5, 600, 600 + 100},        // the floor is more than the share
        {20, 600, 600 + 100},       //
        {1000, 12'000, 12'100},     // the share is more
        {20'000, 240'000, 240'100}  //
    }));
    CAPTURE(requests_a_second);
    const conf::retry_settings settings{.retries = 3, .budget_percent = 20};
    retry_budget budget;
    for (int i = 0; i < 10'000; ++i) budget.request_came(settings.budget_percent);
    int retries = 0;
    for (int i = 0; i < requests_a_second * 60; ++i) {
        const clock::time_point at = now + std::chrono::microseconds(1'000'000LL * i / requests_a_second);
        budget.request_came(settings.budget_percent);
        request_facts facts{.idempotent = true};
        while (after_failure({.bytes_sent = 1}, facts, settings, budget, at) == next_step::retry) {
            ++facts.retries_made;
            ++retries;
        }
    }
    CHECK(retries >= least);
    CHECK(retries <= most);
}

}  // namespace weir::balancer
