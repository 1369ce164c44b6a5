#include "cache/memcached_ring.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <deque>
#include <string>
#include <vector>

#include "test/cache/memcached_support.hpp"

namespace weir::cache {
namespace {

using where = test::memcached_process::where;

constexpr std::size_t key_count = 1000;

// What an application does: pylibmc's own ring, and nothing of ours.
constexpr const char* python_program = R"(
import sys
import pylibmc
client = pylibmc.Client(sys.argv[1:], behaviors={"ketama": True})
for number in range(1000):
    if not client.set("page:example.org/%d/%d" % (number, number * number), str(number)):
        sys.exit("not stored")
)";

std::vector<std::string> keys() {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < key_count; ++i) {
        all.push_back("page:example.org/" + std::to_string(i) + "/" + std::to_string(i * i));
    }
    return all;
}

TEST_CASE("what pylibmc stores lies where the ring says", "[cache][memcached][ring]") {
    const auto place = GENERATE(where::loopback, where::unix_socket);
    std::deque<test::memcached_process> servers;
    std::vector<conf::memcached_server_address> addresses;
    std::vector<std::string> command{"/usr/bin/python3", "-B", "-c", python_program};
    for (int i = 0; i < 3; ++i) {
        servers.emplace_back(place);
        addresses.push_back(test::address_of(servers.back()));
        command.push_back(servers.back().address());
    }
    test::process program(command);
    const int status = program.wait();
    INFO(program.errors());
    REQUIRE(status == 0);

    const memcached_ring ring(addresses);
    const auto all = keys();
    std::array<std::size_t, 3> found{};
    for (std::size_t server = 0; server < addresses.size(); ++server) {
        memcached_handle handle(addresses[server], test::ample);
        const auto got = handle.get(all);
        REQUIRE(handle.fault() == memcached_fault::none);
        std::size_t misplaced = 0;
        for (std::size_t i = 0; i < key_count; ++i) {
            const bool is_here = got[i].what == memcached_value::outcome::found;
            if (is_here != (ring.server_of(all[i]) == server)) ++misplaced;
            if (is_here && got[i].bytes == std::to_string(i)) ++found[server];
        }
        CHECK(misplaced == 0);
    }
    CHECK(found[0] + found[1] + found[2] == key_count);
    for (const auto its : found) CHECK(its > key_count / 10);
}

TEST_CASE("a key lies on the same server in whatever order the servers are named", "[cache][memcached][ring]") {
    const conf::memcached_server_address a{"a", "a", 11211, {}};
    const conf::memcached_server_address b{"b:11212", "b", 11212, {}};
    const conf::memcached_server_address c{"/run/c", {}, 11211, "/run/c"};
    const std::vector one{a, b, c};
    const std::vector other{c, a, b};
    const memcached_ring first(one);
    const memcached_ring second(other);
    std::size_t elsewhere = 0;
    for (const auto& key : keys()) {
        if (one[first.server_of(key)] != other[second.server_of(key)]) ++elsewhere;
    }
    CHECK(elsewhere == 0);
}

}  // namespace
}  // namespace weir::cache
