// Kept-alive connections to endpoints: used again when all is in order, given up at the least doubt, and never opened
// in advance.
#include <catch2/catch.hpp>
#include <string>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

// Answers the first request of the first connection, then ends that connection as `end` does; answers everything on
// later ones.
scripted_origin::script first_connection_ends(std::function<void(origin_connection&)> end) {
    return [end = std::move(end)](origin_connection& one) {
        const auto got = one.read_request();
        one.send(ok("answer " + got.target));
        if (one.number() == 0) {
            end(one);
            return;
        }
        for (;;) one.send(ok("answer " + one.read_request().target));
    };
}

}  // namespace

TEST_CASE("a GET on a reused connection that died is sent again, and the client does not notice",
          "[end_to_end][pool][retry]") {
    const bool reset = GENERATE(false, true);
    CAPTURE(reset);
    const origin_and_weir under_test(first_connection_ends([reset](origin_connection& one) {
        one.read_request();
        if (reset) one.reset();
    }));
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/1").content == "answer /1");
    CHECK(client.ask_get("/2").content == "answer /2");
    CHECK(under_test.origin.connections() == 2);
    CHECK(under_test.origin.requests() == 3);
}

TEST_CASE("a POST on a reused connection that died is not sent again", "[end_to_end][pool][retry]") {
    const origin_and_weir under_test(first_connection_ends([](origin_connection& one) { one.read_request(); }));
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/1").content == "answer /1");
    const auto got = client.ask(post("/pay", "once"));
    // Taken to a new connection from the start, or sent on the old one and given up: once in either case.
    CHECK((got.status == 502 || got.content == "answer /pay"));
    std::size_t copies = 0;
    for (const auto& one : under_test.origin.seen()) copies += one.method == "POST";
    CHECK(copies == 1);
}

TEST_CASE("a POST does not meet a connection that was closed while idle", "[end_to_end][pool]") {
    gate answered;
    const origin_and_weir under_test(first_connection_ends([&](origin_connection&) { answered.wait(); }));
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/1").content == "answer /1");
    answered.open();
    under_test.origin.wait_for_ended(1);
    CHECK(client.ask(post("/pay", "once")).content == "answer /pay");
    CHECK(under_test.origin.requests() == 2);
    CHECK(under_test.origin.connections() == 2);
}

TEST_CASE("a late 408 on an idle connection answers nobody", "[end_to_end][pool]") {
    gate answered;
    const origin_and_weir under_test(first_connection_ends([&](origin_connection& one) {
        answered.wait();
        one.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        one.stream().shut_down_write();
    }));
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/1").content == "answer /1");
    answered.open();
    under_test.origin.wait_for_ended(1);
    const auto got = client.ask_get("/2");
    CHECK(got.status == 200);
    CHECK(got.content == "answer /2");
    CHECK(client.ask(post("/3", "x")).content == "answer /3");
}

TEST_CASE("a response that comes unasked answers nobody", "[end_to_end][pool][smuggling]") {
    gate answered;
    gate sent;
    const origin_and_weir under_test(first_connection_ends([&](origin_connection& one) {
        answered.wait();
        one.send(ok("unasked", "Cache-Control: max-age=60\r\n"));
        sent.open();
        one.wait_for_end();
    }));
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/1").content == "answer /1");
    answered.open();
    sent.wait();
    CHECK(client.ask_get("/2").content == "answer /2");
    CHECK(client.ask_get("/3").content == "answer /3");
}

// cheroot, gunicorn, waitress, aiohttp and others send the content that an application gives to HEAD, and some a last
// chunk behind a 304: when they get to it, which may be after the next request was sent.
TEST_CASE("what comes late behind a response without content answers nobody", "[end_to_end][pool][smuggling]") {
    // No server is known that sends what a Content-Length behind 304 says.
    const auto [head, framing] = GENERATE(table<bool, std::string>({
        {true, "Content-Length: 30\r\n"},
        {true, "Transfer-Encoding: chunked\r\n"},
        {false, "Transfer-Encoding: chunked\r\n"},
    }));
    CAPTURE(head, framing);
    const std::string empty_head = (head ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 304 Not Modified\r\n") + framing + "\r\n";
    const origin_and_weir under_test([&empty_head](origin_connection& one) {
        for (bool owes = false;;) {
            const auto got = one.read_request();
            if (owes) one.send(ok("content of another"));
            owes = got.target == "/empty";
            one.send(owes ? empty_head : ok("plain"));
        }
    });
    auto client = under_test.weir.client();
    const auto empty = head ? client.ask("HEAD /empty HTTP/1.1\r\nHost: a\r\n\r\n")
                            : client.ask_get("/empty", "If-None-Match: \"a\"\r\n");
    CHECK(empty.status == (head ? 200 : 304));
    CHECK(client.ask(post("/plain", "x")).content == "plain");
    CHECK(client.ask_get("/plain").content == "plain");
    CHECK(under_test.origin.connections() == 2);
}

TEST_CASE("uWSGI's stray last chunk costs the connection and nothing else", "[end_to_end][pool][uwsgi]") {
    const origin_and_weir under_test(scripted_origin::answering([](const request& got) -> std::string {
        if (got.method == "HEAD") return "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n0\r\n\r\n";
        if (got.target == "/204") return "HTTP/1.1 204 No Content\r\n\r\n0\r\n\r\n";
        if (got.target == "/304") return "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n0\r\n\r\n";
        return ok("plain");
    }));
    auto client = under_test.weir.client();
    unsigned connections = 0;
    for (const auto& question :
         {get("/204"), get("/304", "If-None-Match: \"a\"\r\n"), std::string("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")}) {
        CAPTURE(question);
        const auto got = client.ask(question);
        CHECK(got.content.empty());
        CHECK(got.status < 400);
        CHECK(client.ask_get("/plain").content == "plain");
        CHECK(under_test.origin.connections() == (connections += connections == 0 ? 2 : 1));
    }
    CHECK(under_test.origin.requests() == 6);
}

TEST_CASE("no connection is opened before there is a request for it", "[end_to_end][pool]") {
    origin_and_weir under_test(scripted_origin::answering(ok("answered")), {.admin = true});
    auto silent = under_test.weir.client();
    under_test.weir.status();
    CHECK(under_test.weir.reload().find("not reloaded") == std::string::npos);
    CHECK(under_test.origin.connections() == 0);
    CHECK(silent.ask_get("/").content == "answered");
    CHECK(under_test.origin.connections() == 1);
}

TEST_CASE("what the endpoint asks to close is not used again", "[end_to_end][pool]") {
    const auto answer = GENERATE(ok("answered", "Connection: close\r\n"), "HTTP/1.0" + ok("answered").substr(8));
    CAPTURE(answer);
    const origin_and_weir under_test(scripted_origin::answering(answer));
    auto client = under_test.weir.client();
    for (int i = 0; i < 3; ++i) CHECK(client.ask_get("/").content == "answered");
    CHECK(under_test.origin.connections() == 3);
    under_test.origin.wait_for_ended(3);
}

TEST_CASE("keepalive: off takes a connection for each request", "[end_to_end][pool]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")), {.upstream = "    keepalive: off\n"});
    auto client = under_test.weir.client();
    for (int i = 0; i < 3; ++i) CHECK(client.ask_get("/").content == "answered");
    CHECK(under_test.origin.connections() == 3);
    CHECK(under_test.origin.last().lists("Connection", "close"));
    under_test.origin.wait_for_ended(3);
}

TEST_CASE("an idle connection is closed by weir first", "[end_to_end][pool]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered")),
                                     {.upstream = "    keepalive: {idle_timeout: 200ms}\n"});
    CHECK(under_test.weir.ask_get("/").content == "answered");
    under_test.origin.wait_for_ended(1);
    CHECK(under_test.weir.ask_get("/").content == "answered");
    CHECK(under_test.origin.connections() == 2);
}

TEST_CASE("at most max_idle connections are kept", "[end_to_end][pool]") {
    gate all_here;
    const origin_and_weir under_test(
        [&](origin_connection& one) {
            for (;;) {
                one.read_request();
                all_here.wait();
                one.send(ok("answered"));
            }
        },
        {.upstream = "    keepalive: {max_idle: 2, idle_timeout: 1m}\n"});
    std::vector<raw_client> clients;
    for (int i = 0; i < 5; ++i) {
        clients.push_back(under_test.weir.client());
        clients.back().send(get("/" + std::to_string(i)));
    }
    under_test.origin.wait_for_requests(5);
    all_here.open();
    for (auto& client : clients) CHECK(client.read_response().content == "answered");
    under_test.origin.wait_for_ended(3);
    CHECK(under_test.origin.ended() == 3);
}

TEST_CASE("a client that leaves while its response is on the way does not leave it to the next", "[end_to_end][pool]") {
    gate left;
    const origin_and_weir under_test([&](origin_connection& one) {
        for (;;) {
            const auto got = one.read_request();
            if (got.target == "/leaves") {
                one.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + std::string(100'000, 'x'));
                left.wait();
                one.stream().try_send(std::string(100'000, 'x'));
            } else {
                one.send(ok("mine"));
            }
        }
    });
    {
        auto client = under_test.weir.client();
        client.send(get("/leaves"));
        client.stream().take_until("xxx");
        client.stream().reset();
    }
    left.open();
    for (int i = 0; i < 3; ++i) CHECK(under_test.weir.ask_get("/stays").content == "mine");
}

TEST_CASE("a server that says how long it keeps connections is believed", "[end_to_end][pool]") {
    const origin_and_weir under_test(scripted_origin::answering(ok("answered", "Keep-Alive: max=100, Timeout=1\r\n")));
    CHECK(under_test.weir.ask_get("/").content == "answered");
    // The connection is closed by weir, within that second; without the field it would be kept for longer.
    under_test.origin.wait_for_ended(1);
    CHECK(under_test.weir.ask_get("/").content == "answered");
    CHECK(under_test.origin.connections() == 2);
}

}  // namespace weir::test
