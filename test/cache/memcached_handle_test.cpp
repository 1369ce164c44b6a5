#include "cache/memcached_handle.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "test/cache/memcached_support.hpp"
#include "test/support/scripted_memcached.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using outcome = memcached_value::outcome;
using where = test::memcached_process::where;

const std::vector<std::string> both{"first", "second"};

TEST_CASE("a handle does what it is told", "[cache][memcached][handle]") {
    test::memcached_process server(GENERATE(where::loopback, where::unix_socket));
    memcached_handle handle(test::address_of(server), test::ample);
    CHECK(handle.answers());

    CHECK(handle.set("first", std::string("a\0b\r\nEND\r\n", 10), 0xFFFF'FFFE, 0s) == outcome::found);
    CHECK(handle.add("second", "b", 2, 60s) == outcome::found);
    CHECK(handle.add("second", "c", 3, 60s) == outcome::missing);
    CHECK(handle.set("month", "long", 0, std::chrono::hours(24 * 40)) == outcome::found);

    const std::vector<std::string> wanted{"second", "none", "first", "month", "first"};
    auto got = handle.get(wanted);
    REQUIRE(got.size() == 5);
    CHECK(got[0].what == outcome::found);
    CHECK(got[0].bytes == "b");
    CHECK(got[0].flags == 2);
    CHECK(got[1].what == outcome::missing);
    CHECK(got[2].bytes == std::string("a\0b\r\nEND\r\n", 10));
    CHECK(got[2].flags == 0xFFFF'FFFE);
    CHECK(got[3].bytes == "long");
    CHECK(got[4].bytes == got[2].bytes);

    got = handle.get(both, true);
    CHECK(handle.cas("first", "new", 0, 0s, got[0].cas) == outcome::found);
    CHECK(handle.cas("first", "newer", 0, 0s, got[0].cas) == outcome::missing);
    CHECK(handle.remove("second") == outcome::found);
    CHECK(handle.remove("second") == outcome::missing);
    CHECK(handle.cas("second", "back", 0, 0s, got[1].cas) == outcome::missing);
    CHECK(handle.get(both)[0].bytes == "new");
    CHECK(handle.fault() == memcached_fault::none);
}

TEST_CASE("all addresses of a name are tried", "[cache][memcached][handle]") {
    test::memcached_process server(test::memcached_process::where::localhost);
    auto address = test::address_of(server);
    address.host = "localhost";  // which may have ::1 too, where nobody listens
    memcached_handle handle(address, test::ample);
    CHECK(handle.set("first", "x", 0, 0s) == outcome::found);
    CHECK(handle.get(both)[0].bytes == "x");
}

TEST_CASE("what is no key is not sent", "[cache][memcached][handle]") {
    test::memcached_process server;
    memcached_handle handle(test::address_of(server), test::ample);
    const auto bad = GENERATE(as<std::string>{}, "", "a b", "a\nb", "a\x7F", std::string(251, 'k'));
    CAPTURE(bad);
    CHECK(handle.set(bad, "x", 0, 0s) == outcome::failed);
    CHECK(handle.remove(bad) == outcome::missing);
    REQUIRE(handle.set("good", "x", 0, 0s) == outcome::found);
    const auto got = handle.get(std::vector<std::string>{bad, "good"});
    CHECK(got[0].what == outcome::missing);
    CHECK(got[1].what == outcome::found);
    CHECK(handle.set(std::string(250, 'k'), "x", 0, 0s) == outcome::found);
    CHECK(handle.set("page:h\xC3\xB6he", "x", 0, 0s) == outcome::found);
}

TEST_CASE("a value that the server does not take leaves no doubt", "[cache][memcached][handle]") {
    test::memcached_process server;
    memcached_handle handle(test::address_of(server), test::ample);
    REQUIRE(handle.set("first", "x", 0, 0s) == outcome::found);
    CHECK(handle.set("second", std::string(2 << 20, 'x'), 0, 0s) == outcome::failed);
    CHECK(handle.fault() == memcached_fault::refused);
    const auto got = handle.get(both);
    CHECK(got[0].what == outcome::found);
    CHECK(got[1].what == outcome::missing);
}

TEST_CASE("an answer that is none is believed in nothing", "[cache][memcached][handle]") {
    const auto answer =
        GENERATE(as<std::string>{}, "ERROR\r\n", "STORED\r\n", "NOT_STORED\r\n", "OK\r\n", "220 mail\r\n",
                 "rubbish\r\n", "SERVER_ERROR out of memory writing get response\r\n", "CLIENT_ERROR bad\r\n",
                 "VALUE other 0 1\r\nx\r\nEND\r\n",
                 "VALUE second 0 1\r\nx\r\nVALUE first 0 1\r\nx\r\nEND\r\n",  // in another order
                 "VALUE first 0 1\r\nx\r\nVALUE first 0 1\r\nx\r\nEND\r\n",   // twice
                 "VALUE first 0 5\r\nx\r\nEND\r\n",                           // longer than it is
                 "VALUE first 0 1\r\nlonger\r\nEND\r\n", "VALUE first 0 1\r\nx\r\nOK\r\n", "END\r\nrubbish\r\n");
    CAPTURE(answer);
    std::atomic<bool> is_well = false;
    test::scripted_memcached server(
        [&](const std::string&) { return is_well.exchange(true) ? "VALUE first 0 4\r\ngood\r\nEND\r\n" : answer; });
    memcached_handle handle(server.address(), test::ample);
    const auto doubtful = handle.get(both);
    CHECK(doubtful[0].what == outcome::failed);
    CHECK(doubtful[0].bytes.empty());
    CHECK(doubtful[1].what == outcome::failed);
    CHECK(handle.fault() == memcached_fault::broken);
    CHECK(!handle.last_error().empty());
    CHECK(server.connections() == 1);

    const auto got = handle.get(both);
    CHECK(got[0].bytes == "good");
    CHECK(got[1].what == outcome::missing);
    CHECK(server.connections() == 2);
}

TEST_CASE("what does not greet like a memcached is not asked", "[cache][memcached][handle]") {
    const auto greeting = GENERATE(as<std::string>{}, "220 mail.example.org ESMTP\r\n", "OK\r\n",
                                   "HTTP/1.1 400 Bad Request\r\n\r\n", "ERROR\r\n", std::string(1, '\0'));
    test::scripted_memcached server([&](const std::string&) { return greeting; }, false);
    memcached_handle handle(server.address(), test::ample);
    CHECK(handle.set("first", "x", 0, 0s) == outcome::failed);
    CHECK(handle.fault() == memcached_fault::unreachable);
    CHECK(!handle.answers());
    CHECK(server.lines().empty());
}

TEST_CASE("a server that does not answer costs the time of a call", "[cache][memcached][handle]") {
    test::scripted_memcached server(
        [&](const std::string& line) { return line == "get second" ? "" : "VALUE first 0 1\r\nx\r\n"; });
    memcached_handle handle(server.address(), 200ms);
    CHECK(handle.get(std::vector<std::string>{"second"})[0].what == outcome::failed);
    CHECK(handle.fault() == memcached_fault::timed_out);
    const auto got = handle.get(both);
    CHECK(got[0].what == outcome::found);  // it came in time
    CHECK(got[1].what == outcome::failed);
    CHECK(handle.fault() == memcached_fault::timed_out);
    CHECK(server.connections() == 2);
}

TEST_CASE("a connection that the server has closed is opened again", "[cache][memcached][handle]") {
    test::memcached_process server;
    memcached_handle handle(test::address_of(server), test::ample);
    REQUIRE(handle.set("first", "x", 0, 0s) == outcome::found);
    server.kill();
    SECTION("once it is back") {
        server.start();
        CHECK(handle.get(both)[0].what == outcome::missing);
        CHECK(handle.fault() == memcached_fault::none);
    }
    SECTION("by what may be done once only too, before it is sent") {
        server.start();
        CHECK(handle.add("first", "x", 0, 0s) == outcome::found);
        CHECK(handle.fault() == memcached_fault::none);
    }
    SECTION("or is not there") {
        CHECK(handle.get(both)[0].what == outcome::failed);
        CHECK(handle.fault() == memcached_fault::unreachable);
        CHECK(!handle.answers());
        server.start();
        CHECK(handle.answers());
        CHECK(handle.get(both)[0].what == outcome::missing);
    }
}

TEST_CASE("a connection lost in the middle of an answer is", "[cache][memcached][handle]") {
    std::atomic<int> asked = 0;
    test::scripted_memcached server([&](const std::string&) {
        return ++asked == 1 ? "END\r\n" : std::string("VALUE first 0 5\r\nab") + test::scripted_memcached::hang_up;
    });
    memcached_handle handle(server.address(), test::ample);
    CHECK(handle.get(both)[0].what == outcome::missing);
    CHECK(handle.get(both)[0].what == outcome::failed);
    CHECK(handle.fault() == memcached_fault::broken);
    CHECK(server.lines().size() == 3);  // asked again, for the connection had served before
}

TEST_CASE("a stopped memcached is asked again when it goes on", "[cache][memcached][handle]") {
    test::memcached_process server;
    memcached_handle handle(test::address_of(server), 200ms);
    CHECK(handle.answers());
    server.hang();
    CHECK(handle.get(both)[0].what == outcome::failed);
    CHECK(handle.fault() == memcached_fault::timed_out);
    CHECK(!handle.answers());
    CHECK(handle.fault() == memcached_fault::timed_out);
    server.go_on();
    CHECK(test::eventually([&] { return handle.answers(); }));
    CHECK(test::eventually([&] { return handle.get(both)[0].what == outcome::missing; }));
}

}  // namespace
}  // namespace weir::cache
