#include "cache/cache.hpp"

#include <catch2/catch.hpp>

#include "test/cache/allocation_count.hpp"
#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using test::at;
using test::make_stored;

const std::string key = "http://example.org/";

TEST_CASE("a stored response is fresh until its lifetime is over", "[cache][lookup][rfc9111-4.2]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({.response_fields = "Age: 10", .freshness_lifetime = 60s}));
    const test::request asked;

    auto result = c.lookup(asked.head(), key, true, at(0s));
    CHECK(result.what == outcome::fresh);
    CHECK(result.why == forwarded::none);
    CHECK(result.age == 10s);
    CHECK(result.ttl == 50s);
    REQUIRE(result.response);
    CHECK(result.response->status == 200);

    CHECK(c.lookup(asked.head(), key, true, at(49'999ms)).what == outcome::fresh);
    result = c.lookup(asked.head(), key, true, at(50s));
    CHECK(result.what == outcome::stale);
    CHECK(result.why == forwarded::stale);
    CHECK(result.ttl == 0s);
    CHECK(result.response);
    CHECK(c.lookup(asked.head(), key, true, at(70s)).ttl == -20s);
}

TEST_CASE("GET and HEAD are answered from the same stored response", "[cache][lookup][rfc9111-4]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({}));
    CHECK(c.lookup(test::request().head(), key, true, at(1s)).what == outcome::fresh);
    CHECK(c.lookup(test::request("", "HEAD").head(), key, true, at(1s)).what == outcome::fresh);
}

TEST_CASE("a miss says whether the key or the variant is unknown", "[cache][lookup][rfc9211-2.2]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({.request_fields = "Accept: a", .response_fields = "Vary: Accept"}));
    const auto other_key = c.lookup(test::request().head(), "http://example.org/other", true, at(1s));
    CHECK(other_key.what == outcome::miss);
    CHECK(other_key.why == forwarded::uri_miss);
    const auto other_variant = c.lookup(test::request("Accept: b").head(), key, true, at(1s));
    CHECK(other_variant.what == outcome::miss);
    CHECK(other_variant.why == forwarded::vary_miss);
    CHECK_FALSE(other_variant.response);
}

TEST_CASE("some requests pass the cache by", "[cache][lookup][rfc9111-4]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({}));
    const auto why = [&](const std::string& fields, const char* method = "GET", bool enabled = true) {
        const auto result = c.lookup(test::request(fields, method).head(), key, enabled, at(1s));
        CHECK(result.what == outcome::pass);
        CHECK_FALSE(result.response);
        return result.why;
    };
    CHECK(why("", "GET", false) == forwarded::bypass);
    CHECK(why("", "POST") == forwarded::method);
    CHECK(why("Content-Length: 3", "POST") == forwarded::method);
    CHECK(why("", "OPTIONS") == forwarded::method);
    CHECK(why("Content-Length: 3") == forwarded::request);
    CHECK(why("Range: bytes=0-1") == forwarded::request);
    CHECK(why("If-Match: \"a\"") == forwarded::request);
}

TEST_CASE("a client's Cache-Control does not keep a fresh response back", "[cache][lookup][route]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({}));
    for (const char* control : {"no-cache", "max-age=0", "min-fresh=1000", "no-store", "only-if-cached"}) {
        CAPTURE(control);
        const test::request asked(std::string("Cache-Control: ") + control);
        CHECK(c.lookup(asked.head(), key, true, at(1s)).what == outcome::fresh);
    }
}

TEST_CASE("invalidation removes every variant", "[cache][lookup][rfc9111-4.4]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({.request_fields = "Accept: a", .response_fields = "Vary: Accept"}));
    c.store(make_stored({.request_fields = "Accept: b", .response_fields = "Vary: Accept"}));
    CHECK(c.use().responses == 2);
    c.invalidate(key);
    CHECK(c.use().responses == 0);
    CHECK(c.lookup(test::request("Accept: a").head(), key, true, at(1s)).why == forwarded::uri_miss);
}

TEST_CASE("new settings take effect at once", "[cache][reload]") {
    conf::cache_settings settings;
    cache c(settings);
    CHECK(c.enabled());
    CHECK(c.max_response_bytes() == settings.max_response_bytes);
    CHECK(c.use().limit_bytes == settings.memory_bytes);
    c.store(make_stored({}));

    SECTION("a size keeps what fits") {
        settings.memory_bytes = 1024 * 1024;
        settings.max_response_bytes = 1000;
        c.apply(settings);
        CHECK(c.use().responses == 1);
        CHECK(c.use().limit_bytes == 1024 * 1024);
        CHECK(c.max_response_bytes() == 1000);
    }
    SECTION("off drops everything and stores nothing") {
        settings.memory_bytes.reset();
        c.apply(settings);
        CHECK_FALSE(c.enabled());
        CHECK(c.use().bytes == 0);
        c.store(make_stored({}));
        CHECK(c.use().responses == 0);
        const auto result = c.lookup(test::request().head(), key, true, at(1s));
        CHECK(result.what == outcome::pass);
        CHECK(result.why == forwarded::bypass);

        settings.memory_bytes = 1024 * 1024;
        c.apply(settings);
        c.store(make_stored({}));
        CHECK(c.lookup(test::request().head(), key, true, at(1s)).what == outcome::fresh);
    }
}

TEST_CASE("a lookup allocates nothing", "[cache][lookup][allocations]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored(
        {.request_fields = "Accept-Encoding: gzip, deflate, br, zstd", .response_fields = "Vary: Accept-Encoding"}));
    const test::request asked("Accept-Encoding: gzip, deflate, br, zstd\nUser-Agent: a\nCookie: b=c");
    const auto before = test::allocations();
    const auto result = c.lookup(asked.head(), key, true, at(1s));
    CHECK(test::allocations() == before);
    CHECK(result.what == outcome::fresh);
}

TEST_CASE("the words for Cache-Status are those of RFC 9211", "[cache][lookup][rfc9211-2.2]") {
    CHECK(text(forwarded::none).empty());
    CHECK(text(forwarded::bypass) == "bypass");
    CHECK(text(forwarded::method) == "method");
    CHECK(text(forwarded::uri_miss) == "uri-miss");
    CHECK(text(forwarded::vary_miss) == "vary-miss");
    CHECK(text(forwarded::request) == "request");
    CHECK(text(forwarded::stale) == "stale");
}

}  // namespace
}  // namespace weir::cache
