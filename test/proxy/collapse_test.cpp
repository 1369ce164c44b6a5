#include "proxy/collapse.hpp"

#include <catch2/catch.hpp>

#include "test/cache/heads.hpp"

namespace weir::proxy {
namespace {

struct counting_waiter final : http::wakeable {
    void wake() noexcept override { ++wakes; }
    int wakes = 0;
};

const std::string key = "http://example.org/";

std::shared_ptr<http::growing_content> no_content(http::memory_budget& budget) {
    return std::make_shared<http::growing_content>(budget, http::growing_content::options{});
}

TEST_CASE("the first who joins leads, the others follow until it leaves", "[proxy][collapse]") {
    collapse table;
    const test::request asked;
    const auto first = table.join(key, {asked.fields()}, nullptr);
    CHECK(first.leads);
    const auto second = table.join(key, {asked.fields()}, nullptr);
    CHECK_FALSE(second.leads);
    CHECK(second.fill == first.fill);
    CHECK(table.join("http://example.org/other", {asked.fields()}, nullptr).leads);
    table.leave(key, first.fill);
    CHECK(table.join(key, {asked.fields()}, nullptr).leads);
}

TEST_CASE("who joins a refresh sees what it is of until it has an outcome", "[proxy][collapse][rfc5861-3]") {
    collapse table;
    const test::request asked;
    const cache::response_ptr stale = test::make_stored({});
    CHECK(table.join(key, {asked.fields()}, nullptr, stale).leads);
    const auto place = table.join(key, {asked.fields()}, nullptr);
    CHECK(place.fill->look().now == fill::stage::asking);
    CHECK(place.fill->look().response == stale);
    place.fill->keep_to_itself(200);
    CHECK(place.fill->look().response == nullptr);
}

TEST_CASE("who waits is woken once, by whatever comes of it", "[proxy][collapse]") {
    http::memory_budget budget(1 << 20);
    fill f;
    counting_waiter one, other;
    CHECK(f.wait(one));
    CHECK(f.wait(other));
    f.unfollow(other);
    const auto stage =
        GENERATE(fill::stage::arriving, fill::stage::validated, fill::stage::not_shared, fill::stage::failed);
    switch (stage) {
        case fill::stage::arriving:
            f.arrive(test::make_stored({}), no_content(budget), 7);
            CHECK(f.look().length == 7u);
            break;
        case fill::stage::validated:
            f.validate(test::make_stored({}), 304);
            CHECK(f.look().origin_status == 304);
            break;
        case fill::stage::not_shared:
            f.keep_to_itself(503);
            CHECK(f.look().origin_status == 503);
            break;
        default:
            f.fail(cause::connection_refused);
            CHECK(f.look().why == cause::connection_refused);
            break;
    }
    CHECK(f.look().now == stage);
    CHECK(one.wakes == 1);
    CHECK(other.wakes == 0);
    // There is nothing to wait for any more, and the first outcome stays.
    CHECK_FALSE(f.wait(one));
    f.fail(cause::internal);
    CHECK(f.look().now == stage);
    CHECK(one.wakes == 1);
}

TEST_CASE("requests that are known to select other variants have fills of their own", "[proxy][collapse]") {
    collapse table;
    const auto stored = test::make_stored({.request_fields = "Accept: a", .response_fields = "Vary: Accept"});
    const test::request b("Accept: b");
    const test::request c("Accept: c");
    const auto of_b = table.join(key, {b.fields()}, stored.get());
    CHECK(of_b.leads);
    CHECK_FALSE(table.join(key, {b.fields()}, stored.get()).leads);
    CHECK(table.join(key, {c.fields()}, stored.get()).leads);
}

TEST_CASE("a response that has come says whom it is for", "[proxy][collapse]") {
    http::memory_budget budget(1 << 20);
    collapse table;
    const test::request a("Accept: a");
    const test::request b("Accept: b");
    const auto led = table.join(key, {a.fields()}, nullptr);
    CHECK_FALSE(table.join(key, {b.fields()}, nullptr).leads);
    led.fill->arrive(test::make_stored({.request_fields = "Accept: a", .response_fields = "Vary: Accept"}),
                     no_content(budget), {});
    CHECK(table.join(key, {b.fields()}, nullptr).leads);
    CHECK_FALSE(table.join(key, {a.fields()}, nullptr).leads);
}

TEST_CASE("a fill that its client left goes on only while others wait", "[proxy][collapse]") {
    collapse table;
    const test::request asked;
    const auto led = table.join(key, {asked.fields()}, nullptr);
    counting_waiter waiter;
    SECTION("somebody waits") {
        const auto follower = table.join(key, {asked.fields()}, nullptr);
        CHECK(led.fill->followed());
        CHECK(follower.fill->wait(waiter));
        CHECK(led.fill->goes_on_without_client());
        follower.fill->unfollow(waiter);
        CHECK_FALSE(led.fill->followed());
    }
    SECTION("nobody does, and nobody can any more") {
        CHECK_FALSE(led.fill->goes_on_without_client());
        CHECK(table.join(key, {asked.fields()}, nullptr).leads);
    }
}

TEST_CASE("fills of one key are bounded", "[proxy][collapse]") {
    collapse table;
    const auto stored = test::make_stored({.request_fields = "Accept: a", .response_fields = "Vary: Accept"});
    std::vector<std::shared_ptr<fill>> led;
    for (int i = 0; i < 64; ++i) {
        const test::request asked("Accept: " + std::to_string(i));
        led.push_back(table.join(key, {asked.fields()}, stored.get()).fill);
        REQUIRE(led.back());
    }
    const test::request one_more("Accept: more");
    CHECK_FALSE(table.join(key, {one_more.fields()}, stored.get()).fill);
    table.leave(key, led.front());
    CHECK(table.join(key, {one_more.fields()}, stored.get()).leads);
}

}  // namespace
}  // namespace weir::proxy
