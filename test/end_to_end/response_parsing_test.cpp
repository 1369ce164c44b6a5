// What an endpoint may not send: the client gets a 502 (or, once the head was passed on, a response that is visibly
// cut), the connection to the endpoint is not used again, and what hides behind the bad response answers nobody.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

struct bad_response {
    std::string what;
    std::string bytes;
};

const std::string smuggled = ok("smuggled", "Cache-Control: max-age=60\r\n");

std::string with_field(const std::string& field) {
    return "HTTP/1.1 200 OK\r\n" + field + "\r\nContent-Length: 3\r\n\r\nabc";
}

std::string framed(const std::string& lines, const std::string& content) {
    return "HTTP/1.1 200 OK\r\n" + lines + "\r\n\r\n" + content;
}

std::vector<bad_response> bad_heads() {
    return {
        {"a status below 100", "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n"},
        {"a status of 600 and more", "HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n"},
        {"a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"},
        {"a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"},
        {"a status of letters", "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"},
        {"another protocol", "ICY 200 OK\r\nContent-Length: 0\r\n\r\n"},
        {"another major version", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"},
        {"no HTTP at all", "hello\r\n\r\n"},
        {"a control in the reason", "HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n"},
        {"lines that end in LF alone", "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc"},
        {"a space before a colon", with_field("X-A : b")},
        {"a bare CR in a value", with_field("X-A: b\rc")},
        {"a bare LF in a value", with_field("X-A: b\nX-B: c")},
        {"a NUL in a value", with_field(std::string("X-A: b\0c", 8))},
        {"a control in a value", with_field("X-A: b\x01"
                                            "c")},
        {"a name that is no token", with_field("X(A): b")},
        {"an empty name", with_field(": b")},
        {"no colon", with_field("X-A")},
        {"a head of 100 kB", with_field("X-A: " + std::string(100'000, 'b'))},
        {"a switch of protocols that nobody asked for",
         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
    };
}

std::vector<bad_response> bad_framing() {
    return {
        {"a sign before a length", framed("Content-Length: +3", "abc")},
        {"a negative length", framed("Content-Length: -3", "abc")},
        {"a hexadecimal length", framed("Content-Length: 0x3", "abc")},
        {"an empty length", framed("Content-Length:", "abc")},
        {"a length of 2^64", framed("Content-Length: 18446744073709551616", "abc")},
        {"two lengths that differ", framed("Content-Length: 3\r\nContent-Length: 4", "abcd")},
        {"a list of lengths that differ", framed("Content-Length: 3, 4", "abcd")},
        {"a length beside an encoding",
         framed("Content-Length: 3\r\nTransfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n")},
        {"an encoding beside a length",
         framed("Transfer-Encoding: chunked\r\nContent-Length: 3", "3\r\nabc\r\n0\r\n\r\n")},
        {"an unknown coding beside a length", framed("Transfer-Encoding: xchunked\r\nContent-Length: 3", "abc")},
        {"an unknown coding", framed("Transfer-Encoding: gzip", "abc")},
        {"chunked twice", framed("Transfer-Encoding: chunked, chunked", "3\r\nabc\r\n0\r\n\r\n")},
        {"chunked before another coding", framed("Transfer-Encoding: chunked, identity", "3\r\nabc\r\n0\r\n\r\n")},
        {"a parameter of chunked", framed("Transfer-Encoding: chunked;foo", "3\r\nabc\r\n0\r\n\r\n")},
        {"a word after chunked", framed("Transfer-Encoding: chunked junk", "3\r\nabc\r\n0\r\n\r\n")},
        {"an empty member before chunked", framed("Transfer-Encoding: ,chunked", "3\r\nabc\r\n0\r\n\r\n")},
        {"an encoding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
    };
}

std::vector<bad_response> bad_chunks() {
    const auto chunks = [](const std::string& bytes) {
        return framed("Cache-Control: max-age=60\r\nTransfer-Encoding: chunked", bytes);
    };
    return {
        {"a negative size", chunks("-3\r\nabc\r\n0\r\n\r\n")},
        {"a prefixed size", chunks("0x3\r\nabc\r\n0\r\n\r\n")},
        {"a space before a size", chunks(" 3\r\nabc\r\n0\r\n\r\n")},
        {"no hexadecimal digit", chunks("3\r\nabc\r\ng\r\n\r\n")},
        {"a size beyond 64 bits", chunks("10000000000000003\r\nabc\r\n0\r\n\r\n")},
        {"a size line that ends in LF", chunks("3\nabc\r\n0\r\n\r\n")},
        {"no CRLF after the data", chunks("3\r\nabcX\r\n0\r\n\r\n")},
        {"an extension of 100 kB", chunks("3;a=" + std::string(100'000, 'b') + "\r\nabc\r\n0\r\n\r\n")},
        {"a bare LF in an extension", chunks("3;a=\"\n\"\r\nabc\r\n0\r\n\r\n")},
        {"a trailer that is no field", chunks("3\r\nabc\r\n0\r\nno field\r\n\r\n")},
    };
}

// Answers "/N" with the N-th row and the smuggled response behind it, and everything else with "good".
scripted_origin::script sending(const std::vector<bad_response>& rows) {
    return scripted_origin::answering([rows](const request& got) {
        if (got.target == "/good") return ok("good");
        return rows.at(std::stoul(got.target.substr(1))).bytes + smuggled;
    });
}

}  // namespace

TEST_CASE("a malformed response becomes a 502 and costs its connection", "[end_to_end][parsing][response]") {
    auto rows = bad_heads();
    const auto more = bad_framing();
    rows.insert(rows.end(), more.begin(), more.end());
    const origin_and_weir under_test(sending(rows), {.upstream = no_retry});
    auto client = under_test.weir.client();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(rows[i].what);
        const auto before = under_test.origin.connections();
        const auto got = under_test.weir.ask_get("/" + std::to_string(i));
        CHECK(got.status == 502);
        CHECK(got.raw.find("smuggled") == std::string::npos);
        CHECK(client.ask_get("/good").content == "good");
        // The bad one came on the last good connection (or the first of all) and the good one on a new one.
        CHECK(under_test.origin.connections() == before + (i == 0 ? 2 : 1));
    }
    CHECK(under_test.origin.faults().empty());
}

TEST_CASE("a response with bad chunks is visibly cut, never stored, and costs its connection",
          "[end_to_end][parsing][response]") {
    const auto rows = bad_chunks();
    const origin_and_weir under_test(sending(rows), {.upstream = no_retry});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(rows[i].what);
        const auto before = under_test.origin.requests();
        // Twice: the second time would be a hit, had it been stored.
        for (int n = 0; n < 2; ++n) {
            auto client = under_test.weir.client();
            client.send(get("/" + std::to_string(i)));
            const auto got = read_broken_response(client.stream());
            CHECK(got.raw.find("smuggled") == std::string::npos);
            CHECK((got.status == 502 || got.end == content_end::cut_by_close || got.end == content_end::cut_by_reset));
        }
        CHECK(under_test.origin.requests() == before + 2);
        CHECK(under_test.weir.ask_get("/good").content == "good");
    }
    CHECK(under_test.origin.faults().empty());
}

TEST_CASE("bytes after a response cost the connection and answer nobody",
          "[end_to_end][parsing][response][rfc9112-6.3]") {
    const std::vector<bad_response> rows = {
        {"content longer than its length", framed("Content-Length: 3", "abc")},
        {"something after the last chunk", framed("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n")},
        {"content of a 204", "HTTP/1.1 204 No Content\r\n\r\n"},
        {"a length of a 204", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc"},
        {"chunks of a 204", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"content of a 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nabc"},
    };
    const origin_and_weir under_test(sending(rows), {.upstream = no_retry});
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(rows[i].what);
        const auto got = under_test.weir.ask_get("/" + std::to_string(i));
        CHECK(got.raw.find("smuggled") == std::string::npos);
        CHECK(got.content == (got.status == 200 ? "abc" : ""));
        CHECK(under_test.weir.ask_get("/good").content == "good");
    }
    auto head = under_test.weir.client();
    CHECK(head.ask("HEAD /0 HTTP/1.1\r\nHost: a\r\n\r\n").text("Content-Length") == "3");
    CHECK(head.ask_get("/good").content == "good");
    CHECK(under_test.origin.connections() == rows.size() + 2);
    CHECK(under_test.origin.faults().empty());
}

TEST_CASE("odd but legal responses pass", "[end_to_end][parsing][response][legal]") {
    struct legal {
        std::string what;
        std::string bytes;
        bool closes = false;
    };
    const std::vector<legal> rows = {
        {"an empty reason", "HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\nabc"},
        {"no space before the reason that is not there", "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc"},
        {"names in lower case", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"},
        {"text beyond ASCII", "HTTP/1.1 200 Tr\xe8s bien\r\nX-Obs: caf\xe9\r\nContent-Length: 3\r\n\r\nabc"},
        {"zeros before a size", framed("Transfer-Encoding: chunked", "0003\r\nabc\r\n00\r\n\r\n")},
        {"an extension", framed("Transfer-Encoding: chunked", "3;a=\"b\"\r\nabc\r\n0;c\r\n\r\n")},
        {"trailers",
         framed("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\nContent-Length: 9\r\nX-Trailer: t\r\n\r\n")},
        {"HTTP/1.0 with a length", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc"},
        {"HTTP/1.0 until the end", "HTTP/1.0 200 OK\r\n\r\nabc", true},
        {"HTTP/1.1 until the end", "HTTP/1.1 200 OK\r\n\r\nabc", true},
    };
    const origin_and_weir under_test([&](origin_connection& one) {
        for (;;) {
            const auto& row = rows.at(std::stoul(one.read_request().target.substr(1)));
            one.send(row.bytes);
            if (row.closes) return;
        }
    });
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CAPTURE(rows[i].what);
        const auto got = under_test.weir.ask_get("/" + std::to_string(i));
        CHECK(got.status == 200);
        CHECK(got.version == "HTTP/1.1");
        CHECK(got.content == "abc");
        CHECK(got.trailers.empty());
        CHECK(!got.has("X-Trailer"));
        CHECK(got.values("Date").size() == 1);
        CHECK((got.end == content_end::by_length || got.end == content_end::by_last_chunk));
    }
    CHECK(under_test.origin.faults().empty());
}

TEST_CASE("a folded field of a response is refused or joined, never passed on folded",
          "[end_to_end][parsing][response]") {
    const origin_and_weir under_test(scripted_origin::answering(with_field("X-A: b\r\n c")), {.upstream = no_retry});
    const auto got = under_test.weir.ask_get("/");
    if (got.status == 200) {
        CHECK(got.text("X-A") == "b c");
    } else {
        CHECK(got.status == 502);
    }
}

TEST_CASE("a response of equal repeated lengths is refused or framed once", "[end_to_end][parsing][response]") {
    const origin_and_weir under_test(
        scripted_origin::answering(framed("Content-Length: 3\r\nContent-Length: 3", "abc")), {.upstream = no_retry});
    const auto got = under_test.weir.ask_get("/");
    if (got.status == 200) {
        CHECK(got.content == "abc");
    } else {
        CHECK(got.status == 502);
    }
}

TEST_CASE("interim responses without end become a 502", "[end_to_end][parsing][response][rfc9110-15.2]") {
    const origin_and_weir under_test(
        [](origin_connection& one) {
            one.read_request();
            for (int i = 0; i < 100; ++i) {
                if (!one.stream().try_send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")) return;
            }
            one.stream().try_send(ok("at last"));
            one.wait_for_end();
        },
        {.upstream = no_retry});
    const auto got = under_test.weir.ask_get("/");
    CHECK(got.status == 502);
    CHECK(got.interim.size() < 100);
}

TEST_CASE("an endpoint that says nothing is a 504, one that closes a 502", "[end_to_end][parsing][response][timeout]") {
    const origin_and_weir under_test(
        [](origin_connection& one) {
            if (one.read_request().target == "/silent") one.wait_for_end();
        },
        {.upstream = "    retry: off\n    timeouts: {first_byte: 300ms}\n"});
    CHECK(under_test.weir.ask_get("/silent").status == 504);
    CHECK(under_test.weir.ask_get("/closed").status == 502);
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("a route's own timeouts go before its upstream's", "[end_to_end][timeout]") {
    const origin_and_weir under_test(
        [](origin_connection& one) {
            one.read_request();
            one.wait_for_end();
        },
        {.upstream = "    retry: off\n    timeouts: {first_byte: 10m}\n",
         .route = "    timeouts: {first_byte: 300ms}\n"});
    const response got = under_test.weir.ask_get("/");
    CHECK(got.status == 504);
    CHECK(got.text("Proxy-Status") == "weir; error=http_response_timeout");
}

TEST_CASE("an endpoint that does not take the request is a 504", "[end_to_end][timeout]") {
    gate over;
    const origin_and_weir under_test(
        [&](origin_connection&) { over.wait(); },
        {.upstream = "    retry: off\n    timeouts: {write: 300ms}\n", .top = "client: {max_content: 64MiB}\n"});
    auto client = under_test.weir.client();
    const std::string content = noise(32 << 20);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n");
    client.send(content);
    const response got = client.read_response("POST");
    CHECK(got.status == 504);
    CHECK(got.text("Proxy-Status") == "weir; error=connection_write_timeout");
    over.open();
}

TEST_CASE("an endpoint that cannot be connected to in time is a 504", "[end_to_end][timeout]") {
    const deaf_port deaf;
    const weir_instance weir(
        configuration{.servers = {deaf.address()}, .upstream = "    retry: off\n    timeouts: {connect: 200ms}\n"});
    const response got = weir.ask_get("/");
    CHECK(got.status == 504);
    CHECK(got.text("Proxy-Status") == "weir; error=connection_timeout");
}

}  // namespace weir::test
