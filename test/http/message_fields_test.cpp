// What requests and responses are refused for alike: the rules of fields and of framing, in both directions.
#include "test/http/parsed.hpp"

using namespace weir::http;
using test::request;
using test::request_with;
using test::response;
using test::response_with;
using namespace std::string_literals;

namespace {

// What `lines` among the fields of a request and of a response are refused for.
head_error both(std::string_view lines) {
    const head_error in_request = request(request_with(lines)).error;
    CHECK(response(response_with(lines)).error == in_request);
    return in_request;
}

}  // namespace

TEST_CASE("field lines are name, colon, value, CRLF and nothing else", "[http][head][rfc9112-5]") {
    const auto [lines, error] = GENERATE(table<std::string, head_error>({
        {"A: b\r\n", head_error::none},
        {"A:b\r\n", head_error::none},
        {"A: \t b \t\r\n", head_error::none},
        {"A:\r\n", head_error::none},
        {"A: \r\n", head_error::none},
        {"A: b\tc d\r\n", head_error::none},
        {"A: caf\xc3\xa9 \x80\xff\r\n", head_error::none},
        {"!#$%&'*+-.^_`|~09aZ: b\r\n", head_error::none},
        {"A: b: c\r\n", head_error::none},
        {"A: b\n", head_error::bare_lf},
        {"A: b\nC: d\r\n", head_error::bare_lf},
        {"\n", head_error::bare_lf},
        {"A: b\r\n c\r\n", head_error::folded_line},
        {"A: b\r\n\tc\r\n", head_error::folded_line},
        {"A:\r\n b\r\n", head_error::folded_line},
        {"A: b\r\n \r\n", head_error::folded_line},
        {"Transfer-Encoding:\r\n chunked\r\n", head_error::folded_line},
        {"Content-Length:\r\n 3\r\n", head_error::folded_line},
        {"A: b\rc\r\n", head_error::bad_field_value},
        {"A: b\r\r\n", head_error::bad_field_value},
        {"A: b\0c\r\n"s, head_error::bad_field_value},
        {"A: \x01\r\n", head_error::bad_field_value},
        {"A: b\x0b"
         "c\r\n",
         head_error::bad_field_value},
        {"A: b\x1b[0m\r\n", head_error::bad_field_value},
        {"A: b\x7f\r\n", head_error::bad_field_value},
        {"A : b\r\n", head_error::bad_field_name},
        {"A\t: b\r\n", head_error::bad_field_name},
        {": b\r\n", head_error::bad_field_name},
        {"A b\r\n", head_error::bad_field_name},
        {"A\r\n", head_error::bad_field_name},
        {"A(: b\r\n", head_error::bad_field_name},
        {"A/B: c\r\n", head_error::bad_field_name},
        {"\"A\": b\r\n", head_error::bad_field_name},
        {"A\xc3\xa9: b\r\n", head_error::bad_field_name},
        {"A\0: b\r\n"s, head_error::bad_field_name},
        {"A\x7f: b\r\n", head_error::bad_field_name},
        {"\rA: b\r\n", head_error::bad_field_name},
        {"Host : y\r\n", head_error::bad_field_name},
        {"Content-Length : 3\r\n", head_error::bad_field_name},
        {"Transfer-Encoding : chunked\r\n", head_error::bad_field_name},
    }));
    CAPTURE(lines);
    if (lines == "\rA: b\r\n") {
        // Beast takes a CR for the end of the head before it looks for the LF.
        CHECK(both(lines) != head_error::none);
    } else {
        CHECK(both(lines) == error);
    }
}

TEST_CASE("white space between the start line and the first field", "[http][head][rfc9112-2.2]") {
    CHECK(request("GET / HTTP/1.1\r\n Host: x\r\n\r\n").error == head_error::folded_line);
    CHECK(request("GET / HTTP/1.1\r\n\tA: b\r\nHost: x\r\n\r\n").error == head_error::folded_line);
    CHECK(response("HTTP/1.1 200 OK\r\n A: b\r\n\r\n").error == head_error::folded_line);
}

TEST_CASE("folded lines are refused by the parser too", "[http][head][rfc9112-5.2]") {
    // Whoever looks for the end of a head refuses them first; nothing rests on it.
    const auto lines = GENERATE("A: b\r\n c\r\n", "A:\r\n b\r\n", "A: b\r\n \r\n", "A:\r\n \r\n",
                                "Transfer-Encoding:\r\n chunked\r\n", "Transfer-Encoding: chun\r\n ked\r\n");
    CAPTURE(lines);
    request_head head;
    CHECK(parse_request_head(request_with(lines), {}, head) == head_error::folded_line);
    response_head answer;
    CHECK(parse_response_head(response_with(lines), {}, verb::get, answer) == head_error::folded_line);
    const std::string long_line = "A: b\r\n" + std::string(5000, ' ') + std::string(5000, 'c') + "\r\n";
    CHECK(parse_request_head(request_with(long_line), {}, head) == head_error::folded_line);
}

TEST_CASE("Content-Length is one number", "[http][head][rfc9112-6.2]") {
    const auto [value, length] = GENERATE(table<std::string, std::uint64_t>({
        {"0", 0},
        {"3", 3},
        {" 3 ", 3},
        {"0003", 3},
        {"9223372036854775807", 9223372036854775807u},
        {"00000000000000000000000000000000000000000000012", 12},
    }));
    CAPTURE(value);
    const auto r = request(request_with("Content-Length: " + value + "\r\n"));
    REQUIRE(r.error == head_error::none);
    CHECK(r.head.body == body_kind::length);
    CHECK(r.head.content_length == length);
    const auto answer = response(response_with("content-length:" + value + "\r\n"));
    REQUIRE(answer.error == head_error::none);
    CHECK(answer.head.content_length == length);
}

TEST_CASE("Content-Length that is not 1*DIGIT is refused", "[http][head][smuggling]") {
    const std::string value =
        GENERATE(as<std::string>(), "", "+3", "-3", "0x3", "3x", "3 3", "3.0", "3e1", "\"3\"", ",", ",3", "3,", "3, 3",
                 "3,3", "3, 4", "three", "3;a", "\t", "3\xc2\xa0", "9223372036854775808", "18446744073709551615",
                 "18446744073709551616", "99999999999999999999999999", "0x10");
    CAPTURE(value);
    const head_error error = both("Content-Length: " + value + "\r\n");
    // Lists that differ have a word of their own in Beast.
    CHECK((error == head_error::bad_content_length || error == head_error::several_content_lengths));
}

TEST_CASE("Content-Length comes once", "[http][head][smuggling]") {
    CHECK(both("Content-Length: 3\r\nContent-Length: 3\r\n") == head_error::several_content_lengths);
    CHECK(both("Content-Length: 3\r\nA: b\r\nCONTENT-LENGTH: 4\r\n") == head_error::several_content_lengths);
    CHECK(both("Content-Length: 0\r\nContent-Length: 0\r\n") == head_error::several_content_lengths);
}

TEST_CASE("a name that only looks like Content-Length frames nothing", "[http][head][smuggling]") {
    const auto r = request(request_with("Content_Length: 3\r\nX-Content-Length: 4\r\nContent-Lengt: 5\r\n"));
    CHECK(r.error == head_error::none);
    CHECK(r.head.body == body_kind::none);
}

TEST_CASE("Transfer-Encoding is exactly chunked", "[http][head][smuggling][rfc9112-6.1]") {
    const auto [value, accepted] = GENERATE(table<std::string, bool>({
        {"chunked", true},
        {"Chunked", true},
        {"CHUNKED", true},
        {" chunked\t", true},
        {"", false},
        {"gzip", false},
        {"identity", false},
        {"gzip, chunked", false},
        {"chunked, gzip", false},
        {"chunked, identity", false},
        {"identity, chunked", false},
        {"chunked, chunked", false},
        {"\"chunked\"", false},
        {"'chunked'", false},
        {"xchunked", false},
        {"chunkedx", false},
        {"chunked;foo", false},
        {"chunked;q=1", false},
        {"chunked junk", false},
        {",chunked", false},
        {"chunked,", false},
        {"chunked ,", false},
        {"chun ked", false},
        {"chunk", false},
        {"x chunked", false},
        {"chunked\xc2\xa0", false},
        {"\xe2\x80\x8b"
         "chunked",
         false},
    }));
    CAPTURE(value);
    CHECK(both("Transfer-Encoding: " + value + "\r\n") ==
          (accepted ? head_error::none : head_error::bad_transfer_encoding));
}

TEST_CASE("Transfer-Encoding: chunked frames both directions", "[http][head]") {
    CHECK(request(request_with("Transfer-Encoding: chunked\r\n")).head.body == body_kind::chunked);
    CHECK(response(response_with("Transfer-Encoding: chunked\r\n")).head.body == body_kind::chunked);
}

TEST_CASE("Transfer-Encoding comes once", "[http][head][smuggling]") {
    CHECK(both("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") == head_error::bad_transfer_encoding);
    CHECK(both("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") == head_error::bad_transfer_encoding);
    CHECK(both("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n") == head_error::bad_transfer_encoding);
}

TEST_CASE("Content-Length beside Transfer-Encoding is refused in either order",
          "[http][head][smuggling][rfc9112-6.3]") {
    CHECK(both("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n") == head_error::length_and_encoding);
    CHECK(both("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") == head_error::length_and_encoding);
    CHECK(both("Content-Length: 0\r\nA: b\r\nTransfer-Encoding: chunked\r\n") == head_error::length_and_encoding);
    CHECK(both("Content-Length: 3\r\nTransfer-Encoding: xchunked\r\n") == head_error::length_and_encoding);
    CHECK(both("Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n") == head_error::bad_transfer_encoding);
    CHECK(response(response_with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), verb::head).error ==
          head_error::length_and_encoding);
}

TEST_CASE("HTTP/1.0 has no Transfer-Encoding", "[http][head][smuggling][rfc9112-6.1]") {
    const std::string value = GENERATE("chunked", "identity", "gzip");
    const std::string lines = "Transfer-Encoding: " + value + "\r\n\r\n";
    CHECK(request("POST / HTTP/1.0\r\n" + lines).error == head_error::bad_transfer_encoding);
    CHECK(response("HTTP/1.0 200 OK\r\n" + lines).error == head_error::bad_transfer_encoding);
}

TEST_CASE("when a connection persists", "[http][head][rfc9112-9.3]") {
    const auto [version, lines, persists] = GENERATE(table<std::string, std::string, bool>({
        {"1.1", "", true},
        {"1.1", "Connection: keep-alive\r\n", true},
        {"1.1", "Connection: close\r\n", false},
        {"1.1", "Connection: Close\r\n", false},
        {"1.1", "Connection: x, close, y\r\n", false},
        {"1.1", "Connection: close, keep-alive\r\n", false},
        {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false},
        {"1.1", "Connection: closed\r\n", true},
        {"1.1", "Connection:\r\n", true},
        {"1.1", "Proxy-Connection: close\r\n", true},
        {"1.0", "", false},
        {"1.0", "Connection: keep-alive\r\n", true},
        {"1.0", "Connection: Keep-Alive, x\r\n", true},
        {"1.0", "Connection: keep-alive, close\r\n", false},
        {"1.0", "Proxy-Connection: keep-alive\r\n", false},
    }));
    CAPTURE(version, lines);
    const auto r = request("GET / HTTP/" + version + "\r\nHost: x\r\n" + lines + "\r\n");
    CHECK(r.error == head_error::none);
    CHECK(r.head.keep_alive == persists);
    const auto answer = response("HTTP/" + version + " 200 OK\r\nContent-Length: 0\r\n" + lines + "\r\n");
    CHECK(answer.error == head_error::none);
    CHECK(answer.head.keep_alive == persists);
}

TEST_CASE("Connection that is no list of tokens is refused", "[http][head]") {
    const std::string value = GENERATE("keep-alive;x", "a b", "\"close\"", "a/b", "(close)");
    CAPTURE(value);
    CHECK(both("Connection: " + value + "\r\n") == head_error::bad_connection);
    CHECK(both("Connection: a\x01\r\n") == head_error::bad_field_value);
}
