// The tests' own tools, tried on each other: a client that talks to a scripted origin directly.
#include <signal.h>

#include <catch2/catch.hpp>

#include "test/support/json.hpp"
#include "test/support/load.hpp"
#include "test/support/python_server.hpp"
#include "test/support/raw_client.hpp"
#include "test/support/scripted_origin.hpp"

namespace weir::test {

TEST_CASE("a client and a scripted origin exchange exactly the bytes given", "[support]") {
    scripted_origin origin(
        scripted_origin::answering([](const request& got) { return ok("to " + got.target + ": " + got.content); }));
    raw_client client(origin.port());
    const auto question = post("/x?y", "content", "X-Case: Kept\r\n");
    const auto got = client.ask(question);
    CHECK(got.status == 200);
    CHECK(got.content == "to /x?y: content");
    CHECK(got.end == content_end::by_length);
    CHECK(origin.last().raw == question);
    CHECK(origin.last().fields.back() == field{"X-Case", "Kept"});
    CHECK(client.ask_get("/2").content == "to /2: ");
    CHECK(origin.connections() == 1);
    CHECK(origin.requests() == 2);
    CHECK(origin.faults().empty());
}

TEST_CASE("chunks, interim responses and cut ones are told apart", "[support]") {
    scripted_origin origin([](origin_connection& one) {
        const auto got = one.read_request();
        if (got.target == "/chunks") {
            one.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                     in_chunks("some content"));
        } else if (got.target == "/cut") {
            one.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n");
        } else if (got.target == "/reset") {
            one.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome");
            one.stream().wait_for_byte();
            one.reset();
        } else {
            one.send("HTTP/1.1 200 OK\r\n\r\nto the end");
        }
    });
    const auto chunks = raw_client(origin.port()).ask_get("/chunks");
    CHECK(chunks.content == "some content");
    CHECK(chunks.end == content_end::by_last_chunk);
    REQUIRE(chunks.interim.size() == 1);
    CHECK(chunks.interim[0].status == 103);
    CHECK(raw_client(origin.port()).ask_get("/close").end == content_end::by_close);
    CHECK_THROWS_AS(raw_client(origin.port()).ask_get("/cut"), connection_ended);
    raw_client reset(origin.port());
    reset.send(get("/reset"));
    reset.stream().take_until("some");
    reset.send("x");
    CHECK(reset.stream().take_to_end().how == ending::reset);
    CHECK(origin.faults().empty());
}

TEST_CASE("an origin that stopped refuses, and so does a port kept for it", "[support]") {
    scripted_origin origin(scripted_origin::answering(ok("")));
    raw_client client(origin.port());
    CHECK(client.ask_get("/").status == 200);
    origin.stop();
    CHECK(client.rest_until_closed().empty());
    CHECK_THROWS_AS(raw_client(origin.port()), std::system_error);
    const refusing_port refusing;
    CHECK_THROWS_AS(raw_client(refusing.port()), std::system_error);
}

TEST_CASE("load counts answers and failures", "[support]") {
    scripted_origin origin(scripted_origin::answering(ok("fine")));
    load running(
        origin.port(), 3, [](unsigned, std::size_t) { return get("/"); }, expect_ok);
    running.wait_for_answers(50);
    const auto good = running.stop();
    CHECK(good.answers >= 50);
    CHECK(good.failures == 0);
    CHECK(good.first_failure.empty());

    scripted_origin closing([](origin_connection& one) {
        one.read_request();
        one.send(ok("no word of closing"));
    });
    load failing(
        closing.port(), 1, [](unsigned, std::size_t) { return get("/"); }, expect_ok);
    failing.wait_for_answers(5);
    CHECK(failing.stop().failures >= 4);
}

TEST_CASE("a program's lines, signals and end are seen", "[support]") {
    process program({"/bin/sh", "-c",
                     "sleep 60 & trap \"kill $!; echo told; exit 3\" TERM; echo \"$WORD\" >&2; echo started; wait"},
                    {"WORD=from the environment"});
    CHECK(program.wait_for_output_line("start") == "started");
    CHECK(program.wait_for_error_line("environment") == "from the environment");
    CHECK(program.is_running());
    CHECK(program.peak_resident_bytes() > 0);
    program.signal(SIGTERM);
    CHECK(program.wait() == 3);
    CHECK(program.output() == "started\ntold\n");
}

TEST_CASE("the CherryPy application answers", "[support][cherrypy]") {
    cherrypy_server server({"--name", "two"});
    CHECK(raw_client(server.port()).ask_get("/").content == "two");
    const auto content = noise(200'000);
    const auto echo = parse_json(raw_client(server.port()).ask(post("/echo?a=%2f", content)).content).as_object();
    CHECK(echo.at("sha256").as_string() == sha256(content));
    CHECK(echo.at("length").as_int64() == 200'000);
    CHECK(echo.at("query").as_string() == "a=%2f");
    CHECK(raw_client(server.port()).ask_get("/big?n=70000").content.size() == 70'000);
    const auto streamed = raw_client(server.port()).ask_get("/big?n=70000&stream=1");
    CHECK(streamed.chunked);
    CHECK(streamed.content.size() == 70'000);
    raw_client counting(server.port());
    CHECK(counting.ask_get("/cached").content == "cached 1");
    CHECK(counting.ask_get("/cached").content == "cached 2");
    raw_client dying(server.port());
    dying.send(get("/die"));
    CHECK(read_broken_response(dying.stream()).end != content_end::by_length);
}

TEST_CASE("the WebSocket server echoes", "[support][websocket]") {
    python_server server("websocket_echo.py");
    raw_client client(server.port());
    const auto upgraded = client.ask_get("/",
                                         "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
                                         "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n");
    CHECK(upgraded.status == 101);
    CHECK(upgraded.text("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    client.send(std::string("\x81\x82\0\0\0\0hi", 8));
    CHECK(client.stream().take(4) == "\x81\x02hi");
}

}  // namespace weir::test
