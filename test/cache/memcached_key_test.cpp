#include "cache/memcached_key.hpp"

#include <catch2/catch.hpp>

#include "cache/key.hpp"
#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using test::request;

constexpr std::string_view key = "http://example.org/";

TEST_CASE("a key is the prefix and the SHA-256 of the cache key", "[cache][memcached][key]") {
    // What `printf abc | sha256sum` says.
    CHECK(tier_key("weir", "abc") == "weir:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(tier_key("a.b", "") == "a.b:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("locks and pieces have keys that memcached takes", "[cache][memcached][key]") {
    const std::string prefix(32, 'p');
    const std::string of_value = tier_key(prefix, key);
    CHECK(lock_key("weir:00ff") == "weir:lock:00ff");
    CHECK(chunk_key("weir:00ff", 0xabc, 12) == "weir:00ff:0000000000000abc:12");
    CHECK(lock_key(of_value) != of_value);
    CHECK(lock_key(of_value).size() <= 250);
    CHECK(chunk_key(of_value, ~std::uint64_t{0}, 0xffffffff).size() <= 250);
}

std::string key_for(const std::string& vary, const std::string& request_fields) {
    const request asked(request_fields);
    const test::response answer("Vary: " + vary);
    return variant_key("weir", key, vary_of(answer.fields(), {asked.fields()}).value());
}

TEST_CASE("a variant's key says what it varies on and how", "[cache][memcached][key][rfc9111-4.1]") {
    const std::string gzip = key_for("Accept-Encoding", "Accept-Encoding: gzip");
    CHECK(gzip != tier_key("weir", key));
    CHECK(gzip != key_for("Accept-Encoding", "Accept-Encoding: br"));
    CHECK(gzip != key_for("Accept-Encoding", ""));
    CHECK(gzip != key_for("X-Encoding", "X-Encoding: gzip"));
    CHECK(gzip != key_for("Accept-Encoding, X", "Accept-Encoding: gzip"));
    CHECK(key_for("X", "X:") != key_for("X", ""));
    CHECK(key_for("A, B", "A: x\nB: y") != key_for("A, B", "A: y\nB: x"));
    CHECK(key_for("A, B", "A: xB") != key_for("A, B", "A: x\nB:"));
    CHECK(variant_key("weir", key, {}) == tier_key("weir", key));
}

TEST_CASE("requests that select the same variant have the same key", "[cache][memcached][key][rfc9111-4.1]") {
    const auto [vary, stored, asked] = GENERATE(table<std::string, std::string, std::string>({
        {"Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: gzip,br"},
        {"Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: gzip\nAccept-Encoding: br"},
        {"Accept-Encoding", "Accept-Encoding: GZIP", "Accept-Encoding: gzip"},
        {"accept-encoding", "Accept-Encoding: gzip", "ACCEPT-ENCODING: gzip"},
        {"X-List", "X-List: a , b", "X-List: a,b"},
        {"X-List", "X-List: a, b", "X-List: a\nX-List: b"},
        {"X-List", "X-List: \"a , b\",c", "X-List: \"a , b\" , c"},
        {"Cookie", "Cookie: a=1; b=2", "Cookie: a=1; b=2"},
        {"Accept, Cookie", "Accept: a", "Accept: a"},
    }));
    CAPTURE(vary, stored, asked);
    const request first(stored), second(asked);
    const test::response answer("Vary: " + vary);
    const auto fields = vary_of(answer.fields(), {first.fields()}).value();
    REQUIRE(selects(fields, {second.fields()}));
    CHECK(key_for(vary, stored) == key_for(vary, asked));
    std::vector<std::string> names;
    for (const vary_field& field : fields) names.push_back(field.name);
    CHECK(variant_key("weir", key, names, {second.fields()}) == key_for(vary, stored));
}

TEST_CASE("requests that select another variant have another key", "[cache][memcached][key][rfc9111-4.1]") {
    const auto [vary, stored, asked] = GENERATE(table<std::string, std::string, std::string>({
        {"X-List", "X-List: a, b", "X-List: b, a"},
        {"X-List", "X-List: a", "X-List: A"},
        {"X-List", "X-List: \"a , b\"", "X-List: \"a,b\""},
        {"Cookie", "Cookie: a=1, 2", "Cookie: a=1,2"},
        {"User-Agent", "User-Agent: a , b", "User-Agent: a,b"},
    }));
    CAPTURE(vary, stored, asked);
    const request first(stored), second(asked);
    const test::response answer("Vary: " + vary);
    REQUIRE_FALSE(selects(vary_of(answer.fields(), {first.fields()}).value(), {second.fields()}));
    CHECK(key_for(vary, stored) != key_for(vary, asked));
}

TEST_CASE("where a route names session cookies, Vary: Cookie has two variants", "[cache][memcached][key][personal]") {
    const request alice("Cookie: session=a"), bob("Cookie: session=b");
    const std::vector<std::string> names = {"cookie"};
    const auto key_of = [&](const request& from, std::optional<bool> personal) {
        return variant_key("weir", key, names, {from.fields(), personal});
    };
    CHECK(key_of(alice, true) == key_of(bob, true));
    CHECK(key_of(alice, true) != key_of(alice, false));
    CHECK(key_of(alice, std::nullopt) != key_of(bob, std::nullopt));
    CHECK(key_of(alice, std::nullopt) != key_of(alice, true));
}

}  // namespace
}  // namespace weir::cache
