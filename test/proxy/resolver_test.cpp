#include "proxy/resolver.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "proxy/log.hpp"
#include "test/proxy/settings.hpp"
#include "test/proxy/support.hpp"

using namespace weir;
using namespace weir::proxy;
using boost::asio::ip::make_address;
using boost::asio::ip::tcp;
using test::event_loop;
using test::long_limit;

namespace {

// Too long for a label, so it fails without asking any server; `localhost` is asked of nobody either.
const std::string no_name = std::string(70, 'n') + ":9001";

using endpoints = std::vector<std::shared_ptr<balancer::endpoint>>;

std::shared_ptr<balancer::endpoint> endpoint(const std::string& text) {
    conf::address address;
    address.text = text;
    address.host = text.substr(0, text.find(':'));
    address.port = 9001;
    return std::make_shared<balancer::endpoint>(0, text == no_name ? address : test::make_address(text));
}

class quiet_log {
  public:
    quiet_log() { log::set_level(log::level::error); }
    ~quiet_log() { log::set_level(log::level::info); }
};

}  // namespace

TEST_CASE("numbers and unix sockets are resolved at once", "[proxy][resolver]") {
    event_loop loop;
    resolver names(loop.context);
    const endpoints all{endpoint("127.0.0.1:9001"), endpoint("[::1]:9002"), endpoint("unix:/run/app.sock")};
    int ready = 0;
    names.watch(all, long_limit, long_limit, [&] { ++ready; });
    CHECK(ready == 1);
    CHECK_FALSE(names.busy());
    CHECK(*all[0]->addresses() == balancer::address_list{tcp::endpoint(make_address("127.0.0.1"), 9001)});
    CHECK(*all[1]->addresses() == balancer::address_list{tcp::endpoint(make_address("::1"), 9002)});
    CHECK(*all[2]->addresses() ==
          balancer::address_list{boost::asio::local::stream_protocol::endpoint("/run/app.sock")});
    // No name, so nothing is left to be refreshed.
    loop.context.run_for(test::patience);
    CHECK(loop.context.stopped());
    CHECK(ready == 1);
}

TEST_CASE("nothing to resolve is ready at once", "[proxy][resolver]") {
    event_loop loop;
    resolver names(loop.context);
    bool ready = false;
    names.watch({}, std::nullopt, long_limit, [&] { ready = true; });
    CHECK(ready);
}

TEST_CASE("names are ready when each has been looked up", "[proxy][resolver]") {
    const quiet_log quiet;
    event_loop loop;
    resolver names(loop.context);
    const endpoints all{endpoint(no_name), endpoint("localhost:9001"), endpoint("localhost:9002")};
    int ready = 0;
    names.watch(all, std::nullopt, long_limit, [&] {
        ++ready;
        CHECK_FALSE(all[0]->resolved());
        CHECK(all[1]->resolved());
        CHECK(all[2]->resolved());
    });
    CHECK(ready == 0);
    CHECK(names.busy());
    loop.run_until([&] { return ready > 0; });
    CHECK_FALSE(names.busy());
    CHECK(all[1]->addresses()->front() != all[2]->addresses()->front());

    SECTION("and nobody asks again without a refresh") {
        loop.context.restart();
        loop.context.run_for(test::patience);
        CHECK(loop.context.stopped());
        CHECK(ready == 1);
    }
    SECTION("and at once when they are watched again") {
        bool again = false;
        names.watch({all[1], all[2]}, std::nullopt, long_limit, [&] { again = true; });
        CHECK(again);
    }
}

TEST_CASE("a name that does not resolve is a server that is down", "[proxy][resolver]") {
    const quiet_log quiet;
    event_loop loop;
    resolver names(loop.context);
    const auto down = endpoint(no_name);
    bool ready = false;
    names.watch({down}, std::nullopt, long_limit, [&] { ready = true; });
    loop.run_until([&] { return ready; });
    CHECK_FALSE(down->resolved());
}

TEST_CASE("a name that fails later keeps its last addresses", "[proxy][resolver]") {
    const quiet_log quiet;
    event_loop loop;
    resolver names(loop.context);
    const auto known = endpoint(no_name);
    known->set_addresses(std::make_shared<const balancer::address_list>(
        balancer::address_list{tcp::endpoint(make_address("192.0.2.1"), 9001)}));
    const auto before = known->addresses();
    bool ready = false;
    names.watch({known}, std::chrono::milliseconds(1), long_limit, [&] { ready = true; });
    CHECK(ready);
    bool asked = false;
    loop.run_until([&] {
        asked = asked || names.busy();
        return asked && !names.busy();
    });
    CHECK(known->addresses() == before);
}

TEST_CASE("a refresh that finds the same addresses changes nothing", "[proxy][resolver]") {
    event_loop loop;
    resolver names(loop.context);
    const auto local = endpoint("localhost:9001");
    bool ready = false;
    names.watch({local}, std::chrono::milliseconds(1), long_limit, [&] { ready = true; });
    loop.run_until([&] { return ready; });
    const auto before = local->addresses();
    bool asked = false;
    loop.run_until([&] {
        asked = asked || names.busy();
        return asked && !names.busy();
    });
    CHECK(local->addresses() == before);
}

TEST_CASE("patience has an end", "[proxy][resolver]") {
    event_loop loop;
    resolver names(loop.context);
    const auto local = endpoint("localhost:9001");
    bool ready = false;
    names.watch({local}, std::nullopt, std::chrono::milliseconds(0), [&] { ready = true; });
    loop.run_until([&] { return ready; });
    // The answer still counts when it comes.
    loop.run_until([&] { return !names.busy(); });
    CHECK(local->resolved());
}

TEST_CASE("a resolver that was stopped calls nobody", "[proxy][resolver]") {
    const quiet_log quiet;
    event_loop loop;
    resolver names(loop.context);
    const auto local = endpoint("localhost:9001");
    names.watch({local}, long_limit, long_limit, [] { FAIL("it was stopped"); });
    names.stop();
    loop.context.run_for(test::patience);
    CHECK(loop.context.stopped());
    CHECK_FALSE(names.busy());
}

TEST_CASE("a watch is ready for its own names, not for those of the one before", "[proxy][resolver][reload]") {
    const quiet_log quiet;
    event_loop loop;
    resolver names(loop.context);
    const auto local = endpoint("localhost:9001");
    names.watch({endpoint(no_name)}, std::nullopt, long_limit, [] { FAIL("it was replaced"); });
    bool ready = false;
    names.watch({local}, std::nullopt, long_limit, [&] {
        ready = true;
        CHECK(local->resolved());
    });
    loop.run_until([&] { return ready; });
}
