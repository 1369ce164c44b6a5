// Many threads ask, add, store and remove on two servers at once while one of them comes and goes; of use above all in
// the build with the thread sanitizer.
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "test/cache/memcached_support.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using outcome = memcached_value::outcome;

constexpr int asking_threads = 4;
constexpr int steps = 3000;

// Counts its answers; what it finds has to be what is stored under its key.
class counting_reader final : public memcached_reader {
  public:
    counting_reader(std::string key, std::atomic<int>& answered, std::atomic<int>& wrong)
        : key_(std::move(key)), answered_(answered), wrong_(wrong) {}
    void finish(std::vector<memcached_value> got) noexcept override {
        answered_.fetch_add(1);
        if (got.size() != 2) wrong_.fetch_add(1);
        for (const auto& one : got) {
            if (one.what == outcome::found && one.bytes != key_ + " is here") wrong_.fetch_add(1);
        }
    }

  private:
    std::string key_;
    std::atomic<int>& answered_;
    std::atomic<int>& wrong_;
};

struct figures {
    std::atomic<int> asked{0};
    std::atomic<int> answered{0};
    std::atomic<int> wrong{0};
};

void hammer(memcached& tier, unsigned seed, figures& all) {
    std::minstd_rand random(seed);
    for (int i = 0; i < steps; ++i) {
        const auto key = "key" + std::to_string(random() % 64);
        const auto dice = random() % 100;
        if (dice < 80) {
            const auto reader = std::make_shared<counting_reader>(key, all.answered, all.wrong);
            if (tier.get(key, {key, key}, reader)) all.asked.fetch_add(1);
        } else if (dice < 95) {
            tier.store(key, 10, [key] { return std::vector<memcached_item>{{key, key + " is here", 0, 60s}}; });
        } else {
            tier.remove(key, key);
        }
    }
}

TEST_CASE("every lookup is answered once, with what is its own", "[cache][memcached][threads]") {
    test::memcached_process steady;
    test::memcached_process fleeting;
    figures all;
    {
        memcached tier(test::settings_for({test::address_of(steady), test::address_of(fleeting)}, 200ms));
        {
            std::vector<std::jthread> threads;
            for (unsigned seed = 1; seed <= asking_threads; ++seed) {
                threads.emplace_back([&, seed] { hammer(tier, seed, all); });
            }
            for (int i = 0; i < 3; ++i) {
                fleeting.kill();
                for (const auto& its : tier.counters()) CHECK(its.hits <= its.batched_keys * asking_threads * steps);
                fleeting.start();
            }
        }
        CHECK(test::eventually([&] { return all.answered == all.asked; }));
        hammer(tier, 99, all);
    }
    // What the end of the tier found waiting has been answered by it.
    CHECK(all.answered == all.asked);
    CHECK(all.wrong == 0);
    CHECK(all.asked > 0);
}

TEST_CASE("of all who add a key one has", "[cache][memcached][threads]") {
    test::memcached_process server;
    memcached tier(test::settings_for({test::address_of(server)}));
    for (int round = 0; round < 50; ++round) {
        const auto key = "lock" + std::to_string(round);
        std::array<std::shared_ptr<test::keeping_reader>, asking_threads> readers;
        {
            std::vector<std::jthread> threads;
            for (auto& reader : readers) {
                threads.emplace_back([&] {
                    reader = std::make_shared<test::keeping_reader>();
                    tier.add(key, {key, "me", 0, 60s}, reader);
                });
            }
        }
        int added = 0;
        for (const auto& reader : readers) added += reader->outcome() == outcome::found ? 1 : 0;
        CHECK(added == 1);
    }
}

}  // namespace
}  // namespace weir::cache
