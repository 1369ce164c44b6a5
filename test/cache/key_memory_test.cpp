#include "cache/key_memory.hpp"

#include <catch2/catch.hpp>

#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using test::at;

TEST_CASE("a key is remembered as uncacheable for a while", "[cache][key_memory]") {
    key_memory keys;
    CHECK_FALSE(keys.is_uncacheable("http://a/", at(0s)));
    keys.note_uncacheable("http://a/", at(60s));
    CHECK(keys.is_uncacheable("http://a/", at(59s)));
    CHECK_FALSE(keys.is_uncacheable("http://a/", at(60s)));
    CHECK_FALSE(keys.is_uncacheable("http://b/", at(0s)));
    keys.note_uncacheable("http://a/", at(60s));
    keys.forget_uncacheable("http://b/");
    CHECK(keys.is_uncacheable("http://a/", at(0s)));
    keys.forget_uncacheable("http://a/");
    CHECK_FALSE(keys.is_uncacheable("http://a/", at(0s)));
}

TEST_CASE("a key that is stored, but not shared, is told from one that is not", "[cache][key_memory]") {
    key_memory keys;
    keys.note_uncacheable("http://a/", at(60s), true);
    CHECK(keys.is_uncacheable("http://a/", at(59s)));
    CHECK_FALSE(keys.is_unstored("http://a/", at(59s)));
    keys.note_uncacheable("http://a/", at(60s));
    CHECK(keys.is_unstored("http://a/", at(59s)));
    CHECK_FALSE(keys.is_unstored("http://a/", at(60s)));
}

TEST_CASE("a key that cannot be refreshed is remembered with its failures", "[cache][key_memory]") {
    key_memory keys;
    CHECK(keys.find_failing("http://a/").failures == 0);
    keys.note_failing("http://a/", {3, at(60s)});
    CHECK(keys.find_failing("http://a/").failures == 3);
    CHECK(keys.find_failing("http://a/").until == at(60s));
    CHECK(keys.find_failing("http://b/").failures == 0);
    keys.note_failing("http://a/", {100, at(90s)});
    CHECK(keys.find_failing("http://a/").failures == 15);
    keys.forget_failing("http://b/");
    CHECK(keys.find_failing("http://a/").until == at(90s));
    keys.forget_failing("http://a/");
    CHECK(keys.find_failing("http://a/").failures == 0);
}

TEST_CASE("uses of a key are counted, up to 255", "[cache][key_memory][min_uses]") {
    key_memory keys;
    CHECK(keys.uses("http://a/") == 0);
    for (unsigned n = 1; n <= 300; ++n) CHECK(keys.count_use("http://a/") == std::min(n, 255u));
    CHECK(keys.uses("http://a/") == 255);
    CHECK(keys.uses("http://b/") == 0);
    CHECK(keys.count_use("http://b/") == 1);
}

TEST_CASE("a key that meets another's place is forgotten, never taken for it", "[cache][key_memory]") {
    key_memory keys;
    for (int i = 0; i < 100'000; ++i) keys.note_uncacheable("http://a/" + std::to_string(i), at(60s));
    unsigned known = 0;
    unsigned mistaken = 0;
    for (int i = 0; i < 100'000; ++i) {
        known += keys.is_uncacheable("http://a/" + std::to_string(i), at(0s));
        mistaken += keys.is_uncacheable("http://b/" + std::to_string(i), at(0s));
    }
    CHECK(known > 10'000);
    CHECK(known <= 32 * 1024);
    CHECK(mistaken < 10);
}

}  // namespace
}  // namespace weir::cache
