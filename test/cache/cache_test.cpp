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
const conf::route_cache_settings rules;

TEST_CASE("a stored response is fresh until its lifetime is over", "[cache][lookup][rfc9111-4.2]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({.response_fields = "Age: 10", .freshness_lifetime = 60s}));
    const test::request asked;

    auto result = c.lookup(asked.head(), key, &rules, at(0s));
    CHECK(result.what == outcome::fresh);
    CHECK(result.why == forwarded::none);
    CHECK(result.age == 10s);
    CHECK(result.ttl == 50s);
    REQUIRE(result.response);
    CHECK(result.response->status == 200);

    CHECK(c.lookup(asked.head(), key, &rules, at(49'999ms)).what == outcome::fresh);
    result = c.lookup(asked.head(), key, &rules, at(50s));
    CHECK(result.what == outcome::stale);
    CHECK(result.why == forwarded::stale);
    CHECK(result.ttl == 0s);
    CHECK(result.response);
    CHECK(c.lookup(asked.head(), key, &rules, at(70s)).ttl == -20s);
}

TEST_CASE("GET and HEAD are answered from the same stored response", "[cache][lookup][rfc9111-4]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({}));
    CHECK(c.lookup(test::request().head(), key, &rules, at(1s)).what == outcome::fresh);
    CHECK(c.lookup(test::request("", "HEAD").head(), key, &rules, at(1s)).what == outcome::fresh);
}

TEST_CASE("a miss says whether the key or the variant is unknown", "[cache][lookup][rfc9211-2.2]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({.request_fields = "Accept: a", .response_fields = "Vary: Accept"}));
    const auto other_key = c.lookup(test::request().head(), "http://example.org/other", &rules, at(1s));
    CHECK(other_key.what == outcome::miss);
    CHECK(other_key.why == forwarded::uri_miss);
    const auto other_variant = c.lookup(test::request("Accept: b").head(), key, &rules, at(1s));
    CHECK(other_variant.what == outcome::miss);
    CHECK(other_variant.why == forwarded::vary_miss);
    CHECK_FALSE(other_variant.response);
}

TEST_CASE("some requests pass the cache by", "[cache][lookup][rfc9111-4]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({}));
    const auto why = [&](const std::string& fields, const char* method = "GET", bool enabled = true) {
        const auto result = c.lookup(test::request(fields, method).head(), key, enabled ? &rules : nullptr, at(1s));
        CHECK(result.what == outcome::pass);
        CHECK_FALSE(result.response);
        return result.why;
    };
    CHECK(why("", "GET", false) == forwarded::bypass);
    CHECK(why("", "POST") == forwarded::method);
    CHECK(why("Content-Length: 3", "POST") == forwarded::method);
    CHECK(why("", "OPTIONS") == forwarded::method);
    CHECK(why("Content-Length: 3") == forwarded::request);
    CHECK(why("If-Unmodified-Since: Thu, 01 Jan 2026 00:00:00 GMT") == forwarded::request);
    CHECK(why("If-Match: \"a\"") == forwarded::request);
}

TEST_CASE("a client's Cache-Control does not keep a fresh response back", "[cache][lookup][route]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({}));
    for (const char* control : {"no-cache", "max-age=0", "min-fresh=1000", "no-store", "only-if-cached"}) {
        CAPTURE(control);
        const test::request asked(std::string("Cache-Control: ") + control);
        CHECK(c.lookup(asked.head(), key, &rules, at(1s)).what == outcome::fresh);
    }
}

TEST_CASE("invalidation takes every variant", "[cache][lookup][rfc9111-4.4]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({.request_fields = "Accept: a", .response_fields = "Vary: Accept"}));
    c.store(make_stored({.request_fields = "Accept: b", .response_fields = "Vary: Accept"}));
    CHECK(c.use().responses == 2);
    c.purges().purge_url(url_of(key), purge_mode::hard);
    CHECK(c.lookup(test::request("Accept: a").head(), key, &rules, at(1s)).what == outcome::miss);
    CHECK(c.lookup(test::request("Accept: b").head(), key, &rules, at(1s)).what == outcome::miss);
    CHECK(c.use().responses == 0);
}

TEST_CASE("of those that find it stale but usable one refreshes it", "[cache][lookup][rfc5861-3]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored(
        {.response_fields = "Cache-Control: max-age=60, stale-while-revalidate=30", .freshness_lifetime = 60s}));
    const test::request asked;
    const auto first = c.lookup(asked.head(), key, &rules, at(61s));
    CHECK(first.what == outcome::stale_usable);
    CHECK(first.refreshes);
    CHECK(first.detail == "stale-while-revalidate");
    const auto second = c.lookup(asked.head(), key, &rules, at(61s));
    CHECK(second.what == outcome::stale_usable);
    CHECK_FALSE(second.refreshes);
    // It failed: the next tries after a second, the one after that after two.
    c.refresh_failed(*first.response, at(62s));
    CHECK_FALSE(c.lookup(asked.head(), key, &rules, at(62'999ms)).refreshes);
    CHECK(c.lookup(asked.head(), key, &rules, at(63s)).refreshes);
    c.refresh_failed(*first.response, at(63s));
    CHECK_FALSE(c.lookup(asked.head(), key, &rules, at(64'999ms)).refreshes);
    CHECK(c.lookup(asked.head(), key, &rules, at(65s)).refreshes);
    // Beyond the window somebody has to wait.
    CHECK(c.lookup(asked.head(), key, &rules, at(91s)).what == outcome::stale);
}

TEST_CASE("while endpoints fail, a stale response that may stand in is not asked about", "[cache][rfc5861-4]") {
    cache c{conf::cache_settings{}};
    c.store(
        make_stored({.response_fields = "Cache-Control: max-age=60, stale-if-error=600", .freshness_lifetime = 60s}));
    const test::request asked;
    const auto found = c.lookup(asked.head(), key, &rules, at(61s));
    CHECK(found.what == outcome::stale);
    c.refresh_failed(*found.response, at(61s));
    const auto again = c.lookup(asked.head(), key, &rules, at(61'500ms));
    CHECK(again.what == outcome::stale_usable);
    CHECK(again.detail == "stale-if-error");
    CHECK_FALSE(again.refreshes);
    CHECK(c.lookup(asked.head(), key, &rules, at(62s)).what == outcome::stale);
}

TEST_CASE("a response from memcached is left alone for as long as the one before it", "[cache][judge][rfc5861-3]") {
    conf::cache_settings without_memory;
    without_memory.memory_bytes.reset();
    without_memory.memcached.emplace();
    cache c{without_memory};
    const test::request asked;
    const auto fetched = [] {
        return make_stored(
            {.response_fields = "Cache-Control: max-age=60, stale-while-revalidate=30", .freshness_lifetime = 60s});
    };
    const auto judged = [&](std::chrono::milliseconds now) {
        const auto found = c.lookup(asked.head(), key, &rules, at(now));
        CHECK(found.what == outcome::miss);
        return c.judge(fetched(), asked.head(), rules, found, at(now));
    };
    CHECK(judged(61s).refreshes);
    c.refresh_failed(*judged(61s).response, at(61s));
    CHECK_FALSE(judged(61'999ms).refreshes);
    CHECK(judged(61'999ms).what == outcome::stale_usable);
    CHECK(judged(62s).refreshes);
    c.refresh_failed(*judged(62s).response, at(62s));  // the second in a row
    CHECK_FALSE(judged(63'999ms).refreshes);
    CHECK(judged(64s).refreshes);
    c.refresh_failed(*judged(64s).response, at(64s));
    CHECK_FALSE(judged(67'999ms).refreshes);
    // What came after the failure is not concerned.
    const auto newer = make_stored({.response_fields = "Cache-Control: max-age=1, stale-while-revalidate=90",
                                    .freshness_lifetime = 1s,
                                    .response_time = at(65s)});
    const auto found = c.lookup(asked.head(), key, &rules, at(67s));
    CHECK(c.judge(newer, asked.head(), rules, found, at(67s)).refreshes);
    c.keys().forget_failing(key);
    CHECK(judged(64s).refreshes);
}

TEST_CASE("what everybody has validated is looked for in memcached all the same", "[cache][lookup]") {
    cache c{conf::cache_settings{}};
    const test::request asked;
    c.note_uncacheable(key, at(0s), true);
    const auto validated = c.lookup(asked.head(), key, &rules, at(1s));
    CHECK(validated.what == outcome::pass);
    CHECK(validated.asks_tier);
    CHECK_FALSE(validated.may_collapse);
    c.note_uncacheable(key, at(0s));
    CHECK_FALSE(c.lookup(asked.head(), key, &rules, at(1s)).asks_tier);
}

TEST_CASE("a soft purge has a fresh response used once more, and refreshed", "[cache][lookup][purge]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored({.freshness_lifetime = 60s}));
    c.purges().purge_url(url_of(key), purge_mode::soft);
    const test::request asked;
    const auto found = c.lookup(asked.head(), key, &rules, at(1s));
    CHECK(found.what == outcome::stale_usable);
    CHECK(found.refreshes);
    CHECK(found.detail == "soft-purge");
    CHECK(c.lookup(asked.head(), key, &rules, at(61s)).what == outcome::stale);
}

TEST_CASE("what is doubted is validated first, and stands in only for errors", "[cache][lookup][purge][doubt]") {
    conf::route_cache_settings lenient;
    lenient.stale.while_revalidate = 100s;
    lenient.stale.if_error = 100s;
    lenient.client_directives = GENERATE(conf::directives_policy::ignore, conf::directives_policy::honour);
    cache c{conf::cache_settings{}};
    const auto stored = make_stored({.freshness_lifetime = 60s});
    c.store(stored);
    c.purges().doubt();
    const test::request asked;
    for (const auto now : {1s, 61s}) {
        CAPTURE(now.count());
        const auto found = c.lookup(asked.head(), key, &lenient, at(now));
        CHECK(found.what == outcome::stale);
        CHECK(found.why == forwarded::stale);
        CHECK(found.ttl <= 0s);
        CHECK(found.response == stored);
    }
    CHECK_FALSE(c.may_answer(*stored, asked.head(), lenient, false, at(1s)));
    const test::request lenient_client("Cache-Control: max-stale=1000");
    CHECK(c.lookup(lenient_client.head(), key, &lenient, at(1s)).what == outcome::stale);

    c.refresh_failed(*stored, at(1s));
    const auto meanwhile = c.lookup(asked.head(), key, &lenient, at(1'500ms));
    CHECK(meanwhile.what == outcome::stale_usable);
    CHECK(meanwhile.detail == "stale-if-error");
    CHECK_FALSE(meanwhile.refreshes);
    CHECK(c.lookup(asked.head(), key, &rules, at(1'500ms)).what == outcome::stale);

    c.store(make_stored({.freshness_lifetime = 60s, .fill_number = c.purges().now()}));
    CHECK(c.lookup(asked.head(), key, &lenient, at(2s)).what == outcome::fresh);
}

TEST_CASE("personal requests get what says public, and no more", "[cache][lookup][session_cookies]") {
    conf::route_cache_settings by_session;
    by_session.session_cookies = {"session_id"};
    cache c{conf::cache_settings{}};
    const test::request personal("Cookie: a=b; session_id=1");
    const test::request other("Cookie: a=b");
    c.store(make_stored({.response_fields = "Cache-Control: max-age=60", .freshness_lifetime = 60s}));
    CHECK(c.lookup(other.head(), key, &by_session, at(1s)).what == outcome::fresh);
    const auto passed = c.lookup(personal.head(), key, &by_session, at(1s));
    CHECK(passed.what == outcome::pass);
    CHECK(passed.why == forwarded::bypass);
    CHECK(passed.detail == "session-cookie");
    CHECK(passed.may_store);
    CHECK_FALSE(passed.may_collapse);
    c.store(make_stored({.response_fields = "Cache-Control: public, max-age=60", .freshness_lifetime = 60s}));
    CHECK(c.lookup(personal.head(), key, &by_session, at(1s)).what == outcome::fresh);
}

TEST_CASE("a route may have requests bypass the cache", "[cache][lookup][bypass]") {
    conf::route_cache_settings editors;
    editors.bypass.cookies = {"editor"};
    cache c{conf::cache_settings{}};
    c.store(make_stored({}));
    const auto found = c.lookup(test::request("Cookie: editor=1").head(), key, &editors, at(1s));
    CHECK(found.what == outcome::pass);
    CHECK(found.why == forwarded::bypass);
    CHECK_FALSE(found.may_store);
}

TEST_CASE("directives of a client count where the route honours them", "[cache][lookup][rfc9111-5.2.1]") {
    conf::route_cache_settings honouring;
    honouring.client_directives = conf::directives_policy::honour;
    cache c{conf::cache_settings{}};
    c.store(make_stored({.freshness_lifetime = 60s}));
    const auto lookup = [&](const std::string& fields, std::chrono::seconds now) {
        return c.lookup(test::request(fields).head(), key, &honouring, at(now));
    };
    CHECK(lookup("Cache-Control: no-cache", 1s).what == outcome::stale);
    CHECK(lookup("Cache-Control: no-cache", 1s).why == forwarded::request);
    CHECK(lookup("Pragma: no-cache", 1s).what == outcome::stale);
    CHECK(lookup("Cache-Control: max-age=10", 5s).what == outcome::fresh);
    CHECK(lookup("Cache-Control: max-age=10", 11s).what == outcome::stale);
    CHECK(lookup("Cache-Control: min-fresh=50", 11s).what == outcome::stale);
    CHECK(lookup("Cache-Control: max-stale=20", 70s).what == outcome::stale_usable);
    CHECK(lookup("Cache-Control: max-stale=20", 90s).what == outcome::stale);
}

TEST_CASE("a key that proved uncacheable is not waited for", "[cache][lookup][collapsing]") {
    cache c{conf::cache_settings{}};
    const test::request asked;
    CHECK(c.lookup(asked.head(), key, &rules, at(0s)).may_collapse);
    c.note_uncacheable(key, at(0s));
    const auto found = c.lookup(asked.head(), key, &rules, at(59s));
    CHECK(found.what == outcome::pass);
    CHECK(found.why == forwarded::uri_miss);
    CHECK(found.detail == "uncacheable");
    CHECK(found.may_store);
    CHECK_FALSE(found.may_collapse);
    CHECK(c.lookup(asked.head(), key, &rules, at(61s)).what == outcome::miss);
    c.note_uncacheable(key, at(61s));
    c.store(make_stored({.response_time = at(62s)}));
    CHECK(c.lookup(asked.head(), key, &rules, at(62s)).what == outcome::fresh);
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
        const auto result = c.lookup(test::request().head(), key, &rules, at(1s));
        CHECK(result.what == outcome::pass);
        CHECK(result.why == forwarded::bypass);

        settings.memory_bytes = 1024 * 1024;
        c.apply(settings);
        c.store(make_stored({}));
        CHECK(c.lookup(test::request().head(), key, &rules, at(1s)).what == outcome::fresh);
    }
}

TEST_CASE("a lookup allocates nothing", "[cache][lookup][allocations]") {
    cache c{conf::cache_settings{}};
    c.store(make_stored(
        {.request_fields = "Accept-Encoding: gzip, deflate, br, zstd", .response_fields = "Vary: Accept-Encoding"}));
    const test::request asked("Accept-Encoding: gzip, deflate, br, zstd\nUser-Agent: a\nCookie: b=c");
    const auto before = test::allocations();
    const auto result = c.lookup(asked.head(), key, &rules, at(1s));
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
