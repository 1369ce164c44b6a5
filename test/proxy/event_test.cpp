#include "proxy/event.hpp"

#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <optional>

#include "test/proxy/support.hpp"

using namespace weir;
using namespace weir::proxy;
using test::event_loop;

namespace {

// Whether `e` was woken, in a coroutine of its own.
void wait(event_loop& loop, event& e, std::chrono::milliseconds limit, std::optional<bool>& woken) {
    loop.spawn([&e, limit, &woken]() -> awaitable<void> { woken = co_await e.wait(limit); });
}

}  // namespace

TEST_CASE("an event wakes who waits for it", "[proxy][event]") {
    event_loop loop;
    event e(loop.context, loop.inbox);
    std::optional<bool> woken;
    wait(loop, e, test::long_limit, woken);
    loop.settle();
    CHECK_FALSE(woken);
    asio::post(loop.context, [&] { e.wake(); });
    loop.run();
    CHECK(woken == true);
}

TEST_CASE("a wait for an event has a limit", "[proxy][event]") {
    event_loop loop;
    event e(loop.context, loop.inbox);
    loop.run([&]() -> awaitable<void> {
        CHECK_AWAITED(!co_await e.wait(test::short_limit));
        CHECK_AWAITED(!co_await e.wait(std::chrono::milliseconds(0)));
        // What comes between two waits is not lost by the late one.
        e.wake();
        CHECK_AWAITED(co_await e.wait(test::long_limit));
    });
}

TEST_CASE("a wake that comes before the wait is not lost, and counts once", "[proxy][event]") {
    event_loop loop;
    event e(loop.context, loop.inbox);
    loop.run([&]() -> awaitable<void> {
        e.wake();
        e.wake();
        CHECK_AWAITED(co_await e.wait(test::long_limit));
        CHECK_AWAITED(!co_await e.wait(test::short_limit));
    });
}

TEST_CASE("a wake from elsewhere goes through the inbox", "[proxy][event][inbox]") {
    event_loop loop;
    event e(loop.context, loop.inbox);
    e.prepare_remote();
    e.prepare_remote();
    std::optional<bool> woken;

    SECTION("to who waits") {
        wait(loop, e, test::long_limit, woken);
        loop.settle();
        REQUIRE_FALSE(loop.inbox.here());
        e.wake();
        CHECK_FALSE(woken);
        loop.run();
        CHECK(woken == true);
    }
    SECTION("to who will wait") {
        e.wake();
        loop.settle();
        wait(loop, e, test::long_limit, woken);
        loop.run();
        CHECK(woken == true);
    }
}

TEST_CASE("an event may go while a wake from elsewhere is on its way", "[proxy][event][inbox]") {
    event_loop loop;
    auto e = std::make_unique<event>(loop.context, loop.inbox);
    event other(loop.context, loop.inbox);
    e->prepare_remote();
    other.prepare_remote();
    e->wake();
    other.wake();
    e.reset();
    loop.run([&]() -> awaitable<void> { CHECK_AWAITED(co_await other.wait(test::long_limit)); });
}
