#include "cache/range.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

#include "test/cache/heads.hpp"

namespace weir::cache {

std::ostream& operator<<(std::ostream& to, byte_range range) {
    return to << range.first << '-' << range.last;
}

namespace {

using kind = range_plan::kind;
using ranges = std::vector<byte_range>;
using std::chrono::seconds;

constexpr std::uint64_t length = 1000;

// A 200 of 1000 bytes, made half an hour after it was last modified.
range_source source() {
    const auto made = std::chrono::floor<seconds>(test::start);
    return {{200, "\"one\"", made - seconds(1800), made}, length};
}

range_plan plan(const std::string& fields, const range_source& of = source(), std::string_view method = "GET") {
    return plan_ranges(test::request(fields, method).head(), of, test::at(seconds(60)));
}

struct row {
    std::string range;
    kind what;
    ranges expected;
};

TEST_CASE("a Range that counts says which bytes", "[cache][range][rfc9110-14.1.2]") {
    const auto [range, what, expected] = GENERATE(values<row>({
        // int-range
        {"bytes=0-0", kind::single, {{0, 0}}},
        {"bytes=0-499", kind::single, {{0, 499}}},
        {"bytes=500-999", kind::single, {{500, 999}}},
        {"bytes=999-999", kind::single, {{999, 999}}},
        {"bytes=0-999", kind::single, {{0, 999}}},
        {"bytes=0-1000", kind::single, {{0, 999}}},
        {"bytes=500-99999", kind::single, {{500, 999}}},
        {"bytes=0-", kind::single, {{0, 999}}},
        {"bytes=999-", kind::single, {{999, 999}}},
        {"bytes=007-0010", kind::single, {{7, 10}}},
        {"bytes=10-18446744073709551615", kind::single, {{10, 999}}},
        {"bytes=10-99999999999999999999999", kind::single, {{10, 999}}},
        {"BYTES=1-2", kind::single, {{1, 2}}},
        {"Bytes=1-2", kind::single, {{1, 2}}},
        // suffix-range
        {"bytes=-1", kind::single, {{999, 999}}},
        {"bytes=-500", kind::single, {{500, 999}}},
        {"bytes=-1000", kind::single, {{0, 999}}},
        {"bytes=-1001", kind::single, {{0, 999}}},
        {"bytes=-99999999999999999999999", kind::single, {{0, 999}}},
        // lists
        {"bytes=0-0,-1", kind::multiple, {{0, 0}, {999, 999}}},
        {"bytes=0-1, 10-11", kind::multiple, {{0, 1}, {10, 11}}},
        {"bytes=0-1 ,\t10-11", kind::multiple, {{0, 1}, {10, 11}}},
        {"bytes=,0-1,,10-11,", kind::multiple, {{0, 1}, {10, 11}}},
        {"bytes=, ,0-1", kind::single, {{0, 1}}},
        {"bytes=500-599,0-99", kind::multiple, {{500, 599}, {0, 99}}},
        {"bytes=0-1,5000-6000", kind::single, {{0, 1}}},
        {"bytes=5000-,0-1,-0,10-11", kind::multiple, {{0, 1}, {10, 11}}},
        // none that can be satisfied
        {"bytes=1000-", kind::unsatisfiable, {}},
        {"bytes=1000-1000", kind::unsatisfiable, {}},
        {"bytes=-0", kind::unsatisfiable, {}},
        {"bytes=-0,2000-,3000-4000", kind::unsatisfiable, {}},
        {"bytes=99999999999999999999999-", kind::unsatisfiable, {}},
        {"bytes=99999999999999999999999-99999999999999999999999", kind::unsatisfiable, {}},
        // other units
        {"items=0-1", kind::whole, {}},
        {"byte=0-1", kind::whole, {}},
        {"=0-1", kind::whole, {}},
        // invalid
        {"", kind::whole, {}},
        {"bytes", kind::whole, {}},
        {"bytes=", kind::whole, {}},
        {"bytes=,", kind::whole, {}},
        {"bytes=-", kind::whole, {}},
        {"bytes=0", kind::whole, {}},
        {"bytes=2-1", kind::whole, {}},
        {"bytes=0-1,2-1", kind::whole, {}},
        {"bytes=0-1,x", kind::whole, {}},
        {"bytes=a-b", kind::whole, {}},
        {"bytes=0x0-0x1", kind::whole, {}},
        {"bytes=0-1-2", kind::whole, {}},
        {"bytes=--1", kind::whole, {}},
        {"bytes=+0-1", kind::whole, {}},
        {"bytes=0 -1", kind::whole, {}},
        {"bytes=0- 1", kind::whole, {}},
        {"bytes= 0-1", kind::whole, {}},
        {"bytes =0-1", kind::whole, {}},
        {"bytes:0-1", kind::whole, {}},
        {"bytes=0-1;2-3", kind::whole, {}},
        {"bytes=\"0-1\"", kind::whole, {}},
        {"bytes=0-1,\"2-3", kind::whole, {}},
        {"bytes=0-1.5", kind::whole, {}},
        {"bytes=1e2-", kind::whole, {}},
    }));
    CAPTURE(range);
    const range_plan got = plan("Range: " + range);
    CHECK(got.what == what);
    CHECK(got.ranges == expected);
}

TEST_CASE("ranges that overlap or touch become one", "[cache][range][rfc9110-15.3.7.2]") {
    const auto [range, what, expected] = GENERATE(values<row>({
        {"bytes=0-99,50-149", kind::single, {{0, 149}}},
        {"bytes=0-99,100-199", kind::single, {{0, 199}}},
        {"bytes=100-199,0-99", kind::single, {{0, 199}}},
        {"bytes=0-99,101-199", kind::multiple, {{0, 99}, {101, 199}}},
        {"bytes=0-9,0-9,0-9", kind::single, {{0, 9}}},
        {"bytes=0-999,-1,5-6", kind::single, {{0, 999}}},
        {"bytes=5-6,-1,0-", kind::single, {{0, 999}}},
        // What connects two takes the place of the first.
        {"bytes=0-9,500-509,20-29,10-19", kind::multiple, {{0, 29}, {500, 509}}},
        {"bytes=20-29,500-509,0-9,10-19", kind::multiple, {{0, 29}, {500, 509}}},
        {"bytes=500-509,0-9,20-29,5-25", kind::multiple, {{500, 509}, {0, 29}}},
    }));
    CAPTURE(range);
    const range_plan got = plan("Range: " + range);
    CHECK(got.what == what);
    CHECK(got.ranges == expected);
}

TEST_CASE("ranges cannot be used to ask for much more than there is", "[cache][range][rfc9110-14.2][rfc9110-17.15]") {
    const auto many = [](int count, int step) {
        std::string range = "Range: bytes=";
        for (int i = 0; i < count; ++i) range += std::to_string(i * step) + "-" + std::to_string(i * step) + ",";
        return range;
    };
    CHECK(plan(many(16, 2)).ranges.size() == 16);
    CHECK(plan(many(17, 2)).what == kind::whole);
    CHECK(plan(many(17, 1)).what == kind::whole);
    CHECK(plan(many(5'000, 5'000)).what == kind::whole);
    std::string overlapping = "Range: bytes=0-";
    for (int i = 1; i < 16; ++i) overlapping += "," + std::to_string(i) + "-";
    CHECK(plan(overlapping).ranges == ranges{{0, 999}});
    CHECK(plan(overlapping + ",0-").what == kind::whole);
}

TEST_CASE("a Range counts for GET and a 200 only", "[cache][range][rfc9110-14.2]") {
    for (const char* method : {"HEAD", "POST", "PUT", "OPTIONS", "get", "QUERY"}) {
        CAPTURE(method);
        CHECK(plan("Range: bytes=0-1", source(), method).what == kind::whole);
    }
    for (const std::uint16_t status : {203, 204, 206, 301, 304, 404, 412}) {
        CAPTURE(status);
        range_source other = source();
        other.status = status;
        CHECK(plan("Range: bytes=0-1", other).what == kind::whole);
        CHECK(plan("Range: bytes=5000-", other).what == kind::whole);
    }
    CHECK(plan("").what == kind::whole);
    CHECK(plan("Range: bytes=0-1\nRange: bytes=2-3").what == kind::whole);
}

TEST_CASE("of nothing no range can be taken", "[cache][range][rfc9110-14.1.2]") {
    range_source empty = source();
    empty.length = 0;
    CHECK(plan("Range: bytes=0-", empty).what == kind::unsatisfiable);
    CHECK(plan("Range: bytes=0-0", empty).what == kind::unsatisfiable);
    CHECK(plan("Range: bytes=-0", empty).what == kind::unsatisfiable);
    // Satisfiable, but Content-Range has no form for it.
    CHECK(plan("Range: bytes=-5", empty).what == kind::whole);
    CHECK(plan("Range: bytes=0-1,-5", empty).what == kind::whole);
}

TEST_CASE("ranges reach to the end of what is longest", "[cache][range][rfc9110-14.1.2]") {
    range_source long_one = source();
    long_one.length = (1ULL << 63) - 1;
    CHECK(plan("Range: bytes=9223372036854775806-", long_one).ranges ==
          ranges{{long_one.length - 1, long_one.length - 1}});
    CHECK(plan("Range: bytes=9223372036854775807-", long_one).what == kind::unsatisfiable);
    CHECK(plan("Range: bytes=-9223372036854775807,0-0", long_one).ranges == ranges{{0, long_one.length - 1}});
}

TEST_CASE("If-Range decides whether the range counts", "[cache][range][rfc9110-13.1.5]") {
    const std::string modified = test::http_date(seconds(-1800));
    const auto [if_range, counts] = GENERATE_COPY(table<std::string, bool>({
        {"\"one\"", true},
        {"\"two\"", false},
        {"\"One\"", false},
        {"one", false},
        {"*", false},
        {"", false},
        {"W/\"one\"", false},
        {"\"one\", \"two\"", false},
        {modified, true},
        {test::http_date(seconds(-1801)), false},
        {test::http_date(seconds(-1799)), false},
        {test::http_date(), false},
        {"yesterday", false},
        // The same moment in the obsolete forms.
        {"Wednesday, 31-Dec-25 23:30:00 GMT", true},
        {"Wed Dec 31 23:30:00 2025", true},
    }));
    CAPTURE(if_range);
    CHECK(plan("Range: bytes=0-1\nIf-Range: " + if_range).what == (counts ? kind::single : kind::whole));
    // Where it is false, a range that cannot be satisfied is no mistake.
    CHECK(plan("Range: bytes=5000-\nIf-Range: " + if_range).what == (counts ? kind::unsatisfiable : kind::whole));
}

TEST_CASE("If-Range wants one strong validator", "[cache][range][rfc9110-13.1.5]") {
    range_source of = source();
    const std::string modified = "Range: bytes=0-1\nIf-Range: " + test::http_date(seconds(-1800));
    SECTION("a weak ETag is none") {
        of.etag = "W/\"one\"";
        CHECK(plan("Range: bytes=0-1\nIf-Range: W/\"one\"", of).what == kind::whole);
        CHECK(plan("Range: bytes=0-1\nIf-Range: \"one\"", of).what == kind::whole);
        CHECK(plan(modified, of).what == kind::single);
    }
    SECTION("no ETag") {
        of.etag = {};
        CHECK(plan("Range: bytes=0-1\nIf-Range: \"one\"", of).what == kind::whole);
        CHECK(plan("Range: bytes=0-1\nIf-Range:", of).what == kind::whole);
    }
    SECTION("no Last-Modified") {
        of.last_modified.reset();
        CHECK(plan(modified, of).what == kind::whole);
    }
    SECTION("If-Range given twice") {
        CHECK(plan("Range: bytes=0-1\nIf-Range: \"one\"\nIf-Range: \"one\"", of).what == kind::whole);
    }
    SECTION("If-Range without Range") {
        CHECK(plan("If-Range: \"one\"", of).what == kind::whole);
    }
}

TEST_CASE("Last-Modified is strong where Date is at least a second later", "[cache][range][rfc9110-8.8.2.2]") {
    range_source of = source();
    const std::string fields = "Range: bytes=0-1\nIf-Range: " + test::http_date(seconds(-1800));
    of.date = *of.last_modified;
    CHECK(plan(fields, of).what == kind::whole);
    of.date = *of.last_modified + seconds(1);
    CHECK(plan(fields, of).what == kind::single);
    of.date = *of.last_modified - seconds(1);
    CHECK(plan(fields, of).what == kind::whole);
}

TEST_CASE("a stored response is a source of ranges", "[cache][range]") {
    const auto stored = test::make_stored(
        {.response_fields = "ETag: \"a\"\nLast-Modified: " + test::http_date(seconds(-60)), .content = "0123456789"});
    const range_source of = source_of(*stored);
    CHECK(of.status == 200);
    CHECK(of.etag == "\"a\"");
    CHECK(of.last_modified == std::chrono::floor<seconds>(test::start) - seconds(60));
    CHECK(of.date == std::chrono::floor<seconds>(test::start));
    CHECK(of.length == 10);
}

TEST_CASE("several ranges are laid out as multipart/byteranges", "[cache][range][rfc9110-14.6]") {
    const ranges parts{{0, 1}, {500, 999}};
    const multipart_layout layout = lay_out(parts, 1000, "text/plain; charset=utf-8", "B");
    REQUIRE(layout.part_heads.size() == 2);
    CHECK(layout.part_heads[0] ==
          "--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/1000\r\n\r\n");
    CHECK(layout.part_heads[1] ==
          "\r\n--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 500-999/1000\r\n\r\n");
    CHECK(layout.closing == "\r\n--B--\r\n");
    CHECK(layout.total_bytes == layout.part_heads[0].size() + 2 + layout.part_heads[1].size() + 500 + 9);
    CHECK(lay_out(parts, 1000, "", "B").part_heads[0] == "--B\r\nContent-Range: bytes 0-1/1000\r\n\r\n");
}

TEST_CASE("the fields of ranges are written", "[cache][range][rfc9110-14.4]") {
    std::string out = "A: b\r\n";
    append_content_range({10, 19}, 100, out);
    append_unsatisfied_range(100, out);
    append_multipart_type("x", out);
    CHECK(out ==
          "A: b\r\nContent-Range: bytes 10-19/100\r\nContent-Range: bytes */100\r\n"
          "Content-Type: multipart/byteranges; boundary=x\r\n");
}

const std::string every_field =
    "Date: d\nCache-Control: c\nETag: e\nExpires: x\nContent-Location: /l\nVary: v\nContent-Type: t\n"
    "Content-Encoding: g\nContent-Language: de\nLast-Modified: m\nContent-Length: 5\nContent-Range: bytes 0-1/2\n"
    "Content-MD5: 5\nContent-Digest: 6\nRepr-Digest: 7\nContent-Disposition: inline\nServer: s\nVia: 1.1 v\n"
    "Set-Cookie: k\nCDN-Cache-Control: n\nAccess-Control-Allow-Origin: *";

template <class Belongs>
std::string names_that(Belongs belongs) {
    const test::response response(every_field);
    std::string names;
    for (const http::field_view field : response.fields()) {
        if (belongs(field)) names.append(names.empty() ? "" : " ").append(field.name);
    }
    return names;
}

TEST_CASE("a 206 has the fields of the 200", "[cache][range][rfc9110-15.3.7]") {
    CHECK(names_that([](http::field_view field) { return belongs_in_partial(field, kind::single, false); }) ==
          "Date Cache-Control ETag Expires Content-Location Vary Content-Type Content-Encoding Content-Language "
          "Last-Modified Repr-Digest Content-Disposition Server Via Set-Cookie CDN-Cache-Control "
          "Access-Control-Allow-Origin");
    CHECK(names_that([](http::field_view field) { return belongs_in_partial(field, kind::multiple, false); }) ==
          "Date Cache-Control ETag Expires Content-Location Vary Content-Encoding Content-Language "
          "Last-Modified Repr-Digest Content-Disposition Server Via Set-Cookie CDN-Cache-Control "
          "Access-Control-Allow-Origin");
}

TEST_CASE("with If-Range a 206 leaves out what the client has", "[cache][range][rfc9110-15.3.7]") {
    const auto what = GENERATE(kind::single, kind::multiple);
    CHECK(names_that([=](http::field_view field) { return belongs_in_partial(field, what, true); }) ==
          "Date Cache-Control ETag Expires Content-Location Vary Content-Disposition Server Via Set-Cookie "
          "CDN-Cache-Control Access-Control-Allow-Origin");
}

TEST_CASE("a 416 tells nothing of the representation", "[cache][range][rfc9110-15.5.17]") {
    CHECK(names_that(belongs_in_unsatisfiable) == "Date Vary Server Via Set-Cookie Access-Control-Allow-Origin");
}

std::vector<http::block_ptr> blocks_of(std::string_view bytes, std::size_t block_bytes) {
    std::vector<http::block_ptr> blocks;
    for (std::size_t at = 0; at < bytes.size(); at += block_bytes) {
        const std::string_view part = bytes.substr(at, block_bytes);
        blocks.push_back(http::block::make(static_cast<std::uint32_t>(part.size()), nullptr));
        std::copy(part.begin(), part.end(), blocks.back()->data());
        blocks.back()->grow(static_cast<std::uint32_t>(part.size()));
    }
    return blocks;
}

TEST_CASE("the bytes of every range are found in their pieces", "[cache][range]") {
    // Small content lies in one piece or in two, large content in the blocks it came in.
    const auto [content_bytes, block_bytes, pieces] = GENERATE(table<std::size_t, std::size_t, std::size_t>({
        {20, 3, 1},
        {1000, 1000, 2},
        {20'000, 1000, 20},
        {20'000, 3001, 7},
        {20'000, 10'000, 2},
        {20'000, 20'000, 1},
        {20'000, 20'001, 1},
    }));
    CAPTURE(content_bytes, block_bytes);
    std::string bytes(content_bytes, 'x');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>('a' + i % 23);
    const auto blocks = blocks_of(bytes, block_bytes);
    const auto stored = make_response({.blocks = blocks, .content_bytes = content_bytes});
    REQUIRE(stored->content().size() == pieces);
    const std::size_t step = content_bytes / 20;
    for (std::size_t first = 0; first < bytes.size(); first += step) {
        for (std::size_t last = first; last < bytes.size(); last += step) {
            std::vector<std::string_view> views{"kept"};
            append_views(stored->content(), {first, last}, views);
            CHECK(std::none_of(views.begin(), views.end(), [](std::string_view view) { return view.empty(); }));
            std::string found;
            for (const std::string_view view : views) found += view;
            CHECK(found == "kept" + bytes.substr(first, last + 1 - first));
        }
    }
}

}  // namespace
}  // namespace weir::cache
