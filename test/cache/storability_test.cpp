#include "cache/storability.hpp"

#include <catch2/catch.hpp>
#include <ostream>
#include <set>

#include "test/cache/heads.hpp"

namespace weir::cache {

std::ostream& operator<<(std::ostream& out, not_stored reason) {
    return out << text(reason);
}

namespace {

using namespace std::chrono_literals;
using conf::freshness_settings;
using test::http_date;

constexpr std::uint64_t max_bytes = 1000;

storability judge(const test::request& asked, const test::response& answer, const freshness_settings& rules = {}) {
    conf::route_cache_settings route;
    route.freshness = rules;
    return may_store(asked.head(), answer.head(), route, false, max_bytes, test::start, test::start);
}

storability judge(const std::string& response_fields, const conf::route_cache_settings& route, int status = 200,
                  bool personal = false) {
    return may_store(test::request().head(), test::response(response_fields, status).head(), route, personal, max_bytes,
                     test::start, test::start);
}

not_stored reason_for(const std::string& response_fields, int status = 200, const freshness_settings& rules = {},
                      const std::string& request_fields = "") {
    return judge(test::request(request_fields), test::response(response_fields, status), rules).reason;
}

freshness_settings defaulting_to(std::chrono::seconds lifetime) {
    freshness_settings rules;
    rules.default_lifetime = lifetime;
    return rules;
}

freshness_settings overridden_by(std::chrono::seconds lifetime) {
    freshness_settings rules;
    rules.override_lifetime = lifetime;
    return rules;
}

freshness_settings giving(int status, std::chrono::seconds lifetime) {
    freshness_settings rules;
    rules.by_status[static_cast<unsigned>(status)] = lifetime;
    return rules;
}

TEST_CASE("a response with explicit freshness is stored, with its lifetime", "[cache][storability][rfc9111-3]") {
    const auto judged = judge(test::request(), test::response("Cache-Control: max-age=60"));
    CHECK(judged);
    CHECK(judged.reason == not_stored::stored);
    CHECK(judged.freshness_lifetime == 60s);
    CHECK(reason_for("Expires: " + http_date(60s)) == not_stored::stored);
    CHECK(reason_for("Cache-Control: s-maxage=60") == not_stored::stored);
}

TEST_CASE("only responses to GET are stored", "[cache][storability][rfc9111-3]") {
    for (const char* method : {"HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "get"}) {
        CAPTURE(method);
        CHECK(judge(test::request("", method), test::response("Cache-Control: max-age=60")).reason ==
              not_stored::method);
    }
}

TEST_CASE("a response to a request with content is not stored", "[cache][storability]") {
    const std::string fresh = "Cache-Control: public, max-age=60";
    CHECK(reason_for(fresh, 200, {}, "Content-Length: 3") == not_stored::request_has_content);
    CHECK(reason_for(fresh, 200, {}, "Transfer-Encoding: chunked") == not_stored::request_has_content);
    CHECK(reason_for(fresh, 200, {}, "Content-Length: 0") == not_stored::stored);
}

TEST_CASE("a request's no-store keeps the response out", "[cache][storability][rfc9111-5.2.1.5]") {
    const std::string fresh = "Cache-Control: max-age=60";
    CHECK(reason_for(fresh, 200, {}, "Cache-Control: no-store") == not_stored::request_no_store);
    CHECK(reason_for(fresh, 200, {}, "Cache-Control: max-age=0\nCache-Control: No-Store") ==
          not_stored::request_no_store);
    CHECK(reason_for(fresh, 200, {}, "Cache-Control: no-cache") == not_stored::stored);
}

TEST_CASE("no-store and private are never stored, whatever stands beside them",
          "[cache][storability][rfc9111-5.2.2.5][rfc9111-5.2.2.7]") {
    CHECK(reason_for("Cache-Control: no-store") == not_stored::no_store);
    CHECK(reason_for("Cache-Control: no-store, max-age=60, public") == not_stored::no_store);
    CHECK(reason_for("Cache-Control: max-age=60\nCache-Control: no-store") == not_stored::no_store);
    CHECK(reason_for("Cache-Control: private") == not_stored::is_private);
    CHECK(reason_for("Cache-Control: private, max-age=60, public") == not_stored::is_private);
    CHECK(reason_for("Cache-Control: private=\"content-type\", max-age=60") == not_stored::is_private);
    CHECK(reason_for("Cache-Control: private; max-age=60") == not_stored::is_private);
}

TEST_CASE("must-understand lets a known status pass no-store and keeps an unknown one out",
          "[cache][storability][rfc9111-5.2.2.3]") {
    CHECK(reason_for("Cache-Control: must-understand, no-store, max-age=60") == not_stored::stored);
    CHECK(reason_for("Cache-Control: must-understand, no-store, max-age=60", 299) == not_stored::status);
    CHECK(reason_for("Cache-Control: must-understand, max-age=60", 299) == not_stored::status);
    CHECK(reason_for("Cache-Control: max-age=60", 299) == not_stored::stored);
    CHECK(reason_for("Cache-Control: must-understand, private, max-age=60") == not_stored::is_private);
}

TEST_CASE("no-cache without a validator is not stored", "[cache][storability][rfc9111-5.2.2.4]") {
    CHECK(reason_for("Cache-Control: no-cache, max-age=60") == not_stored::no_cache);
    CHECK(reason_for("Cache-Control: no-cache=\"Vary\", max-age=60") == not_stored::no_cache);
    CHECK(reason_for("Cache-Control: no-cache", 200, defaulting_to(60s)) == not_stored::no_cache);
}

TEST_CASE("what must be validated each time is stored where it can be", "[cache][storability][rfc9111-5.2.2.4]") {
    const std::string tagged = "ETag: \"a\"\nCache-Control: ";
    const auto [fields, status, expected] = GENERATE_COPY(table<std::string, int, not_stored>({
        {tagged + "no-cache", 200, not_stored::stored},
        {tagged + "no-cache, max-age=60", 200, not_stored::stored},
        {tagged + "no-cache, max-age=60", 403, not_stored::stored},
        {tagged + "no-cache", 403, not_stored::status},
        {tagged + "max-age=0", 200, not_stored::stored},
        {tagged + "max-age=0", 500, not_stored::already_stale},
        {tagged + "no-cache, private", 200, not_stored::is_private},
        {tagged + "public", 200, not_stored::no_freshness},
        {"ETag: \"a\"\nETag: \"b\"\nCache-Control: no-cache", 200, not_stored::no_cache},
        {"ETag:\nCache-Control: no-cache", 200, not_stored::no_cache},
        {"Last-Modified: " + http_date(-60s) + "\nCache-Control: no-cache", 200, not_stored::stored},
        {"Last-Modified: today\nCache-Control: no-cache", 200, not_stored::no_cache},
        {"ETag: \"a\"\nExpires: 0", 200, not_stored::stored},
        {"ETag: \"a\"\nAge: 60\nCache-Control: max-age=50", 200, not_stored::stored},
    }));
    CAPTURE(fields, status);
    const storability judged = judge(fields, {}, status);
    CHECK(judged.reason == expected);
    CHECK_FALSE(judged.fresh);
    if (fields.find("no-cache") != std::string::npos) CHECK(judged.freshness_lifetime == 0s);
}

TEST_CASE("what may be used stale is stored without a validator", "[cache][storability][rfc5861-3][rfc5861-4]") {
    CHECK(judge("Cache-Control: max-age=0, stale-while-revalidate=5", {}).reason == not_stored::stored);
    CHECK(judge("Cache-Control: max-age=0, stale-if-error=5", {}).reason == not_stored::stored);
    CHECK(judge("Cache-Control: max-age=0, stale-if-error=5\nAge: 5", {}).reason == not_stored::already_stale);
    CHECK(judge("Cache-Control: max-age=0, stale-if-error=5, must-revalidate", {}).reason == not_stored::already_stale);
    CHECK(judge("Cache-Control: no-cache, stale-if-error=5", {}).reason == not_stored::no_cache);
    conf::route_cache_settings route;
    route.stale.if_error = 60s;
    CHECK(judge("Cache-Control: max-age=0", route).reason == not_stored::stored);
    CHECK(judge("Cache-Control: max-age=0", route, 404).reason == not_stored::stored);
    CHECK(judge("Cache-Control: max-age=0", route, 503).reason == not_stored::already_stale);
    CHECK(judge("Cache-Control: max-age=0, stale-if-error=0", route).reason == not_stored::already_stale);
    CHECK(judge("Cache-Control: s-maxage=0", route).reason == not_stored::already_stale);
}

TEST_CASE("fresh on arrival is what others may have at once", "[cache][storability][rfc9111-4]") {
    CHECK(judge("Cache-Control: max-age=60", {}).fresh);
    CHECK(judge("Cache-Control: max-age=60\nAge: 59", {}).fresh);
    CHECK_FALSE(judge("ETag: \"a\"\nCache-Control: max-age=60\nAge: 60", {}).fresh);
    CHECK_FALSE(judge("Cache-Control: private, max-age=60", {}).fresh);
}

TEST_CASE("a personal response is stored only if it says public", "[cache][storability][route]") {
    CHECK(judge("Cache-Control: max-age=60", {}, 200, true).reason == not_stored::session_cookie);
    CHECK(judge("Cache-Control: s-maxage=60", {}, 200, true).reason == not_stored::session_cookie);
    CHECK(judge("Cache-Control: public, max-age=60", {}, 200, true).reason == not_stored::stored);
    CHECK(judge("Cache-Control: public, private, max-age=60", {}, 200, true).reason == not_stored::is_private);
    CHECK(judge("Cache-Control: public, max-age=60\nSet-Cookie: a=b", {}, 200, true).reason == not_stored::set_cookie);
    CHECK(judge("CDN-Cache-Control: max-age=60\nCache-Control: public", {}, 200, true).reason ==
          not_stored::session_cookie);
}

TEST_CASE("the route may have responses with Set-Cookie stored", "[cache][storability][route]") {
    conf::route_cache_settings route;
    route.store_set_cookie = true;
    CHECK(judge("Cache-Control: max-age=60\nSet-Cookie: a=b", route).reason == not_stored::stored);
    CHECK(judge("Cache-Control: max-age=60, private\nSet-Cookie: a=b", route).reason == not_stored::is_private);
}

TEST_CASE("a response that sets a cookie is not stored", "[cache][storability]") {
    CHECK(reason_for("Cache-Control: public, max-age=60\nSet-Cookie: a=b") == not_stored::set_cookie);
    CHECK(reason_for("Cache-Control: public, max-age=60\nSET-COOKIE: a=b") == not_stored::set_cookie);
    CHECK(reason_for("Cache-Control: public, max-age=60\nSet-Cookie2: a=b") == not_stored::set_cookie);
}

TEST_CASE("a cookie that private or no-cache names is left out, the rest stored",
          "[cache][storability][rfc9111-5.2.2.4][rfc9111-5.2.2.7]") {
    const std::string sets = "Set-Cookie: a=b\nCache-Control: max-age=60, ";
    CHECK(reason_for(sets + "private=\"set-cookie\"") == not_stored::stored);
    CHECK(reason_for(sets + "no-cache=\"Set-Cookie\"") == not_stored::stored);
    CHECK(reason_for(sets + "private=\"x\"") == not_stored::set_cookie);
    CHECK(reason_for(sets + "private=\"set-cookie\", private") == not_stored::is_private);
    CHECK(reason_for("Set-Cookie2: a=b\n" + sets + "private=\"set-cookie\"") == not_stored::set_cookie);
}

TEST_CASE("a targeted field alone decides over storing", "[cache][storability][rfc9213-2.2]") {
    CHECK(reason_for("Cache-Control: no-store\nCDN-Cache-Control: max-age=60") == not_stored::stored);
    CHECK(reason_for("Cache-Control: max-age=60\nCDN-Cache-Control: no-store") == not_stored::no_store);
    CHECK(reason_for("Cache-Control: max-age=60\nWeir-Cache-Control: private") == not_stored::is_private);
    CHECK(reason_for("Expires: " + http_date(60s) + "\nCDN-Cache-Control: public") == not_stored::no_freshness);
    CHECK(reason_for("Cache-Control: private, max-age=60\nCDN-Cache-Control: max-age=60 private") ==
          not_stored::is_private);
}

TEST_CASE("a Vary that selects nothing is not stored", "[cache][storability][rfc9111-4.1]") {
    const std::string fresh = "Cache-Control: max-age=60\n";
    CHECK(reason_for(fresh + "Vary: *") == not_stored::vary_any);
    CHECK(reason_for(fresh + "Vary: Accept, *") == not_stored::vary_any);
    CHECK(reason_for(fresh + "Vary: Accept\nvary: *") == not_stored::vary_any);
    CHECK(reason_for(fresh + "Vary: Accept Encoding") == not_stored::vary_any);
    CHECK(reason_for(fresh + "Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q") == not_stored::vary_any);
    CHECK(reason_for(fresh + "Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,A") == not_stored::stored);
    CHECK(reason_for(fresh + "Vary: Accept") == not_stored::stored);
}

TEST_CASE("an authorised response is stored only if it says so", "[cache][storability][rfc9111-3.5]") {
    const auto [control, expected] = GENERATE(table<std::string, not_stored>({
        {"max-age=60", not_stored::request_has_authorization},
        {"max-age=60, proxy-revalidate", not_stored::request_has_authorization},
        {"max-age=60, immutable", not_stored::request_has_authorization},
        {"max-age=60, public", not_stored::stored},
        {"s-maxage=60", not_stored::stored},
        {"max-age=60, must-revalidate", not_stored::stored},
        {"max-age=60, must-revalidate, private", not_stored::is_private},
    }));
    CAPTURE(control);
    CHECK(reason_for("Cache-Control: " + control, 200, {}, "Authorization: Basic YTpi") == expected);
}

TEST_CASE("the route's override never beats no-store, private, Set-Cookie or Authorization",
          "[cache][storability][route]") {
    freshness_settings rules = overridden_by(60s);
    rules.default_lifetime = 60s;
    CHECK(reason_for("Cache-Control: no-store", 200, rules) == not_stored::no_store);
    CHECK(reason_for("Cache-Control: private", 200, rules) == not_stored::is_private);
    CHECK(reason_for("Set-Cookie: a=b", 200, rules) == not_stored::set_cookie);
    CHECK(reason_for("", 200, rules, "Authorization: Basic YTpi") == not_stored::request_has_authorization);
    CHECK(reason_for("Vary: *", 200, rules) == not_stored::vary_any);
    CHECK(reason_for("", 206, rules) == not_stored::status);

    CHECK(reason_for("Cache-Control: no-cache", 200, rules) == not_stored::stored);
    CHECK(reason_for("Cache-Control: max-age=0", 200, rules) == not_stored::stored);
    CHECK(reason_for("Expires: 0", 200, rules) == not_stored::stored);
    CHECK(reason_for("", 500, rules) == not_stored::status);
}

TEST_CASE("some statuses are never stored", "[cache][storability][rfc9111-3][rfc6585]") {
    for (const int status : {100, 103, 206, 304, 407, 412, 416, 417, 428, 429, 431, 511}) {
        CAPTURE(status);
        CHECK(reason_for("Cache-Control: public, max-age=60", status, giving(status, 60s)) == not_stored::status);
    }
}

TEST_CASE("any other final status is stored with explicit freshness", "[cache][storability][rfc9111-3]") {
    const int status = GENERATE(200, 201, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410,
                                414, 499, 500, 501, 502, 503, 504, 599);
    CAPTURE(status);
    CHECK(reason_for("Cache-Control: max-age=60", status) == not_stored::stored);
    CHECK(reason_for("", status, giving(status, 60s)) == not_stored::stored);
}

TEST_CASE("without explicit freshness errors are not stored", "[cache][storability][rfc9111-3]") {
    const freshness_settings rules = defaulting_to(60s);
    for (const int status : {302, 303, 307, 400, 401, 403, 500, 502, 503, 504}) {
        CAPTURE(status);
        CHECK(reason_for("", status, rules) == not_stored::status);
        CHECK(reason_for("Cache-Control: public", status, rules) == not_stored::status);
    }
    for (const int status : {200, 203, 204, 300, 301, 308, 404, 410}) {
        CAPTURE(status);
        CHECK(reason_for("", status, rules) == not_stored::stored);
        CHECK(reason_for("", status) == not_stored::no_freshness);
    }
}

TEST_CASE("what is stale when it comes is not stored", "[cache][storability][rfc9111-4.2]") {
    CHECK(reason_for("Cache-Control: max-age=0") == not_stored::already_stale);
    CHECK(reason_for("Cache-Control: max-age=60, max-age=30") == not_stored::already_stale);
    CHECK(reason_for("Expires: 0") == not_stored::already_stale);
    CHECK(reason_for("Cache-Control: max-age=60\nAge: 60") == not_stored::already_stale);
    CHECK(reason_for("Cache-Control: max-age=60\nAge: 59") == not_stored::stored);
    CHECK(reason_for("Cache-Control: max-age=60\nDate: " + http_date(-60s)) == not_stored::already_stale);
    CHECK(reason_for("Cache-Control: max-age=60\nDate: " + http_date(-59s)) == not_stored::stored);
    CHECK(reason_for("Cache-Control: max-age=60", 200, overridden_by(0s)) == not_stored::already_stale);
    freshness_settings capped;
    capped.max_lifetime = 0s;
    CHECK(reason_for("Cache-Control: max-age=60", 200, capped) == not_stored::already_stale);

    const test::request asked;
    const test::response answer("Cache-Control: max-age=5");
    CHECK(may_store(asked.head(), answer.head(), {}, false, max_bytes, test::start - 5s, test::start).reason ==
          not_stored::already_stale);
}

TEST_CASE("a response known to be too large is not stored", "[cache][storability]") {
    CHECK(reason_for("Cache-Control: max-age=60\nContent-Length: 1000") == not_stored::stored);
    CHECK(reason_for("Cache-Control: max-age=60\nContent-Length: 1001") == not_stored::too_large);
    CHECK(reason_for("Cache-Control: max-age=60\nTransfer-Encoding: chunked") == not_stored::stored);
}

TEST_CASE("every reason has a word of its own", "[cache][storability]") {
    std::set<std::string_view> words;
    for (int i = 0; i <= static_cast<int>(not_stored::incomplete); ++i) words.insert(text(static_cast<not_stored>(i)));
    CHECK(words.size() == static_cast<std::size_t>(not_stored::incomplete) + 1);
    CHECK(words.count("unknown") == 0);
    CHECK(text(not_stored::is_private) == "private");
}

TEST_CASE("GET and HEAD without content may use the cache", "[cache][storability][rfc9111-4]") {
    CHECK(may_use_cache(test::request().head()));
    CHECK(may_use_cache(test::request("", "HEAD").head()));
    CHECK(may_use_cache(test::request("Content-Length: 0").head()));
    CHECK_FALSE(may_use_cache(test::request("", "POST").head()));
    CHECK_FALSE(may_use_cache(test::request("Content-Length: 1").head()));
    CHECK_FALSE(may_use_cache(test::request("Transfer-Encoding: chunked").head()));
}

TEST_CASE("a request that has Connection remove fields may not use the cache", "[cache][storability][poisoning]") {
    CHECK(may_use_cache(test::request("Connection: keep-alive").head()));
    CHECK(may_use_cache(test::request("Connection: close, TE\nTE: trailers").head()));
    CHECK_FALSE(may_use_cache(test::request("Connection: Accept-Language\nAccept-Language: de").head()));
    CHECK_FALSE(may_use_cache(test::request("Connection: close\nConnection: keep-alive, cookie").head()));
}

TEST_CASE("who takes fields off the way to the endpoint goes past the cache", "[cache][storability][rfc9110-7.6.1]") {
    const auto [fields, expected] = GENERATE(table<std::string, bool>({
        {"Connection: keep-alive", false},
        {"Connection: Close", false},
        {"Connection: keep-alive, TE\nTE: trailers", false},
        {"Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: a", false},
        {"Connection: Accept-Language", true},
        {"Connection: accept-language\nAccept-Language: de", true},
        {"Accept-Language: de\nConnection: keep-alive, Accept-Language", true},
        {"Connection: close\nCookie: a=1\nConnection: cookie", true},
        {"Connection: X-Site\nX-Site: a", true},
        {"Connection: Host, Via\nVia: 1.1 a", true},
        {"Accept-Language: de", false},
    }));
    CAPTURE(fields);
    CHECK(may_use_cache(test::request(fields).head()) != expected);
}

}  // namespace
}  // namespace weir::cache
