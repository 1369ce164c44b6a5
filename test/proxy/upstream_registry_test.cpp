#include "proxy/upstream_registry.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "test/proxy/settings.hpp"

using namespace weir;
using namespace weir::proxy;
using test::make_settings;

namespace {

const balancer::endpoint* endpoint_of(const std::map<std::string, upstream_in_use>& made, const std::string& upstream,
                                      std::size_t index) {
    return made.at(upstream).upstream->members.at(index).endpoint.get();
}

}  // namespace

TEST_CASE("upstreams are made as the settings say", "[proxy][upstream_registry]") {
    conf::settings settings = make_settings({{"app", {"127.0.0.1:9001", "127.0.0.1:9002"}}, {"blog", {"unix:/blog"}}});
    settings.upstreams["app"].servers[1].weight = 3;
    settings.upstreams["app"].servers[1].backup = true;
    settings.upstreams["app"].timeouts.connect = std::chrono::milliseconds(7);
    upstream_registry registry(2);
    const auto made = registry.make(settings);
    REQUIRE(made.size() == 2);
    const balancer::upstream& app = *made.at("app").upstream;
    CHECK(app.name == "app");
    CHECK(app.settings == settings.upstreams["app"]);
    REQUIRE(app.members.size() == 2);
    CHECK(app.members[0].endpoint->name() == "127.0.0.1:9001");
    CHECK(app.members[0].weight == 1);
    CHECK_FALSE(app.members[0].backup);
    CHECK(app.members[1].weight == 3);
    CHECK(app.members[1].backup);
    CHECK(app.budget);
    CHECK(made.at("app").counters->by_worker.size() == 2);
    CHECK(made.at("blog").upstream->members.at(0).endpoint->address().path == "/blog");

    std::set<std::uint32_t> ids;
    for (const auto& endpoint : all_endpoints(made)) ids.insert(endpoint->id());
    CHECK(ids.size() == 3);
    CHECK(app.id != made.at("blog").upstream->id);
}

TEST_CASE("an upstream that chooses by hash has a ring", "[proxy][upstream_registry][hash]") {
    conf::settings settings = make_settings({{"app", {"127.0.0.1:9001", "127.0.0.1:9002"}}, {"blog", {"unix:/blog"}}});
    settings.upstreams["app"].balance = conf::balance_policy::hash;
    upstream_registry registry(1);
    const auto made = registry.make(settings);
    CHECK(made.at("app").upstream->ring);
    CHECK_FALSE(made.at("blog").upstream->ring);
}

TEST_CASE("what stays in the settings stays over a reload", "[proxy][upstream_registry][reload]") {
    upstream_registry registry(1);
    const auto before = registry.make(make_settings({{"app", {"127.0.0.1:9001", "127.0.0.1:9002"}}}));
    CHECK(registry.put_to_use(before).empty());
    const std::uint32_t second = endpoint_of(before, "app", 1)->id();

    auto changed = make_settings({{"app", {"127.0.0.1:9003", "127.0.0.1:9001"}}});
    changed.upstreams["app"].servers[1].weight = 5;
    const auto now = registry.make(changed);
    CHECK(endpoint_of(now, "app", 1) == endpoint_of(before, "app", 0));
    CHECK(now.at("app").upstream->members[1].weight == 5);
    CHECK(before.at("app").upstream->members[0].weight == 1);
    CHECK(now.at("app").upstream->id == before.at("app").upstream->id);
    CHECK(now.at("app").upstream->budget == before.at("app").upstream->budget);
    CHECK(now.at("app").counters == before.at("app").counters);

    CHECK(registry.put_to_use(now) == std::vector<std::uint32_t>{second});
    CHECK(registry.put_to_use(now).empty());
}

TEST_CASE("an endpoint is one of its upstream's", "[proxy][upstream_registry]") {
    upstream_registry registry(1);
    const auto made = registry.make(make_settings({{"a", {"127.0.0.1:9001"}}, {"b", {"127.0.0.1:9001"}}}));
    CHECK(endpoint_of(made, "a", 0) != endpoint_of(made, "b", 0));
    const auto now = registry.make(make_settings({{"b", {"127.0.0.1:9001"}}}));
    CHECK(registry.put_to_use(now) == std::vector<std::uint32_t>{endpoint_of(made, "a", 0)->id()});
}

TEST_CASE("what was gone comes back as another", "[proxy][upstream_registry][reload]") {
    upstream_registry registry(1);
    const auto first = registry.make(make_settings({{"app", {"127.0.0.1:9001"}}}));
    registry.put_to_use(first);
    const auto without = registry.make(make_settings({{"other", {"127.0.0.1:9001"}}}));
    CHECK(registry.put_to_use(without).size() == 1);
    const auto again = registry.make(make_settings({{"app", {"127.0.0.1:9001"}}, {"other", {"127.0.0.1:9001"}}}));
    CHECK(endpoint_of(again, "app", 0)->id() > endpoint_of(without, "other", 0)->id());
    CHECK(again.at("app").upstream->id > without.at("other").upstream->id);
    CHECK(again.at("app").counters != first.at("app").counters);
}

TEST_CASE("settings that were never applied leave nothing behind", "[proxy][upstream_registry][reload]") {
    upstream_registry registry(1);
    const auto applied = registry.make(make_settings({{"app", {"127.0.0.1:9001"}}}));
    const auto refused = registry.make(make_settings({{"app", {"127.0.0.1:9002"}}, {"new", {"127.0.0.1:9003"}}}));
    CHECK(endpoint_of(applied, "app", 0)->name() == "127.0.0.1:9001");
    CHECK(registry.put_to_use(applied).size() == 2);
    const auto next = registry.make(make_settings({{"app", {"127.0.0.1:9001"}}}));
    CHECK(endpoint_of(next, "app", 0) == endpoint_of(applied, "app", 0));
}
