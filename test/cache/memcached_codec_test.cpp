#include "cache/memcached_codec.hpp"

#include <xxhash.h>

#include <catch2/catch.hpp>

#include "cache/key.hpp"
#include "cache/memcached_chunks.hpp"
#include "test/cache/heads.hpp"
#include "test/cache/random_response.hpp"

namespace weir::cache {
namespace {

using kind = tier_value::kind;
using namespace std::chrono_literals;

constexpr std::size_t checksum_bytes = 16;
constexpr std::size_t version_at = 4;
constexpr std::size_t kind_at = 5;

// With a checksum that fits the bytes before it, whatever happened to them.
std::string signed_anew(std::string bytes) {
    if (bytes.size() < checksum_bytes) return bytes;
    const std::size_t covered = bytes.size() - checksum_bytes;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), covered));
    return bytes.replace(covered, checksum_bytes, reinterpret_cast<const char*>(canonical.digest), checksum_bytes);
}

std::string replaced(std::string bytes, std::string_view what, std::string_view with) {
    const std::size_t at = bytes.find(what);
    if (at == bytes.npos) throw std::logic_error("not in there: " + std::string(what));
    return signed_anew(bytes.replace(at, what.size(), with));
}

// An answer made of it could not break the framing, and lookups find it as consistent as any other.
bool is_sound(const tier_value& value, std::string_view key) {
    if (value.what != kind::response) return value.response == nullptr;
    const stored_response& response = *value.response;
    const std::size_t bytes = test::whole_content(response).size();
    if (response.key != key || bytes != response.content_bytes || response.fill_number != 0) return false;
    const auto again = decode(encode_response(response, value.position), key);
    return again.what == kind::response && test::same_response(*again.response, response) &&
           again.position == value.position;
}

TEST_CASE("10,000 random responses come back as they were", "[cache][memcached][codec]") {
    test::random_responses random(20260101);
    unsigned wrong = 0;
    for (int i = 0; i < 10'000; ++i) {
        const auto stored = random.next();
        const purge_position position = random.next_position();
        const tier_value value = decode(encode_response(*stored, position), stored->key);
        const bool same = value.what == kind::response && value.position == position &&
                          value.response->fill_number == 0 && test::same_response(*value.response, *stored);
        if (!same && ++wrong == 1) {
            CAPTURE(i, stored->head, stored->key);
            CHECK(same);
        }
    }
    CHECK(wrong == 0);
}

std::string damaged(std::string bytes, const std::string& other, test::random_responses& random) {
    const std::size_t at = random.below(bytes.size());
    switch (random.below(7)) {
        case 0:
            bytes[at] = static_cast<char>(bytes[at] ^ 1 << random.below(8));
            return bytes;
        case 1:
            return bytes.substr(0, at);
        case 2:
            return bytes.substr(at);
        case 3:
            return bytes.append(1 + random.below(50), static_cast<char>(random.number()));
        case 4: {  // two parts of the same length change places
            const std::size_t size = (bytes.size() - at) / 2;
            std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                             bytes.begin() + static_cast<std::ptrdiff_t>(at + size),
                             bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
            return bytes;
        }
        case 5:  // goes on as another value
            return bytes.substr(0, at) + other.substr(std::min(at, other.size()));
        default:  // a part is missing within
            return bytes.erase(at, 1 + random.below(64));
    }
}

TEST_CASE("10,000 damaged values are misses", "[cache][memcached][codec][faults]") {
    test::random_responses random(4711);
    unsigned taken = 0;
    std::string other = encode_uncacheable("http://example.org/");
    for (int i = 0; i < 10'000; ++i) {
        const auto stored = random.next();
        const std::string whole = encode_response(*stored, random.next_position());
        const std::string bytes = damaged(whole, other, random);
        if (bytes != whole && decode(bytes, stored->key).what != kind::bad) ++taken;
        other = whole;
    }
    CHECK(taken == 0);
}

// Numbers and lengths, most of all, that are not what was written.
std::string overwritten(std::string bytes, test::random_responses& random) {
    for (std::size_t n = 1 + random.below(4); n > 0; --n) {
        // Most of what has a structure lies at the front; content may be anything.
        const std::size_t at = random.below(std::min<std::size_t>(bytes.size(), 400));
        const std::uint64_t interesting[] = {0, 1, 0x7fffffff, 0xffffffff, ~std::uint64_t{0}, random.number()};
        const std::uint64_t number = interesting[random.below(std::size(interesting))];
        const std::size_t size = std::min<std::size_t>(std::size_t{1} << random.below(4), bytes.size() - at);
        bytes.replace(at, size, reinterpret_cast<const char*>(&number), size);
    }
    return bytes;
}

TEST_CASE("10,000 values with wrong lengths and right checksums give sound responses or none",
          "[cache][memcached][codec][faults]") {
    test::random_responses random(99);
    unsigned unsound = 0, taken = 0;
    std::string other = encode_uncacheable("http://example.org/");
    for (int i = 0; i < 10'000; ++i) {
        const auto stored = random.next();
        const std::string whole = encode_response(*stored, random.next_position());
        const bool lengths = random.below(3) > 0;
        const std::string bytes = signed_anew(lengths ? overwritten(whole, random) : damaged(whole, other, random));
        const tier_value value = decode(bytes, stored->key);
        if (!is_sound(value, stored->key)) ++unsound;
        if (value.what == kind::response) ++taken;
        other = whole;
    }
    CHECK(unsound == 0);
    CHECK(taken > 0);  // or nothing but the checksum was tested
}

TEST_CASE("a value of another key, version or kind is a miss", "[cache][memcached][codec]") {
    const auto stored = test::make_stored({.content = "hello"});
    const std::string bytes = encode_response(*stored, {1, 2});
    REQUIRE(decode(bytes, stored->key).what == kind::response);
    CHECK(decode(bytes, "http://example.org/x").what == kind::bad);
    CHECK(decode(bytes, "").what == kind::bad);
    for (const std::size_t at : {version_at, kind_at}) {
        for (int byte = 0; byte < 256; ++byte) {
            std::string changed = bytes;
            if (changed[at] == static_cast<char>(byte)) continue;
            changed[at] = static_cast<char>(byte);
            CAPTURE(at, byte);
            CHECK(decode(signed_anew(changed), stored->key).what == kind::bad);
        }
    }
    CHECK(decode("", stored->key).what == kind::bad);
    CHECK(decode("weir", stored->key).what == kind::bad);
    CHECK(decode(std::string(16, 'w'), stored->key).what == kind::bad);
    CHECK(decode(signed_anew("weir" + std::string(16, ' ')), stored->key).what == kind::bad);
}

TEST_CASE("a head that would break the framing of an answer is a miss", "[cache][memcached][codec][rfc9112-6]") {
    const auto stored = test::make_stored({.response_fields = "X-Something: value-1234", .content = "hello"});
    const std::string bytes = encode_response(*stored, {});
    CHECK(decode(replaced(bytes, "value-1234", "value-5678"), stored->key).what == kind::response);
    // Each of the length of what it replaces, so that only the head's own rules are in its way.
    const auto [what, with] = GENERATE(table<std::string, std::string>({
        {"X-Something: value-1234", "Content-Length: 0000005"},
        {"X-Something: value-1234", "Transfer-Encoding: chun"},
        {"X-Something: value-1234", "Connection: keep-alive,"},
        {"X-Something: value-1234", "Keep-Alive: timeout=500"},
        {"X-Something: value-1234", "Upgrade: websocket00000"},
        {"X-Something: value-1234", "X-Something : value-234"},
        {"X-Something: value-1234", "X-Something:value-12345"},
        {"X-Something: value-1234", " -Something: value-1234"},
        {"X-Something: value-1234", ": Something: value-1234"},
        {"X-Something: value-1234", "X-Something; value-1234"},
        {"value-1234", "val\r\n\r\n234"},
        {"value-1234", "val\nue1234"},
        {"value-1234", std::string("val\0ue1234", 10)},
        {"Content-Length: 5\r\n", "Content-Length: 6\r\n"},
        {"Content-Length: 5\r\n", "Content-Leng-h: 5\r\n"},
        {"Content-Length: 5\r\n", "Content-Length: 5  "},
        {"HTTP/1.1 200 OK", "HTTP/1.1 201 OK"},
        {"HTTP/1.1 200 OK", "HTTP/1.0 200 OK"},
        {"HTTP/1.1 200 OK", "HTTP/1.1 200\rOK"},
        {"hello", "hell"},
        {"hello", "hello!"},
    }));
    CAPTURE(what, with);
    CHECK(decode(replaced(bytes, what, with), stored->key).what == kind::bad);
}

TEST_CASE("a response without content has no length and takes none", "[cache][memcached][codec]") {
    const auto stored = test::make_stored({.response_fields = "X: y", .status = 204, .reason = "No Content"});
    const std::string bytes = encode_response(*stored, {});
    const tier_value value = decode(bytes, stored->key);
    REQUIRE(value.what == kind::response);
    CHECK(value.response->content().size() == 0);
    CHECK(decode(signed_anew(bytes + "x"), stored->key).what == kind::bad);
}

TEST_CASE("what happened to a response in memory does not come along, but that it is stale",
          "[cache][memcached][codec]") {
    const auto stored = test::make_stored({});
    stored->use.soft_purged = true;
    stored->use.failures = 3;
    stored->use.next_refresh_ms = 17;
    stored->use.judged = 5;
    const tier_value value = decode(encode_response(*stored, {}), stored->key);
    REQUIRE(value.what == kind::response);
    CHECK(value.response->use.soft_purged);
    CHECK(value.response->use.failures == 0);
    CHECK(value.response->use.next_refresh_ms == 0);
    CHECK(value.response->use.judged == 0);
}

TEST_CASE("content comes back in blocks that waste nothing", "[cache][memcached][codec][memory]") {
    const auto stored = test::make_stored({.content = std::string(3 * http::block::usual_capacity + 7, 'x')});
    const tier_value value = decode(encode_response(*stored, {}), stored->key);
    REQUIRE(value.what == kind::response);
    REQUIRE(value.response->blocks().size() == 4);
    for (const http::block_ptr& block : value.response->blocks()) CHECK(block->size() == block->capacity());
    CHECK(value.response->blocks().back()->size() == 7);
}

TEST_CASE("the names of a Vary come back", "[cache][memcached][codec][rfc9111-4.1]") {
    const test::request asked("Accept: a");
    const test::response answer("Vary: Accept-Encoding, X-Lang");
    const auto vary = vary_of(answer.fields(), {asked.fields()});
    REQUIRE(vary);
    const std::string bytes = encode_varies("http://example.org/", *vary);
    const tier_value value = decode(bytes, "http://example.org/");
    REQUIRE(value.what == kind::varies);
    CHECK(value.vary == std::vector<std::string>{"accept-encoding", "x-lang"});
    CHECK(decode(bytes, "http://example.org/x").what == kind::bad);
    CHECK(decode(replaced(bytes, "x-lang", "X-Lang"), "http://example.org/").what == kind::bad);
    CHECK(decode(replaced(bytes, "x-lang", "x lang"), "http://example.org/").what == kind::bad);
    CHECK(decode(encode_varies("http://example.org/", {}), "http://example.org/").what == kind::bad);
    const std::vector<vary_field> many(max_vary_names + 1, vary_field{.name = "x"});
    CHECK(decode(encode_varies("http://example.org/", many), "http://example.org/").what == kind::bad);
}

TEST_CASE("a mark that a key is not stored comes back", "[cache][memcached][codec]") {
    const std::string bytes = encode_uncacheable("http://example.org/");
    CHECK(decode(bytes, "http://example.org/").what == kind::uncacheable);
    CHECK(decode(signed_anew(bytes + "x"), "http://example.org/").what == kind::bad);
}

TEST_CASE("a list of pieces comes back, unless its numbers do not fit each other", "[cache][memcached][codec]") {
    const auto [count, bytes, good] = GENERATE(table<std::uint32_t, std::uint64_t, bool>({
        {2, max_item_bytes + 1, true},
        {2, 2 * max_item_bytes, true},
        {2, 2 * max_item_bytes + 1, false},
        {2, max_item_bytes, false},
        {1, max_item_bytes, false},
        {0, 0, false},
        {max_chunks, max_chunks * std::uint64_t{max_item_bytes}, true},
        {max_chunks + 1, (max_chunks + 1) * std::uint64_t{max_item_bytes}, false},
        {0xffffffff, ~std::uint64_t{0}, false},
    }));
    CAPTURE(count, bytes);
    const chunk_list chunks{0x123456789abcdef0, count, bytes};
    const tier_value value = decode(encode_chunked("http://example.org/", chunks), "http://example.org/");
    CHECK(value.what == (good ? kind::chunked : kind::bad));
    if (good) CHECK(value.chunks == chunks);
}

TEST_CASE("times that could overflow are a miss", "[cache][memcached][codec][faults]") {
    // The origin's clock may say year 1, and a route that something is fresh for 10,000 years.
    test::stored_parts parts{.response_fields = "Date: Mon, 06 Nov 0001 08:49:37 GMT"};
    parts.freshness_lifetime = std::chrono::hours{24 * 365 * 10'000};
    const auto stored = test::make_stored(parts);
    const std::string bytes = encode_response(*stored, {});
    CHECK(decode(bytes, stored->key).what == kind::response);
    // Magic, version, kind, key; epoch, number, status, soft; two times and the date; then the age and the lifetime.
    const std::size_t first = 6 + sizeof(std::uint32_t) + stored->key.size() + 19;
    const auto with_number = [&](std::size_t number, char byte) {
        return signed_anew(std::string(bytes).replace(first + number * 8, 8, 8, byte));
    };
    const char negative = '\xff', large = '\x7f';
    for (std::size_t number = 0; number < 5; ++number) {
        CAPTURE(number);
        CHECK(decode(with_number(number, 0), stored->key).what == kind::response);
        CHECK(decode(with_number(number, large), stored->key).what == kind::bad);
        const bool may_be_negative = number < 3;
        CHECK(decode(with_number(number, negative), stored->key).what ==
              (may_be_negative ? kind::response : kind::bad));
    }
}

}  // namespace
}  // namespace weir::cache
