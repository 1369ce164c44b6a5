#include "cache/memcached_page.hpp"

#include <catch2/catch.hpp>

#include "cache/conditional.hpp"
#include "cache/media_type.hpp"
#include "cache/tags.hpp"
#include "test/cache/heads.hpp"
#include "test/support/gzipped.hpp"

namespace weir::cache {
namespace {

using test::http_date;

const std::string date_line = "Date: " + http_date() + "\r\n";
constexpr std::string_view html = "text/html";

page_source source(std::string_view bytes) {
    return {.bytes = bytes, .content_type = html, .cache_key = "http://example.org/a", .now = test::start};
}

std::string content_of(const memcached_page& page) {
    return test::whole_content(*page.response);
}

TEST_CASE("a plain body is a response", "[cache][memcached][pages]") {
    const memcached_page page = read_page(source("<p>hello"));
    REQUIRE(page.response);
    const stored_response& response = *page.response;
    CHECK(response.status == 200);
    CHECK(response.key == "http://example.org/a");
    CHECK(response.etag.size() == 34);
    CHECK(response.head == "HTTP/1.1 200 OK\r\n" + date_line + "Content-Type: text/html\r\nETag: " +
                               std::string(response.etag) + "\r\nContent-Length: 8\r\n");
    CHECK(response.content_bytes == 8);
    CHECK(content_of(page) == "<p>hello");
    CHECK_FALSE(page.position);
}

TEST_CASE("an empty body is a page too", "[cache][memcached][pages]") {
    const memcached_page page = read_page(source(""));
    REQUIRE(page.response);
    CHECK(page.response->content_bytes == 0);
    CHECK(page.response->fields.value(http::field_id::content_length) == "0");
}

TEST_CASE("a page's ETag is strong and follows its content", "[cache][memcached][pages][rfc9110-8.8.3]") {
    const auto etag = [](std::string_view bytes) { return std::string(read_page(source(bytes)).response->etag); };
    CHECK(etag("a") == etag("a"));
    CHECK(etag("a") != etag("b"));
    const auto page = read_page(source("a"));
    const test::request asked("If-None-Match: " + etag("a"));
    CHECK(evaluate_conditional(asked.head(), *page.response, test::start) == 304);
    const test::request other("If-None-Match: " + etag("b"));
    CHECK(evaluate_conditional(other.head(), *page.response, test::start) == 200);
}

TEST_CASE("the route's rules count for pages", "[cache][memcached][pages][route]") {
    const std::vector<conf::header_rule> rules = {
        {"etag", std::nullopt}, {"Date", std::nullopt}, {"Cache-Control", "max-age=5"}, {"content-type", "a/b"}};
    page_source from = source("hello");
    from.field_rules = rules;
    const memcached_page page = read_page(from);
    REQUIRE(page.response);
    CHECK(page.response->head ==
          "HTTP/1.1 200 OK\r\nCache-Control: max-age=5\r\ncontent-type: a/b\r\nContent-Length: 5\r\n");
    from.bytes = "WEIR/1 200\r\nX: y\r\n\r\nhello";
    const memcached_page form = read_page(from);
    REQUIRE(form.response);
    CHECK(form.response->head ==
          "HTTP/1.1 200 OK\r\nX: y\r\nCache-Control: max-age=5\r\ncontent-type: a/b\r\nContent-Length: 5\r\n");
}

TEST_CASE("a page that is gzip is sent so, or inflated", "[cache][memcached][pages][gzip]") {
    const std::string coded = test::gzipped("hello");
    page_source from = source(coded);
    from.flags = 2;
    from.takes_gzip = true;
    const memcached_page whole = read_page(from);
    REQUIRE(whole.response);
    CHECK(content_of(whole) == coded);
    CHECK(whole.response->fields.value(http::field_id::content_encoding) == "gzip");
    CHECK(whole.response->fields.value(http::field_id::vary) == "Accept-Encoding");

    from.takes_gzip = false;
    const memcached_page inflated = read_page(from);
    REQUIRE(inflated.response);
    CHECK(content_of(inflated) == "hello");
    CHECK_FALSE(inflated.response->fields.has(http::field_id::content_encoding));
    CHECK(inflated.response->fields.value(http::field_id::vary) == "Accept-Encoding");
    CHECK(inflated.response->fields.value(http::field_id::content_length) == "5");
    CHECK(inflated.response->etag != whole.response->etag);
}

TEST_CASE("what the flags say is no text is no page", "[cache][memcached][pages][faults]") {
    const std::string coded = test::gzipped("hello");
    const auto [flags, is_page] = GENERATE(table<std::uint32_t, bool>({
        {0, true},
        {1, false},  // pickled
        {2, false},  // gzip, which "5" is not: pylibmc marks numbers so
        {4, false},  // a long number
        {8, false},  // compressed by pylibmc
        {16, true},  // a Python string
        {17, false},
        {18, false},
    }));
    CAPTURE(flags);
    page_source from = source("5");
    from.flags = flags;
    CHECK((read_page(from).response != nullptr) == is_page);
    from.bytes = "WEIR/1 200\r\n\r\n5";
    CHECK((read_page(from).response != nullptr) == (is_page || (flags & 13) == 0));
    from.bytes = std::string_view(coded).substr(0, coded.size() - 1);
    from.flags = 2;
    CHECK_FALSE(read_page(from).response);  // cut, and to be inflated
}

TEST_CASE("a page of our form has status and fields of its own", "[cache][memcached][pages]") {
    const memcached_page page =
        read_page(source("WEIR/1 404\r\nContent-Type: text/plain\r\nCache-Control: max-age=60\r\nServer: CherryPy\r\n"
                         "Date: " +
                         http_date(std::chrono::seconds{-10}) + "\r\n\r\nnothing\r\n\r\nhere"));
    REQUIRE(page.response);
    CHECK(page.response->head ==
          "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nCache-Control: max-age=60\r\nServer: CherryPy\r\n"
          "Date: " +
              http_date(std::chrono::seconds{-10}) + "\r\nContent-Length: 15\r\n");
    CHECK(content_of(page) == "nothing\r\n\r\nhere");
    CHECK(page.response->control.max_age == std::chrono::seconds{60});
    CHECK(page.response->corrected_initial_age == std::chrono::seconds{10});
    CHECK_FALSE(page.position);
}

TEST_CASE("our form gets what it lacks", "[cache][memcached][pages]") {
    const memcached_page bare = read_page(source("WEIR/1 200\r\n\r\nhello"));
    REQUIRE(bare.response);
    CHECK(bare.response->etag == read_page(source("hello")).response->etag);
    CHECK(bare.response->head == "HTTP/1.1 200 OK\r\nETag: " + std::string(bare.response->etag) +
                                     "\r\nContent-Type: text/html\r\n" + date_line + "Content-Length: 5\r\n");
    const memcached_page own = read_page(source("WEIR/1 200\r\nETag: W/\"7\"\r\nContent-Type: a/b\r\n\r\nhello"));
    REQUIRE(own.response);
    CHECK(own.response->etag == "W/\"7\"");
    CHECK(own.response->fields.count(http::field_id::etag) == 1);
    CHECK(own.response->fields.count(http::field_id::content_type) == 1);
    const memcached_page moved = read_page(source("WEIR/1 302\r\nLocation: /b\r\n\r\n"));
    REQUIRE(moved.response);
    CHECK(moved.response->head == "HTTP/1.1 302 Found\r\nLocation: /b\r\n" + date_line + "Content-Length: 0\r\n");
}

TEST_CASE("framing and hop-by-hop fields of our form are dropped", "[cache][memcached][pages][rfc9110-7.6.1]") {
    const memcached_page page = read_page(source(
        "WEIR/1 404\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: a/b\r\n\r\nhello"));
    REQUIRE(page.response);
    CHECK(page.response->head ==
          "HTTP/1.1 404 Not Found\r\nContent-Type: a/b\r\n" + date_line + "Content-Length: 5\r\n");
    CHECK(read_page(source("WEIR/1 200\r\nContent-Length: 5\r\n\r\nhello")).response);
}

TEST_CASE("purges reach a page that says where the log was", "[cache][memcached][pages][purge]") {
    const std::vector<std::string> tag_fields = {"Surrogate-Key", "xkey"};
    page_source from = source(
        "WEIR/1 200\r\nweir-purge-position:  00f3c0de5eed1e57 42\r\nSurrogate-Key: user-7 photos\r\n"
        "Cache-Groups: \"g\"\r\n\r\nhello");
    from.tag_fields = tag_fields;
    const memcached_page page = read_page(from);
    REQUIRE(page.response);
    CHECK(page.position == purge_position{0x00f3c0de5eed1e57, 42});
    CHECK_FALSE(page.response->fields.has("Weir-Purge-Position"));
    std::vector<std::uint64_t> tags = {hash_tag("user-7"), hash_tag("photos"), hash_group("http://example.org", "g")};
    std::sort(tags.begin(), tags.end());
    CHECK(std::ranges::equal(page.response->tags, tags));
}

TEST_CASE("our form that is malformed is no page", "[cache][memcached][pages][faults]") {
    const std::string bytes = GENERATE(
        as<std::string>(), "WEIR/", "WEIR/1 200", "WEIR/1 200\r\n", "WEIR/1 200\r\nX: y\r\n", "WEIR/2 200\r\n\r\nhello",
        "WEIR/1  200\r\n\r\nhello", "WEIR/1 20\r\n\r\nhello", "WEIR/1 2000\r\n\r\nhello", "WEIR/1 2x0\r\n\r\nhello",
        "WEIR/1 200 OK\r\n\r\nhello", "WEIR/1 100\r\n\r\n", "WEIR/1 199\r\n\r\n", "WEIR/1 206\r\n\r\nhello",
        "WEIR/1 304\r\n\r\n", "WEIR/1 600\r\n\r\n", "WEIR/1 999\r\n\r\n", "WEIR/1 204\r\n\r\nhello",
        "WEIR/1 200\n\nhello", "WEIR/1 200\r\nX: y\n\r\nhello", "WEIR/1 200\r\nX: y\r\n z\r\n\r\nhello",
        "WEIR/1 200\r\nX\r\n\r\nhello", "WEIR/1 200\r\nX : y\r\n\r\nhello", "WEIR/1 200\r\n: y\r\n\r\nhello",
        "WEIR/1 200\r\nX: \x01\r\n\r\nhello", "WEIR/1 200\r\nContent-Length: 4\r\n\r\nhello",
        "WEIR/1 200\r\nContent-Length: 6\r\n\r\nhello", "WEIR/1 200\r\nContent-Length: five\r\n\r\nhello",
        "WEIR/1 200\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        "WEIR/1 200\r\nTransfer-Encoding: gzip\r\n\r\nhello", "WEIR/1 200\r\nWeir-Purge-Position:\r\n\r\nhello",
        "WEIR/1 200\r\nWeir-Purge-Position: 42\r\n\r\nhello",
        "WEIR/1 200\r\nWeir-Purge-Position: 00f3c0de5eed1e57 42 \r\n\r\nhello",
        "WEIR/1 200\r\nWeir-Purge-Position: 00f3c0de5eed1e57 42\r\n"
        "Weir-Purge-Position: 00f3c0de5eed1e57 42\r\n\r\nhello");
    CAPTURE(bytes);
    CHECK_FALSE(read_page(source(bytes)).response);
}

TEST_CASE("a head of our form is bounded like any other", "[cache][memcached][pages][faults]") {
    const auto page_with = [](std::size_t bytes) {
        return read_page(source("WEIR/1 200\r\nX: " + std::string(bytes, 'y') + "\r\n\r\nhello"));
    };
    CHECK(page_with(32'000).response);
    CHECK_FALSE(page_with(33'000).response);
    std::string many = "WEIR/1 200\r\n";
    for (int i = 0; i < 200; ++i) many += "X: y\r\n";
    CHECK_FALSE(read_page(source(many + "\r\n")).response);
}

TEST_CASE("keys of pages are what memcached takes", "[cache][memcached][pages]") {
    CHECK(is_page_key("page:example.org/a"));
    CHECK(is_page_key("page:\xc3\xa4"));
    CHECK(is_page_key(std::string(250, 'x')));
    CHECK_FALSE(is_page_key(std::string(251, 'x')));
    CHECK_FALSE(is_page_key(""));
    CHECK_FALSE(is_page_key("a b"));
    CHECK_FALSE(is_page_key("a\r\nb"));
    CHECK_FALSE(is_page_key("a\tb"));
    CHECK_FALSE(is_page_key("a\x7f"));
    CHECK_FALSE(is_page_key(std::string_view("a\0b", 3)));
}

TEST_CASE("a position in the purge log is a text", "[cache][memcached][purge]") {
    CHECK(text(purge_position{0xabc, 17}) == "0000000000000abc 17");
    const purge_position largest{~std::uint64_t{0}, ~std::uint64_t{0}};
    CHECK(parse_purge_position(text(largest)) == largest);
    CHECK(parse_purge_position("0000000000000ABC 17") == purge_position{0xabc, 17});
    for (const std::string_view bad :
         {"", "abc 17", "0000000000000abc", "0000000000000abc ", "0000000000000abc 17 ", "0000000000000abc  17",
          "0000000000000abc -1", "0000000000000abc +1", "0000000000000abg 17", "00000000000000abc 17",
          "0000000000000abc 18446744073709551616", "-000000000000abc 1", "0000000000000abc\t17"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_purge_position(bad));
    }
}

}  // namespace
}  // namespace weir::cache
