#include "proxy/upstream_connection.hpp"

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <ostream>
#include <string>

#include "proxy/listener.hpp"
#include "test/proxy/settings.hpp"
#include "test/proxy/support.hpp"
#include "test/support/temporary_folder.hpp"

using namespace weir;
using namespace weir::proxy;
using test::event_loop;
using test::long_limit;
using test::short_limit;

namespace weir::proxy {

static std::ostream& operator<<(std::ostream& out, cause why) {
    return out << (why == cause::none ? "none" : text(why));
}

}  // namespace weir::proxy

namespace {

std::shared_ptr<balancer::endpoint> endpoint_at(balancer::address_list addresses) {
    auto made = std::make_shared<balancer::endpoint>(0, test::make_address("app.example:80"));
    made->set_addresses(std::make_shared<const balancer::address_list>(std::move(addresses)));
    return made;
}

// Somebody who listens and accepts nobody: the kernel does.
class silent_server {
  public:
    explicit silent_server(const std::string& address) {
        std::string why;
        const conf::listen_address where{test::make_address(address, conf::address_use::listen), {}};
        socket_ = open_listening_socket(where, why);
        INFO(why);
        REQUIRE(socket_.descriptor >= 0);
        sockaddr_storage bound{};
        socklen_t size = sizeof bound;
        REQUIRE(::getsockname(socket_.descriptor, reinterpret_cast<sockaddr*>(&bound), &size) == 0);
        address_.resize(size);
        std::memcpy(address_.data(), &bound, size);
        address_ = boost::asio::generic::stream_protocol::endpoint(&bound, size);
    }
    ~silent_server() { stop(); }
    silent_server(const silent_server&) = delete;
    silent_server& operator=(const silent_server&) = delete;
    // From now on connections are refused.
    void stop() {
        if (socket_.descriptor >= 0) ::close(std::exchange(socket_.descriptor, -1));
    }
    const boost::asio::generic::stream_protocol::endpoint& address() const { return address_; }

  private:
    listening_socket socket_;
    boost::asio::generic::stream_protocol::endpoint address_;
};

cause connect(event_loop& loop, balancer::address_list addresses) {
    upstream_connection connection(loop.context, loop.deadlines, endpoint_at(std::move(addresses)));
    cause why = cause::internal;
    loop.run([&]() -> awaitable<void> { why = co_await connection.connect(long_limit); });
    CHECK(connection.stream().is_open() == (why == cause::none));
    return why;
}

// A connection whose other end the test plays.
struct exchange_with {
    explicit exchange_with(event_loop& l)
        : loop(l), connection(l.context, l.deadlines, endpoint_at({})), theirs(l.context, l.deadlines) {
        int both[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both) == 0);
        REQUIRE(connection.stream().assign(both[0]));
        REQUIRE(theirs.assign(both[1]));
        connection.begin(std::make_unique<read_buffer>());
    }
    cause receive_head(std::chrono::milliseconds limit = long_limit, http::verb method = http::verb::get) {
        cause why = cause::internal;
        loop.run([&]() -> awaitable<void> { why = co_await connection.receive_head(method, head, limit); });
        return why;
    }
    // All of the content that is here, as it ended.
    content_status read_content(std::string& content) {
        connection.expect_content(head);
        std::array<char, 100> room;
        for (;;) {
            const content_result got = connection.read_content(room);
            if (got.status != content_status::some) return got.status;
            content.append(room.data(), got.bytes);
        }
    }

    event_loop& loop;
    upstream_connection connection;
    stream theirs;
    http::response_head head;
};

}  // namespace

TEST_CASE("a connection goes to the first address that takes it", "[proxy][upstream_connection]") {
    event_loop loop;
    test::temporary_folder folder;
    const silent_server tcp("127.0.0.1:0");
    const silent_server unix_server("unix:" + folder.path("app.sock"));
    silent_server gone("127.0.0.1:0");
    gone.stop();
    const boost::asio::local::stream_protocol::endpoint nowhere(folder.path("nobody.sock"));

    CHECK(connect(loop, {tcp.address()}) == cause::none);
    CHECK(connect(loop, {unix_server.address()}) == cause::none);
    CHECK(connect(loop, {gone.address(), tcp.address()}) == cause::none);
    CHECK(connect(loop, {nowhere, gone.address(), unix_server.address()}) == cause::none);
    CHECK(connect(loop, {gone.address()}) == cause::connection_refused);
    CHECK(connect(loop, {nowhere}) == cause::connection_refused);
    CHECK(connect(loop, {nowhere, gone.address()}) == cause::connection_refused);
    CHECK(connect(loop, {}) == cause::no_endpoint);

    upstream_connection unresolved(loop.context, loop.deadlines,
                                   std::make_shared<balancer::endpoint>(0, test::make_address("app.example:80")));
    loop.run(
        [&]() -> awaitable<void> { CHECK_AWAITED(co_await unresolved.connect(long_limit) == cause::no_endpoint); });
}

TEST_CASE("a request is sent whole, however slowly it is taken", "[proxy][upstream_connection]") {
    event_loop loop;
    exchange_with e(loop);
    const std::string content(1'000'000, 'x');
    std::array<std::string_view, 4> buffers{"POST ", "", content, "end"};
    std::string taken;
    loop.spawn([&]() -> awaitable<void> {
        CHECK_AWAITED(co_await e.connection.send(buffers, long_limit) == cause::none);
        e.theirs.cancel_reading();
    });
    loop.spawn([&]() -> awaitable<void> {
        while (co_await e.theirs.wait_readable(long_limit) == wait_status::ready) taken += test::take(e.theirs);
        taken += test::take(e.theirs);
    });
    loop.run();
    CHECK((taken == "POST " + content + "end"));
    CHECK(e.connection.bytes_sent() == taken.size());
    e.connection.begin(e.connection.end());
    CHECK(e.connection.bytes_sent() == 0);
}

TEST_CASE("a request that is not taken fails with the reason", "[proxy][upstream_connection]") {
    event_loop loop;
    exchange_with e(loop);
    const std::string content(1'000'000, 'x');
    std::array<std::string_view, 1> buffers{content};

    SECTION("nothing was taken in time") {
        const std::size_t filled = test::fill(e.connection.stream());
        CHECK(filled > 0);
        loop.run([&]() -> awaitable<void> {
            CHECK_AWAITED(co_await e.connection.send(buffers, short_limit) == cause::send_timeout);
        });
        CHECK(e.connection.bytes_sent() == 0);
    }
    SECTION("the endpoint has gone") {
        e.theirs.close();
        loop.run([&]() -> awaitable<void> {
            CHECK_AWAITED(co_await e.connection.send(buffers, long_limit) == cause::send_failed);
        });
        CHECK(e.connection.bytes_sent() == 0);
    }
    SECTION("we have closed it meanwhile") {
        loop.spawn([&]() -> awaitable<void> {
            CHECK_AWAITED(co_await e.connection.send(buffers, long_limit) == cause::send_failed);
        });
        loop.settle();
        e.connection.stream().close();
        loop.run();
        CHECK(e.connection.bytes_sent() > 0);
        CHECK(e.connection.bytes_sent() < content.size());
    }
    SECTION("nothing is nothing to fail with") {
        e.theirs.close();
        loop.run(
            [&]() -> awaitable<void> { CHECK_AWAITED(co_await e.connection.send({}, long_limit) == cause::none); });
    }
}

TEST_CASE("heads and content are read however they come", "[proxy][upstream_connection]") {
    const std::string wire =
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    const std::size_t piece = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{1000});
    CAPTURE(piece);
    event_loop loop;
    exchange_with e(loop);
    std::string content;
    loop.spawn([&]() -> awaitable<void> {
        CHECK_AWAITED(co_await e.connection.receive_head(http::verb::get, e.head, long_limit) == cause::none);
        CHECK(e.head.status == 103);
        CHECK(e.head.fields.value("Link") == "</a>");
        CHECK_AWAITED(co_await e.connection.receive_head(http::verb::get, e.head, long_limit) == cause::none);
        CHECK(e.head.status == 200);
        e.connection.expect_content(e.head);
        std::array<char, 2> room;
        for (;;) {
            const content_result got = e.connection.read_content(room);
            if (got.status == content_status::end) break;
            content.append(room.data(), got.bytes);
            if (got.status == content_status::again) co_await e.connection.stream().wait_readable(long_limit);
        }
        // The head stays while its content comes.
        CHECK(e.head.fields.value("Content-Type") == "text/plain");
        CHECK(e.head.reason == "OK");
    });
    for (std::size_t at = 0; at < wire.size() && loop.running() > 0; at += piece) {
        test::put(e.theirs, std::string_view(wire).substr(at, piece));
        loop.settle();
    }
    loop.run();
    CHECK(content == "hello");
    CHECK(e.connection.bytes_received() == wire.size());
    CHECK(e.connection.may_serve_again(e.head, true));
}

TEST_CASE("a head of 64 KiB is taken, a longer one is not", "[proxy][upstream_connection]") {
    event_loop loop;
    exchange_with e(loop);
    const std::string before = "HTTP/1.1 200 OK\r\nX: ";
    const std::string after = "\r\nContent-Length: 3\r\n\r\n";
    const bool too_long = GENERATE(false, true);
    const std::size_t filler = 64 * 1024 - before.size() - after.size() + (too_long ? 1 : 0);
    const std::string head = before + std::string(filler, 'x') + after;
    test::put(e.theirs, head + "abc");
    if (too_long) {
        CHECK(e.receive_head() == cause::bad_response);
        return;
    }
    CHECK(e.receive_head() == cause::none);
    CHECK(e.head.fields.value("X").size() == filler);
    std::string content;
    CHECK(e.read_content(content) == content_status::end);
    CHECK(content == "abc");
    CHECK(e.head.fields.value("X") == std::string(filler, 'x'));
}

TEST_CASE("content behind a large head does not run into it", "[proxy][upstream_connection]") {
    event_loop loop;
    exchange_with e(loop);
    const std::size_t filler = GENERATE(10'000, 16'300, 30'000);
    std::string chunks;
    for (int i = 0; i < 5000; ++i) chunks += "9\r\nnine more\r\n";
    test::put(e.theirs,
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: " + std::string(filler, 'x') + "\r\n\r\n" + chunks);
    CHECK(e.receive_head() == cause::none);
    std::string content;
    CHECK(e.read_content(content) == content_status::again);
    CHECK(content.size() == 5000 * 9);
    CHECK((e.head.fields.value("X") == std::string(filler, 'x')));
}

TEST_CASE("what is no response says why", "[proxy][upstream_connection]") {
    event_loop loop;
    exchange_with e(loop);
    const auto [wire, expected] = GENERATE(table<std::string, cause>({
        {"", cause::closed_early},
        {"HTTP/1.1 200 OK\r\nContent-", cause::response_cut},
        {"GET / HTTP/1.1\r\n\r\n", cause::bad_response},
        {"SSH-2.0-OpenSSH\r\n\r\n", cause::bad_response},
        {"HTTP/1.1 200 OK\nServer: x\n\n", cause::bad_response},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", cause::bad_response},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", cause::bad_response},
        {"HTTP/2 200 OK\r\n\r\n", cause::bad_response},
    }));
    CAPTURE(wire);
    test::put(e.theirs, wire);
    e.theirs.shutdown_sending();
    CHECK(e.receive_head() == expected);
}

TEST_CASE("a head has a limit for all of its bytes together", "[proxy][upstream_connection][deadlines]") {
    event_loop loop;
    exchange_with e(loop);
    SECTION("nothing comes") {
        CHECK(e.receive_head(short_limit) == cause::first_byte_timeout);
    }
    SECTION("it stops in the middle") {
        test::put(e.theirs, "HTTP/1.1 200 OK\r\n");
        CHECK(e.receive_head(short_limit) == cause::first_byte_timeout);
    }
    SECTION("it never ends, though a byte comes now and then") {
        bool ended = false;
        loop.spawn([&]() -> awaitable<void> {
            test::put(e.theirs, "HTTP/1.1 200 OK\r\nX: ");
            while (!ended) {
                test::put(e.theirs, "x");
                // Nothing comes the other way: this is the pause between two bytes.
                co_await e.theirs.wait_readable(std::chrono::milliseconds(1));
            }
        });
        loop.spawn([&]() -> awaitable<void> {
            CHECK_AWAITED(co_await e.connection.receive_head(http::verb::get, e.head, std::chrono::milliseconds(50)) ==
                          cause::first_byte_timeout);
            ended = true;
        });
        loop.run();
    }
    SECTION("we give up before") {
        loop.spawn([&]() -> awaitable<void> {
            CHECK_AWAITED(co_await e.connection.receive_head(http::verb::get, e.head, long_limit) ==
                          cause::closed_early);
        });
        loop.settle();
        e.connection.stream().close();
        loop.run();
    }
}

TEST_CASE("a connection serves again only when nothing is in doubt", "[proxy][upstream_connection][security]") {
    struct row {
        const char* what;
        std::string wire;
        bool request_sent;
        bool expected;
        http::verb method = http::verb::get;
    };
    const row rows[] = {
        {"a whole response", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true, true},
        {"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true, true},
        {"none", "HTTP/1.1 204 No Content\r\n\r\n", true, true},
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, false, http::verb::head},
        {"HEAD with content", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true, false, http::verb::head},
        {"304 with content", "HTTP/1.1 304 Not Modified\r\n\r\nhello", true, false},
        {"204 with content", "HTTP/1.1 204 No Content\r\n\r\n0\r\n\r\n", true, false},
        {"a request that was not sent whole", "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n", false,
         false},
        {"close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", true, false},
        {"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", true, false},
        {"HTTP/1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", true, true},
        {"a byte behind it", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!", true, false},
        {"a stray last chunk", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello0\r\n\r\n", true, false},
        {"a second response", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", true, false},
        {"half of it", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", true, false},
        {"up to the end of the connection", "HTTP/1.1 200 OK\r\n\r\nhello", true, false},
    };
    for (const row& r : rows) {
        CAPTURE(r.what);
        event_loop loop;
        exchange_with e(loop);
        test::put(e.theirs, r.wire);
        CHECK(e.receive_head(long_limit, r.method) == cause::none);
        std::string content;
        e.read_content(content);
        CHECK(e.connection.may_serve_again(e.head, r.request_sent) == r.expected);
    }
}

TEST_CASE("a connection counts as reused from its second request on", "[proxy][upstream_connection]") {
    event_loop loop;
    exchange_with e(loop);
    for (const bool reused : {false, true, true}) {
        CHECK(e.connection.reused() == reused);
        test::put(e.theirs, "HTTP/1.1 204 No Content\r\n\r\n");
        CHECK(e.receive_head() == cause::none);
        CHECK(e.connection.bytes_received() == 27);
        std::string content;
        CHECK(e.read_content(content) == content_status::end);
        auto buffer = e.connection.end();
        REQUIRE(buffer);
        buffer->clear_for_reuse();
        e.connection.begin(std::move(buffer));
    }
}

TEST_CASE("what follows 101 belongs to the tunnel", "[proxy][upstream_connection][rfc9110-7.8]") {
    event_loop loop;
    exchange_with e(loop);
    test::put(e.theirs,
              "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi");
    CHECK(e.receive_head() == cause::none);
    CHECK(e.head.status == 101);
    CHECK(e.connection.unread() == "\x81\x02hi");
}
