// What a client may not send: every line is refused with its status, the connection is closed, and the origin sees
// nothing of it, nor of a second request that hides behind it.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

struct refused {
    std::string what;
    std::string bytes;
    unsigned status = 400;
};

std::string with_field(const std::string& line) {
    return "GET / HTTP/1.1\r\nHost: a\r\n" + line + "\r\n\r\n";
}

std::string posted(const std::string& lines, const std::string& content) {
    return "POST / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n\r\n" + content;
}

std::string line(const std::string& request_line) {
    return request_line + "\r\nHost: a\r\n\r\n";
}

std::vector<refused> lengths() {
    return {
        {"a sign before a length", posted("Content-Length: +3", "abc")},
        {"a negative length", posted("Content-Length: -3", "abc")},
        {"a hexadecimal length", posted("Content-Length: 0x3", "abc")},
        {"an empty length", posted("Content-Length:", "abc")},
        {"two numbers in a length", posted("Content-Length: 3 3", "abc")},
        {"a list of lengths that differ", posted("Content-Length: 3, 4", "abcd")},
        {"two lengths that differ", posted("Content-Length: 3\r\nContent-Length: 4", "abcd")},
        {"a length with a letter", posted("Content-Length: 3a", "abc")},
        {"a length with a fraction", posted("Content-Length: 3.0", "abc")},
        {"a length of 2^63", posted("Content-Length: 9223372036854775808", "abc")},
        {"a length of 2^64", posted("Content-Length: 18446744073709551616", "abc")},
        {"a length of 2^64 + 3", posted("Content-Length: 18446744073709551619", "abc")},
        {"a length before an encoding", posted("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n")},
        {"an encoding before a length", posted("Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n")},
        {"a zero length beside an encoding", posted("Transfer-Encoding: chunked\r\nContent-Length: 0", "0\r\n\r\n")},
    };
}

std::vector<refused> encodings() {
    return {
        {"gzip alone", posted("Transfer-Encoding: gzip", "0\r\n\r\n")},
        {"chunked before another coding", posted("Transfer-Encoding: chunked, identity", "0\r\n\r\n")},
        {"another coding before chunked", posted("Transfer-Encoding: gzip, chunked", "0\r\n\r\n")},
        {"chunked twice in a list", posted("Transfer-Encoding: chunked, chunked", "0\r\n\r\n")},
        {"chunked twice in two fields",
         posted("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n")},
        {"a quoted coding", posted("Transfer-Encoding: \"chunked\"", "0\r\n\r\n")},
        {"an unknown coding before a length", posted("Transfer-Encoding: xchunked\r\nContent-Length: 3", "abc")},
        {"a length before an unknown coding", posted("Content-Length: 3\r\nTransfer-Encoding: xchunked", "abc")},
        {"a parameter of chunked", posted("Transfer-Encoding: chunked;foo", "0\r\n\r\n")},
        {"a word after chunked", posted("Transfer-Encoding: chunked junk", "0\r\n\r\n")},
        {"an empty member before chunked", posted("Transfer-Encoding: ,chunked", "0\r\n\r\n")},
        {"an empty member after chunked", posted("Transfer-Encoding: chunked,", "0\r\n\r\n")},
        {"no coding", posted("Transfer-Encoding:", "0\r\n\r\n")},
        {"identity", posted("Transfer-Encoding: identity", "0\r\n\r\n")},
        {"a vertical tab before chunked", posted("Transfer-Encoding: \vchunked", "0\r\n\r\n")},
        {"a form feed after chunked", posted("Transfer-Encoding: chunked\f", "0\r\n\r\n")},
        {"an encoding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"a folded encoding", posted("Transfer-Encoding:\r\n chunked", "0\r\n\r\n")},
        {"a space before the encoding's colon", posted("Transfer-Encoding : chunked", "0\r\n\r\n")},
    };
}

std::vector<refused> fields() {
    return {
        {"a space before a colon", with_field("X-A : b")},
        {"a tab before a colon", with_field("X-A\t: b")},
        {"a space before Host's colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
        {"a bare CR in a value", with_field("X-A: b\rc")},
        {"a bare CR that hides a field", with_field("X-A: b\rContent-Length: 3")},
        {"a bare LF in a value", with_field("X-A: b\nX-B: c")},
        {"a NUL in a value", with_field(std::string("X-A: b\0c", 8))},
        {"a control in a value", with_field("X-A: b\x01"
                                            "c")},
        {"a DEL in a value", with_field("X-A: b\x7f"
                                        "c")},
        {"a NUL in a name", with_field(std::string("X\0A: b", 6))},
        {"a folded line", with_field("X-A: b\r\n c")},
        {"a line folded by a tab", with_field("X-A: b\r\n\tc")},
        {"a fold before the first field", "GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n"},
        {"a name with brackets", with_field("X(A): b")},
        {"a name with a space", with_field("X A: b")},
        {"a name with a quote", with_field("\"X\": b")},
        {"a name beyond ASCII", with_field("X\xe9: b")},
        {"an empty name", with_field(": b")},
        {"no colon", with_field("X-A")},
        {"lines that end in LF alone", "GET / HTTP/1.1\nHost: a\n\n"},
        {"a request line that ends in LF alone", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
        {"an empty line of LF alone", "GET / HTTP/1.1\r\nHost: a\r\n\n"},
        {"an unknown expectation", with_field("Expect: something"), 417},
    };
}

std::vector<refused> hosts() {
    const auto host = [](const std::string& value) { return "GET / HTTP/1.1\r\nHost: " + value + "\r\n\r\n"; };
    return {
        {"no Host", "GET / HTTP/1.1\r\n\r\n"},
        {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        {"the same Host twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
        {"an empty Host", host("")},
        {"a Host with a space", host("a b")},
        {"a Host with a slash", host("a/b")},
        {"a Host with user information", host("user@a")},
        {"a Host with a comma", host("a,b")},
        {"a Host with a question mark", host("a?b")},
        {"a Host with a number sign", host("a#b")},
        {"a port that is no number", host("a:b")},
        {"two ports", host("a:1:2")},
        {"an open bracket", host("[::1")},
        {"a Host with a scheme", host("http://a")},
        {"an absolute target with user information", "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"an absolute target without a host", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"an absolute target whose host is bad", "GET http://a,b/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"an absolute target and no Host", "GET http://a/ HTTP/1.1\r\n\r\n"},
    };
}

std::vector<refused> request_lines() {
    return {
        {"a number sign in the target", line("GET /a#b HTTP/1.1")},
        {"a space in the target", line("GET /a b HTTP/1.1")},
        {"two spaces before the target", line("GET  / HTTP/1.1")},
        {"two spaces after the target", line("GET /  HTTP/1.1")},
        {"a tab for a space", line("GET\t/ HTTP/1.1")},
        {"a control in the target", line("GET /\x01 HTTP/1.1")},
        {"a DEL in the target", line("GET /\x7f HTTP/1.1")},
        {"a NUL in the target", line(std::string("GET /\0 HTTP/1.1", 15))},
        {"a bare CR in the request line", line("GET /\r HTTP/1.1")},
        {"a quote in the target", line("GET /\" HTTP/1.1")},
        {"an angle bracket in the target", line("GET /<a> HTTP/1.1")},
        {"a byte beyond ASCII in the target", line("GET /\xe9 HTTP/1.1")},
        {"no slash before the path", line("GET index HTTP/1.1")},
        {"an empty target", line("GET HTTP/1.1")},
        {"an asterisk without OPTIONS", line("GET * HTTP/1.1")},
        {"an authority as the target", line("GET a:80 HTTP/1.1")},
        {"a scheme that is not HTTP", line("GET ftp://a/ HTTP/1.1")},
        {"OPTIONS of neither a path nor an asterisk", line("OPTIONS a HTTP/1.1")},
        {"a method that is no token", line("G@T / HTTP/1.1")},
        {"no method", line(" / HTTP/1.1")},
        {"no version", "GET /\r\nHost: a\r\n\r\n"},
        {"a version in lower case", line("GET / http/1.1")},
        {"a version with two minor digits", line("GET / HTTP/1.10")},
        {"a version with a letter", line("GET / HTTP/1.x")},
        {"something after the version", line("GET / HTTP/1.1 x")},
        {"the next major version", line("GET / HTTP/2.0"), 505},
        {"a path that leaves the route when decoded", line("GET /public%2f..%2fadmin HTTP/1.1")},
        {"a path that leaves the route by a backslash", line("GET /public%5c..%5cadmin HTTP/1.1")},
    };
}

std::vector<refused> limits() {
    std::string many;
    for (int i = 0; i < 128; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
    return {
        {"more than 128 fields", "GET / HTTP/1.1\r\nHost: a\r\n" + many + "\r\n", 431},
        {"a field beyond max_head", with_field("X-A: " + std::string(33 * 1024, 'a')), 431},
        {"a name beyond max_head", with_field(std::string(33 * 1024, 'a') + ": b"), 431},
        {"fields that are too long together",
         with_field("X-A: " + std::string(20 * 1024, 'a') + "\r\nX-B: " + std::string(20 * 1024, 'b')), 431},
        {"a request line beyond max_head", line("GET /" + std::string(33 * 1024, 'a') + " HTTP/1.1"), 414},
        {"content beyond max_content", posted("Content-Length: 104857601", "abc"), 413},
        {"content of 2^63 - 1 bytes", posted("Content-Length: 9223372036854775807", "abc"), 413},
    };
}

void check_refused(const std::vector<refused>& rows) {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")), {.route = no_cache});
    for (const auto& row : rows) {
        CAPTURE(row.what);
        auto client = under_test.weir.client();
        // Some are refused, and closed, before the last byte is there.
        client.stream().try_send(row.bytes + get("/smuggled"));
        const auto got = client.read_response();
        CHECK(got.status == row.status);
        CHECK(got.start_line.starts_with("HTTP/1.1 "));
        CHECK(refused_and_closed(client, got));
        CHECK(under_test.origin.requests() == 0);
    }
    CHECK(under_test.origin.connections() == 0);
    CHECK(under_test.weir.ask_get("/").content == "answered");
    CHECK(under_test.origin.requests() == 1);
}

}  // namespace

TEST_CASE("a request whose length is in doubt is refused", "[end_to_end][parsing][rfc9112-6.3]") {
    check_refused(lengths());
}

TEST_CASE("a request with any transfer coding but chunked is refused", "[end_to_end][parsing][rfc9112-6.1]") {
    check_refused(encodings());
}

TEST_CASE("a request with a malformed field line is refused", "[end_to_end][parsing][rfc9112-5]") {
    check_refused(fields());
}

TEST_CASE("a request without exactly one valid Host is refused", "[end_to_end][parsing][rfc9112-3.2]") {
    check_refused(hosts());
}

TEST_CASE("a malformed request line is refused", "[end_to_end][parsing][rfc9112-3]") {
    check_refused(request_lines());
}

TEST_CASE("a request beyond the limits is refused", "[end_to_end][parsing][limits]") {
    check_refused(limits());
}

TEST_CASE("CONNECT is refused", "[end_to_end][parsing][rfc9110-9.3.6]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")));
    for (const std::string target : {"a.example:443", "/", "http://a.example/"}) {
        CAPTURE(target);
        auto client = under_test.weir.client();
        client.send("CONNECT " + target + " HTTP/1.1\r\nHost: a.example\r\n\r\n" + get("/smuggled"));
        const auto got = client.read_response();
        CHECK(got.status == 400);
        CHECK(refused_and_closed(client, got));
    }
    CHECK(under_test.origin.connections() == 0);
}

TEST_CASE("a request with repeated but equal lengths, or oddly written chunked, has one meaning or none",
          "[end_to_end][parsing]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")),
                                     {.upstream = no_retry, .route = no_cache});
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"Content-Length: 3\r\nContent-Length: 3", "abc"},
        {"Content-Length: 3, 3", "abc"},
        {"Transfer-Encoding: CHUNKED", "3\r\nabc\r\n0\r\n\r\n"},
    };
    for (const auto& [lines, content] : rows) {
        CAPTURE(lines);
        const auto before = under_test.origin.requests();
        auto client = under_test.weir.client();
        client.send(posted(lines, content));
        const auto got = client.read_response();
        if (got.status == 400) {
            CHECK(refused_and_closed(client, got));
            CHECK(under_test.origin.requests() == before);
        } else {
            CHECK(got.status == 200);
            CHECK(under_test.origin.last().content == "abc");
        }
    }
}

TEST_CASE("a head that never ends is given up with 408, however often a byte of it comes",
          "[end_to_end][parsing][timeout]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")),
                                     {.top = "client: {head_timeout: 300ms}\n"});
    SECTION("half a head") {
        auto client = under_test.weir.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n");
        const auto got = client.read_response();
        CHECK(got.status == 408);
        CHECK(refused_and_closed(client, got));
    }
    SECTION("a byte now and then") {
        auto client = under_test.weir.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
        CHECK(eventually([&] { return !client.stream().try_send("x") || client.stream().readable(); }));
        CHECK(client.stream().take_to_end().bytes.starts_with("HTTP/1.1 408 "));
    }
    SECTION("nothing at all") {
        auto client = under_test.weir.client();
        const auto rest = client.rest_until_closed();
        CHECK((rest.empty() || rest.starts_with("HTTP/1.1 408 ")));
    }
    CHECK(under_test.origin.connections() == 0);
}

TEST_CASE("content that stops coming is given up", "[end_to_end][parsing][timeout]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")),
                                     {.top = "client: {read_timeout: 300ms}\n"});
    auto client = under_test.weir.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    const auto got = client.read_response();
    CHECK(got.status == 408);
    CHECK(refused_and_closed(client, got));
    CHECK(under_test.origin.requests() == 0);
}

TEST_CASE("an idle connection is closed without a word", "[end_to_end][parsing][timeout]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")),
                                     {.top = "client: {idle_timeout: 300ms}\n"});
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/").status == 200);
    CHECK(client.rest_until_closed().empty());
}

}  // namespace weir::test
