// The store and what was purged.
#include <catch2/catch.hpp>

#include "cache/tags.hpp"
#include "test/cache/allocation_count.hpp"
#include "test/cache/heads.hpp"
#include "test/cache/test_store.hpp"

namespace weir::cache {
namespace {

using test::test_store;

std::string key_of(int number) {
    return "http://example.org/" + std::to_string(number);
}

response_ptr response_of(int number, std::vector<std::string> tags, std::uint64_t fill_number = 0) {
    const std::string key = key_of(number);
    std::vector<std::uint64_t> hashes;
    for (const std::string& tag : tags) hashes.push_back(hash_tag(tag));
    return make_response({.key = key, .fill_number = fill_number, .tags = hashes});
}

response_ptr get(memory_store& store, int number) {
    return store.get(key_of(number), {test::request().fields()}).response;
}

void sweep_all(memory_store& store) {
    while (store.sweep()) {
    }
}

TEST_CASE("what was purged is not found, and its memory is given back then", "[cache][memory_store][purge]") {
    test_store store;
    store.put(response_of(1, {"one"}));
    store.put(response_of(2, {"two"}));
    const auto bytes = store.use().bytes;
    store.purges.purge_tag("one", purge_mode::hard);
    CHECK(store.use().bytes == bytes);  // nothing was looked for
    CHECK_FALSE(get(store, 1));
    CHECK(get(store, 2));
    CHECK(store.use().responses == 1);
    CHECK(store.use().bytes < bytes);
    CHECK(store.use().evictions == 0);
}

TEST_CASE("what was purged softly is found and says so", "[cache][memory_store][purge]") {
    test_store store;
    store.put(response_of(1, {}));
    REQUIRE_FALSE(get(store, 1)->use.soft_purged);
    store.purges.purge_url("example.org/1", purge_mode::soft);
    REQUIRE(get(store, 1));
    CHECK(get(store, 1)->use.soft_purged);
    store.put(response_of(1, {}, store.purges.now()));
    CHECK_FALSE(get(store, 1)->use.soft_purged);
}

TEST_CASE("a purge takes every variant, and none is known then", "[cache][memory_store][purge]") {
    test_store store;
    for (const char* accept : {"Accept: a", "Accept: b", "Accept: c"}) {
        store.put(test::make_stored({.request_fields = accept, .response_fields = "Vary: Accept"}));
    }
    store.purges.purge_url("example.org/", purge_mode::hard);
    const auto found = store.get("http://example.org/", {test::request("Accept: b").fields()});
    CHECK_FALSE(found.response);
    CHECK_FALSE(found.other_variant);
    CHECK_FALSE(found.sibling);
    CHECK(store.use().responses == 0);
}

TEST_CASE("a fill that began before a purge does not bring the old response back", "[cache][memory_store][purge]") {
    test_store store;
    const std::uint64_t before = store.purges.now();
    store.purges.purge_tag("one", purge_mode::hard);
    store.put(response_of(1, {"one"}, before));
    CHECK_FALSE(get(store, 1));
    CHECK(store.use().responses == 0);
    SECTION("nor after a whole sweep, when the purge is forgotten") {
        sweep_all(store);
        store.put(response_of(1, {"one"}, before));
        CHECK_FALSE(get(store, 1));
    }
    SECTION("nor in place of a newer one") {
        const auto newer = response_of(1, {"one"}, store.purges.now());
        store.put(newer);
        store.put(response_of(1, {"one"}, before));
        CHECK(get(store, 1) == newer);
    }
    store.put(response_of(2, {"one"}, store.purges.now()));
    CHECK(get(store, 2));
}

TEST_CASE("a sweep drops what nobody asks for and lets the log forget", "[cache][memory_store][purge]") {
    test_store store(test::plenty, 64, GENERATE(conf::eviction_policy::lru, conf::eviction_policy::s3fifo));
    CHECK_FALSE(store.sweep());
    constexpr int count = 10'000;
    for (int i = 0; i < count; ++i) store.put(response_of(i, {i % 4 == 0 ? "fourth" : "other"}));
    store.purges.purge_tag("fourth", purge_mode::hard);
    store.purges.purge_prefix("example.org/9", purge_mode::soft);
    int slices = 0;
    while (store.sweep()) ++slices;
    CHECK(slices >= count / 128);
    CHECK(store.use().responses == count * 3 / 4);
    CHECK(store.purges.memory_bytes() == 0);
    CHECK_FALSE(get(store, 8));
    CHECK(get(store, 9)->use.soft_purged);
    CHECK_FALSE(get(store, 7)->use.soft_purged);
    CHECK_FALSE(store.sweep());
}

TEST_CASE("a sweep goes on while responses come, go and are purged", "[cache][memory_store][purge]") {
    test_store store(1024 * 1024);
    int next = 0;
    for (int round = 0; round < 300; ++round) {
        for (int i = 0; i < 50; ++i, ++next)
            store.put(response_of(next, {std::to_string(next % 10)}, store.purges.now()));
        store.purges.purge_tag(std::to_string(round % 10), purge_mode::hard);
        store.sweep();
        REQUIRE(store.use().bytes <= 1024 * 1024);
    }
    for (int tag = 0; tag < 10; ++tag) store.purges.purge_tag(std::to_string(tag), purge_mode::hard);
    sweep_all(store);
    CHECK(store.use().responses == 0);
    CHECK(store.purges.memory_bytes() == 0);
}

TEST_CASE("a purge of all leaves nothing", "[cache][memory_store][purge]") {
    test_store store;
    for (int i = 0; i < 1000; ++i) store.put(response_of(i, {}));
    store.purges.purge_all(purge_mode::hard);
    CHECK_FALSE(get(store, 1));
    sweep_all(store);
    CHECK(store.use().responses == 0);
}

TEST_CASE("a hit after a purge of something else allocates nothing", "[cache][memory_store][purge][allocations]") {
    test_store store;
    store.put(response_of(1, {"one", "two"}));
    store.purges.purge_tag("three", purge_mode::hard);
    store.purges.purge_tag("two", purge_mode::soft);
    const test::request asked;
    const std::string key = key_of(1);
    const auto before = test::allocations();
    const auto found = store.get(key, {asked.fields()});
    CHECK(test::allocations() == before);
    CHECK(found.response);
}

}  // namespace
}  // namespace weir::cache
