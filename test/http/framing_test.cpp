#include "proxy/http/framing.hpp"

#include "test/http/parsed.hpp"

using namespace weir::http;

TEST_CASE("status lines are written", "[http][framing][rfc9112-4]") {
    std::string out;
    append_status_line(200, "OK", out);
    append_status_line(404, "", out);
    CHECK(out == "HTTP/1.1 200 OK\r\nHTTP/1.1 404 \r\n");
}

TEST_CASE("fields are written", "[http][framing]") {
    std::string out;
    append_field("A", "b c", out);
    append_field("Content-Length", std::uint64_t{0}, out);
    append_field("Content-Length", std::uint64_t{18446744073709551615u}, out);
    append_field("Empty", "", out);
    CHECK(out == "A: b c\r\nContent-Length: 0\r\nContent-Length: 18446744073709551615\r\nEmpty: \r\n");
}

TEST_CASE("what is written is parsed again", "[http][framing]") {
    std::string out;
    append_status_line(503, reason_phrase(503), out);
    append_field("Content-Length", std::uint64_t{42}, out);
    append_field("Connection", "close", out);
    const auto r = test::response(out + "\r\n");
    REQUIRE(r.error == head_error::none);
    CHECK(r.head.status == 503);
    CHECK(r.head.reason == "Service Unavailable");
    CHECK(r.head.content_length == 42);
    CHECK_FALSE(r.head.keep_alive);
}

TEST_CASE("reason phrases", "[http][framing][rfc9110-15]") {
    CHECK(reason_phrase(200) == "OK");
    CHECK(reason_phrase(431) == "Request Header Fields Too Large");
    CHECK(reason_phrase(299).empty());
    CHECK(reason_phrase(0).empty());
}

TEST_CASE("which responses may have content", "[http][framing][rfc9110-6.4.1]") {
    CHECK(may_have_content(200, verb::get));
    CHECK(may_have_content(500, verb::post));
    CHECK(may_have_content(200, verb::unknown));
    CHECK_FALSE(may_have_content(200, verb::head));
    CHECK_FALSE(may_have_content(100, verb::get));
    CHECK_FALSE(may_have_content(103, verb::get));
    CHECK_FALSE(may_have_content(204, verb::get));
    CHECK_FALSE(may_have_content(304, verb::get));
}
