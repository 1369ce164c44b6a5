// What looks odd but is legal passes, and arrives framed by weir itself; what is wrong after the head ends the
// exchange.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

constexpr const char* chunked_post = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

struct bad_chunks {
    std::string what;
    std::string bytes;
};

std::vector<bad_chunks> all_bad_chunks() {
    return {
        {"a negative size", "-3\r\nabc\r\n0\r\n\r\n"},
        {"a prefixed size", "0x3\r\nabc\r\n0\r\n\r\n"},
        {"a space before the size", " 3\r\nabc\r\n0\r\n\r\n"},
        {"a space after the size", "3 \r\nabc\r\n0\r\n\r\n"},
        {"a plus sign", "+3\r\nabc\r\n0\r\n\r\n"},
        {"no hexadecimal digit", "g\r\nabc\r\n0\r\n\r\n"},
        {"no size", "\r\nabc\r\n0\r\n\r\n"},
        {"a size beyond 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n"},
        {"a size of 2^64 - 1", "ffffffffffffffff\r\nabc\r\n0\r\n\r\n"},
        {"a size line that ends in LF", "3\nabc\r\n0\r\n\r\n"},
        {"no CRLF after the data", "3\r\nabcX\r\n0\r\n\r\n"},
        {"LF after the data", "3\r\nabc\n0\r\n\r\n"},
        {"data longer than its size", "3\r\nabcdef\r\n0\r\n\r\n"},
        {"a bare LF in an extension", "3;a=b\nc\r\nabc\r\n0\r\n\r\n"},
        {"a bare LF in a quoted extension", "3;a=\"b\nc\"\r\nabc\r\n0\r\n\r\n"},
        {"a bare CR in an extension", "3;a=b\rc\r\nabc\r\n0\r\n\r\n"},
        {"an extension of 100 kB", "3;a=" + std::string(100'000, 'b') + "\r\nabc\r\n0\r\n\r\n"},
        {"a last chunk that ends in LF", "3\r\nabc\r\n0\n\r\n"},
        {"a trailer that is no field", "3\r\nabc\r\n0\r\nno field\r\n\r\n"},
        {"a trailer with a space before its colon", "3\r\nabc\r\n0\r\nX-A : b\r\n\r\n"},
        {"trailers of 100 kB", "3\r\nabc\r\n0\r\nX-A: " + std::string(100'000, 'b') + "\r\n\r\n"},
    };
}

}  // namespace

TEST_CASE("legal requests arrive with the content they had, framed once", "[end_to_end][parsing][legal]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")), {.route = no_cache});
    struct legal {
        std::string what;
        std::string bytes;
        std::string content;
    };
    const std::string post_3 = "POST / HTTP/1.1\r\nHost: a\r\n";
    const std::vector<legal> rows = {
        {"an empty line before the request", "\r\n" + get("/"), ""},
        {"a request line of 8000 octets", "GET /" + std::string(7986, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", ""},
        {"no white space after a colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", ""},
        {"white space around a value", "GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n", ""},
        {"every character of a token", get("/", "!#$%&'*+-.^`|~09azAZ: x\r\n"), ""},
        {"an empty value", get("/", "X-Empty:\r\n"), ""},
        {"text beyond ASCII in a value", get("/", "X-Obs: caf\xe9\r\n"), ""},
        {"a method nobody knows", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", ""},
        {"an IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ""},
        {"white space around a length", post_3 + "Content-Length: \t3 \r\n\r\nabc", "abc"},
        {"zeros before a length", post_3 + "Content-Length: 003\r\n\r\nabc", "abc"},
        {"zeros before a chunk's size", chunked_post + std::string("0003\r\nabc\r\n000\r\n\r\n"), "abc"},
        {"a size in upper case", chunked_post + std::string("A\r\n0123456789\r\n0\r\n\r\n"), "0123456789"},
        {"an extension", chunked_post + std::string("3;a=b\r\nabc\r\n0\r\n\r\n"), "abc"},
        {"a quoted extension", chunked_post + std::string("3;a=\"x;y\\\"z\"\r\nabc\r\n0\r\n\r\n"), "abc"},
        {"an extension of the last chunk", chunked_post + std::string("3\r\nabc\r\n0;last\r\n\r\n"), "abc"},
        {"a trailer", chunked_post + std::string("3\r\nabc\r\n0\r\nHost: evil\r\nX-Trailer: t\r\n\r\n"), "abc"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.what);
        auto client = under_test.weir.client();
        CHECK(client.ask(row.bytes).status == 200);
        const auto seen = under_test.origin.last();
        CHECK(seen.content == row.content);
        CHECK(seen.values("Content-Length").size() + seen.values("Transfer-Encoding").size() <= 1);
        CHECK(seen.trailers.empty());
        CHECK(seen.values("Host").size() == 1);
        CHECK(seen.text("Host") != "evil");
        CHECK(!seen.has("X-Trailer"));
        // Whatever it was, the next request on the same connection is taken for itself.
        CHECK(client.ask_get("/next").status == 200);
        CHECK(under_test.origin.last().target == "/next");
    }
    CHECK(under_test.origin.requests() == 2 * rows.size());
    CHECK(under_test.origin.faults().empty());
}

TEST_CASE("a buffered request with bad chunks never reaches the origin", "[end_to_end][parsing][rfc9112-7.1]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")));
    for (const auto& row : all_bad_chunks()) {
        CAPTURE(row.what);
        auto client = under_test.weir.client();
        client.stream().try_send(chunked_post + row.bytes + get("/smuggled"));
        const auto got = client.read_response();
        CHECK((got.status == 400 ||
               (row.what.find("100 kB") != std::string::npos && (got.status == 431 || got.status == 413))));
        CHECK(refused_and_closed(client, got));
        CHECK(under_test.origin.requests() == 0);
    }
    CHECK(under_test.origin.connections() == 0);
}

TEST_CASE("a streamed request with bad chunks never arrives whole", "[end_to_end][parsing][rfc9112-7.1]") {
    std::atomic<unsigned> whole{0};
    const origin_and_weir under_test(
        [&](origin_connection& one) {
            auto got = one.read_request_head();
            one.read_content(got);
            ++whole;
            one.send(ok("answered"));
            one.wait_for_end();
        },
        {.upstream = no_retry, .route = streamed_requests});
    unsigned n = 0;
    for (const auto& row : all_bad_chunks()) {
        CAPTURE(row.what);
        auto client = under_test.weir.client();
        client.send(chunked_post + std::string("5\r\nfirst\r\n"));
        under_test.origin.wait_for_requests(++n);
        client.stream().try_send(row.bytes + get("/smuggled"));
        const auto rest = client.rest_until_closed();
        CHECK((rest.empty() || rest.starts_with("HTTP/1.1 4")));
        CHECK(occurrences(rest, "HTTP/1.1 ") <= 1);
        under_test.origin.wait_for_ended(n);
        CHECK(whole == 0);
    }
    CHECK(under_test.origin.requests() == n);
}

TEST_CASE("a client that leaves in the middle of its content leaves no whole request behind", "[end_to_end][parsing]") {
    std::atomic<unsigned> whole{0};
    const auto script = [&](origin_connection& one) {
        auto got = one.read_request_head();
        one.read_content(got);
        ++whole;
    };
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
    for (const auto& start :
         {head + "Content-Length: 10\r\n\r\nhalf", head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"}) {
        CAPTURE(start);
        const origin_and_weir streamed(script, {.upstream = no_retry, .route = streamed_requests});
        {
            auto client = streamed.weir.client();
            client.send(start);
            streamed.origin.wait_for_requests(1);
        }
        streamed.origin.wait_for_ended(1);
        CHECK(whole == 0);

        const origin_and_weir buffered(script, {.upstream = no_retry});
        auto client = buffered.weir.client();
        client.send(start);
        client.stream().shut_down_write();
        const auto rest = client.rest_until_closed();
        CHECK((rest.empty() || rest.starts_with("HTTP/1.1 4")));
        CHECK(buffered.origin.connections() == 0);
    }
}

TEST_CASE("chunked content beyond max_content is refused with 413", "[end_to_end][parsing][limits]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")),
                                     {.top = "client: {max_content: 1KiB}\n"});
    auto client = under_test.weir.client();
    client.stream().try_send(chunked_post + in_chunks(std::string(1025, 'a'), 100));
    const auto got = client.read_response();
    CHECK(got.status == 413);
    CHECK(refused_and_closed(client, got));
    CHECK(under_test.origin.connections() == 0);
    CHECK(under_test.weir.ask(chunked_post + in_chunks(std::string(1024, 'a'), 100)).status == 200);
}

TEST_CASE("two pipelined requests arrive as two, framed by weir", "[end_to_end][parsing][smuggling]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")), {.route = no_cache});
    const std::string hidden = "GET /hidden HTTP/1.1\r\nHost: b\r\n\r\n";
    const std::vector<std::string> firsts = {
        post("/first", hidden),
        "POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(hidden, 5),
        // Nothing but Transfer-Encoding and Content-Length decides where content ends.
        "POST /first HTTP/1.1\r\nHost: a\r\nX-Content-Length: 0\r\nContent_Length: 0\r\nContent-Length: " +
            std::to_string(hidden.size()) + "\r\n\r\n" + hidden,
    };
    for (const auto& first : firsts) {
        CAPTURE(first);
        const auto before = under_test.origin.requests();
        auto client = under_test.weir.client();
        client.send(first + get("/second"));
        CHECK(client.read_response().content == "answered");
        CHECK(client.read_response().content == "answered");
        const auto seen = under_test.origin.seen();
        REQUIRE(seen.size() == before + 2);
        CHECK(seen[before].target == "/first");
        CHECK(seen[before].content == hidden);
        CHECK(seen[before + 1].target == "/second");
        CHECK(seen[before + 1].content.empty());
    }
    CHECK(under_test.origin.faults().empty());
}

TEST_CASE("a GET with content is forwarded with it, and not taken for two requests",
          "[end_to_end][parsing][smuggling]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered", "Cache-Control: max-age=60\r\n")));
    auto client = under_test.weir.client();
    CHECK(client.ask("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").status == 200);
    CHECK(under_test.origin.last().content == "abc");
    // Its answer may depend on what was sent, so the next one is asked for.
    CHECK(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status == 200);
    CHECK(under_test.origin.requests() == 2);
}

}  // namespace weir::test
