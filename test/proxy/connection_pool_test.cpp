#include "proxy/connection_pool.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <random>
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
    // With the next sweep it is known that the endpoint closes after a second.
    p.pool.sweep(start + 1s);
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

TEST_CASE("one connection that has outlived its use shows how long its endpoint keeps it",
          "[proxy][connection_pool][keepalive]") {
    pooled p;
    connected a = p.connect(), b = p.connect();
    p.give(a);
    p.give(b);
    p.pool.sweep(start + 1s);
    CHECK(p.idle() == 2);
    p.pool.sweep(start + 2s);
    CHECK_FALSE(a.closed());
    CHECK(b.closed());
    CHECK(p.idle() == 0);  // so it keeps no other from being kept
    CHECK_FALSE(p.pool.empty());
    CHECK(p.take(start + 2s) == nullptr);

    SECTION("which closes it") {
        for (auto at = start + 3s; at <= start + 9s; at += 1s) p.pool.sweep(at);
        CHECK(p.endpoint->idle_life() == 1500ms);
        a.theirs.shutdown_sending();
        p.pool.sweep(start + 10s);
        CHECK(a.closed());
        CHECK(p.endpoint->idle_life() == 7200ms);
    }
    SECTION("which keeps it for a minute") {
        for (auto at = start + 3s; at < start + 60s; at += 1s) p.pool.sweep(at);
        CHECK_FALSE(a.closed());
        p.pool.sweep(start + 60s);
        CHECK(a.closed());
        CHECK(p.endpoint->idle_life() == 48s);
    }
    SECTION("which restarts: nothing is learned") {
        p.pool.sweep(start + 9s);
        connected fresh = p.connect();
        p.give(fresh, start + 9s);
        a.theirs.shutdown_sending();
        fresh.theirs.shutdown_sending();
        p.pool.sweep(start + 10s);
        CHECK(p.endpoint->idle_life() == 1500ms);
        CHECK(p.idle() == 0);
    }
    SECTION("and is followed by no other for a while") {
        a.theirs.shutdown_sending();
        p.pool.sweep(start + 3s);
        connected c = p.connect();
        p.give(c, start + 4s);
        p.pool.sweep(start + 6s);
        CHECK(c.closed());
    }
    SECTION("of all workers") {
        connection_pool other_worker;
        connected c = p.connect();
        other_worker.give_back(std::move(c.ours), p.settings, start);
        other_worker.sweep(start + 2s);
        CHECK(c.closed());
    }
    SECTION("and goes with its endpoint") {
        p.pool.forget(0);
        CHECK(a.closed());
    }
    SECTION("and with the pool") {
        p.pool.close_all();
        CHECK(a.closed());
    }
    CHECK(p.idle() == 0);
}

TEST_CASE("with an idle time in the settings nothing is kept beyond it", "[proxy][connection_pool][keepalive]") {
    pooled p;
    p.settings.idle_timeout = 5s;
    connected a = p.connect();
    p.give(a);
    p.pool.sweep(start + 5s);
    CHECK(a.closed());
    CHECK(p.pool.empty());
}

TEST_CASE("a restart is seen from all that is closed between two sweeps", "[proxy][connection_pool][keepalive]") {
    pooled p;
    p.endpoint->learn_idle_life(20s);
    connected old = p.connect(), middle = p.connect(), young = p.connect();
    p.give(old, start);
    p.give(middle, start + 4s);
    p.give(young, start + 8s);
    for (connected* c : {&old, &middle, &young}) c->theirs.shutdown_sending();
    SECTION("by the sweep") {}
    SECTION("by a request that looks for one") {
        CHECK(p.take(start + 10s) == nullptr);
    }
    p.pool.sweep(start + 10s);
    CHECK(p.pool.empty());
    CHECK(p.idle() == 0);
    CHECK(p.endpoint->idle_life() == 19s);
}

namespace {

// An endpoint that closes what was idle for `limit`, and clients that send a request now and then, in simulated time.
struct simulation {
    struct peer {
        stream theirs;
        steady::time_point idle_since;
        int served = 0;
        peer(event_loop& loop) : theirs(loop.context, loop.deadlines) {}
    };
    explicit simulation(std::chrono::milliseconds idle_limit) : limit(idle_limit) {}

    std::unique_ptr<upstream_connection> connect() {
        connected made = p.connect();
        auto& own = peers[made.address];
        own = std::make_unique<peer>(p.loop);
        int descriptor = ::dup(made.theirs.descriptor());
        REQUIRE(own->theirs.assign(descriptor));
        ++opened;
        return std::move(made.ours);
    }
    // The endpoint closes what has reached its limit, each when it does.
    void advance(steady::time_point to) {
        while (next_sweep <= to) {
            close_idle(next_sweep);
            p.pool.sweep(next_sweep);
            next_sweep += 1s;
        }
        close_idle(to);
        now = to;
    }
    void close_idle(steady::time_point at) {
        std::erase_if(peers, [&](auto& each) {
            peer& one = *each.second;
            const bool ends = one.served > 0 && at - one.idle_since >= limit;
            if (ends) one.theirs.shutdown_sending();
            return ends;
        });
    }
    void request(bool careful) {
        auto connection = p.take(now, careful);
        if (connection) {
            const auto idle = now - connection->idle_since;
            longest_use = std::max(longest_use, std::chrono::duration_cast<std::chrono::milliseconds>(idle));
            if (careful) REQUIRE(idle * 2 < limit);
        } else {
            connection = connect();
        }
        peer& own = *peers.at(connection.get());
        own.idle_since = now;
        ++own.served;
        p.pool.give_back(std::move(connection), p.settings, now);
    }

    pooled p;
    std::chrono::milliseconds limit;
    steady::time_point now = start;
    steady::time_point next_sweep = start + 371ms;
    std::map<const upstream_connection*, std::unique_ptr<peer>> peers;
    std::chrono::milliseconds longest_use{0};
    int opened = 0;
};

}  // namespace

TEST_CASE("no request meets a connection that its endpoint is about to close", "[proxy][connection_pool][keepalive]") {
    // gunicorn, uvicorn, CherryPy, Twisted.
    const std::chrono::milliseconds limit = GENERATE(2000ms, 5000ms, 9990ms, 60'000ms);
    CAPTURE(limit.count());
    simulation s(limit);
    std::mt19937 random(1);
    constexpr int requests = 5000;
    for (int i = 0; i < requests; ++i) {
        // From 1 ms to about a minute, each scale as often as another.
        const double pause = std::exp(std::uniform_real_distribution<double>(0, 11)(random));
        s.advance(s.now + std::chrono::milliseconds(static_cast<int>(pause)));
        s.request(random() % 2 == 0);
    }
    CHECK(s.longest_use < std::max(limit * 8 / 10, 1500ms));
    // What it keeps for longer is also used for longer.
    CHECK(s.p.endpoint->idle_life() >= std::min(limit, 60'000ms) * 6 / 10);
    CHECK(s.p.endpoint->idle_life() < limit);
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
