#include "proxy/ctl.hpp"

#include <catch2/catch.hpp>

#include "proxy/ctl_roll.hpp"
#include "proxy/purge_request.hpp"

using namespace weir;
using namespace weir::proxy;

namespace {

upstream_status make_upstream(const std::vector<std::pair<const char*, const char*>>& endpoints) {
    upstream_status made;
    made.name = "app";
    for (const auto& [address, state] : endpoints) {
        endpoint_status one{.address = address, .state = state};
        const std::string word = state;
        if (word != "up" && word != "slow start" && word != "resting" && word != "passed over")
            one.out_of_use.push_back(word);
        made.endpoints.push_back(one);
    }
    return made;
}

}  // namespace

TEST_CASE("a status is read back as it was written", "[proxy][ctl]") {
    server_status status;
    upstream_status app = make_upstream({{"127.0.0.1:9001", "draining"}, {"unix:/run/a.sock", "up"}});
    app.queued = 3;
    endpoint_status& first = app.endpoints[0];
    first.reason = "by hand; down: 3 checks failed: \"x\"";
    first.out_of_use.push_back("down");
    first.share_percent = 40;
    first.in_flight = 7;
    first.max_in_flight = 20;
    first.requests = 12;
    first.failures = 1;
    first.backup = true;
    first.checks = {.started = 5, .done = 4, .fault = "status 500"};
    status.upstreams.push_back(app);

    const auto shown = parse_status(to_json(status));
    REQUIRE(shown);
    CHECK(shown->memcached.empty());
    CHECK_FALSE(shown->log);
    const std::vector<upstream_status>* const read = &shown->upstreams;
    REQUIRE(read->size() == 1);
    CHECK(read->front().name == "app");
    CHECK(read->front().queued == 3);
    REQUIRE(read->front().endpoints.size() == 2);
    const auto alone = parse_endpoint(to_json("app", first));
    REQUIRE(alone);
    for (const endpoint_status& got : {read->front().endpoints[0], *alone}) {
        CHECK(got.address == "127.0.0.1:9001");
        CHECK(got.state == "draining");
        CHECK(got.reason == first.reason);
        CHECK(got.out_of_use == std::vector<std::string>{"draining", "down"});
        CHECK(got.share_percent == 40);
        CHECK(got.in_flight == 7);
        CHECK(got.max_in_flight == 20u);
        CHECK(got.requests == 12);
        CHECK(got.failures == 1);
        CHECK(got.backup);
        REQUIRE(got.checks);
        CHECK(got.checks->started == 5);
        CHECK(got.checks->done == 4);
        CHECK(got.checks->fault == "status 500");
    }
    CHECK_FALSE(read->front().endpoints[1].max_in_flight);
    CHECK_FALSE(read->front().endpoints[1].checks);
    for (const char* other : {"", "{}", "[]", "not found\n", R"({"upstreams":[{"name":"app"}]})"}) {
        CHECK_FALSE(parse_status(other));
        CHECK_FALSE(parse_endpoint(other));
    }
}

TEST_CASE("the table says each server's state", "[proxy][ctl]") {
    upstream_status app = make_upstream({{"127.0.0.1:9001", "up"}, {"unix:/run/a.sock", "down"}});
    app.endpoints[0].max_in_flight = 20;
    app.endpoints[0].in_flight = 3;
    app.endpoints[1].reason = "3 checks failed: connection refused";
    app.endpoints[1].backup = true;
    CHECK(status_table({.upstreams = {app}, .memcached = {}, .log = {}}) ==
          "app: 0 waiting\n"
          "  127.0.0.1:9001    up           under way 3/20     requests 0          failures 0\n"
          "  unix:/run/a.sock  down         under way 0        requests 0          failures 0       backup  "
          "3 checks failed: connection refused\n");
}

TEST_CASE("memcached and its purge log have lines of their own", "[proxy][ctl][memcached]") {
    server_status status;
    status.memcached.resize(2);
    status.memcached[0].server = "127.0.0.1:11211";
    status.memcached[0].since = std::chrono::system_clock::from_time_t(1'795'291'200);
    status.memcached[0].batched_keys = 40;
    status.memcached[0].hits = 30;
    status.memcached[1].server = "unix:/run/m.sock";
    status.memcached[1].since = std::chrono::system_clock::from_time_t(1'795'291'261);
    status.memcached[1].is_open = true;
    status.memcached[1].failures = 3;
    const std::string servers =
        "memcached 127.0.0.1:11211: in use since 2026-11-21T20:00:00Z, 30 of 40 keys found, 0 failures\n"
        "memcached unix:/run/m.sock: given up since 2026-11-21T20:01:01Z, 0 of 0 keys found, 3 failures\n";
    const auto table = [&] {
        const auto shown = parse_status(to_json(status));
        REQUIRE(shown);
        return status_table(*shown);
    };
    CHECK(table() == servers);
    status.purge_log.emplace();
    CHECK(table() == servers + "purge log: not in step, read never, own purges waiting 0, times lost 0\n");
    status.purge_log->is_in_step = true;
    status.purge_log->last_read = std::chrono::system_clock::from_time_t(1'795'291'262);
    status.purge_log->waiting = 2;
    status.purge_log->times_lost = 1;
    CHECK(table() == servers + "purge log: in step, read 2026-11-21T20:01:02Z, own purges waiting 2, times lost 1\n");
}

TEST_CASE("a command gets the parts of an address", "[proxy][ctl][roll]") {
    std::string why;
    CHECK(command_for("restart {address} {host} {port} ${x} {port", "127.0.0.1:9001", why) ==
          "restart 127.0.0.1:9001 127.0.0.1 9001 ${x} {port");
    CHECK(command_for("restart app@{port}", "[::1]:9001", why) == "restart app@9001");
    CHECK(command_for("restart {address}", "[::1]:9001", why) == "restart '[::1]:9001'");
    CHECK(command_for("restart {address}", "unix:/run/it's one.sock", why) == "restart 'unix:/run/it'\\''s one.sock'");
    CHECK(command_for("true", "unix:/run/a.sock", why) == "true");
    CHECK(why.empty());
    CHECK_FALSE(command_for("restart {port}", "unix:/run/a.sock", why));
    CHECK(why == "unix:/run/a.sock has no port to put in the place of {port}");
}

TEST_CASE("what the shell would take for something else is quoted", "[proxy][ctl][roll]") {
    CHECK(shell_quoted("127.0.0.1:9001") == "127.0.0.1:9001");
    CHECK(shell_quoted("") == "''");
    CHECK(shell_quoted("$(reboot)") == "'$(reboot)'");
    CHECK(shell_quoted("it's") == "'it'\\''s'");
}

TEST_CASE("the last server that gets requests is not drained", "[proxy][ctl][roll]") {
    using verdict = may_drain_result::verdict;
    const auto may = [](const char* own, const std::vector<const char*>& others) {
        std::vector<std::pair<const char*, const char*>> all{{"own", own}};
        for (const char* state : others) all.emplace_back("other", state);
        return may_drain(make_upstream(all), "own").is;
    };
    CHECK(may("up", {"up"}) == verdict::yes);
    CHECK(may("up", {"down", "slow start"}) == verdict::yes);
    CHECK(may("up", {"down", "resting"}) == verdict::yes);
    CHECK(may("up", {"down", "draining", "held down", "ejected", "unresolved"}) == verdict::no);
    CHECK(may("up", {"down", "passed over"}) == verdict::not_yet);
    CHECK(may("passed over", {"down"}) == verdict::no);
    CHECK(may("up", {}) == verdict::no);
    // It gets none as it is.
    for (const char* own : {"draining", "held down", "unresolved"}) {
        CHECK(may(own, {"up"}) == verdict::yes);
        CHECK(may(own, {"draining"}) == verdict::yes);
    }
    // When all are down or ejected they are tried all the same.
    for (const char* own : {"down", "ejected"}) {
        CHECK(may(own, {"draining", "up"}) == verdict::yes);
        CHECK(may(own, {"draining", "down"}) == verdict::yes);
        CHECK(may(own, {"ejected"}) == verdict::yes);
        CHECK(may(own, {"passed over"}) == verdict::yes);
        CHECK(may(own, {"draining", "held down", "unresolved"}) == verdict::no);
        CHECK(may(own, {}) == verdict::no);
    }
    CHECK(may_drain(make_upstream({{"own", "up"}, {"other", "down"}}), "own").why_not.find("--force") !=
          std::string::npos);
}

TEST_CASE("what ctl is told to purge is what weir reads", "[proxy][ctl][purge]") {
    const snapshot config;
    std::string why;
    const auto order = parse_purge(
        to_json(purge_wish{.urls = {"http://a/1", "a/2"}, .prefixes = {"a/x/"}, .tags = {"b", "c\"d"}, .soft = true}),
        config, why);
    CAPTURE(why);
    REQUIRE(order);
    CHECK(order->urls == std::vector<std::string>{"a/1", "a/2"});
    CHECK(order->prefixes == std::vector<std::string>{"a/x/"});
    CHECK(order->tags == std::vector<std::string>{"b", "c\"d"});
    CHECK(order->mode == cache::purge_mode::soft);
    CHECK_FALSE(order->all);

    const auto all = parse_purge(to_json(purge_wish{.all = true}), config, why);
    REQUIRE(all);
    CHECK(all->all);
    CHECK(all->mode == cache::purge_mode::hard);
    CHECK_FALSE(parse_purge(to_json(purge_wish{}), config, why));
}
