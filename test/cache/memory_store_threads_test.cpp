// The store under several threads at once; of use above all in the build with the thread sanitizer.
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cache/memory_store.hpp"
#include "test/cache/heads.hpp"
#include "test/cache/test_store.hpp"

namespace weir::cache {
namespace {

constexpr int key_count = 200;
constexpr int variant_count = 4;
constexpr std::uint64_t limit_bytes = 256 * 1024;

std::string key_of(int number) {
    return "http://example.org/" + std::to_string(number);
}
std::string accept_of(int variant) {
    return "Accept: " + std::to_string(variant);
}

// Every response says in its content which key and variant it belongs to, so that a wrong one is seen.
std::string content_of(int number, int variant) {
    std::string content = key_of(number) + " " + std::to_string(variant) + " ";
    content.resize(500 + static_cast<std::size_t>(number) * 10, 'x');
    return content;
}

using response_table = std::vector<std::vector<response_ptr>>;

response_table make_responses() {
    response_table table(key_count);
    for (int number = 0; number < key_count; ++number) {
        for (int variant = 0; variant < variant_count; ++variant) {
            table[static_cast<std::size_t>(number)].push_back(
                test::make_stored({.key = key_of(number),
                                   .request_fields = accept_of(variant),
                                   .response_fields = "Vary: Accept",
                                   .content = content_of(number, variant)}));
        }
    }
    return table;
}

struct tally {
    std::atomic<int> hits{0};
    std::atomic<int> wrong{0};
};

// One thread's share: mostly lookups, some stores, now and then the rest.
void hammer(memory_store& store, const response_table& responses, unsigned seed, tally& seen) {
    std::minstd_rand random(seed);
    std::vector<std::unique_ptr<test::request>> requests;
    for (int variant = 0; variant < variant_count; ++variant) {
        requests.push_back(std::make_unique<test::request>(accept_of(variant)));
    }
    for (int i = 0; i < 20'000; ++i) {
        const auto number = static_cast<std::size_t>(random() % key_count);
        const auto variant = static_cast<std::size_t>(random() % variant_count);
        const std::string key = key_of(static_cast<int>(number));
        const auto dice = random() % 1000;
        if (dice < 700) {
            const auto found = store.get(key, {requests[variant]->fields()}).response;
            if (!found) continue;
            seen.hits.fetch_add(1);
            if (test::whole_content(*found) != test::whole_content(*responses[number][variant]))
                seen.wrong.fetch_add(1);
        } else if (dice < 950) {
            store.put(responses[number][variant]);
        } else if (dice < 995) {
            store.erase(key);
        } else if (dice < 998) {
            store.set_limit(limit_bytes / (1 + random() % 4));
        } else {
            store.clear();
        }
        if (store.use().limit_bytes > limit_bytes) seen.wrong.fetch_add(1);
    }
}

TEST_CASE("four threads get, put, erase and clear without harm", "[cache][memory_store][threads]") {
    const response_table responses = make_responses();
    test::test_store store(limit_bytes, 3, GENERATE(conf::eviction_policy::lru, conf::eviction_policy::s3fifo));
    tally seen;
    {
        std::vector<std::jthread> threads;
        for (unsigned seed = 1; seed <= 4; ++seed) {
            threads.emplace_back([&, seed] { hammer(store, responses, seed, seen); });
        }
    }
    CHECK(seen.hits > 0);
    CHECK(seen.wrong == 0);
    CHECK(store.use().bytes <= limit_bytes);

    store.clear();
    CHECK(store.use().bytes == 0);
    CHECK(store.use().responses == 0);
    for (const auto& variants : responses) {
        for (const auto& response : variants) REQUIRE(response->owners() == 1);
    }
}

}  // namespace
}  // namespace weir::cache
