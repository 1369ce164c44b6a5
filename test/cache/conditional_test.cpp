#include "cache/conditional.hpp"

#include <catch2/catch.hpp>

#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using test::http_date;

std::uint16_t answer(const std::string& request_fields, const std::string& response_fields, int status = 200,
                     const char* method = "GET") {
    const auto stored = test::make_stored({.response_fields = response_fields, .status = status});
    return evaluate_conditional(test::request(request_fields, method).head(), *stored, test::at(10s));
}

TEST_CASE("If-None-Match is compared weakly", "[cache][conditional][rfc9110-13.1.2][rfc9110-8.8.3.2]") {
    const auto [list, tag, expected] = GENERATE(table<std::string, std::string, bool>({
        {"\"a\"", "\"a\"", true},
        {"W/\"a\"", "\"a\"", true},
        {"\"a\"", "W/\"a\"", true},
        {"W/\"a\"", "W/\"a\"", true},
        {"\"a\"", "\"b\"", false},
        {"\"a\"", "\"A\"", false},
        {"w/\"a\"", "\"a\"", false},
        {"\"x\", \"a\"", "\"a\"", true},
        {"\"x\",\"a\"", "\"a\"", true},
        {"\"x\" , W/\"y\", W/\"a\"", "\"a\"", true},
        {", ,\"a\",", "\"a\"", true},
        {"\"a, b\"", "\"a, b\"", true},
        {"\"x, \"a\"", "\"a\"", false},
        {"\"a\\\", \"b\"", "\"a\\\"", true},  // a backslash escapes nothing
        {"\"a\\\", \"b\"", "\"b\"", true},
        {"\"\"", "\"\"", true},
        {"*", "\"a\"", true},
        {" * ", "\"a\"", true},
        {"*", "", true},
        {"\"*\"", "\"a\"", false},
        {"*, \"b\"", "\"a\"", false},
        {"", "\"a\"", false},
        {"", "", false},
        {"\"a", "\"a\"", false},
        {"a", "\"a\"", false},
        {"a", "a", true},  // servers that forget the quotes
        {"x, a", "a", true},
        {"\"a\"b", "\"a\"", true},
        {"W/", "\"a\"", false},
        {"\"a\"", "", false},
    }));
    CAPTURE(list, tag);
    CHECK(etag_matches(list, tag) == expected);
}

TEST_CASE("If-None-Match turns a stored 200 into a 304", "[cache][conditional][rfc9110-13.2.2]") {
    const std::string tagged = "ETag: \"a\"";
    CHECK(answer("", tagged) == 200);
    CHECK(answer("If-None-Match: \"a\"", tagged) == 304);
    CHECK(answer("If-None-Match: \"a\"", tagged, 200, "HEAD") == 304);
    CHECK(answer("If-None-Match: \"b\"", tagged) == 200);
    CHECK(answer("If-None-Match: \"b\"\nIf-None-Match: \"c\", W/\"a\"", tagged) == 304);
    CHECK(answer("If-None-Match: *", tagged) == 304);
    CHECK(answer("If-None-Match: *", "") == 304);
    CHECK(answer("If-None-Match: \"a\"", "") == 200);
    CHECK(answer("If-None-Match: \"a\"", "ETag: \"a\"\nETag: \"b\"") == 200);
}

TEST_CASE("If-Modified-Since is compared with Last-Modified, else with Date",
          "[cache][conditional][rfc9110-13.1.3][rfc9111-4.3.2]") {
    const std::string modified = "Date: " + http_date() + "\nLast-Modified: " + http_date(-100s);
    CHECK(answer("If-Modified-Since: " + http_date(-100s), modified) == 304);
    CHECK(answer("If-Modified-Since: " + http_date(-99s), modified) == 304);
    CHECK(answer("If-Modified-Since: " + http_date(-101s), modified) == 200);
    CHECK(answer("If-Modified-Since: " + http_date(100s), modified) == 304);
    CHECK(answer("If-Modified-Since: Wednesday, 31-Dec-25 23:59:59 GMT", modified) == 304);

    const std::string dated = "Date: " + http_date(-10s);
    CHECK(answer("If-Modified-Since: " + http_date(-10s), dated) == 304);
    CHECK(answer("If-Modified-Since: " + http_date(-11s), dated) == 200);
    CHECK(answer("If-Modified-Since: " + http_date(0s), "") == 304);
    CHECK(answer("If-Modified-Since: " + http_date(-1s), "") == 200);
}

TEST_CASE("an If-Modified-Since that is no date, or two, is ignored", "[cache][conditional][rfc9110-13.1.3]") {
    const std::string modified = "Last-Modified: " + http_date(-100s);
    for (const std::string& value : {std::string("yesterday"), std::string(""), std::string("0"),
                                     http_date(0s) + ", " + http_date(0s), http_date(0s) + "x"}) {
        CAPTURE(value);
        CHECK(answer("If-Modified-Since: " + value, modified) == 200);
    }
    CHECK(answer("If-Modified-Since: " + http_date(0s) + "\nIf-Modified-Since: " + http_date(0s), modified) == 200);
}

TEST_CASE("If-None-Match makes If-Modified-Since irrelevant", "[cache][conditional][rfc9110-13.1.3]") {
    const std::string both = "ETag: \"a\"\nLast-Modified: " + http_date(-100s);
    const std::string since = "If-Modified-Since: " + http_date(0s);
    CHECK(answer(since + "\nIf-None-Match: \"b\"", both) == 200);
    CHECK(answer("If-None-Match: \"b\"\n" + since, both) == 200);
    CHECK(answer("If-None-Match:\n" + since, both) == 200);
    CHECK(answer("If-None-Match: \"a\"\nIf-Modified-Since: " + http_date(-500s), both) == 304);
}

TEST_CASE("only a stored 200 becomes a 304", "[cache][conditional][rfc9110-13.2.1]") {
    for (const int status : {203, 204, 301, 404, 410, 500}) {
        CAPTURE(status);
        CHECK(answer("If-None-Match: \"a\"", "ETag: \"a\"", status) == status);
        CHECK(answer("If-Modified-Since: " + http_date(0s), "", status) == status);
    }
}

TEST_CASE("the origin judges If-Match and If-Unmodified-Since", "[cache][conditional][rfc9110-13.2.1]") {
    CHECK(must_forward(test::request("If-Match: \"a\"").fields()));
    CHECK(must_forward(test::request("If-Unmodified-Since: " + http_date()).fields()));
    CHECK_FALSE(must_forward(test::request("If-None-Match: \"a\"\nIf-Modified-Since: x\nIf-Range: \"a\"").fields()));
}

TEST_CASE("a response that only arrives is judged like a stored one", "[cache][conditional][rfc9111-4.3.2]") {
    const std::string fields = "Date: " + http_date() + "\nETag: \"a\"\nLast-Modified: " + http_date(-100s);
    const auto arriving = [&](const std::string& asked, int status = 200, const std::string& extra = "") {
        const test::response answer(fields + extra, status);
        return evaluate_conditional(test::request(asked).head(), selected(answer.head(), test::start), test::at(10s));
    };
    CHECK(arriving("") == 200);
    CHECK(arriving("If-None-Match: \"b\", W/\"a\"") == 304);
    CHECK(arriving("If-None-Match: \"b\"") == 200);
    CHECK(arriving("If-Modified-Since: " + http_date(-100s)) == 304);
    CHECK(arriving("If-Modified-Since: " + http_date(-101s)) == 200);
    CHECK(arriving("If-None-Match: \"b\"\nIf-Modified-Since: " + http_date(0s)) == 200);
    CHECK(arriving("If-None-Match: \"a\"", 404) == 404);
    CHECK(arriving("If-None-Match: \"a\"", 200, "\nETag: \"b\"") == 200);
    // Without Last-Modified: Date, or the time of receipt.
    const test::response plain("");
    CHECK(evaluate_conditional(test::request("If-Modified-Since: " + http_date(0s)).head(),
                               selected(plain.head(), test::start), test::at(10s)) == 304);
    CHECK(evaluate_conditional(test::request("If-Modified-Since: " + http_date(-1s)).head(),
                               selected(plain.head(), test::start), test::at(10s)) == 200);
}

TEST_CASE("a 304 carries no description of content it does not have", "[cache][conditional][rfc9110-15.4.5]") {
    const test::response whole(
        "Date: x\nETag: \"a\"\nVary: Accept\nCache-Control: max-age=1\nExpires: 0\nContent-Location: /a\n"
        "Last-Modified: x\nX-Own: y\nAccess-Control-Allow-Origin: *\nContent-Security-Policy: x\n"
        "Content-Type: text/plain\nContent-Length: 3\nContent-Encoding: gzip\nContent-Language: en\n"
        "Content-Digest: x\nRepr-Digest: x\nAccept-Ranges: bytes");
    std::size_t carried = 0;
    for (const http::field_view field : whole.fields()) {
        if (!belongs_in_not_modified(field)) break;
        ++carried;
    }
    CHECK(carried == 10);
    for (std::size_t i = 10; i < whole.fields().size(); ++i) {
        CAPTURE(whole.fields()[i].name);
        CHECK_FALSE(belongs_in_not_modified(whole.fields()[i]));
    }
}

}  // namespace
}  // namespace weir::cache
