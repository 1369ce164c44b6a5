#include "proxy/awaitable.hpp"

#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "proxy/task_group.hpp"
#include "test/proxy/support.hpp"

using namespace weir::proxy;
using weir::test::event_loop;

namespace {

using timer = asio::basic_waitable_timer<steady, asio::wait_traits<steady>, executor>;

// Ends as whoever has it says.
class gate {
  public:
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> by) {
        waiting_.emplace(by.promise());
        by.promise().wait_began();
    }
    void await_resume() const noexcept {}

    void open() {
        continuation taken = std::move(*waiting_);
        waiting_.reset();
        taken();
    }
    void forget() { waiting_.reset(); }

  private:
    std::optional<continuation> waiting_;
};

struct notes_end {
    std::vector<std::string>& log;
    std::string name;
    ~notes_end() { log.push_back(name); }
};

awaitable<int> at_once(int value) {
    co_return value;
}

awaitable<int> behind(gate& closed, int value) {
    co_await closed;
    co_return value;
}

awaitable<int> fails_behind(gate& closed) {
    co_await closed;
    throw std::runtime_error("inner");
}

awaitable<void> noted(gate& closed, std::vector<std::string>& log, std::string name) {
    const notes_end own{log, name};
    co_await closed;
}

}  // namespace

TEST_CASE("A coroutine runs only when it is awaited, and destroys itself unrun", "[awaitable]") {
    bool ran = false;
    const auto inner = [&]() -> awaitable<void> {
        ran = true;
        co_return;
    };
    { const awaitable<void> never = inner(); }
    CHECK_FALSE(ran);
}

TEST_CASE("A task that waits for nothing has ended when spawn() returns", "[awaitable]") {
    asio::io_context context;
    task_group tasks(context);
    int sum = 0;
    const auto add = [&]() -> awaitable<void> {
        for (int i = 0; i < 3; ++i) sum += co_await at_once(i);
    };
    bool done = false;
    tasks.spawn(add(), [&] {
        done = true;
        CHECK(tasks.running() == 0);
    });
    CHECK(done);
    CHECK(sum == 3);
}

TEST_CASE("Any number of calls that need not wait take no more stack than one", "[awaitable]") {
    asio::io_context context;
    task_group tasks(context);
    std::uint64_t sum = 0;
    const auto add = [&]() -> awaitable<void> {
        for (int i = 0; i < 1'000'000; ++i) sum += static_cast<std::uint64_t>(co_await at_once(1));
    };
    tasks.spawn(add());
    CHECK(sum == 1'000'000);
}

TEST_CASE("Any number of waits take no more stack than one", "[awaitable]") {
    asio::io_context context;
    task_group tasks(context);
    gate closed;
    int sum = 0;
    constexpr int rounds = 200'000;
    const auto add = [&]() -> awaitable<void> {
        for (int i = 0; i < rounds; ++i) sum += co_await behind(closed, 1);
    };
    bool done = false;
    tasks.spawn(add(), [&] { done = true; });
    for (int i = 0; i < rounds; ++i) closed.open();
    CHECK(done);
    CHECK(sum == rounds);
}

TEST_CASE("What a coroutine throws reaches who awaits it", "[awaitable]") {
    asio::io_context context;
    task_group tasks(context);
    gate closed;
    std::string what;
    const auto outer = [&]() -> awaitable<void> {
        try {
            co_await fails_behind(closed);
        } catch (const std::runtime_error& e) {
            what = e.what();
        }
    };
    tasks.spawn(outer());
    CHECK(what.empty());
    closed.open();
    CHECK(what == "inner");
    CHECK(tasks.running() == 0);
}

TEST_CASE("What leaves a task is logged, and the task has ended", "[awaitable]") {
    asio::io_context context;
    task_group tasks(context);
    gate closed;
    bool done = false;
    const auto outer = [&]() -> awaitable<void> { co_await fails_behind(closed); };
    tasks.spawn(outer(), [&] { done = true; });
    closed.open();
    CHECK(done);
    CHECK(tasks.running() == 0);
}

TEST_CASE("A result may be of a type that only moves", "[awaitable]") {
    asio::io_context context;
    task_group tasks(context);
    const auto make = []() -> awaitable<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    std::unique_ptr<int> got;
    const auto take = [&]() -> awaitable<void> { got = co_await make(); };
    tasks.spawn(take());
    REQUIRE(got);
    CHECK(*got == 7);
}

TEST_CASE("Whoever ends a wait without a call destroys all that wait for it, the inner first", "[awaitable]") {
    asio::io_context context;
    task_group tasks(context);
    gate closed;
    std::vector<std::string> log;
    bool went_on = false;
    const auto middle = [&]() -> awaitable<void> {
        const notes_end own{log, "middle"};
        co_await noted(closed, log, "inner");
        went_on = true;
    };
    const auto outer = [&]() -> awaitable<void> {
        const notes_end own{log, "outer"};
        co_await middle();
        went_on = true;
    };
    bool done = false;
    tasks.spawn(outer(), [&] { done = true; });
    CHECK(log.empty());
    closed.forget();
    CHECK(log == std::vector<std::string>{"inner", "middle", "outer"});
    CHECK_FALSE(went_on);
    CHECK_FALSE(done);
}

TEST_CASE("With its io_context a coroutine goes that waits for a timer or its turn", "[awaitable]") {
    std::vector<std::string> log;
    {
        std::optional<asio::io_context> context(std::in_place);
        task_group tasks(*context);
        const auto waits = [&]() -> awaitable<void> {
            const notes_end own{log, "timer"};
            timer clock(*context);
            clock.expires_after(weir::test::long_limit);
            co_await expiry_of(clock);
        };
        const auto posted = [&]() -> awaitable<void> {
            const notes_end own{log, "turn"};
            co_await turn_of_others(*context);
        };
        tasks.spawn(waits());
        tasks.spawn(posted());
        CHECK(log.empty());
        context.reset();
    }
    CHECK(log.size() == 2);
}

TEST_CASE("A wait that could not begin throws in the coroutine, which goes on", "[awaitable]") {
    struct no_memory {
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<awaitable<void>::promise_type> by) {
            const continuation held(by.promise());
            throw std::bad_alloc();
        }
        void await_resume() const noexcept {}
    };
    asio::io_context context;
    task_group tasks(context);
    bool went_on = false;
    const auto tries = [&]() -> awaitable<void> {
        try {
            no_memory wait;
            co_await wait;
        } catch (const std::bad_alloc&) {
            went_on = true;
        }
    };
    tasks.spawn(tries());
    CHECK(went_on);
    CHECK(tasks.running() == 0);
}

TEST_CASE("Recycled memory is handed out again, the last first, and to its own size", "[awaitable]") {
    void* const small = recycled_memory::take(100);
    void* const large = recycled_memory::take(1000);
    recycled_memory::give_back(small, 100);
    recycled_memory::give_back(large, 1000);
    CHECK(recycled_memory::take(1010) == large);
    void* const again = recycled_memory::take(90);
    CHECK(again == small);
    recycled_memory::give_back(again, 90);
    recycled_memory::give_back(large, 1010);
    // Of no list.
    recycled_memory::give_back(recycled_memory::take(1 << 20), 1 << 20);
}
