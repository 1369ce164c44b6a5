// Purges, lookups, stores and sweeps at once; of use above all in the build with the thread sanitizer.
#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cache/tags.hpp"
#include "test/cache/heads.hpp"
#include "test/cache/test_store.hpp"

namespace weir::cache {
namespace {

constexpr std::size_t page_count = 64;
constexpr std::size_t tag_count = 8;
constexpr int steps = 20'000;

std::string url_of_page(std::size_t page) {
    return "example.org/" + std::to_string(page % tag_count) + "/" + std::to_string(page);
}
std::string key_of_page(std::size_t page) {
    return "http://" + url_of_page(page);
}
std::string tag_of_page(std::size_t page) {
    return "tag" + std::to_string(page % tag_count);
}

// What an origin has: a page's version. A change is made first and purged then; once that purge has returned no lookup
// may see a version from before.
struct world {
    explicit world(conf::eviction_policy policy) : store(96 * 1024, 64, policy) {}

    test::test_store store;
    std::array<std::atomic<std::uint64_t>, page_count> current{};
    std::array<std::atomic<std::uint64_t>, page_count> purged{};  // all below this is gone
    std::atomic<int> hits{0};
    std::atomic<int> outdated{0};
    std::atomic<bool> is_over{false};
};

void raise(std::atomic<std::uint64_t>& to, std::uint64_t version) {
    std::uint64_t seen = to.load();
    while (seen < version && !to.compare_exchange_weak(seen, version)) {
    }
}

// A fill: the number, then the origin, then the store.
void fill(world& w, std::size_t page) {
    const std::uint64_t number = w.store.purges.now();
    const std::uint64_t content_bytes = w.current[page].load();
    const std::uint64_t tag = hash_tag(tag_of_page(page));
    const std::string key = key_of_page(page);
    w.store.put(make_response({.key = key, .fill_number = number, .tags = {&tag, 1}, .content_bytes = content_bytes}));
}

void look(world& w, std::size_t page, const request_view& request) {
    const std::uint64_t oldest = w.purged[page].load();
    const auto found = w.store.get(key_of_page(page), request).response;
    if (!found) return fill(w, page);
    w.hits.fetch_add(1);
    if (found->content_bytes < oldest) w.outdated.fetch_add(1);
}

// Changes the pages of one kind, purges them, and says so.
void change(world& w, std::size_t page, unsigned way) {
    std::array<std::uint64_t, page_count> changed{};
    for (std::size_t p = 0; p < page_count; ++p) {
        const bool is_meant = way == 0 ? p == page : way == 3 || p % tag_count == page % tag_count;
        if (is_meant) changed[p] = w.current[p].fetch_add(1) + 1;
    }
    purge_log& log = w.store.purges;
    switch (way) {
        case 0:
            log.purge_url(url_of_page(page), purge_mode::hard);
            break;
        case 1:
            log.purge_tag(tag_of_page(page), purge_mode::hard);
            break;
        case 2:
            log.purge_prefix("example.org/" + std::to_string(page % tag_count) + "/", purge_mode::hard);
            break;
        default:
            log.purge_all(purge_mode::hard);
    }
    for (std::size_t p = 0; p < page_count; ++p) raise(w.purged[p], changed[p]);
}

void hammer(world& w, unsigned seed) {
    std::minstd_rand random(seed);
    const test::request asked;
    for (int i = 0; i < steps; ++i) {
        const std::size_t page = random() % page_count;
        const auto dice = random() % 1000;
        if (dice < 850) {
            look(w, page, {asked.fields()});
        } else if (dice < 950) {
            fill(w, page);
        } else if (dice < 980) {
            w.store.purges.purge_tag("other" + std::to_string(random() % 1000), purge_mode::soft);
        } else {
            change(w, page, dice < 985 ? 0 : dice < 991 ? 1 : dice < 998 ? 2 : 3);
        }
    }
}

TEST_CASE("once a purge has returned nobody sees what it hit", "[cache][purge][threads]") {
    world w(GENERATE(conf::eviction_policy::lru, conf::eviction_policy::s3fifo));
    {
        std::jthread sweeper([&] {
            while (!w.is_over) {
                if (!w.store.sweep()) std::this_thread::yield();
            }
        });
        {
            std::vector<std::jthread> threads;
            for (unsigned seed = 1; seed <= 4; ++seed) {
                threads.emplace_back([&, seed] { hammer(w, seed); });
            }
        }
        w.is_over = true;
    }
    CHECK(w.hits > 0);
    CHECK(w.outdated == 0);

    w.store.purges.purge_all(purge_mode::hard);
    while (w.store.sweep()) {
    }
    CHECK(w.store.use().responses == 0);
    CHECK(w.store.purges.memory_bytes() == 0);
    w.store.clear();
    CHECK(w.store.use().bytes == 0);
}

}  // namespace
}  // namespace weir::cache
