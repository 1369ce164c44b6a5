#include "proxy/inbox.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "proxy/log.hpp"
#include "test/proxy/support.hpp"

using namespace weir;
using namespace weir::proxy;
using test::event_loop;

TEST_CASE("an inbox runs what was pushed in its order", "[proxy][inbox]") {
    event_loop loop;
    std::string order;
    for (const char name : {'a', 'b', 'c'}) loop.inbox.push([&order, name] { order += name; });
    CHECK(order.empty());
    loop.settle();
    CHECK(order == "abc");
    loop.inbox.push([&order] { order += 'd'; });
    loop.settle();
    CHECK(order == "abcd");
}

TEST_CASE("an inbox costs the worker one handler, however much is in it", "[proxy][inbox]") {
    event_loop loop;
    int ran = 0;
    for (int i = 0; i < 100; ++i) loop.inbox.push([&ran] { ++ran; });
    CHECK(loop.context.poll_one() == 1);
    CHECK(ran == 100);
    CHECK(loop.context.poll_one() == 0);
}

TEST_CASE("what a task pushes runs after those that wait", "[proxy][inbox]") {
    event_loop loop;
    std::string order;
    loop.inbox.push([&] {
        order += 'a';
        loop.inbox.push([&] { order += 'c'; });
    });
    loop.inbox.push([&] { order += 'b'; });
    loop.settle();
    CHECK(order == "abc");
}

TEST_CASE("only the worker's own thread is here", "[proxy][inbox]") {
    event_loop loop;
    bool here = false;
    loop.inbox.push([&] { here = loop.inbox.here(); });
    CHECK_FALSE(loop.inbox.here());
    loop.settle();
    CHECK(here);
}

TEST_CASE("what is still in an inbox goes with it", "[proxy][inbox]") {
    const auto owned = std::make_shared<int>(1);
    {
        event_loop loop;
        loop.inbox.push([owned] { FAIL("it must not run"); });
        CHECK(owned.use_count() == 2);
    }
    CHECK(owned.use_count() == 1);
}

TEST_CASE("a task that throws does not take those behind it along", "[proxy][inbox]") {
    event_loop loop;
    bool ran = false;
    const std::shared_ptr<log_buffer> lines = std::make_shared<log_buffer>(std::make_shared<log_bell>());
    log::start(lines, log::level::error);
    loop.inbox.push([] { throw std::runtime_error("what the test throws"); });
    loop.inbox.push([&ran] { ran = true; });
    loop.settle();
    log::stop();
    CHECK(ran);
    auto space = std::make_unique<char[]>(lines->capacity_bytes());
    const std::size_t size = lines->take(space);
    CHECK(std::string_view(space.get(), size).ends_with("error internal error: what the test throws\n"));
}
