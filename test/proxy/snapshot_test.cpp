#include "proxy/snapshot.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "proxy/upstream_registry.hpp"
#include "test/proxy/settings.hpp"

using namespace weir;
using namespace weir::proxy;
using boost::asio::ip::make_address;

namespace {

std::shared_ptr<const snapshot> make(conf::settings settings) {
    upstream_registry registry(1);
    auto upstreams = registry.make(settings);
    return make_snapshot(3, std::move(settings), std::move(upstreams));
}

conf::route_settings to_app(std::string host, std::string path, bool exact = false) {
    return {.host = std::move(host), .path = std::move(path), .exact = exact, .upstream = "app"};
}

std::shared_ptr<const snapshot> with_routes(std::vector<conf::route_settings> routes) {
    auto settings = test::make_settings({{"app", {"127.0.0.1:9001"}}});
    settings.routes = std::move(routes);
    return make(std::move(settings));
}

}  // namespace

TEST_CASE("a route takes its host", "[proxy][snapshot][route]") {
    const auto [pattern, host, matches] = GENERATE(table<std::string, std::string, bool>({
        {"*", "example.org", true},
        {"*", "", true},
        {"*", "[::1]:8080", true},
        {"example.org", "example.org", true},
        {"example.org", "example.org:8080", true},
        {"example.org", "www.example.org", false},
        {"example.org", "example.org.evil.net", false},
        {"example.org", "xexample.org", false},
        {"example.org", "", false},
        {"*.example.org", "www.example.org", true},
        {"*.example.org", "a.b.example.org", true},
        {"*.example.org", "www.example.org:8443", true},
        {"*.example.org", "example.org", false},
        {"*.example.org", ".example.org", false},
        {"*.example.org", "xexample.org", false},
        {"*.example.org", "www.example.org.evil.net", false},
        {"[::1]", "[::1]", true},
        {"[::1]", "[::1]:8080", true},
        {"[::1]", "[::2]", false},
        {"127.0.0.1", "127.0.0.1:80", true},
    }));
    CAPTURE(pattern, host);
    const auto config = with_routes({to_app(pattern, "/")});
    CHECK((config->find(host, "/") != nullptr) == matches);
}

TEST_CASE("a route takes its path by whole segments", "[proxy][snapshot][route]") {
    const auto [pattern, exact, path, matches] = GENERATE(table<std::string, bool, std::string, bool>({
        {"/", false, "/", true},      {"/", false, "/anything/at/all", true},
        {"/a", false, "/a", true},    {"/a", false, "/a/", true},
        {"/a", false, "/a/b", true},  {"/a", false, "/ab", false},
        {"/a", false, "/", false},    {"/a", false, "/A", false},
        {"/a", false, "/b/a", false}, {"/a", false, "/a%2Fb", false},
        {"/a/", false, "/a/", true},  {"/a/", false, "/a/b", true},
        {"/a/", false, "/a", false},  {"/a/b", false, "/a", false},
        {"/a", true, "/a", true},     {"/a", true, "/a/", false},
        {"/a", true, "/a/b", false},  {"/a", true, "/ab", false},
        {"/", true, "/", true},       {"/", true, "/a", false},
    }));
    CAPTURE(pattern, exact, path);
    const auto config = with_routes({to_app("*", pattern, exact)});
    CHECK((config->find("example.org", path) != nullptr) == matches);
}

TEST_CASE("the first route that matches takes the request", "[proxy][snapshot][route]") {
    const auto config = with_routes({
        to_app("example.org", "/static"),
        to_app("example.org", "/", true),
        to_app("*.example.org", "/"),
        to_app("example.org", "/"),
        to_app("example.org", "/static/late"),
    });
    const auto index_of = [&](std::string_view host, std::string_view path) -> long {
        const route* found = config->find(host, path);
        return found ? found - config->routes.data() : -1;
    };
    CHECK(index_of("example.org", "/static/late") == 0);
    CHECK(index_of("example.org", "/") == 1);
    CHECK(index_of("www.example.org", "/static") == 2);
    CHECK(index_of("example.org", "/page") == 3);
    CHECK(index_of("other.org", "/") == -1);
    CHECK(with_routes({})->find("example.org", "/") == nullptr);
}

TEST_CASE("a snapshot's routes refer to its own settings and upstreams", "[proxy][snapshot]") {
    auto settings = test::make_settings({{"app", {"127.0.0.1:9001"}}, {"blog", {"127.0.0.1:9002"}}});
    settings.routes = {to_app("*", "/a"), to_app("*", "/b"), to_app("*", "/")};
    settings.routes[1].upstream = "blog";
    settings.routes[2].cache.reset();
    settings.client.max_head_bytes = 2048;
    settings.client.max_fields = 7;
    const auto config = make(settings);
    CHECK(config->generation == 3);
    CHECK(config->settings == settings);
    REQUIRE(config->routes.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(config->routes[i].settings == &config->settings.routes[i]);
    CHECK(config->routes[0].upstream == config->upstreams.at("app").upstream.get());
    CHECK(config->routes[1].upstream == config->upstreams.at("blog").upstream.get());
    CHECK(config->routes[1].counters == config->upstreams.at("blog").counters.get());
    CHECK(config->routes[0].caches);
    CHECK_FALSE(config->routes[2].caches);
    CHECK(config->request_limits.max_bytes == 2048);
    CHECK(config->request_limits.max_fields == 7);

    settings.cache.memory_bytes.reset();
    CHECK_FALSE(make(settings)->routes[0].caches);
}

TEST_CASE("trusted proxies and purgers are those of the settings", "[proxy][snapshot][forwarded][purge]") {
    auto settings = test::make_settings({});
    CHECK_FALSE(make(settings)->trusted(make_address("127.0.0.1")));
    CHECK_FALSE(make(settings)->purgers(make_address("127.0.0.1")));

    std::string why;
    for (const char* block : {"10.0.0.0/8", "192.0.2.1", "fd00::/8"}) {
        settings.client.trusted_proxies.push_back(conf::parse_cidr(block, why).value());
    }
    const bool purgers = GENERATE(false, true);
    if (purgers) std::swap(settings.client.trusted_proxies, settings.cache.purge_allow);
    const auto config = make(settings);
    const auto [address, trusted] = GENERATE(table<std::string, bool>({
        {"10.1.2.3", true},
        {"11.0.0.1", false},
        {"192.0.2.1", true},
        {"192.0.2.2", false},
        {"fd12::1", true},
        {"fe80::1", false},
        {"::ffff:10.1.2.3", true},
        {"::", false},
        {"0.0.0.0", false},
    }));
    CAPTURE(address);
    CHECK((purgers ? config->purgers : config->trusted)(make_address(address)) == trusted);
    CHECK_FALSE((purgers ? config->trusted : config->purgers)(make_address(address)));
}
