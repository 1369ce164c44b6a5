#include "proxy/deadlines.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "test/proxy/support.hpp"

using namespace weir;
using namespace weir::proxy;
using namespace std::chrono_literals;

namespace {

// Writes its name down when it is late, then does what the test wants.
class named final : public deadline {
  public:
    named(std::string& order, char name, std::function<void()> then = {})
        : order_(order), name_(name), then_(std::move(then)) {}
    void then(std::function<void()> f) { then_ = std::move(f); }

  private:
    void late() noexcept override {
        order_ += name_;
        const auto then = then_;  // which may destroy this
        if (then) then();
    }
    std::string& order_;
    char name_;
    std::function<void()> then_;
};

}  // namespace

TEST_CASE("deadlines of one duration are late in the order in which they were armed", "[proxy][deadlines]") {
    test::event_loop loop;
    std::string order;
    named a(order, 'a'), b(order, 'b'), c(order, 'c');
    for (named* d : {&a, &b, &c}) loop.deadlines.arm(*d, 10ms);
    loop.deadlines.arm(a, 10ms);
    loop.run_until([&] { return order.size() == 3; });
    CHECK(order == "bca");
    CHECK_FALSE(a.armed());
}

TEST_CASE("a deadline that is armed again starts anew", "[proxy][deadlines]") {
    test::event_loop loop;
    std::string order;
    named again(order, 'x'), later(order, 'b');
    loop.deadlines.arm(again, 10ms);
    loop.deadlines.arm(later, 20ms);
    loop.deadlines.arm(again, test::long_limit);
    loop.run_until([&] { return !order.empty(); });
    CHECK(order == "b");
    CHECK(again.armed());
}

TEST_CASE("a short deadline does not wait for a long one armed before it", "[proxy][deadlines]") {
    test::event_loop loop;
    std::string order;
    named hour(order, 'h'), second(order, 's'), soon(order, 'a'), next(order, 'b');
    loop.deadlines.arm(hour, 1h);
    loop.deadlines.arm(second, 2s);
    loop.deadlines.arm(soon, 10ms);
    loop.run_until([&] { return !order.empty(); });
    CHECK(order == "a");
    loop.deadlines.arm(next, 10ms);
    second.disarm();
    loop.run_until([&] { return order.size() == 2; });
    CHECK(order == "ab");
    CHECK(hour.armed());
}

TEST_CASE("a deadline that is late may change all of them", "[proxy][deadlines]") {
    test::event_loop loop;
    std::string order;
    auto a = std::make_unique<named>(order, 'a');
    auto b = std::make_unique<named>(order, 'b');
    named last(order, 'z');
    loop.deadlines.arm(*a, 10ms);
    loop.deadlines.arm(*b, 10ms);
    loop.deadlines.arm(last, 10ms);
    const auto run_to_last = [&] { loop.run_until([&] { return order.ends_with('z'); }); };

    SECTION("it is disarmed itself") {
        bool armed = true;
        a->then([&] { armed = a->armed(); });
        run_to_last();
        CHECK(order == "abz");
        CHECK_FALSE(armed);
    }
    SECTION("disarm the next") {
        a->then([&] { b->disarm(); });
        run_to_last();
        CHECK(order == "az");
    }
    SECTION("destroy itself") {
        a->then([&] { a.reset(); });
        run_to_last();
        CHECK(order == "abz");
    }
    SECTION("destroy the next") {
        a->then([&] { b.reset(); });
        run_to_last();
        CHECK(order == "az");
    }
    SECTION("arm itself again, behind those that wait") {
        a->then([&] {
            if (order.size() < 5) loop.deadlines.arm(*a, 10ms);
        });
        run_to_last();
        CHECK(order == "abz");
        loop.run_until([&] { return order.size() == 5; });
        CHECK(order == "abzaa");
        CHECK_FALSE(a->armed());
    }
    SECTION("arm another with a duration that no other has") {
        named fresh(order, 'f'), slow(order, 's');
        a->then([&] {
            loop.deadlines.arm(fresh, 11ms);
            loop.deadlines.arm(slow, test::long_limit);
        });
        run_to_last();
        CHECK(order == "abz");
        loop.run_until([&] { return order.ends_with('f'); });
        CHECK(order == "abzf");
        CHECK(slow.armed());
    }
}

TEST_CASE("a deadline that is destroyed is not late", "[proxy][deadlines]") {
    test::event_loop loop;
    std::string order;
    named last(order, 'z');
    {
        named gone(order, 'x');
        loop.deadlines.arm(gone, 10ms);
        loop.deadlines.arm(last, 10ms);
    }
    loop.run_until([&] { return !order.empty(); });
    CHECK(order == "z");
}

TEST_CASE("nothing ticks while no deadline is armed", "[proxy][deadlines]") {
    test::event_loop loop;
    std::string order;
    named a(order, 'a'), b(order, 'b');
    loop.deadlines.arm(a, 10ms);
    loop.deadlines.arm(b, 5s);
    loop.run_until([&] { return !order.empty(); });
    b.disarm();
    // Ends when the context has no work left.
    loop.context.restart();
    loop.context.run_for(test::patience);
    CHECK(loop.context.stopped());

    loop.deadlines.arm(b, 10ms);
    loop.run_until([&] { return order.size() == 2; });
    CHECK(order == "ab");
}
