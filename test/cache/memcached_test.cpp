#include "cache/memcached.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "test/cache/allocation_count.hpp"
#include "test/cache/memcached_support.hpp"
#include "test/support/scripted_memcached.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using outcome = memcached_value::outcome;
using test::ask;
using test::eventually;
using test::settings_for;
using where = test::memcached_process::where;

memcached_maker items(std::vector<memcached_item> made) {
    return [made] { return made; };
}

// What the observer of a tier was told.
class telling {
  public:
    memcached::observer observer() {
        return [this](const std::string& text) {
            const std::lock_guard hold(mutex_);
            texts_.push_back(text);
        };
    }
    std::vector<std::string> texts() {
        const std::lock_guard hold(mutex_);
        return texts_;
    }

  private:
    std::mutex mutex_;
    std::vector<std::string> texts_;
};

bool is_missing(memcached& tier, const std::string& key) {
    const auto reader = ask(tier, key);
    return reader && reader->outcome() == outcome::missing;
}

bool is_open(const memcached& tier) {
    return tier.counters().at(0).is_open;
}

TEST_CASE("what is stored is found, and what is removed is not", "[cache][memcached]") {
    test::memcached_process one(GENERATE(where::loopback, where::unix_socket));
    test::memcached_process two;
    memcached tier(settings_for({test::address_of(one), test::address_of(two)}));
    for (int i = 0; i < 100; ++i) {
        const auto route = "page" + std::to_string(i);
        tier.store(route, 1, items({{route, "x", 1, 0s}, {route + ":part", "y", 2, 60s}}));
        if (i % 10 == 0) tier.remove(route, route);
    }
    // Of so many the ring gives each server one, whatever their ports.
    for (int i = 0; i < 40; ++i) test::settle(tier, "page" + std::to_string(i));
    for (int i = 0; i < 100; ++i) {
        const auto route = "page" + std::to_string(i);
        CAPTURE(route);
        const auto reader = std::make_shared<test::keeping_reader>();
        REQUIRE(tier.get(route, {route + ":part", "none", route}, reader));
        const auto got = reader->wait();
        REQUIRE(got.size() == 3);
        CHECK(got[0].bytes == "y");
        CHECK(got[0].flags == 2);
        CHECK(got[1].what == outcome::missing);
        CHECK(got[2].what == (i % 10 == 0 ? outcome::missing : outcome::found));
        CHECK(reader->times() == 1);
    }
    std::uint64_t stored = 0;
    for (const auto& its : tier.counters()) {
        CHECK(its.hits > 0);
        CHECK(its.hits + its.misses == its.batched_keys);
        CHECK(its.failures == 0);
        CHECK(its.dropped_stores == 0);
        std::uint64_t timed = 0;
        for (const auto in_bucket : its.latency) timed += in_bucket;
        CHECK(timed == its.requests);
        stored += its.stores;
    }
    CHECK(stored == 200);
}

TEST_CASE("the first who adds a key has added it", "[cache][memcached]") {
    test::memcached_process server;
    memcached tier(settings_for({test::address_of(server)}));
    const auto first = std::make_shared<test::keeping_reader>();
    const auto second = std::make_shared<test::keeping_reader>();
    REQUIRE(tier.add("lock", {"lock", "me", 0, 60s}, first));
    REQUIRE(tier.add("lock", {"lock", "you", 0, 60s}, second));
    CHECK(first->outcome() == outcome::found);
    CHECK(second->outcome() == outcome::missing);
    CHECK(ask(tier, "lock")->wait().at(0).bytes == "me");
}

TEST_CASE("lookups that wait for a server go out as one", "[cache][memcached]") {
    test::gate asked;
    test::gate answer;
    test::scripted_memcached server([&](const std::string& line) {
        if (line == "get first") {
            asked.open();
            answer.wait();
        }
        return line == "get a b" ? "VALUE b 3 1\r\nx\r\nEND\r\n" : "END\r\n";
    });
    memcached tier(settings_for({server.address()}));
    const auto first = ask(tier, "first");
    asked.wait();
    std::vector<std::shared_ptr<test::keeping_reader>> readers;
    for (const auto* key : {"a", "b", "a", "b", "b"}) readers.push_back(ask(tier, key));
    answer.open();
    CHECK(first->outcome() == outcome::missing);
    CHECK(readers[0]->outcome() == outcome::missing);
    CHECK(readers[2]->outcome() == outcome::missing);
    for (const auto i : {1, 3, 4}) {
        const auto got = readers[i]->wait().at(0);
        CHECK(got.what == outcome::found);
        CHECK(got.bytes == "x");
        CHECK(got.flags == 3);
    }
    CHECK(server.lines() == std::vector<std::string>{"get first", "get a b"});
    const auto its = tier.counters().at(0);
    CHECK(its.batches == 2);
    CHECK(its.batched_keys == 3);
    CHECK(its.hits == 3);
    CHECK(its.misses == 3);
}

TEST_CASE("a request has no more keys than it should, unless one lookup has", "[cache][memcached]") {
    test::gate asked;
    test::gate answer;
    test::scripted_memcached server([&](const std::string&) {
        asked.open();
        answer.wait();
        return "END\r\n";
    });
    memcached tier(settings_for({server.address()}));
    const auto first = ask(tier, "first");
    asked.wait();
    std::vector<std::shared_ptr<test::keeping_reader>> readers;
    for (std::size_t i = 0; i < memcached::max_batch_keys + 1; ++i)
        readers.push_back(ask(tier, "k" + std::to_string(i)));
    std::vector<std::string> many;
    for (std::size_t i = 0; i < 2 * memcached::max_batch_keys; ++i) many.push_back("m" + std::to_string(i));
    readers.push_back(std::make_shared<test::keeping_reader>());
    REQUIRE(tier.get("m", many, readers.back()));
    readers.push_back(std::make_shared<test::keeping_reader>());
    REQUIRE(tier.get("m", {}, readers.back()));
    answer.open();
    for (const auto& reader : readers) reader->wait();
    CHECK(readers[readers.size() - 2]->wait().size() == many.size());
    std::vector<std::ptrdiff_t> keys;
    for (const auto& line : server.lines()) keys.push_back(std::count(line.begin(), line.end(), ' '));
    CHECK(keys == std::vector<std::ptrdiff_t>{1, memcached::max_batch_keys, 1, 2 * memcached::max_batch_keys});
}

TEST_CASE("a reader may ask further", "[cache][memcached]") {
    test::memcached_process server;
    memcached tier(settings_for({test::address_of(server)}));
    struct follower : memcached_reader {
        follower(memcached& asked, std::shared_ptr<memcached_reader> then) : tier(asked), next(std::move(then)) {}
        void finish(std::vector<memcached_value>) noexcept override {
            is_taken = tier.get("second", {"second"}, next) && tier.add("third", {"third", "x", 0, 0s}, next);
        }
        memcached& tier;
        std::shared_ptr<memcached_reader> next;
        std::atomic<bool> is_taken{false};
    };
    const auto last = std::make_shared<test::keeping_reader>();
    const auto first = std::make_shared<follower>(tier, last);
    REQUIRE(tier.get("first", {"first"}, first));
    CHECK(eventually([&] { return last->times() == 2; }));
    CHECK(first->is_taken);
}

TEST_CASE("no more lookups wait than may", "[cache][memcached][faults]") {
    test::gate asked;
    test::gate answer;
    test::scripted_memcached server([&](const std::string&) {
        asked.open();
        answer.wait();
        return "END\r\n";
    });
    std::vector<std::shared_ptr<test::keeping_reader>> readers;
    {
        memcached tier(settings_for({server.address()}));
        readers.push_back(ask(tier, "first"));
        asked.wait();
        for (std::size_t i = 0; i < memcached::max_waiting_lookups; ++i) readers.push_back(ask(tier, "other"));
        CHECK(readers.back() != nullptr);
        CHECK(ask(tier, "other") == nullptr);
        CHECK(!tier.add("other", {"other", "x", 0, 0s}, std::make_shared<test::keeping_reader>()));
        CHECK(tier.counters().at(0).refused_lookups == 2);
        answer.open();
    }
    // Those that were not answered by then have failed.
    for (const auto& reader : readers) CHECK(reader->times() == 1);
}

TEST_CASE("stores beyond the bounds are dropped and counted", "[cache][memcached][faults]") {
    test::memcached_process server;
    memcached tier(settings_for({test::address_of(server)}));
    test::gate reached;
    test::gate go_on;
    tier.store("first", 0, [&] {
        reached.open();
        go_on.wait();
        return std::vector<memcached_item>{{"first", "x", 0, 0s}};
    });
    reached.wait();
    std::atomic<std::uint64_t> made{0};
    const auto make = [&made] {
        ++made;
        return std::vector<memcached_item>{};
    };
    std::uint64_t expected = 0;
    SECTION("in number") {
        for (std::size_t i = 0; i < memcached::max_waiting_stores + 3; ++i) tier.store("more", 1, make);
        expected = memcached::max_waiting_stores;
        tier.remove("more", "more");
        CHECK(tier.counters().at(0).dropped_stores == 4);
    }
    SECTION("in bytes") {
        constexpr auto part = memcached::max_waiting_store_bytes / 4;
        for (int i = 0; i < 6; ++i) tier.store("more", part, make);
        expected = 4;
        CHECK(tier.counters().at(0).dropped_stores == 2);
    }
    SECTION("but one that is too large alone") {
        tier.store("more", 2 * memcached::max_waiting_store_bytes, make);
        expected = 1;
        CHECK(tier.counters().at(0).dropped_stores == 0);
    }
    go_on.open();
    CHECK(eventually([&] { return made == expected; }));
    test::settle(tier, "first");
    CHECK(ask(tier, "first")->outcome() == outcome::found);
    CHECK(eventually([&] {
        test::settle(tier, "first");
        const auto before = tier.counters().at(0).dropped_stores;
        tier.store("more", memcached::max_waiting_store_bytes, make);  // there is room again
        return tier.counters().at(0).dropped_stores == before;
    }));
}

TEST_CASE("a store that fails stops at what failed", "[cache][memcached][faults]") {
    test::memcached_process server;
    memcached tier(settings_for({test::address_of(server)}));
    SECTION("where the server does not take a part") {
        const std::string too_large(2 << 20, 'x');
        for (int i = 0; i < 5; ++i) {
            tier.store("a", 1, items({{"a:0", "x", 0, 0s}, {"a:1", too_large, 0, 0s}, {"a", "manifest", 0, 0s}}));
        }
        test::settle(tier, "a");
        const auto reader = std::make_shared<test::keeping_reader>();
        REQUIRE(tier.get("a", {"a:0", "a:1", "a"}, reader));
        const auto got = reader->wait();
        CHECK(got[0].what == outcome::found);
        CHECK(got[1].what == outcome::missing);
        CHECK(got[2].what == outcome::missing);
        CHECK(tier.counters().at(0).dropped_stores == 5);
    }
    SECTION("where making it does") {
        tier.store("a", 1, []() -> std::vector<memcached_item> { throw std::runtime_error("no"); });
        tier.store("a", 1, []() -> std::vector<memcached_item> { throw 1; });
        tier.store("b", 1, items({{"b", "x", 0, 0s}}));
        test::settle(tier, "b");
        CHECK(ask(tier, "b")->outcome() == outcome::found);
        CHECK(tier.counters().at(0).dropped_stores == 2);
    }
    CHECK(!is_open(tier));
}

TEST_CASE("a memcached that is killed costs nothing and is taken back", "[cache][memcached][faults]") {
    telling told;
    test::memcached_process server;
    memcached tier(settings_for({test::address_of(server)}), told.observer());
    REQUIRE(ask(tier, "a")->outcome() == outcome::missing);
    server.kill();
    const auto reader = ask(tier, "a");
    if (reader) CHECK(reader->outcome() == outcome::failed);
    REQUIRE(eventually([&] { return is_open(tier); }));
    CHECK(ask(tier, "a") == nullptr);
    const auto dropped = tier.counters().at(0).dropped_stores;
    tier.store("a", 1, items({{"a", "x", 0, 0s}}));
    tier.remove("a", "a");
    CHECK(tier.counters().at(0).dropped_stores == dropped + 2);
    server.start();
    REQUIRE(eventually([&] { return !is_open(tier); }));
    CHECK(ask(tier, "a")->outcome() == outcome::missing);
    const auto texts = told.texts();
    REQUIRE(texts.size() == 2);
    CHECK(texts[0].starts_with("memcached " + server.address() + " does not answer"));
    CHECK(texts[1] == "memcached " + server.address() + " answers and is asked again");
    CHECK(tier.counters().at(0).opened == 1);
}

TEST_CASE("one that is not there when it starts is told of", "[cache][memcached][faults]") {
    telling told;
    test::memcached_process server;
    server.kill();
    memcached tier(settings_for({test::address_of(server)}), told.observer());
    REQUIRE(eventually([&] { return told.texts().size() == 1; }));
    CHECK(is_open(tier));
    server.start();
    REQUIRE(eventually([&] { return !is_open(tier); }));
    CHECK(ask(tier, "a")->outcome() == outcome::missing);
}

TEST_CASE("a memcached that hangs is not asked after three times", "[cache][memcached][faults]") {
    test::memcached_process server;
    memcached tier(settings_for({test::address_of(server)}, 200ms));
    REQUIRE(eventually([&] { return is_missing(tier, "a"); }));
    server.hang();
    REQUIRE(eventually([&] {
        const auto reader = ask(tier, "a");
        if (reader) CHECK(reader->outcome() == outcome::failed);
        return is_open(tier);
    }));
    CHECK(tier.counters().at(0).timeouts >= 3);
    CHECK(ask(tier, "a") == nullptr);
    server.go_on();
    REQUIRE(eventually([&] { return !is_open(tier); }));
    CHECK(eventually([&] { return is_missing(tier, "a"); }));
}

TEST_CASE("the lane that stores finds out too", "[cache][memcached][faults]") {
    test::memcached_process server;
    memcached tier(settings_for({test::address_of(server)}, 200ms));
    REQUIRE(eventually([&] { return is_missing(tier, "a"); }));
    test::settle(tier, "a");
    server.hang();
    for (int i = 0; i < 5; ++i) tier.store("a", 1, items({{"a", "x", 0, 0s}}));
    CHECK(eventually([&] { return is_open(tier); }));
    server.go_on();
    CHECK(eventually([&] { return !is_open(tier); }));
}

TEST_CASE("what answers garbage is given up", "[cache][memcached][faults]") {
    test::scripted_memcached server([](const std::string&) { return "garbage\r\n"; }, GENERATE(true, false));
    memcached tier(settings_for({server.address()}));
    CHECK(eventually([&] {
        const auto reader = ask(tier, "a");
        if (reader) CHECK(reader->outcome() == outcome::failed);
        return is_open(tier);
    }));
}

TEST_CASE("what cannot be held in memory fails, and nothing else does", "[cache][memcached][faults]") {
    constexpr std::size_t large = 900'000;
    test::memcached_process server;
    memcached tier(settings_for({test::address_of(server)}));
    tier.store("a", 1, items({{"a", std::string(large, 'x'), 0, 0s}}));
    test::settle(tier, "a");
    const auto reader = std::make_shared<test::keeping_reader>();
    const auto spared = GENERATE(0, 1);  // the value itself; its copy for the second who asks
    CAPTURE(spared);
    const auto failures = tier.counters().at(0).failures;
    {
        const test::refused_allocations refused(large, spared);
        REQUIRE(tier.get("a", {"a", "a"}, reader));
        CHECK(eventually([&] { return reader->times() == 1; }));
    }
    for (const auto& value : reader->wait()) CHECK(value.what == outcome::failed);
    CHECK(tier.counters().at(0).failures == failures + 1);
    CHECK(!is_open(tier));
    const auto again = std::make_shared<test::keeping_reader>();
    REQUIRE(tier.get("a", {"a", "a"}, again));
    for (const auto& value : again->wait()) CHECK(value.bytes.size() == large);
    CHECK(reader->times() == 1);
}

TEST_CASE("what cannot be made for want of memory is dropped", "[cache][memcached][faults]") {
    constexpr std::size_t large = 900'000;
    test::memcached_process server;
    memcached tier(settings_for({test::address_of(server)}));
    const auto make = [] { return std::vector<memcached_item>{{"a", std::string(large, 'x'), 0, 0s}}; };
    {
        const test::refused_allocations refused(large);
        tier.store("a", 1, make);
        test::settle(tier, "a");
    }
    CHECK(tier.counters().at(0).dropped_stores == 1);
    CHECK(is_missing(tier, "a"));
    tier.store("a", 1, make);
    test::settle(tier, "a");
    CHECK(ask(tier, "a")->outcome() == outcome::found);
}

TEST_CASE("an observer that throws costs a lookup at most", "[cache][memcached][faults]") {
    std::atomic<bool> is_well = false;
    test::scripted_memcached server([&](const std::string&) { return is_well ? "END\r\n" : "garbage\r\n"; });
    std::atomic<int> told = 0;
    std::vector<std::shared_ptr<test::keeping_reader>> readers;
    {
        memcached tier(settings_for({server.address()}), [&](const std::string&) {
            ++told;
            throw 1;
        });
        CHECK(eventually([&] {
            const auto reader = ask(tier, "a");
            if (reader) CHECK(reader->outcome() == outcome::failed);
            if (reader) readers.push_back(reader);
            return is_open(tier);
        }));
        is_well = true;
        CHECK(eventually([&] { return !is_open(tier); }));
        CHECK(is_missing(tier, "a"));
        CHECK(told == 2);
    }
    for (const auto& reader : readers) CHECK(reader->times() == 1);
}

TEST_CASE("a server that sends a byte now and then holds nobody", "[cache][memcached][faults]") {
    test::scripted_memcached server([](const std::string& line) {
        return line == "get first" ? "END\r\n" : "VALUE a 0 100000\r\n" + std::string(100'000, 'x');
    });
    std::shared_ptr<test::keeping_reader> held;
    {
        memcached tier(settings_for({server.address()}, 300ms));
        REQUIRE(eventually([&] { return is_missing(tier, "first"); }));
        server.dribble(10ms);
        held = ask(tier, "a");
        REQUIRE(held);
        CHECK(eventually([&] { return ask(tier, "a") == nullptr; }));
        CHECK(is_open(tier));
    }
    CHECK(held->times() == 1);
    CHECK(held->outcome() == outcome::failed);
}

}  // namespace
}  // namespace weir::cache
