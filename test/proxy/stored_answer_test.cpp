#include "proxy/stored_answer.hpp"

#include <catch2/catch.hpp>

#include "proxy/cache_status.hpp"
#include "test/cache/heads.hpp"

namespace weir::proxy {
namespace {

using namespace std::chrono_literals;

std::string text_of(const stored_answer& a, const cache::stored_response& stored) {
    std::string text;
    for (const std::string_view piece : content_of(a, stored)) text += piece;
    return text;
}

const auto now = test::at(1s);

TEST_CASE("a window cuts buffers to what lies in it", "[proxy][answer][range]") {
    const auto [first, end, position, expected] =
        GENERATE(table<std::uint64_t, std::uint64_t, std::uint64_t, std::string>({
            {0, UINT64_MAX, 0, "abcdef"},
            {1, 5, 0, "bcde"},
            {2, 4, 0, "cd"},
            {3, 3, 0, ""},
            {0, 2, 0, "ab"},
            {5, 100, 0, "f"},
            {6, 100, 0, ""},
            {10, 13, 10, "abc"},
            {0, 10, 10, ""},
            {12, 14, 10, "cd"},
            {0, 100, 10, "abcdef"},
        }));
    CAPTURE(first, end, position);
    std::vector<std::string_view> buffers{"ab", "cd", "ef"};
    const content_window window{first, end};
    const std::size_t kept = window.cut(buffers, position);
    std::string text;
    for (std::size_t i = 0; i < kept; ++i) {
        CHECK_FALSE(buffers[i].empty());
        text += buffers[i];
    }
    CHECK(text == expected);
}

TEST_CASE("an answer is whole, a part, several parts, or none", "[proxy][answer][rfc9110-14.2]") {
    const auto stored =
        test::make_stored({.response_fields = "ETag: \"v1\"\nContent-Type: text/plain", .content = "0123456789"});
    const auto answer_to = [&](const std::string& fields, const char* method = "GET") {
        return compose_answer(test::request(fields, method).head(), *stored, stored->content_bytes, now, "b");
    };
    SECTION("whole") {
        const auto a = answer_to("");
        CHECK(a.status == 200);
        CHECK(a.reason == "OK");
        CHECK(a.length == 10u);
        CHECK(text_of(a, *stored) == "0123456789");
        CHECK(a.fields.find("Content-Length") == a.fields.npos);
        CHECK(a.fields.find("ETag: \"v1\"\r\n") != a.fields.npos);
    }
    SECTION("one range") {
        const auto a = answer_to("Range: bytes=2-4");
        CHECK(a.status == 206);
        CHECK(a.length == 3u);
        CHECK(text_of(a, *stored) == "234");
        CHECK(a.fields.find("Content-Range: bytes 2-4/10\r\n") != a.fields.npos);
    }
    SECTION("several ranges") {
        const auto a = answer_to("Range: bytes=0-0, 8-");
        CHECK(a.status == 206);
        const std::string text = text_of(a, *stored);
        CHECK(a.length == text.size());
        CHECK(text.find("Content-Range: bytes 0-0/10\r\n\r\n0") != text.npos);
        CHECK(text.find("Content-Range: bytes 8-9/10\r\n\r\n89") != text.npos);
        CHECK(a.fields.find("Content-Type: multipart/byteranges; boundary=b\r\n") != a.fields.npos);
        CHECK(a.fields.find("text/plain") == a.fields.npos);
    }
    SECTION("several ranges of what still arrives: all of it") {
        const auto a = compose_answer(test::request("Range: bytes=0-0, 8-").head(), *stored, 10, now, "");
        CHECK(a.status == 200);
    }
    SECTION("a range of what has no known length: all of it") {
        const auto a = compose_answer(test::request("Range: bytes=0-0").head(), *stored, std::nullopt, now, "");
        CHECK(a.status == 200);
        CHECK_FALSE(a.length);
    }
    SECTION("no such range") {
        const auto a = answer_to("Range: bytes=10-");
        CHECK(a.status == 416);
        CHECK(a.length == 0u);
        CHECK(content_of(a, *stored).empty());
        CHECK(a.fields.find("Content-Range: bytes */10\r\n") != a.fields.npos);
    }
    SECTION("the client has it") {
        const auto a = answer_to("If-None-Match: \"v1\"\nRange: bytes=2-4");
        CHECK(a.status == 304);
        CHECK_FALSE(a.has_content);
        CHECK(content_of(a, *stored).empty());
        CHECK(a.fields.find("Content-Type") == a.fields.npos);
    }
    SECTION("HEAD: the fields alone, and Range means nothing") {
        const auto a = answer_to("Range: bytes=2-4", "HEAD");
        CHECK(a.status == 200);
        CHECK(a.length == 10u);
        CHECK(content_of(a, *stored).empty());
    }
}

TEST_CASE("Cache-Status says what happened", "[proxy][cache_status][rfc9211-2]") {
    const auto line = [](const cache_status& status) {
        std::string text = "Via: 1.1 weir\r\n";
        append_cache_status(status, text);
        return text.substr(15);
    };
    CHECK(line({.hit = true, .ttl = 30s}) == "Cache-Status: weir; hit; ttl=30\r\n");
    CHECK(line({.hit = true, .ttl = -3s, .detail = "stale-while-revalidate"}) ==
          "Cache-Status: weir; hit; ttl=-3; detail=stale-while-revalidate\r\n");
    CHECK(line({.forwarded = "uri-miss", .ttl = 60s, .stored = true}) ==
          "Cache-Status: weir; fwd=uri-miss; stored; ttl=60\r\n");
    CHECK(line({.forwarded = "uri-miss", .collapsed = true}) == "Cache-Status: weir; fwd=uri-miss; collapsed\r\n");
    CHECK(line({.forwarded = "stale", .forwarded_status = 304}) == "Cache-Status: weir; fwd=stale; fwd-status=304\r\n");
    CHECK(line({.forwarded = "uri-miss", .detail = "private"}) ==
          "Cache-Status: weir; fwd=uri-miss; detail=private\r\n");
}

}  // namespace
}  // namespace weir::proxy
