// The keys of the contract that do nothing yet: refused at their place, except with the value that says so.
#include "test/conf/loading.hpp"

#include <catch2/catch.hpp>

using weir::test::configuration;
using weir::test::one_upstream;

namespace {

// `line` in the section `where`, at a known place: line 2, column 11.
std::string with(const std::string& section, const std::string& line) {
    const std::string one(one_upstream.substr(0, one_upstream.size() - 1));
    std::string before;
    if (section == "route")
        before = "routes: [{upstream: app,";
    else if (section == "route.cache")
        before = "routes: [{upstream: app, cache: {";
    else if (section == "listen")
        before = "listen: [{address: :1,";
    else
        before = section + ": {";
    const std::string after = section == "route" || section == "listen" ? "}]" : section == "route.cache" ? "}}]" : "}";
    return "{" + before + "\n          " + line + after + ", " + one + "}\n";
}

}  // namespace

TEST_CASE("what is not built yet is refused, never ignored", "[conf][not built]") {
    const auto [section, line, name] = GENERATE(table<std::string, std::string, std::string>({
        {"listen", "proxy_protocol: require", "listen.proxy_protocol"},
        {"client", "proxy_protocol: require", "client.proxy_protocol"},
        {"cache", "eviction: s3fifo", "cache.eviction"},
        {"cache", "collapse_timeout: 10s", "cache.collapse_timeout"},
        {"cache", "uncacheable_memory: 1m", "cache.uncacheable_memory"},
        {"cache", "memcached: {servers: [a:1]}", "cache.memcached"},
        {"route", "memcached_pages: {key: x}", "route.memcached_pages"},
        {"route.cache", "session_cookies: [id]", "route.cache.session_cookies"},
        {"route.cache", "store_set_cookie: true", "route.cache.store_set_cookie"},
        {"route.cache", "min_uses: 2", "route.cache.min_uses"},
        {"route.cache", "client_directives: honour", "route.cache.client_directives"},
        {"route.cache", "ranges: whole", "route.cache.ranges"},
        {"route.cache", "tag_fields: [xkey]", "route.cache.tag_fields"},
        {"route.cache", "key: off", "route.cache.key"},
    }));
    const configuration written(with(section, line));
    CAPTURE(section, line);
    const auto faults = written.faults();
    CAPTURE(faults);
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0], Catch::StartsWith("weir.yaml:2:11: " + name + " is not built yet; leave it out"));
}

TEST_CASE("of a map that is not built yet the entry that does something is named", "[conf][not built]") {
    const auto [section, line, fault] = GENERATE(table<std::string, std::string, std::string>({
        {"cache", "purge: {allow: [10.0.0.0/8]}", "2:19: cache.purge.allow"},
        {"route.cache", "stale: {if_error: 1h, while_revalidate: off}", "2:19: route.cache.stale.if_error"},
        {"route.cache", "key: {query: all, headers: [Accept]}", "2:29: route.cache.key.headers"},
        {"route.cache", "bypass: {cookies: [id]}", "2:20: route.cache.bypass.cookies"},
    }));
    const configuration written(with(section, line));
    const auto faults = written.faults();
    CAPTURE(faults);
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0], Catch::StartsWith("weir.yaml:" + fault + " is not built yet"));
}

TEST_CASE("values that say what happens today are accepted", "[conf][not built]") {
    const auto [section, line] = GENERATE(table<std::string, std::string>({
        {"listen", "proxy_protocol: off"},
        {"client", "proxy_protocol: off"},
        {"cache", "eviction: lru"},
        {"cache", "purge: {allow: []}"},
        {"cache", "purge: off"},
        {"cache", "memcached: off"},
        {"route", "memcached_pages: off"},
        {"route.cache", "stale: {while_revalidate: off, if_error: off}"},
        {"route.cache", "stale: off"},
        {"route.cache", "key: {query: all, ignore_query: [], headers: [], cookies: []}"},
        {"route.cache", "session_cookies: []"},
        {"route.cache", "store_set_cookie: false"},
        {"route.cache", "min_uses: 1"},
        {"route.cache", "client_directives: ignore"},
        {"route.cache", "bypass: {headers: [], cookies: []}"},
        {"route.cache", "ranges: pass"},
        {"route.cache", "tag_fields: []"},
    }));
    const configuration written(with(section, line));
    CAPTURE(section, line);
    CHECK(written.faults().empty());
}
