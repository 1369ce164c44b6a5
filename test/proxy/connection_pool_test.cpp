#include "proxy/connection_pool.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "test/balancer/support.hpp"
#include "test/proxy/support.hpp"

using namespace weir;
using namespace weir::proxy;
using namespace std::chrono_literals;
using balancer::test::make_endpoint;
using test::event_loop;

namespace {

const steady::time_point start{100s};

// A connection to `endpoint` and the other end of it.
struct connected {
    connected(event_loop& loop, std::shared_ptr<balancer::endpoint> endpoint) : theirs(loop.context, loop.deadlines) {
        int both[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both) == 0);
        ours = std::make_unique<upstream_connection>(loop.context, loop.deadlines, std::move(endpoint));
        REQUIRE(ours->stream().assign(both[0]));
        REQUIRE(theirs.assign(both[1]));
        address = ours.get();
    }
    // Whether our end was closed.
    bool closed() { return !theirs.is_quiet(); }

    std::unique_ptr<upstream_connection> ours;
    stream theirs;
    const upstream_connection* address;
};

struct pooled {
    event_loop loop;
    std::shared_ptr<balancer::endpoint> endpoint = make_endpoint(0);
    conf::keepalive_settings settings;
    connection_pool pool;

    connected connect() { return {loop, endpoint}; }
    void give(connected& c, steady::time_point now = start) { pool.give_back(std::move(c.ours), settings, now); }
    std::unique_ptr<upstream_connection> take(steady::time_point now, bool careful = false) {
        return pool.take(*endpoint, settings, careful, now);
    }
    std::int64_t idle() const { return endpoint->idle_connections.load(); }
};

}  // namespace

TEST_CASE("the newest idle connection is taken first", "[proxy][connection_pool]") {
    pooled p;
    connected a = p.connect(), b = p.connect();
    CHECK(p.pool.empty());
    CHECK(p.take(start) == nullptr);
    p.give(a, start);
    p.give(b, start + 1ms);
    CHECK(p.idle() == 2);
    CHECK(p.take(start + 2ms).get() == b.address);
    CHECK(p.idle() == 1);
    CHECK(p.take(start + 2ms).get() == a.address);
    CHECK(p.idle() == 0);
    CHECK(p.take(start + 2ms) == nullptr);
}

TEST_CASE("a connection is its endpoint's only", "[proxy][connection_pool]") {
    pooled p;
    connected a = p.connect();
    p.give(a);
    const auto other = make_endpoint(1);
    CHECK(p.pool.take(*other, p.settings, false, start) == nullptr);
    CHECK(other->idle_connections == 0);
    CHECK(p.take(start).get() == a.address);
}

TEST_CASE("a connection that is idle for too long is closed rather than taken", "[proxy][connection_pool]") {
    pooled p;
    connected a = p.connect(), b = p.connect();
    SECTION("as the settings say") {
        p.settings.idle_timeout = 10s;
        p.give(a, start);
        p.give(b, start + 5s);
        CHECK(p.take(start + 14'999ms).get() == b.address);
        CHECK(p.take(start + 14'999ms) == nullptr);
    }
    SECTION("as the endpoint is known to keep it") {
        p.endpoint->learn_idle_life(10s);  // a second less is safe
        p.give(a, start);
        p.give(b, start + 5s);
        CHECK(p.take(start + 13'999ms).get() == b.address);
        CHECK(p.take(start + 13'999ms) == nullptr);
    }
    CHECK(a.closed());
    CHECK(p.idle() == 0);
}

TEST_CASE("a request that cannot be repeated takes only a young connection",
          "[proxy][connection_pool][rfc9110-9.2.2]") {
    pooled p;
    p.settings.idle_timeout = 10s;
    connected a = p.connect();
    p.give(a);
    CHECK(p.take(start + 5s, true) == nullptr);
    // It stays for others.
    CHECK_FALSE(a.closed());
    CHECK(p.idle() == 1);
    SECTION("which is taken within half its life") {
        CHECK(p.take(start + 4'999ms, true).get() == a.address);
    }
    SECTION("and another request takes later") {
        CHECK(p.take(start + 9'999ms).get() == a.address);
    }
    SECTION("and which is closed when its life is over") {
        CHECK(p.take(start + 10s, true) == nullptr);
        CHECK(a.closed());
        CHECK(p.idle() == 0);
    }
}

TEST_CASE("a connection that is not quiet is closed rather than taken", "[proxy][connection_pool][security]") {
    pooled p;
    connected good = p.connect(), bad = p.connect();
    const bool speaks = GENERATE(true, false);
    p.give(good);
    p.give(bad);
    if (speaks) {
        test::put(bad.theirs, "0\r\n\r\n");
    } else {
        bad.theirs.shutdown_sending();
    }
    CHECK(p.take(start + 1s).get() == good.address);
    CHECK(bad.closed());
    CHECK(p.idle() == 0);
    // It is known now that the endpoint closes after a second.
    CHECK(p.endpoint->idle_life() == 800ms);
}

TEST_CASE("an endpoint has so many idle connections over all workers", "[proxy][connection_pool]") {
    pooled p;
    p.settings.max_idle = 2;
    connection_pool other_worker;
    connected a = p.connect(), b = p.connect(), c = p.connect();
    p.give(a);
    other_worker.give_back(std::move(b.ours), p.settings, start);
    p.give(c);
    CHECK(c.closed());
    CHECK_FALSE(a.closed());
    CHECK_FALSE(b.closed());
    CHECK(p.idle() == 2);

    CHECK(other_worker.take(*p.endpoint, p.settings, false, start).get() == b.address);
    connected d = p.connect();
    p.give(d);
    CHECK_FALSE(d.closed());
    CHECK(p.idle() == 2);
}

TEST_CASE("a sweep closes what is old or not quiet", "[proxy][connection_pool]") {
    pooled p;
    p.settings.idle_timeout = 10s;
    connected old = p.connect(), ended = p.connect(), spoke = p.connect(), good = p.connect();
    p.give(old, start);
    p.give(ended, start + 8s);
    p.give(spoke, start + 8s);
    p.give(good, start + 9s);
    p.pool.sweep(start + 9s);
    CHECK(p.idle() == 4);
    ended.theirs.shutdown_sending();
    test::put(spoke.theirs, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    p.pool.sweep(start + 10s);
    CHECK(p.idle() == 1);
    CHECK(old.closed());
    CHECK(ended.closed());
    CHECK(spoke.closed());
    CHECK_FALSE(good.closed());
    CHECK(p.endpoint->idle_life() == 1500ms);  // 1.6 s would be more than it is known to be

    p.pool.sweep(start + 19s);
    CHECK(good.closed());
    CHECK(p.pool.empty());
    CHECK(p.idle() == 0);
}

TEST_CASE("what is forgotten is closed", "[proxy][connection_pool][reload]") {
    pooled p;
    const auto other = make_endpoint(1);
    connected a = p.connect(), b = p.connect();
    connected c(p.loop, other);
    p.give(a);
    p.give(b);
    p.give(c);
    SECTION("of one endpoint") {
        p.pool.forget(0);
        p.pool.forget(0);
        p.pool.forget(7);
        CHECK_FALSE(c.closed());
        CHECK(other->idle_connections == 1);
        CHECK_FALSE(p.pool.empty());
    }
    SECTION("of all") {
        p.pool.close_all();
        CHECK(c.closed());
        CHECK(other->idle_connections == 0);
        CHECK(p.pool.empty());
    }
    CHECK(a.closed());
    CHECK(b.closed());
    CHECK(p.idle() == 0);
}

TEST_CASE("a pool that goes closes its connections", "[proxy][connection_pool]") {
    pooled p;
    connected a = p.connect();
    {
        connection_pool short_lived;
        short_lived.give_back(std::move(a.ours), p.settings, start);
        CHECK(p.idle() == 1);
    }
    CHECK(a.closed());
    CHECK(p.idle() == 0);
}
