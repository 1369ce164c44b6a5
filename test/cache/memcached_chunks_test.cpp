#include "cache/memcached_chunks.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "cache/memcached_key.hpp"
#include "test/cache/heads.hpp"
#include "test/cache/random_response.hpp"

namespace weir::cache {
namespace {

using kind = tier_value::kind;
using namespace std::chrono_literals;

constexpr std::uint64_t generation = 0xfeedc0de;

struct split {
    response_ptr response;
    std::string key;
    std::vector<memcached_item> items;
};

split split_response(std::size_t content_bytes, std::chrono::seconds lifetime = 60s, std::size_t step = 1) {
    std::string content(content_bytes, ' ');
    for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * step % 251);
    split made;
    made.response = test::make_stored({.content = content});
    made.key = tier_key("weir", made.response->key);
    made.items =
        split_value(made.key, made.response->key, encode_response(*made.response, {7, 8}), lifetime, generation);
    return made;
}

std::vector<std::string> pieces_of(const split& from) {
    std::vector<std::string> pieces;
    for (std::size_t i = 0; i + 1 < from.items.size(); ++i) pieces.push_back(from.items[i].bytes);
    return pieces;
}

TEST_CASE("what fits into an item is one", "[cache][memcached][chunks]") {
    const split from = split_response(900'000);
    REQUIRE(from.items.size() == 1);
    CHECK(from.items[0].key == from.key);
    CHECK(from.items[0].lifetime == 60s);
    CHECK(decode(from.items[0].bytes, from.response->key).what == kind::response);
}

TEST_CASE("items are cut at one million bytes", "[cache][memcached][chunks]") {
    const auto count_of = [](std::size_t bytes) {
        return split_value("weir:00", "k", std::string(bytes, 'x'), 60s, generation).size();
    };
    CHECK(count_of(max_item_bytes) == 1);
    CHECK(count_of(max_item_bytes + 1) == 3);
    CHECK(count_of(2 * max_item_bytes) == 3);
    CHECK(count_of(2 * max_item_bytes + 1) == 4);
}

TEST_CASE("what does not fit is cut into pieces, stored before their list, which they outlive",
          "[cache][memcached][chunks]") {
    const split from = split_response(2'500'000);
    REQUIRE(from.items.size() == 4);
    const memcached_item& last = from.items.back();
    CHECK(last.key == from.key);
    CHECK(last.lifetime == 60s);
    const tier_value list = decode(last.bytes, from.response->key);
    REQUIRE(list.what == kind::chunked);
    CHECK(list.chunks.count == 3);
    CHECK(list.chunks.generation == generation);
    const auto keys = chunk_keys(from.key, list.chunks);
    REQUIRE(keys.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(from.items[i].key == keys[i]);
        CHECK(from.items[i].lifetime == 120s);
        CHECK(from.items[i].bytes.size() <= max_item_bytes);
    }
    const tier_value value = join_chunks(list.chunks, pieces_of(from), from.response->key);
    REQUIRE(value.what == kind::response);
    CHECK(value.position == purge_position{7, 8});
    CHECK(test::same_response(*value.response, *from.response));
}

TEST_CASE("pieces that are missing, cut, altered, exchanged or of another value are a miss",
          "[cache][memcached][chunks][faults]") {
    const split from = split_response(2'500'000);
    const tier_value list = decode(from.items.back().bytes, from.response->key);
    REQUIRE(list.what == kind::chunked);
    std::vector<std::string> pieces = pieces_of(from);
    std::string cache_key(from.response->key);
    SECTION("missing") {
        pieces[1].clear();
    }
    SECTION("all missing") {
        pieces.assign(3, "");
    }
    SECTION("too few") {
        pieces.pop_back();
    }
    SECTION("too many") {
        pieces.push_back("x");
    }
    SECTION("cut") {
        pieces[2].pop_back();
    }
    SECTION("altered") {
        pieces[1][500'000] ^= 1;
    }
    SECTION("exchanged") {
        std::swap(pieces[0], pieces[1]);
    }
    SECTION("of another value") {
        pieces[1] = pieces_of(split_response(2'500'000, 60s, 2))[1];
    }
    SECTION("of another key") {
        cache_key += "x";
    }
    CHECK(join_chunks(list.chunks, pieces, cache_key).what == kind::bad);
}

TEST_CASE("pieces are a response, nothing else", "[cache][memcached][chunks][faults]") {
    const std::string text = encode_chunked("k", {1, 2, max_item_bytes + 1});
    const std::vector<std::string> pieces = {text.substr(0, 10), text.substr(10)};
    CHECK(join_chunks({1, 2, text.size()}, pieces, "k").what == kind::bad);
}

TEST_CASE("what would not live or is too large is not stored", "[cache][memcached][chunks]") {
    CHECK(split_response(10, 0s).items.empty());
    CHECK(split_response(10, -5s).items.empty());
}

}  // namespace
}  // namespace weir::cache
