// What the cache reads out of the fields that it decides by, one row a spelling: as sent, as understood. The tests of
// each part say why; here is what an origin or a client may come up with.
#include <catch2/catch.hpp>
#include <ostream>
#include <string>
#include <string_view>

#include "cache/cache_control.hpp"
#include "cache/conditional.hpp"
#include "cache/freshness.hpp"
#include "cache/key.hpp"
#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using std::chrono::seconds;

struct row {
    std::string_view lines;  // of the one field, or whole fields
    std::string_view expected;
};

std::string with_name(std::string_view name, std::string_view lines) {
    std::string text;
    for (std::size_t start = 0; start <= lines.size();) {
        const std::size_t end = std::min(lines.find('\n', start), lines.size());
        if (!text.empty()) text += "\n";
        text.append(name).append(": ").append(lines.substr(start, end - start));
        start = end + 1;
    }
    return text;
}

class description {
  public:
    void flag(std::string_view name, bool set) {
        if (set) add(std::string(name));
    }
    void number(std::string_view name, std::optional<seconds> value) {
        if (value) add(std::string(name) + "=" + std::to_string(value->count()));
    }
    void names(std::string_view name, const std::vector<std::string>& fields) {
        for (const std::string& field : fields) add(std::string(name) + ":" + field);
    }
    std::string text() && { return text_.empty() ? "nothing" : std::move(text_); }

  private:
    void add(const std::string& word) { text_ += text_.empty() ? word : " " + word; }
    std::string text_;
};

std::string described(const cache_control& c) {
    description out;
    out.flag("no-store", c.no_store);
    out.flag("no-cache", c.no_cache);
    out.flag("private", c.is_private);
    out.flag("public", c.is_public);
    out.flag("must-revalidate", c.must_revalidate);
    out.flag("proxy-revalidate", c.proxy_revalidate);
    out.flag("must-understand", c.must_understand);
    out.flag("immutable", c.immutable);
    out.number("age", c.max_age);
    out.number("shared", c.s_maxage);
    out.number("fresh", c.min_fresh);
    out.number("stale", c.max_stale);
    out.number("swr", c.stale_while_revalidate);
    out.number("sie", c.stale_if_error);
    out.names("private", c.private_fields);
    out.names("no-cache", c.no_cache_fields);
    out.flag("targeted", c.targeted);
    return std::move(out).text();
}

std::string read_response(std::string_view fields) {
    return described(response_control(test::response(fields).fields()));
}

// With a Date of Thu, 01 Jan 2026 00:00:00 GMT.
std::string read_expires(std::string_view lines) {
    const test::response answer("Date: " + test::http_date() + "\n" + with_name("Expires", lines));
    const auto lifetime = freshness_lifetime(answer.head(), response_control(answer.fields()), {}, test::start);
    return lifetime ? std::to_string(lifetime->count()) : "nothing";
}

std::string read_age(std::string_view lines) {
    const test::response answer(with_name("Age", lines));
    return std::to_string(corrected_initial_age(answer.fields(), test::start, test::start).count());
}

std::string read_vary(std::string_view lines) {
    const test::response answer(with_name("Vary", lines));
    const auto vary = vary_of(answer.fields(), {test::request("Accept: a\nCookie: c=d").fields()});
    if (!vary) return "never";
    description out;
    for (const vary_field& field : *vary) out.flag(field.name + (field.value ? "=" + *field.value : ""), true);
    return std::move(out).text();
}

// Which of a few tags are in the list.
std::string read_none_match(std::string_view lines) {
    description out;
    const test::request asked(with_name("If-None-Match", lines));
    for (const char* tag : {"\"a\"", "W/\"b\"", "\"c,d\"", "\"\"", "a"}) {
        const test::response answer(with_name("ETag", tag));
        out.flag(tag, evaluate_conditional(asked.head(), selected(answer.head(), test::start), test::start) == 304);
    }
    return std::move(out).text();
}

constexpr row cache_control_rows[] = {
    {"max-age=60", "age=60"},
    {"MAX-AGE=60", "age=60"},
    {"max-age=\"60\"", "age=60"},
    {"max-age=060", "age=60"},
    {"max-age=0", "age=0"},
    {"max-age=2147483647", "age=2147483647"},
    {"max-age=2147483648", "age=2147483648"},
    {"max-age=2147483649", "age=2147483648"},
    {"max-age=4294967297", "age=2147483648"},
    {"max-age=18446744073709551617", "age=2147483648"},
    {"max-age=\"9999999999\"", "age=2147483648"},
    {"max-age=-60", "age=0"},
    {"max-age=-2147483649", "age=0"},
    {"max-age=60s", "age=0"},
    {"max-age=1 000", "age=0"},
    {"max-age=1_000", "age=0"},
    {"max-age=6e1", "age=0"},
    {"max-age=60.0", "age=0"},
    {"max-age=\xd9\xa6", "age=0"},
    {"max-age=\"60", "age=0"},
    {"max-age=60\"", "age=0"},
    {"max-age=\"\"60\"\"", "age=0"},
    {"max-age = 60", "age=0"},
    {"max-age =60", "age=60"},
    {"max-age:60", "nothing"},
    {"maxage=60", "nothing"},
    {"max_age=60", "nothing"},
    {"max-age=60,max-age=60", "age=60"},
    {"max-age=60,max-age=\"60\"", "age=60"},
    {"max-age=60,max-age=060", "age=60"},
    {"max-age=60,max-age=61", "age=0"},
    {"max-age=60\nmax-age=61", "age=0"},
    {"max-age=60\nmax-age=60", "age=60"},
    {"max-age=60, max-age=x", "age=0"},
    {"max-age=60, no-cache", "no-cache age=60"},
    {"max-age=60, no-store", "no-store age=60"},
    {"max-age=60\nno-store", "no-store age=60"},
    {"max-age=60; no-store", "no-store age=60"},
    {"max-age=60 no-store", "age=0"},
    {"public, private", "private public"},
    {"public no-store", "nothing"},
    {"no-store no-cache", "nothing"},
    {"no-store,no-cache,must-revalidate,private", "no-store no-cache private must-revalidate"},
    {"no-store, no-cache, must-revalidate, post-check=0, pre-check=0", "no-store no-cache must-revalidate"},
    {"no-cache=\"Set-Cookie\"", "no-cache:set-cookie"},
    {"no-cache=\"Set-Cookie, X-A\", max-age=5", "age=5 no-cache:set-cookie no-cache:x-a"},
    {"private=\"X-A\\\\, X-B\"", "private"},
    {"private=\"X-A\"; max-age=5", "age=5 private:x-a"},
    {"private=X-A", "private:x-a"},
    {"private=\"*\"", "private:*"},
    {"private=1", "private:1"},
    {"private=\"Content-Type\"", "private"},
    {"private=\"", "private"},
    {"private=\"x, no-store", "no-store private"},
    {"s-maxage=10, max-age=60", "age=60 shared=10"},
    {"s-max-age=10", "nothing"},
    {"s-maxage", "shared=0"},
    {"s-maxage=\"10\", s-maxage=10", "shared=10"},
    {"x=\"max-age=60\"", "nothing"},
    {"x=\"a, no-store\", max-age=60", "age=60"},
    {"x=\"a\\\", no-store\", max-age=60", "age=60"},
    {"x=\"a, no-store", "no-store"},
    {"x=a\"b, no-store\"", "nothing"},
    {"community=\"UCI\", max-age=60", "age=60"},
    {"max-age=60, stale-while-revalidate=30, stale-if-error=86400", "age=60 swr=30 sie=86400"},
    {"stale-while-revalidate", "swr=0"},
    {"stale-if-error=\"5\"", "sie=5"},
    {"must-understand, no-store", "no-store must-understand"},
    {"immutable, max-age=31536000", "immutable age=31536000"},
    {" , ,max-age=60,, ", "age=60"},
    {"\tmax-age=60\t", "age=60"},
    {"", "nothing"},
    {",", "nothing"},
    {"=60", "nothing"},
    {"\"max-age=60\"", "nothing"},
    {"max-age", "age=0"},
    {"max-age=", "age=0"},
    {"\nmax-age=60\n", "age=60"},
};

constexpr row targeted_rows[] = {
    {"CDN-Cache-Control: max-age=60", "age=60 targeted"},
    {"CDN-Cache-Control: max-age=60\nCache-Control: no-store", "age=60 targeted"},
    {"Weir-Cache-Control: max-age=9\nCDN-Cache-Control: max-age=60", "age=9 targeted"},
    {"Weir-Cache-Control:\nCDN-Cache-Control: max-age=60", "age=60 targeted"},
    {"Weir-Cache-Control: \"\"\nCDN-Cache-Control: max-age=60", "age=60 targeted"},
    {"CDN-Cache-Control: max-age=60\nCDN-Cache-Control: no-store", "no-store age=60 targeted"},
    {"CDN-Cache-Control: max-age=\"60\"", "age=0 targeted"},
    {"CDN-Cache-Control: max-age=2147483649", "age=2147483648 targeted"},
    {"CDN-Cache-Control: max-age=1000000000000000", "nothing"},
    {"CDN-Cache-Control: max-age=-1", "age=0 targeted"},
    {"CDN-Cache-Control: max-age=60, max-age=70", "age=70 targeted"},
    {"CDN-Cache-Control: MAX-AGE=60", "nothing"},
    {"CDN-Cache-Control: no-store=?0, max-age=60", "age=60 targeted"},
    {"CDN-Cache-Control: no-store=?1", "no-store targeted"},
    {"CDN-Cache-Control: no-store=true", "no-store targeted"},
    {"CDN-Cache-Control: private=\"X-A\"", "private:x-a targeted"},
    {"CDN-Cache-Control: private=(\"X-A\")", "private targeted"},
    {"CDN-Cache-Control: x", "targeted"},
    {"CDN-Cache-Control: max-age=60;", "nothing"},
    {"CDN-Cache-Control: max-age=60 ,\tno-cache", "no-cache age=60 targeted"},
    {"CDN-Cache-Control: max-age=60, public=1\nCache-Control: private", "age=60 targeted"},
    {"Surrogate-Control: max-age=60\nCache-Control: max-age=5", "age=5"},
};

constexpr row request_rows[] = {
    {"Cache-Control: max-age=0", "age=0"},
    {"Cache-Control: no-cache\nPragma: x", "no-cache"},
    {"Pragma: no-cache", "no-cache"},
    {"pragma: NO-CACHE, x", "no-cache"},
    {"Pragma: no-cache\nCache-Control:", "nothing"},
    {"Cache-Control: max-stale", "stale=2147483648"},
    {"Cache-Control: max-stale=\"7\"", "stale=7"},
    {"Cache-Control: max-stale=", "stale=0"},
    {"Cache-Control: min-fresh=7, min-fresh=8", "fresh=2147483648"},
    {"Cache-Control: private=\"a\"", "private"},
};

constexpr row expires_rows[] = {
    {"Thu, 01 Jan 2026 00:00:30 GMT", "30"},
    {"Thursday, 01-Jan-26 00:00:30 GMT", "30"},
    {"Thu Jan  1 00:00:30 2026", "30"},
    {"thu, 01 jan 2026 00:00:30 gmt", "30"},
    {"Fri, 31 Dec 9999 23:59:59 GMT", "251635075199"},
    {"Wednesday, 01-Jan-75 00:00:00 GMT", "1546300800"},  // within 50 years
    {"Saturday, 01-Jan-77 00:00:00 GMT", "0"},            // 1977
    {"Sun Nov  6 08:49:37 1994", "0"},
    {"Sun Feb 29 00:00:00 2028", "68169600"},
    {"Sun, 29 Feb 2027 00:00:00 GMT", "0"},
    {"Wed, 31 Dec 2025 23:59:60 GMT", "0"},
    {"Thu, 01 Jan 2026 00:00:00 GMT", "0"},
    {"Thu, 01 Jan 2026 00:00:30 UTC", "0"},
    {"Thu, 01 Jan 2026 00:00:30 +0000", "0"},
    {"Thu, 01 Jan 2026 00:00:30", "0"},
    {"Thu, 1 Jan 2026 00:00:30 GMT", "0"},
    {"Thu, 01 Jan 26 00:00:30 GMT", "0"},
    {"Thu, 01-Jan-2026 00:00:30 GMT", "0"},
    {"01 Jan 2026 00:00:30 GMT", "0"},
    {"Thu, 01 Jan 2026 24:00:30 GMT", "0"},
    {"Thu, 01 Jan 2026 00:00:30 GMT x", "0"},
    {"2026-01-01T00:00:30Z", "0"},
    {"1767225630", "0"},
    {"0", "0"},
    {"-1", "0"},
    {"", "0"},
    {"never", "0"},
    {"\"Thu, 01 Jan 2026 00:00:30 GMT\"", "0"},
    {"Thu, 01 Jan 2026 00:00:30 GMT\nThu, 01 Jan 2026 00:00:30 GMT", "30"},
    {"Thu, 01 Jan 2026 00:00:30 GMT\nThu, 01 Jan 2026 00:00:40 GMT", "0"},
    {"Thu, 01 Jan 2026 00:00:30 GMT, Thu, 01 Jan 2026 00:00:30 GMT", "0"},
};

constexpr row age_rows[] = {
    {"0", "0"},
    {"10", "10"},
    {"010", "10"},
    {"2147483648", "2147483648"},
    {"99999999999999999999", "2147483648"},
    {"-1", "0"},
    {"+1", "0"},
    {"1.5", "0"},
    {"ten", "0"},
    {"10s", "0"},
    {"", "0"},
    {"10, 20", "10"},
    {"20, 10", "20"},
    {"x, 20", "0"},
    {",,10", "10"},
    {"10\n20", "10"},
    {"\"10\"", "0"},
    {"10 20", "0"},
};

constexpr row vary_rows[] = {
    {"Accept", "accept=a"},
    {"ACCEPT", "accept=a"},
    {"Accept, Cookie", "accept=a cookie=c=d"},
    {"Accept\nCookie", "accept=a cookie=c=d"},
    {"Accept,accept ,\tAccept", "accept=a"},
    {"Accept-Encoding", "accept-encoding"},
    {"", "nothing"},
    {", ,", "nothing"},
    {"*", "never"},
    {"Accept, *", "never"},
    {"*\nAccept", "never"},
    {"Accept Cookie", "never"},
    {"Accept; Cookie", "never"},
    {"\"Accept\"", "never"},
    {"Acc\xc3\xa9pt", "never"},
    {"*Accept", "*accept"},
    {"User-Agent,Origin", "user-agent origin"},
    {"X-Forwarded-For", "never"},  // the origin saw weir's own
};

constexpr row none_match_rows[] = {
    {"\"a\"", "\"a\""},
    {"W/\"a\"", "\"a\""},
    {"\"b\"", "W/\"b\""},
    {"\"a\", \"b\"", "\"a\" W/\"b\""},
    {"\"a\"\n\"b\"", "\"a\" W/\"b\""},
    {"\"a\",W/\"b\",\"c,d\"", "\"a\" W/\"b\" \"c,d\""},
    {"\"c,d\"", "\"c,d\""},
    {"\"c\", \"d\"", "nothing"},
    {"\"x,\"a\"", "nothing"},
    {"\"\"", "\"\""},
    {"*", "\"a\" W/\"b\" \"c,d\" \"\" a"},
    {"\"*\"", "nothing"},
    {"a", "a"},
    {"w/\"a\"", "nothing"},
    {"'a'", "nothing"},
    {"\"A\"", "nothing"},
    {"\"a", "nothing"},
    {"\"a\\\", \"b\"", "W/\"b\""},  // a backslash escapes nothing
    {", ,\"a\" ,", "\"a\""},
    {"", "nothing"},
};

static_assert(std::size(cache_control_rows) + std::size(targeted_rows) + std::size(request_rows) +
                  std::size(expires_rows) + std::size(age_rows) + std::size(vary_rows) + std::size(none_match_rows) >=
              150);

template <class F, std::size_t Size>
void check_rows(const row (&rows)[Size], F read) {
    for (const row& r : rows) {
        INFO("sent: " << r.lines);
        CHECK(read(r.lines) == r.expected);
    }
}

TEST_CASE("Cache-Control as sent and as understood", "[cache][parsing][rfc9111-5.2]") {
    check_rows(cache_control_rows,
               [](std::string_view lines) { return read_response(with_name("Cache-Control", lines)); });
}

TEST_CASE("targeted fields as sent and as understood", "[cache][parsing][rfc9213-2.2]") {
    check_rows(targeted_rows, read_response);
}

TEST_CASE("a request's directives as sent and as understood", "[cache][parsing][rfc9111-5.2.1]") {
    check_rows(request_rows,
               [](std::string_view fields) { return described(request_control(test::request(fields).fields())); });
}

TEST_CASE("Expires as sent and as understood", "[cache][parsing][rfc9111-5.3][rfc9110-5.6.7]") {
    check_rows(expires_rows, read_expires);
}

TEST_CASE("Age as sent and as understood", "[cache][parsing][rfc9111-5.1]") {
    check_rows(age_rows, read_age);
}

TEST_CASE("Vary as sent and as understood", "[cache][parsing][rfc9111-4.1]") {
    check_rows(vary_rows, read_vary);
}

TEST_CASE("If-None-Match as sent and as understood", "[cache][parsing][rfc9110-13.1.2]") {
    check_rows(none_match_rows, read_none_match);
}

}  // namespace
}  // namespace weir::cache
