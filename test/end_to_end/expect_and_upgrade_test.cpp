// What happens between a request's head and its content, and what stops being HTTP.
#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/python_server.hpp"

namespace weir::test {
namespace {

constexpr const char* expecting = "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";

// A masked frame, as clients send them (RFC 6455 section 5.2).
std::string masked_frame(char opcode, const std::string& content) {
    std::string frame(1, static_cast<char>(0x80 | opcode));
    if (content.size() < 126) {
        frame += static_cast<char>(0x80 | content.size());
    } else {
        frame += static_cast<char>(0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8) frame += static_cast<char>(content.size() >> shift);
    }
    const std::string mask = "mask";
    frame += mask;
    for (std::size_t i = 0; i < content.size(); ++i) frame += static_cast<char>(content[i] ^ mask[i % 4]);
    return frame;
}

std::string read_frame(connection& from) {
    const auto start = from.take(2);
    std::size_t size = static_cast<unsigned char>(start[1]);
    if (size >= 126) {
        std::size_t more = 0;
        for (const char byte : from.take(size == 126 ? 2 : 8)) more = more << 8 | static_cast<unsigned char>(byte);
        size = more;
    }
    return from.take(size);
}

}  // namespace

TEST_CASE("weir itself asks for the content of a buffered request", "[end_to_end][expect][rfc9110-10.1.1]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")));
    auto client = under_test.weir.client();
    client.send(expecting);
    CHECK(read_response_head(client.stream()).status == 100);
    CHECK(under_test.origin.connections() == 0);
    client.send("abcd");
    const auto got = client.read_response();
    CHECK(got.content == "answered");
    CHECK(got.interim.empty());
    CHECK(under_test.origin.last().content == "abcd");
    CHECK(!under_test.origin.last().has("Expect"));
}

TEST_CASE("who sends the content at once is not asked for it, nor is HTTP/1.0", "[end_to_end][expect]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")));
    const auto old = under_test.weir.ask("POST / HTTP/1.0\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nabcd");
    CHECK(old.status == 200);
    CHECK(old.interim.empty());
    // A request without content has nothing to wait for.
    const auto none = under_test.weir.ask_get("/", "Expect: 100-continue\r\n");
    CHECK(none.status == 200);
}

TEST_CASE("content beyond max_content is refused on the head, and is not asked for", "[end_to_end][expect][limits]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")),
                                     {.top = "client: {max_content: 3B}\n"});
    auto client = under_test.weir.client();
    client.send(expecting);
    const auto got = client.read_response();
    CHECK(got.status == 413);
    CHECK(got.interim.empty());
    CHECK(refused_and_closed(client, got));
    CHECK(under_test.origin.connections() == 0);
}

TEST_CASE("on a streamed route the application answers Expect", "[end_to_end][expect][rfc9110-10.1.1]") {
    const origin_and_weir under_test(
        [](origin_connection& one) {
            for (;;) {
                auto got = one.read_request_head();
                if (got.target == "/no") {
                    one.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
                    one.wait_for_end();
                    return;
                }
                one.send("HTTP/1.1 100 Continue\r\n\r\n");
                one.read_content(got);
                one.send(ok("got " + got.content));
            }
        },
        {.route = streamed_requests});
    auto client = under_test.weir.client();
    client.send(expecting);
    CHECK(read_response_head(client.stream()).status == 100);
    CHECK(lower(under_test.origin.last().text("Expect")) == "100-continue");
    client.send("abcd");
    const auto got = client.read_response();
    CHECK(got.content == "got abcd");
    CHECK(got.interim.empty());

    auto refused = under_test.weir.client();
    refused.send("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    const auto no = refused.read_response();
    CHECK(no.status == 401);
    CHECK(no.content == "no");
    CHECK(no.interim.empty());
    // The client never sends the content now, so what it sends next would be taken for it.
    CHECK(refused_and_closed(refused, no));
}

TEST_CASE("an early 413 reaches a client that is still sending", "[end_to_end][early_response]") {
    const origin_and_weir under_test(
        [](origin_connection& one) {
            one.read_request_head();
            one.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large");
            one.shut_down_write();
            one.wait_for_end();
        },
        {.upstream = no_retry, .route = streamed_requests});
    auto client = under_test.weir.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n");
    // As clients do that look for an answer only when all is sent: the answer must survive what they still send.
    std::thread sender([&] {
        const std::string part(100'000, 'x');
        for (int i = 0; i < 20; ++i) {
            if (!client.stream().try_send(part)) return;
        }
    });
    sender.join();
    const auto got = client.read_response();
    CHECK(got.status == 413);
    CHECK(got.content == "too large");
    CHECK(got.lists("Connection", "close"));
    client.rest_until_closed();
}

TEST_CASE("CherryPy's 413 on the head reaches a client that is still sending",
          "[end_to_end][early_response][cherrypy]") {
    cherrypy_server server({"--max-body", "1000"});
    const weir_instance weir(
        configuration{.servers = {server.address()}, .upstream = no_retry, .route = streamed_requests});
    auto client = weir.client();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    client.stream().try_send(std::string(500'000, 'x'));
    CHECK(client.read_response().status == 413);
}

TEST_CASE("an early answer of weir's own survives what the client still sends",
          "[end_to_end][early_response][limits]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("")), {.top = "client: {max_content: 1KiB}\n"});
    auto client = under_test.weir.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n");
    client.stream().try_send(std::string(1'000'000, 'x'));
    CHECK(client.read_response().status == 413);
}

TEST_CASE("a WebSocket works without configuration", "[end_to_end][upgrade][websocket]") {
    python_server server("websocket_echo.py");
    const weir_instance weir(configuration{.servers = {server.address()}});
    auto client = weir.client();
    // The first frame does not wait for the answer to the handshake.
    client.send(get("/", websocket_handshake) + masked_frame(1, "early"));
    const auto upgraded = client.read_response();
    REQUIRE(upgraded.status == 101);
    CHECK(upgraded.text("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(lower(upgraded.text("Upgrade")) == "websocket");
    CHECK(upgraded.lists("Connection", "Upgrade"));
    CHECK(!upgraded.has("Content-Length"));
    CHECK(!upgraded.has("Transfer-Encoding"));
    CHECK(read_frame(client.stream()) == "early");
    for (const std::size_t size : {0, 5, 1'000'000}) {
        CAPTURE(size);
        const auto content = noise(size);
        client.send(masked_frame(2, content));
        CHECK(sha256(read_frame(client.stream())) == sha256(content));
    }
    client.send(masked_frame(8, ""));
    CHECK(read_frame(client.stream()).empty());
    CHECK(client.rest_until_closed().empty());
    // A page on the same listener is still HTTP.
    CHECK(weir.ask_get("/").content == "no handshake");
}

TEST_CASE("a tunnel ends for both sides when one ends", "[end_to_end][upgrade]") {
    gate hung_up;
    const origin_and_weir under_test([&](origin_connection& one) {
        one.read_request();
        one.send(std::string(websocket_consent) + "from the server");
        CHECK_NOTHROW(one.stream().take_until("from the client"));
        one.wait_for_end();
        hung_up.open();
    });
    {
        auto client = under_test.weir.client();
        CHECK(client.ask_get("/", websocket_handshake).status == 101);
        CHECK(client.stream().take(15) == "from the server");
        client.send("from the client");
    }
    hung_up.wait();
}

TEST_CASE("a silent tunnel ends after its time", "[end_to_end][upgrade][timeout]") {
    const origin_and_weir under_test(
        [](origin_connection& one) {
            one.read_request();
            one.send(websocket_consent);
            one.wait_for_end();
        },
        {.upstream = "    timeouts: {tunnel: 300ms}\n"});
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/", websocket_handshake).status == 101);
    client.rest_until_closed();
    under_test.origin.wait_for_ended(1);
}

TEST_CASE("only an upgrade to websocket is passed on", "[end_to_end][upgrade]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("plain")));
    auto client = under_test.weir.client();
    for (const std::string fields :
         {"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
          "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n", "Upgrade: websocket\r\n"}) {
        CAPTURE(fields);
        CHECK(client.ask_get("/", fields).content == "plain");
        CHECK(!under_test.origin.last().has("Upgrade"));
        CHECK(!under_test.origin.last().has("HTTP2-Settings"));
        CHECK(!under_test.origin.last().lists("Connection", "Upgrade"));
    }
    // Among several protocols at most the allowed one goes on.
    CHECK(client.ask_get("/", "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n").content == "plain");
    CHECK(under_test.origin.last().text("Upgrade").find("h2c") == std::string::npos);
}

TEST_CASE("after a refused upgrade the connection is HTTP", "[end_to_end][upgrade]") {
    const origin_and_weir under_test(
        scripted_origin::answering([](const request& got) { return ok("page " + got.target); }));
    auto client = under_test.weir.client();
    client.send(get("/socket", websocket_handshake) + get("/next"));
    CHECK(client.read_response().content == "page /socket");
    CHECK(client.read_response().content == "page /next");
    CHECK(!under_test.origin.last().has("Upgrade"));
}

}  // namespace weir::test
