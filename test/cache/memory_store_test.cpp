#include "cache/memory_store.hpp"

#include <catch2/catch.hpp>

#include "test/cache/allocation_count.hpp"
#include "test/cache/heads.hpp"
#include "test/cache/test_store.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using test::make_stored;
using test::plenty;
using test::test_store;

conf::eviction_policy either_policy() {
    return GENERATE(conf::eviction_policy::lru, conf::eviction_policy::s3fifo);
}

std::string key_of(int number) {
    return "http://example.org/" + std::to_string(number);
}

response_ptr response_of(int number, std::size_t content_bytes = 1000) {
    return make_stored({.key = key_of(number), .content = std::string(content_bytes, 'x')});
}

response_ptr variant_of(const std::string& accept, const std::string& content) {
    return make_stored({.request_fields = "Accept: " + accept, .response_fields = "Vary: Accept", .content = content});
}

std::string content_for(memory_store& store, const std::string& request_fields) {
    const auto found = store.get("http://example.org/", {test::request(request_fields).fields()});
    return found.response ? test::whole_content(*found.response) : "";
}

bool has(memory_store& store, int number) {
    return store.get(key_of(number), {test::request().fields()}).response != nullptr;
}

TEST_CASE("what was put is found under its key", "[cache][memory_store]") {
    test_store store;
    const auto response = response_of(1);
    store.put(response);
    const test::request asked;
    CHECK(store.get(key_of(1), {asked.fields()}).response == response);
    const auto other = store.get(key_of(2), {asked.fields()});
    CHECK_FALSE(other.response);
    CHECK_FALSE(other.other_variant);
    CHECK(store.use().responses == 1);
    CHECK(store.use().limit_bytes == plenty);
}

TEST_CASE("putting again replaces", "[cache][memory_store]") {
    test_store store;
    const auto old = response_of(1);
    store.put(old);
    CHECK(old->owners() == 2);
    store.put(response_of(1));
    const auto bytes = store.use().bytes;
    const auto replacement = response_of(1);
    store.put(replacement);
    CHECK(store.get(key_of(1), {test::request().fields()}).response == replacement);
    CHECK(store.use().responses == 1);
    CHECK(store.use().bytes == bytes);
    CHECK(store.use().evictions == 0);
    CHECK(old->owners() == 1);
}

TEST_CASE("erase removes every variant of a key and no other key", "[cache][memory_store]") {
    test_store store;
    store.put(variant_of("a", "1"));
    store.put(variant_of("b", "2"));
    store.put(response_of(1));
    store.erase("http://example.org/");
    store.erase("http://example.org/never-there");
    CHECK(content_for(store, "Accept: a").empty());
    CHECK(content_for(store, "Accept: b").empty());
    CHECK(has(store, 1));
    CHECK(store.use().responses == 1);
}

TEST_CASE("clear gives everything back", "[cache][memory_store]") {
    test_store store;
    for (int i = 0; i < 500; ++i) store.put(response_of(i));
    store.clear();
    CHECK(store.use().responses == 0);
    CHECK(store.use().bytes == 0);
    CHECK_FALSE(has(store, 1));
    store.put(response_of(1));
    CHECK(has(store, 1));
}

TEST_CASE("variants of a key stand side by side", "[cache][memory_store][rfc9111-4.1]") {
    test_store store;
    store.put(variant_of("a", "1"));
    store.put(variant_of("b", "2"));
    CHECK(content_for(store, "Accept: a") == "1");
    CHECK(content_for(store, "Accept: b") == "2");
    CHECK(content_for(store, "Accept: c").empty());
    const auto other = store.get("http://example.org/", {test::request("Accept: c").fields()});
    CHECK(other.other_variant);
    REQUIRE(other.sibling);
    CHECK((*other.sibling->vary.begin()).name == "accept");
    store.put(variant_of("a", "3"));
    CHECK(content_for(store, "Accept: a") == "3");
    CHECK(content_for(store, "Accept: b") == "2");
    CHECK(store.use().responses == 2);
}

TEST_CASE("of several variants that match the most recent Date is taken", "[cache][memory_store][rfc9111-4.1]") {
    const std::string accept = "Accept: a\nAccept-Language: en";
    const auto by_both = [&](const char* content, std::chrono::seconds date) {
        return make_stored({.request_fields = accept,
                            .response_fields = "Vary: Accept, Accept-Language\nDate: " + test::http_date(date),
                            .content = content});
    };
    const auto by_one = [&](const char* content, std::chrono::seconds date) {
        return make_stored({.request_fields = accept,
                            .response_fields = "Vary: Accept\nDate: " + test::http_date(date),
                            .content = content});
    };
    test_store store;
    SECTION("the later one came later") {
        store.put(by_both("old", -20s));
        store.put(by_one("new", -10s));
        CHECK(content_for(store, accept) == "new");
        CHECK(store.use().responses == 2);
    }
    SECTION("the later one came first") {
        store.put(by_both("new", -10s));
        store.put(by_one("old", -20s));
        CHECK(content_for(store, accept) == "new");
    }
    SECTION("the same Date: the one stored last") {
        store.put(by_both("first", -10s));
        store.put(by_one("last", -10s));
        CHECK(content_for(store, accept) == "last");
    }
    SECTION("a wider Vary replaces the narrower one") {
        store.put(by_one("old", -20s));
        store.put(by_both("new", -10s));
        CHECK(content_for(store, accept) == "new");
        CHECK(store.use().responses == 1);
    }
}

TEST_CASE("variants of a key are bounded, the oldest goes", "[cache][memory_store][limits]") {
    test_store store(plenty, 3);
    for (int i = 0; i < 5; ++i) store.put(variant_of(std::to_string(i), std::to_string(i)));
    CHECK(store.use().responses == 3);
    CHECK(store.use().evictions == 2);
    CHECK(content_for(store, "Accept: 0").empty());
    CHECK(content_for(store, "Accept: 1").empty());
    CHECK(content_for(store, "Accept: 2") == "2");
    CHECK(content_for(store, "Accept: 4") == "4");
    store.set_max_variants(1);
    store.put(variant_of("5", "5"));
    CHECK(store.use().responses == 1);
    CHECK(content_for(store, "Accept: 5") == "5");
}

TEST_CASE("the bound in bytes holds after each put", "[cache][memory_store][limits]") {
    constexpr std::uint64_t limit = 1024 * 1024;
    test_store store(limit, 64, either_policy());
    for (int i = 0; i < 5000; ++i) {
        store.put(response_of(i, static_cast<std::size_t>(i * 37 % 5000) + 1));
        if (store.use().bytes > limit) FAIL("over the bound after " << i);
    }
    CHECK(store.use().bytes > limit * 9 / 10);
    CHECK(store.use().evictions > 4000);
    CHECK(has(store, 4999));
}

TEST_CASE("the count is the sum of what is stored, and of the tables", "[cache][memory_store][memory]") {
    test_store store;
    std::uint64_t sum = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto response = response_of(i);
        sum += response->memory_bytes();
        store.put(response);
    }
    CHECK(store.use().bytes > sum);
    CHECK(store.use().bytes < sum + 1000 * 100);
    for (int i = 0; i < 1000; ++i) store.erase(key_of(i));
    CHECK(store.use().bytes < 1000 * 100);
    CHECK(store.use().responses == 0);
}

TEST_CASE("what is larger than the bound is not taken", "[cache][memory_store][limits]") {
    test_store store(1024 * 1024, 64, either_policy());
    store.put(response_of(1));
    store.put(response_of(2, 1024 * 1024));
    CHECK(has(store, 1));
    CHECK_FALSE(has(store, 2));
}

TEST_CASE("a response that needs all the room gets it from every shard", "[cache][memory_store][limits]") {
    test_store store(1024 * 1024, 64, either_policy());
    for (int i = 0; i < 500; ++i) store.put(response_of(i));
    store.put(response_of(1000, 800 * 1024));
    CHECK(has(store, 1000));
    CHECK(store.use().bytes <= 1024 * 1024);
    CHECK(store.use().responses < 100);
}

TEST_CASE("a lower bound holds at once, a higher one makes room", "[cache][memory_store][limits]") {
    test_store store;
    for (int i = 0; i < 10'000; ++i) store.put(response_of(i));
    CHECK(store.use().responses == 10'000);
    store.set_limit(1024 * 1024);
    CHECK(store.use().bytes <= 1024 * 1024);
    CHECK(store.use().responses > 300);
    store.set_limit(0);
    CHECK(store.use().responses == 0);
    CHECK(store.use().bytes == 0);
    store.put(response_of(1));
    CHECK_FALSE(has(store, 1));
    store.set_limit(plenty);
    store.put(response_of(1));
    CHECK(has(store, 1));
}

TEST_CASE("the least recently used goes first, within its shard", "[cache][memory_store][lru]") {
    // One large response a shard at most would say nothing; so: many keys, half of them used all the time.
    test_store store(1024 * 1024, 64, either_policy());
    const int kept = 100;
    for (int i = 0; i < kept; ++i) store.put(response_of(i));
    for (int i = kept; i < 20'000; ++i) {
        store.put(response_of(i));
        if (i % 50 == 0) {
            for (int k = 0; k < kept; ++k) has(store, k);
        }
    }
    int still_there = 0;
    for (int i = 0; i < kept; ++i) still_there += has(store, i);
    CHECK(still_there == kept);
    CHECK_FALSE(has(store, kept));
}

TEST_CASE("a response that is being read when it is dropped stays whole", "[cache][memory_store]") {
    test_store store(1024 * 1024, 64, either_policy());
    store.put(response_of(1));
    const auto reading = store.get(key_of(1), {test::request().fields()}).response;
    REQUIRE(reading);
    SECTION("evicted") {
        for (int i = 2; i < 5000; ++i) store.put(response_of(i));
    }
    SECTION("erased") {
        store.erase(key_of(1));
    }
    SECTION("replaced") {
        store.put(response_of(1, 10));
    }
    SECTION("cleared") {
        store.clear();
    }
    CHECK(reading->owners() == 1);
    CHECK(test::whole_content(*reading) == std::string(1000, 'x'));
    CHECK(reading->fields.value(http::field_id::content_length) == "1000");
}

TEST_CASE("a hit and a miss allocate nothing", "[cache][memory_store][allocations]") {
    test_store store;
    for (int i = 0; i < 100; ++i) store.put(response_of(i));
    store.put(variant_of("a", "1"));
    store.put(variant_of("b", "2"));
    const test::request asked("Accept: a\nAccept-Encoding: gzip, br");
    const std::string key = key_of(7);
    const std::string missing = key_of(7000);
    const auto before = test::allocations();
    const auto hit = store.get(key, {asked.fields()});
    const auto variant = store.get("http://example.org/", {asked.fields()});
    const auto miss = store.get(missing, {asked.fields()});
    CHECK(test::allocations() == before);
    CHECK(hit.response);
    CHECK(variant.response);
    CHECK_FALSE(miss.response);
}

}  // namespace
}  // namespace weir::cache
