#include "cache/stored_parts.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "cache/compact_optional.hpp"
#include "cache/stored_response.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a duration that may be missing takes four bytes", "[cache][compact_optional]") {
    STATIC_REQUIRE(sizeof(optional_seconds) == 4);
    CHECK_FALSE(optional_seconds());
    CHECK(optional_seconds() == optional_seconds());
    CHECK(optional_seconds(0s).has_value());
    CHECK(*optional_seconds(7s) == 7s);
    CHECK(optional_seconds(7s) == 7s);
    CHECK(optional_seconds(7s) != optional_seconds());
    CHECK(optional_seconds().value_or(3s) == 3s);
    CHECK(std::optional<std::chrono::seconds>(optional_seconds(7s)) == 7s);
    CHECK(*optional_seconds(-1s) == 0s);
    CHECK(*optional_seconds(std::chrono::seconds(1LL << 40)) == std::chrono::seconds(UINT32_MAX - 1));
    CHECK(*optional_seconds(std::chrono::seconds(2147483648)) == std::chrono::seconds(2147483648));
}

TEST_CASE("a duration of four bytes compares and counts as any other", "[cache][compact_optional]") {
    STATIC_REQUIRE(sizeof(compact_seconds) == 4);
    const compact_seconds seven = 7s;
    CHECK(seven == 7s);
    CHECK(seven < 8s);
    CHECK(seven - 9s == -2s);
    CHECK(seven + 1s == 8s);
    CHECK(seven.count() == 7);
    CHECK(compact_seconds(-1s) == 0s);
    CHECK(compact_seconds(std::chrono::seconds(1LL << 40)) == std::chrono::seconds(UINT32_MAX));
}

TEST_CASE("a moment that may be missing takes eight bytes", "[cache][compact_optional]") {
    STATIC_REQUIRE(sizeof(optional_date) == 8);
    const std::chrono::sys_seconds before_1970(-100s);
    CHECK_FALSE(optional_date());
    CHECK(*optional_date(before_1970) == before_1970);
    CHECK(optional_date(std::optional<std::chrono::sys_seconds>()) == optional_date());
}

TEST_CASE("the fields of a stored head are found by id and by name", "[cache][stored_parts]") {
    using http::field_id;
    const std::vector<field_id> ids = {field_id::server, field_id::unknown, field_id::set_cookie, field_id::set_cookie,
                                       field_id::location};
    const auto stored = make_response({.key = "key",
                                       .status = 200,
                                       .head = "HTTP/1.1 200 OK: fine\r\nserver: a\r\nX-Empty: \r\nSet-Cookie: b=1\r\n"
                                               "Set-Cookie: c=2\r\nLocation: http://b/\r\n",
                                       .field_ids = ids});
    const stored_fields& fields = stored->fields;
    CHECK(fields.size() == 5);
    CHECK(fields.value(field_id::server) == "a");
    CHECK(fields.value(field_id::set_cookie) == "b=1");
    CHECK(fields.count(field_id::set_cookie) == 2);
    CHECK(fields.value(field_id::location) == "http://b/");
    CHECK_FALSE(fields.has(field_id::date));
    CHECK(fields.value(field_id::date).empty());
    CHECK(fields.has("x-empty"));
    CHECK(fields.value("x-empty").empty());
    CHECK(fields.value("LOCATION") == "http://b/");
    CHECK_FALSE(fields.has("X-Other"));
    std::string names;
    for (const http::field_view field : fields) names.append(field.name) += ' ';
    CHECK(names == "server X-Empty Set-Cookie Set-Cookie Location ");
    CHECK(make_response({.status = 200, .head = "HTTP/1.1 200 OK\r\n"})->fields.size() == 0);
}

TEST_CASE("what Vary names comes back as it was", "[cache][stored_parts]") {
    const std::vector<vary_field> vary = {{"accept", "text/html", http::field_id::accept},
                                          {"x-none", std::nullopt, http::field_id::unknown},
                                          {"x-empty", "", http::field_id::unknown},
                                          {"cookie", std::string(300, 'c'), http::field_id::cookie}};
    const std::vector<std::uint64_t> tags = {1, 2, 3};
    const auto stored = make_response({.key = "key", .vary = vary, .tags = tags});
    const std::vector<vary_field> back = stored->vary;
    CHECK(std::equal(back.begin(), back.end(), vary.begin(), vary.end(), [](const vary_field& a, const vary_field& b) {
        return a.name == b.name && a.value == b.value && a.id == b.id;
    }));
    CHECK(std::ranges::equal(stored->tags, tags));
    CHECK(stored->key == "key");
    CHECK(make_response({.key = "key"})->vary.empty());
}

}  // namespace
}  // namespace weir::cache
