#include "cache/eviction.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "test/cache/allocation_count.hpp"

namespace weir::cache {
namespace {

using conf::eviction_policy;

// A cache of numbers, bounded in bytes, around an order of eviction.
class number_cache {
  public:
    number_cache(eviction_policy policy, std::uint64_t limit_bytes)
        : order_(make_eviction_order(policy)), limit_(limit_bytes) {}

    // A lookup, and where it misses an insertion. True on a hit.
    bool use(int number, std::uint64_t bytes = 1) {
        if (touch(number)) return true;
        bytes_ += bytes;
        while (bytes_ > limit_ && evict()) {
        }
        eviction_order::item& arriving = items_[number];
        // Spread over all bits, as hashes are.
        arriving.id = (static_cast<std::uint32_t>(number) + 1) * 0x9e3779b9;
        arriving.bytes = bytes;
        order_->insert(arriving);
        return false;
    }
    bool touch(int number) {
        const auto place = items_.find(number);
        if (place == items_.end()) return false;
        order_->touch(place->second);
        return true;
    }
    bool evict() {
        const eviction_order::item* leaving = order_->evict();
        if (!leaving) return false;
        bytes_ -= leaving->bytes;
        for (auto place = items_.begin(); place != items_.end(); ++place) {
            if (&place->second != leaving) continue;
            items_.erase(place);
            break;
        }
        return true;
    }
    void remove(int number) {
        order_->remove(items_.at(number));
        bytes_ -= items_.at(number).bytes;
        items_.erase(number);
    }
    std::set<int> numbers() const {
        std::set<int> all;
        for (const auto& [number, item] : items_) all.insert(number);
        return all;
    }
    bool has(int number) const { return items_.count(number) > 0; }
    std::uint64_t memory_bytes() const { return order_->memory_bytes(); }

  private:
    std::unique_ptr<eviction_order> order_;
    std::uint64_t limit_;
    std::uint64_t bytes_ = 0;
    std::map<int, eviction_order::item> items_;
};

void use_all(number_cache& cache, int first, int last) {
    for (int number = first; number < last; ++number) cache.use(number);
}

TEST_CASE("lru: who was not used for the longest time goes", "[cache][eviction][lru]") {
    number_cache cache(eviction_policy::lru, 4);
    use_all(cache, 0, 4);
    cache.touch(0);
    cache.touch(2);
    cache.use(4);
    CHECK(cache.numbers() == std::set<int>{0, 2, 3, 4});
    cache.use(5);
    cache.use(6);
    CHECK(cache.numbers() == std::set<int>{2, 4, 5, 6});
}

TEST_CASE("either order gives out everything once, and then nothing", "[cache][eviction]") {
    number_cache cache(GENERATE(eviction_policy::lru, eviction_policy::s3fifo), 100);
    CHECK_FALSE(cache.evict());
    use_all(cache, 0, 50);
    for (int i = 0; i < 50; i += 3) cache.touch(i);
    for (int i = 0; i < 50; i += 6) cache.touch(i);
    cache.remove(0);
    cache.remove(49);
    for (int i = 0; i < 48; ++i) REQUIRE(cache.evict());
    CHECK_FALSE(cache.evict());
    CHECK(cache.numbers().empty());
    CHECK_FALSE(cache.use(1));
    CHECK(cache.use(1));
}

TEST_CASE("s3fifo: what was used only once in the small queue leaves from it", "[cache][eviction][s3fifo]") {
    number_cache cache(eviction_policy::s3fifo, 100);
    use_all(cache, 0, 100);
    const int touches = GENERATE(0, 1, 2, 3);
    CAPTURE(touches);
    for (int i = 0; i < touches; ++i) cache.touch(7);
    use_all(cache, 1000, 1095);
    CHECK(cache.has(7) == (touches > 1));
    CHECK_FALSE(cache.has(8));
}

TEST_CASE("s3fifo: the small queue gives while it has a tenth of the bytes", "[cache][eviction][s3fifo]") {
    number_cache cache(eviction_policy::s3fifo, 1000);
    // 900 bytes in the main queue, by 90 items; the rest is small.
    for (int number = 0; number < 90; ++number) {
        cache.use(number, 10);
        cache.touch(number);
        cache.touch(number);
    }
    for (int number = 100; number < 200; ++number) cache.use(number, 10);
    for (int number = 0; number < 90; ++number) REQUIRE(cache.has(number));
    // A large one: the small queue gives what it has above a tenth, the main queue the rest.
    cache.use(500, 300);
    CHECK(cache.has(500));
    CHECK(cache.has(199));
    CHECK_FALSE(cache.has(0));
    CHECK(cache.has(89));
    // It goes before more of the main queue does, as it is more than a tenth.
    const std::size_t count = cache.numbers().size();
    for (int number = 600; number < 620; ++number) cache.use(number, 10);
    CHECK_FALSE(cache.has(500));
    CHECK(cache.has(89));
    CHECK(cache.numbers().size() > count);
}

TEST_CASE("s3fifo: what comes back soon is kept, what comes back late is new", "[cache][eviction][s3fifo]") {
    number_cache cache(eviction_policy::s3fifo, 100);
    for (int number = 0; number < 90; ++number) {
        cache.use(number);
        cache.touch(number);
        cache.touch(number);
    }
    use_all(cache, 100, 140);  // 100 has left, and its ghost is there
    REQUIRE_FALSE(cache.has(100));
    cache.use(100);
    use_all(cache, 200, 500);
    CHECK(cache.has(100));
    REQUIRE_FALSE(cache.has(200));
    cache.use(200);  // 200 and more have left after it: as many as the main queue holds are remembered
    use_all(cache, 600, 700);
    CHECK_FALSE(cache.has(200));
}

TEST_CASE("s3fifo: in the main queue three uses count at most", "[cache][eviction][s3fifo]") {
    number_cache cache(eviction_policy::s3fifo, 10);
    for (int number = 0; number < 9; ++number) {
        for (int i = 0; i < 3; ++i) cache.use(number);
    }
    use_all(cache, 100, 130);  // those nine enter the main queue
    const int touches = GENERATE(1, 2, 3, 50);
    CAPTURE(touches);
    for (int i = 0; i < touches; ++i) cache.touch(0);
    // Each round that the main queue makes takes one use of it; eight others go with each, none of them used.
    std::set<int> others;
    int left = 0;
    while (cache.has(0)) {
        REQUIRE(cache.evict());
        ++left;
    }
    CHECK(left <= 10);
    CHECK(cache.numbers().empty());
}

TEST_CASE("a scan displaces what is used again from lru, not from s3fifo", "[cache][eviction][s3fifo]") {
    const auto hits_after_scan = [](eviction_policy policy) {
        number_cache cache(policy, 200);
        for (int round = 0; round < 4; ++round) use_all(cache, 0, 100);
        use_all(cache, 1000, 2000);
        int hits = 0;
        for (int number = 0; number < 100; ++number) hits += cache.has(number);
        return hits;
    };
    CHECK(hits_after_scan(eviction_policy::lru) == 0);
    CHECK(hits_after_scan(eviction_policy::s3fifo) == 100);
}

TEST_CASE("ghosts are bounded by what the main queue holds", "[cache][eviction][s3fifo][memory]") {
    number_cache cache(eviction_policy::s3fifo, 300);
    for (int number = 0; number < 250; ++number) {
        for (int i = 0; i < 3; ++i) cache.use(number);
    }
    use_all(cache, 1000, 3000);
    const std::uint64_t bytes = cache.memory_bytes();
    CHECK(bytes > 0);
    CHECK(bytes <= 16 * 1024);
    use_all(cache, 10'000, 60'000);
    CHECK(cache.memory_bytes() == bytes);
}

TEST_CASE("a touch allocates nothing", "[cache][eviction][allocations]") {
    number_cache cache(GENERATE(eviction_policy::lru, eviction_policy::s3fifo), 100);
    use_all(cache, 0, 100);
    const auto before = test::allocations();
    for (int i = 0; i < 100; ++i) cache.touch(i);
    CHECK(test::allocations() == before);
}

}  // namespace
}  // namespace weir::cache
