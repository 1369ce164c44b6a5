#include "test/http/parsed.hpp"

using namespace weir::http;
using test::response;
using test::response_with;
using namespace std::string_literals;

TEST_CASE("a plain response is read", "[http][head]") {
    const auto r = response("HTTP/1.1 200 Very Good\r\nContent-Length: 12\r\nETag: \"a\"\r\n\r\nhello, world");
    REQUIRE(r.error == head_error::none);
    CHECK(r.head.status == 200);
    CHECK(r.head.reason == "Very Good");
    CHECK(r.head.version == 11);
    CHECK(r.head.keep_alive);
    CHECK(r.head.body == body_kind::length);
    CHECK(r.head.has_content_length);
    CHECK(r.head.content_length == 12);
    CHECK(r.head.size == r.bytes.size() - 12);
    CHECK(r.head.fields.value(field_id::etag) == "\"a\"");
}

TEST_CASE("status lines", "[http][head][rfc9112-4]") {
    const auto [line, error] = GENERATE(table<std::string, head_error>({
        {"HTTP/1.1 200 OK", head_error::none},
        {"HTTP/1.0 200 OK", head_error::none},
        {"HTTP/1.1 200 ", head_error::none},
        {"HTTP/1.1 200", head_error::none},
        {"HTTP/1.0 599", head_error::none},
        {"HTTP/1.1 200 caf\xc3\xa9 \xff\t!", head_error::none},
        {"HTTP/1.1 100 Continue", head_error::none},
        {"HTTP/1.1 599 Last", head_error::none},
        {"HTTP/1.1 099 Low", head_error::bad_status},
        {"HTTP/1.1 099", head_error::bad_status},
        {"HTTP/1.1 000 Low", head_error::bad_status},
        {"HTTP/1.1 600 High", head_error::bad_status},
        {"HTTP/1.1 999 High", head_error::bad_status},
        {"HTTP/1.1 999", head_error::bad_status},
        {"HTTP/1.1 20 Short", head_error::bad_status},
        {"HTTP/1.1 2000 Long", head_error::bad_status},
        {"HTTP/1.1 20x OK", head_error::bad_status},
        {"HTTP/1.1 20x", head_error::bad_status},
        {"HTTP/1.1 -20 OK", head_error::bad_status},
        {"HTTP/1.1  200 OK", head_error::bad_status},
        {"HTTP/1.1\t200 OK", head_error::bad_version},
        {"HTTP/1.1 200\tOK", head_error::bad_status},
        {"HTTP/1.1", head_error::bad_version},
        {"HTTP/1.1 ", head_error::bad_status},
        {"HTTP/1.1 200 a\rb", head_error::bad_reason},
        {"HTTP/1.1 200 a\x01"
         "b",
         head_error::bad_reason},
        {"HTTP/1.1 200 a\0b"s, head_error::bad_reason},
        {"HTTP/1.1 200 a\x7f", head_error::bad_reason},
        {"HTTP/2.0 200 OK", head_error::bad_version},
        {"HTTP/1.2 200 OK", head_error::bad_version},
        {"http/1.1 200 OK", head_error::bad_version},
        {"ICY 200 OK", head_error::bad_version},
        {" HTTP/1.1 200 OK", head_error::bad_version},
        {"", head_error::bad_version},
    }));
    CAPTURE(line);
    CHECK(response(line + "\r\nContent-Length: 0\r\n\r\n").error == error);
}

TEST_CASE("a status line without reason is read with its fields", "[http][head][rfc9112-4]") {
    const std::string line = GENERATE("HTTP/1.1 404", "HTTP/1.1 404 ");
    const auto r = response(line + "\r\nContent-Length: 7\r\nConnection: close\r\n\r\n");
    REQUIRE(r.error == head_error::none);
    CHECK(r.head.status == 404);
    CHECK(r.head.reason.empty());
    CHECK(r.head.content_length == 7);
    CHECK_FALSE(r.head.keep_alive);
    REQUIRE(r.head.fields.size() == 2);
    CHECK(r.head.fields[0].name == "Content-Length");
    CHECK(response(line + "\r\nA : b\r\n\r\n").error == head_error::bad_field_name);
    CHECK(response(line + "\r\n\r\n").head.body == body_kind::until_close);
}

TEST_CASE("how a response body ends", "[http][head][rfc9112-6.3]") {
    struct expectation {
        unsigned status;
        verb method;
        std::string lines;
        body_kind body;
        bool keep_alive;
    };
    const auto e = GENERATE(values<expectation>({
        {200, verb::get, "Content-Length: 5\r\n", body_kind::length, true},
        {200, verb::get, "Content-Length: 0\r\n", body_kind::length, true},
        {200, verb::get, "Transfer-Encoding: chunked\r\n", body_kind::chunked, true},
        {200, verb::get, "", body_kind::until_close, false},
        {200, verb::get, "Connection: keep-alive\r\n", body_kind::until_close, false},
        {404, verb::post, "", body_kind::until_close, false},
        {200, verb::head, "Content-Length: 5\r\n", body_kind::none, false},
        {200, verb::head, "Transfer-Encoding: chunked\r\n", body_kind::none, false},
        {200, verb::head, "", body_kind::none, false},
        {304, verb::get, "Content-Length: 5\r\n", body_kind::none, true},
        {304, verb::get, "Transfer-Encoding: chunked\r\n", body_kind::none, false},
        {304, verb::get, "", body_kind::none, true},
        {204, verb::get, "", body_kind::none, true},
        {204, verb::get, "Content-Length: 0\r\n", body_kind::none, true},
        {204, verb::get, "Content-Length: 5\r\n", body_kind::none, true},
        {100, verb::get, "", body_kind::none, true},
        {101, verb::get, "Connection: upgrade\r\nUpgrade: websocket\r\n", body_kind::none, true},
        {103, verb::get, "Link: </a>\r\n", body_kind::none, true},
        {204, verb::get, "Connection: close\r\n", body_kind::none, false},
        {204, verb::get, "Transfer-Encoding: chunked\r\n", body_kind::none, false},
    }));
    CAPTURE(e.status, to_string(e.method), e.lines);
    const auto r = response("HTTP/1.1 " + std::to_string(e.status) + " X\r\n" + e.lines + "\r\n", e.method);
    REQUIRE(r.error == head_error::none);
    CHECK(r.head.body == e.body);
    CHECK(r.head.keep_alive == e.keep_alive);
}

TEST_CASE("Content-Length of a response without content is known all the same", "[http][head]") {
    const auto head = response(response_with("Content-Length: 5\r\n"), verb::head);
    CHECK(head.head.has_content_length);
    CHECK(head.head.content_length == 5);
    const auto none = response(response_with(""), verb::head);
    CHECK_FALSE(none.head.has_content_length);
}

TEST_CASE("interim responses have no transfer coding", "[http][head][rfc9112-6.1]") {
    const std::string status = GENERATE("100", "101", "103");
    CHECK(response("HTTP/1.1 " + status + " X\r\nTransfer-Encoding: chunked\r\n\r\n").error ==
          head_error::bad_transfer_encoding);
}
