#include "test/conf/loading.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>

using namespace weir::conf;
using namespace std::chrono_literals;
using weir::test::configuration;
using weir::test::one_upstream;

namespace {

address at(const std::string& text) {
    std::string why;
    const auto out = parse_address(text, address_use::listen, why);
    REQUIRE(out);
    return *out;
}

// Defaults, for servers at these addresses.
settings defaults(const std::vector<std::string>& servers) {
    settings out;
    out.listen = {{at("127.0.0.1:8880"), {}}};
    for (const auto& server : servers) out.upstreams["app"].servers.push_back({at(server)});
    route_settings route;
    route.upstream = "app";
    out.routes = {route};
    return out;
}

// One of everything that differs from its default.
constexpr std::string_view unusual = R"(
workers: 3
drain_timeout: 0s
listen: ["[::1]:80", {address: "unix:/run/a b.sock", mode: 0660}, :81]
admin: {listen: "10.0.0.1:8881", token: "s3cret\"\\$${x}:#"}
log: {access: "/var/log/a b.log", format: json, errors: off, level: debug}
client:
  head_timeout: 1500ms
  idle_timeout: 2m
  read_timeout: 3h
  write_timeout: 1ms
  min_rate: 1500B/s
  max_connections: 5000
  max_head: 8KB
  max_fields: 50
  max_content: off
  trusted_proxies: [10.0.0.0/8, "fd00::/8"]
buffering: {request: off, response: 1000KB, memory_max: 3MiB, spool_dir: "/var/my spool", spool_max: off}
dns: {refresh: off}
upstreams:
  app:
    servers:
      - {address: a.example:1, weight: 7}
      - {address: "unix:/run/app.sock", backup: true, max_in_flight: off}
      - {address: b.example:1, max_in_flight: 100000}
    balance: hash
    hash_on: header:X-Tenant
    sticky: cookie:weir_server
    max_in_flight: 20
    queue: {length: 7, timeout: 1m}
    keepalive: {max_idle: 3, idle_timeout: 9s}
    timeouts: {connect: 2s, first_byte: 3s, read: 4s, write: 5s, tunnel: 6s}
    retry: {retries: 4, budget: 7%}
    health: {path: "/up?full=1", interval: 7s, timeout: 8s, rise: 1, fall: 100, expect: 204}
    slow_start: 45s
    eject: {failures: 9, window: 11s, duration: 12s, max_ejected: 0%}
    host: www.example.com:8080
  "null":
    {servers: "[::1]:9", keepalive: off, retry: off, host: server, queue: off, eject: off, balance: least_requests,
     health: {expect: 200-499}}
cache:
  memory: off
  max_response: 1MB
  eviction: s3fifo
  collapse_timeout: 1500ms
  max_variants: 3
  uncacheable_memory: off
  purge: {allow: ["10.0.0.0/8", "::1"]}
routes:
  - match: {host: "*.Example.com", path: "= /a%20b"}
    upstream: "null"
    priority: high
    cache: off
    rewrite: {strip: /a, add: "/b/{scheme}/{host}:{port}"}
    request_headers: {X-A: "1: \"two\" # \\ ${x:-y}", "~": "", X-Gone: null, X-Utf8: "\u00e9"}
    response_headers: {Server: ~, "null": "null"}
    timeouts: {read: 1s}
    buffering: {request: 1MiB, response: off}
  - upstream: app
    priority: low
    cache:
      freshness:
        default: 1m
        override: 0s
        max: 1h
        statuses: [404, 200, 404]
        by_status: {404: 10s, 500: 1s}
        heuristic: 10%
      stale: {while_revalidate: 30s, if_error: 0s}
      key:
        query: [page, "größe", none, page]
        ignore_query: ["utm_*", fbclid, "$${x}", fbclid]
        headers: [X-Site, ACCEPT-Language, x-site]
        cookies: [lang, Theme, lang]
      session_cookies: [session_id, __ac, "null", session_id]
      store_set_cookie: true
      min_uses: 255
      client_directives: honour
      bypass: {headers: [X-Preview, Cookie], cookies: [edit, EDIT]}
      ranges: pass
      tag_fields: [X-Tags]
      cache_status: false
)";

}  // namespace

TEST_CASE("ten lines are a configuration", "[conf][load]") {
    const configuration written(
        "listen: :8880\n"
        "upstreams:\n"
        "  app:\n"
        "    servers:\n"
        "      - 127.0.0.1:9001\n"
        "      - 127.0.0.1:9002\n");
    const auto loaded = written.load();
    REQUIRE(loaded.value);
    auto expected = defaults({"127.0.0.1:9001", "127.0.0.1:9002"});
    expected.listen = {{at(":8880"), {}}};
    CHECK(*loaded.value == expected);
    CHECK(loaded.warnings.empty());
}

TEST_CASE("every setting can be set", "[conf][load]") {
    const configuration written(unusual);
    const auto loaded = written.load();
    CAPTURE(written.faults());
    REQUIRE(loaded.value);
    const settings& value = *loaded.value;
    CHECK(value.workers == 3U);
    CHECK(value.drain_timeout == 0ms);
    REQUIRE(value.listen.size() == 3);
    CHECK(value.listen[1] == listen_address{at("unix:/run/a b.sock"), 0660U});
    CHECK(value.admin.listen == at("10.0.0.1:8881"));
    CHECK(value.admin.token == "s3cret\"\\${x}:#");
    CHECK(value.log.access == log_target{log_target::kind::file, "/var/log/a b.log"});
    CHECK(value.log.format == log_format::json);
    CHECK(value.log.errors.type == log_target::kind::off);
    CHECK(value.log.level == log_level::debug);
    CHECK(value.client.head_timeout == 1500ms);
    CHECK(value.client.idle_timeout == 2min);
    CHECK(value.client.read_timeout == 3h);
    CHECK(value.client.write_timeout == 1ms);
    CHECK(value.client.min_rate_bytes == 1'500U);
    CHECK(value.client.max_connections == 5'000U);
    CHECK(value.client.max_head_bytes == 8'000);
    CHECK(value.client.max_fields == 50);
    CHECK_FALSE(value.client.max_content_bytes);
    CHECK(value.client.trusted_proxies.size() == 2);
    CHECK_FALSE(value.buffering.content.request_bytes);
    CHECK(value.buffering.content.response_bytes == 1'000'000U);
    CHECK(value.buffering.memory_max_bytes == 3 * mebibyte);
    CHECK(value.buffering.spool_dir == "/var/my spool");
    CHECK_FALSE(value.buffering.spool_max_bytes);
    CHECK_FALSE(value.dns.refresh);
    CHECK_FALSE(value.cache.memory_bytes);
    CHECK(value.cache.max_response_bytes == 1'000'000);
    CHECK(value.cache.eviction == eviction_policy::s3fifo);
    CHECK(value.cache.collapse_timeout == 1500ms);
    CHECK(value.cache.max_variants == 3);
    CHECK_FALSE(value.cache.uncacheable_memory);
    REQUIRE(value.cache.purge_allow.size() == 2);
    CHECK(value.cache.purge_allow[0].text() == "10.0.0.0/8");
    CHECK(value.cache.purge_allow[1].text() == "::1/128");

    const auto& app = value.upstreams.at("app");
    REQUIRE(app.servers.size() == 3);
    CHECK(app.servers[0] == server_settings{at("a.example:1"), 7, false, 20});
    CHECK(app.servers[1] == server_settings{at("unix:/run/app.sock"), 1, true, std::nullopt});
    CHECK(app.servers[2] == server_settings{at("b.example:1"), 1, false, 100'000});
    CHECK(app.balance == balance_policy::hash);
    CHECK(app.hash_on == hash_source{hash_source::kind::header, "X-Tenant"});
    CHECK(app.sticky_cookie == "weir_server");
    CHECK(app.queue == queue_settings{7, 1min});
    CHECK(app.health == health_settings{"/up?full=1", 7s, 8s, 1, 100, 204, 204});
    CHECK(app.slow_start == 45s);
    CHECK(app.eject == eject_settings{9, 11s, 12s, 0});
    CHECK(app.keepalive == keepalive_settings{3, 9s});
    CHECK(app.timeouts == timeout_settings{2s, 3s, 4s, 5s, 6s});
    CHECK(app.retry == retry_settings{4, 7});
    CHECK(app.host == host_rule{host_rule::kind::literal, "www.example.com:8080"});
    const auto& other = value.upstreams.at("null");
    CHECK_FALSE(other.keepalive);
    CHECK(other.retry.retries == 0);
    CHECK(other.balance == balance_policy::least_requests);
    CHECK_FALSE(other.sticky_cookie);
    CHECK_FALSE(other.queue);
    CHECK(other.health == health_settings{"/", 2s, 1s, 2, 3, 200, 499});
    CHECK_FALSE(other.slow_start);
    CHECK_FALSE(other.eject);
    CHECK(other.host.type == host_rule::kind::server);

    REQUIRE(value.routes.size() == 2);
    const route_settings& first = value.routes[0];
    CHECK(first.host == "*.example.com");
    CHECK(first.path == "/a%20b");
    CHECK(first.exact);
    CHECK(first.priority == priority::high);
    CHECK_FALSE(first.cache);
    CHECK(first.rewrite == rewrite_settings{"/a", "/b/{scheme}/{host}:{port}"});
    CHECK(first.request_headers ==
          std::vector<header_rule>{
              {"X-A", "1: \"two\" # \\ y"}, {"~", ""}, {"X-Gone", std::nullopt}, {"X-Utf8", "\u00e9"}});
    CHECK(first.response_headers == std::vector<header_rule>{{"Server", std::nullopt}, {"null", "null"}});
    const route_settings& second = value.routes[1];
    CHECK(second.priority == priority::low);
    REQUIRE(second.cache);
    CHECK_FALSE(second.cache->cache_status);
    CHECK(second.cache->freshness.default_lifetime == 60s);
    CHECK(second.cache->freshness.override_lifetime == 0s);
    CHECK(second.cache->freshness.max_lifetime == 3600s);
    CHECK(second.cache->freshness.statuses == std::vector<unsigned>{200, 404});
    CHECK(second.cache->freshness.by_status == std::map<unsigned, seconds>{{404, 10s}, {500, 1s}});
    CHECK(second.cache->freshness.heuristic_percent == 10U);
    CHECK(second.cache->stale == stale_settings{30s, 0s});
    CHECK(second.cache->key == key_settings{key_settings::query_parts::listed,
                                            {"page", "größe", "none"},
                                            {"utm_*", "fbclid", "${x}"},
                                            {"accept-language", "x-site"},
                                            {"Theme", "lang"}});
    CHECK(second.cache->session_cookies == std::vector<std::string>{"session_id", "__ac", "null"});
    CHECK(second.cache->store_set_cookie);
    CHECK(second.cache->min_uses == 255);
    CHECK(second.cache->client_directives == directives_policy::honour);
    CHECK(second.cache->bypass == bypass_settings{{"x-preview", "cookie"}, {"edit", "EDIT"}});
    CHECK(second.cache->ranges == range_policy::pass);
    CHECK(second.cache->tag_fields == std::vector<std::string>{"X-Tags"});
}

TEST_CASE("the cache of a route takes each of its forms", "[conf][load]") {
    using parts = key_settings::query_parts;
    const auto [yaml, expected] = GENERATE(table<std::string, route_cache_settings>({
        {"{stale: off, bypass: off}", {}},
        {"{stale:, key:, bypass:, session_cookies:, tag_fields:}", {}},
        {"{key: {ignore_query:, headers:, cookies:}}", {}},
        {"{stale: {while_revalidate: off, if_error: 24h}}", {.stale = {std::nullopt, 24h}}},
        {"{key: {query: none}}", {.key = {.query = parts::none}}},
        {"{key: {query: none, ignore_query: []}}", {.key = {.query = parts::none}}},
        {"{key: {query: [all]}}", {.key = {.query = parts::listed, .query_names = {"all"}}}},
        {"{key: {query: [a, \"a[]\"], ignore_query: [a]}}",
         {.key = {.query = parts::listed, .query_names = {"a", "a[]"}, .ignore_query = {"a"}}}},
        {"{tag_fields: []}", {.tag_fields = {}}},
        {"{session_cookies: [off]}", {.session_cookies = {"off"}}},
    }));
    CAPTURE(yaml);
    const configuration written(std::string(one_upstream) + "routes: [{upstream: app, cache: " + yaml + "}]\n");
    const auto loaded = written.load();
    CAPTURE(written.faults());
    REQUIRE(loaded.value);
    CHECK(loaded.value->routes[0].cache == expected);
    CHECK(configuration(effective_yaml(*loaded.value)).load().value == loaded.value);
}

TEST_CASE("purging takes one block, a list, or off", "[conf][load]") {
    const auto [yaml, expected] = GENERATE(table<std::string, std::size_t>({
        {"off", 0},
        {"{}", 0},
        {"{allow: []}", 0},
        {"{allow: 127.0.0.1}", 1},
        {"{allow: [127.0.0.0/8, \"fd00::/8\"]}", 2},
    }));
    CAPTURE(yaml);
    const auto loaded = configuration(std::string(one_upstream) + "cache: {purge: " + yaml + "}\n").load();
    REQUIRE(loaded.value);
    CHECK(loaded.value->cache.purge_allow.size() == expected);
}

TEST_CASE("a route takes over what it does not say", "[conf][load]") {
    const configuration written(unusual);
    const auto loaded = written.load();
    REQUIRE(loaded.value);
    timeout_settings expected;
    expected.read = 1s;
    CHECK(loaded.value->routes[0].timeouts == expected);
    CHECK(loaded.value->routes[0].buffering == route_buffering{mebibyte, std::nullopt});
    CHECK(loaded.value->routes[1].timeouts == timeout_settings{2s, 3s, 4s, 5s, 6s});
    CHECK(loaded.value->routes[1].buffering == route_buffering{std::nullopt, 1'000'000});
}

TEST_CASE("the effective configuration loads as the same settings", "[conf][load][effective]") {
    const auto yaml = GENERATE(as<std::string>{}, std::string(unusual), std::string(one_upstream));
    const auto first = configuration(yaml).load();
    REQUIRE(first.value);
    const auto written = effective_yaml(*first.value);
    CAPTURE(written);
    const configuration again(written);
    CAPTURE(again.faults());
    REQUIRE(again.load().value);
    CHECK(*again.load().value == *first.value);
    CHECK(effective_yaml(*again.load().value) == written);
}

TEST_CASE("the shipped example is the defaults", "[conf][load][example]") {
    const auto loaded = load_file(WEIR_EXAMPLE);
    for (const auto& each : loaded.faults) UNSCOPED_INFO(text(each));
    REQUIRE(loaded.value);
    CHECK(*loaded.value == defaults({"127.0.0.1:9001", "127.0.0.1:9002"}));
    CHECK(loaded.warnings.empty());
}

TEST_CASE("the example names every key that the effective configuration has", "[conf][load][example]") {
    const auto example = weir::test::read_file(WEIR_EXAMPLE);
    const auto written = effective_yaml(defaults({"127.0.0.1:9001"}));
    std::size_t start = 0;
    while (start < written.size()) {
        const auto end = written.find('\n', start);
        const auto line = written.substr(start, end - start);
        const auto first = line.find_first_not_of(" -");
        const auto colon = line.find(':');
        start = end + 1;
        // Entries of lists are values, not keys; what a route takes over is {} in the example.
        if (line[first] == '"' || line[first] == '{' || colon == std::string::npos) continue;
        const auto key = line.substr(first, colon + 1 - first);
        CAPTURE(key);
        CHECK(example.find(key) != std::string::npos);
    }
}

TEST_CASE("listen takes a string, a map or a list of both", "[conf][load]") {
    const auto [yaml, expected] = GENERATE(table<std::string, std::vector<std::string>>({
        {"listen: 127.0.0.1:1\n", {"127.0.0.1:1"}},
        {"listen: unix:/a\n", {"unix:/a"}},
        {"listen: {address: :1, proxy_protocol: off}\n", {":1"}},
        {"listen: [:1, {address: unix:/a, mode: 0777}]\n", {":1", "unix:/a"}},
        {"listen:\n  - :1\n  - \"[::1]:2\"\n", {":1", "[::1]:2"}},
        {"listen:\n", {"127.0.0.1:8880"}},
        {"listen: []\n", {"127.0.0.1:8880"}},
        {"listen: [127.0.0.1:0, 127.0.0.2:0, :0]\n", {"127.0.0.1:0", "127.0.0.2:0", ":0"}},
    }));
    CAPTURE(yaml);
    const auto loaded = configuration(std::string(one_upstream) + yaml).load();
    REQUIRE(loaded.value);
    std::vector<std::string> got;
    for (const auto& each : loaded.value->listen) got.push_back(each.address.text);
    CHECK(got == expected);
}

TEST_CASE("listeners and the admin listener may all ask for any port", "[conf][load]") {
    const configuration written(std::string(one_upstream) + "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\n");
    CHECK(written.faults().empty());
}

TEST_CASE("sections with everything commented out are the defaults", "[conf][load]") {
    const configuration written(
        "include:\nadmin:\nlog:\nclient:\n  trusted_proxies:\nbuffering:\ndns:\ncache:\nroutes:\n"
        "upstreams:\n  app:\n    servers: [127.0.0.1:9001]\n    keepalive:\n    timeouts:\n    retry:\n"
        "    queue:\n    health:\n    eject:\n");
    const auto loaded = written.load();
    CAPTURE(written.faults());
    REQUIRE(loaded.value);
    CHECK(*loaded.value == defaults({"127.0.0.1:9001"}));
}

TEST_CASE("max_in_flight of an upstream is that of its servers unless they say otherwise", "[conf][load]") {
    configuration written(
        "upstreams:\n  app:\n    servers: [a:1, {address: b:1, max_in_flight: 5}, {address: c:1, max_in_flight: off}]\n"
        "    servers_file: servers.yaml\n    max_in_flight: 20\n");
    written.write("servers.yaml", "- d:1\n- {address: e:1, max_in_flight: 6}\n");
    const auto loaded = written.load();
    CAPTURE(written.faults());
    REQUIRE(loaded.value);
    std::vector<std::optional<unsigned>> got;
    for (const auto& server : loaded.value->upstreams.at("app").servers) got.push_back(server.max_in_flight);
    CHECK(got == std::vector<std::optional<unsigned>>{20, 5, std::nullopt, 20, 6});
}

TEST_CASE("hash_on takes each of its forms", "[conf][load]") {
    using kind = hash_source::kind;
    const auto [text, expected] = GENERATE(table<std::string, hash_source>({
        {"uri", {kind::uri, ""}},
        {"client", {kind::client, ""}},
        {"header:X-Tenant", {kind::header, "X-Tenant"}},
        {"cookie:a.b", {kind::cookie, "a.b"}},
    }));
    CAPTURE(text);
    const configuration written("upstreams: {app: {servers: [a:1], balance: hash, hash_on: \"" + text + "\"}}\n");
    const auto loaded = written.load();
    REQUIRE(loaded.value);
    CHECK(loaded.value->upstreams.at("app").hash_on == expected);
    CHECK(configuration(effective_yaml(*loaded.value)).load().value == loaded.value);
}

TEST_CASE("the default of hash_on needs no balance: hash", "[conf][load]") {
    CHECK(configuration("upstreams: {app: {servers: [a:1], hash_on: uri}}\n").load().value == defaults({"a:1"}));
}

TEST_CASE("environment variables reach all values and no keys", "[conf][load]") {
    ::setenv("WEIR_TEST_PORT", "9007", 1);
    const configuration written(
        "workers: ${WEIR_TEST_WORKERS:-2}\n"
        "upstreams: {app: {servers: [\"127.0.0.1:${WEIR_TEST_PORT}\"]}}\n"
        "routes: [{upstream: app, request_headers: {\"$WEIR_TEST_PORT\": a}}]\n");
    const auto loaded = written.load();
    REQUIRE(loaded.value);
    CHECK(loaded.value->workers == 2U);
    CHECK(loaded.value->upstreams.at("app").servers[0].address.port == 9007);
    CHECK(loaded.value->routes[0].request_headers[0].name == "$WEIR_TEST_PORT");
}

TEST_CASE("anchors and aliases save repetition", "[conf][load]") {
    const configuration written(
        "upstreams:\n"
        "  a: {servers: [a:1], timeouts: &slow {read: 5m}}\n"
        "  b: {servers: [b:1], timeouts: *slow}\n"
        "routes: [{match: {path: /b}, upstream: b}, {upstream: a}]\n");
    const auto loaded = written.load();
    REQUIRE(loaded.value);
    CHECK(loaded.value->upstreams.at("b").timeouts.read == 5min);
    CHECK(loaded.value->routes[0].timeouts.read == 5min);
}

TEST_CASE("a byte order mark and DOS line ends do no harm", "[conf][load]") {
    const configuration written("\xef\xbb\xbfupstreams:\r\n  app:\r\n    servers: [127.0.0.1:9001]\r\nworkers: x\r\n");
    CHECK(written.faults() == std::vector<std::string>{"weir.yaml:4:10: workers: \"x\" is no whole number"});
}

TEST_CASE("what works but is hardly meant is a warning", "[conf][load]") {
    const auto [yaml, says] = GENERATE(table<std::string, std::string>({
        {"routes: [{upstream: a}, {match: {path: /b}, upstream: b}]\n",
         "weir.yaml:2:25: no request gets to this route; the one at weir.yaml:2:10 takes them all"},
        {"routes: [{match: {host: \"*.x.com\"}, upstream: a}, {match: {host: a.x.com, path: /b}, upstream: b}]\n",
         "weir.yaml:2:51: no request gets to this route"},
        {"routes: [{match: {path: = /b}, upstream: a}, {match: {path: = /b}, upstream: b}]\n",
         "weir.yaml:2:46: no request gets to this route"},
        {"routes: [{upstream: a}]\n", "weir.yaml:1:34: no route goes to the upstream b"},
    }));
    const configuration written("upstreams: {a: {servers: [a:1]}, b: {servers: [b:1]}}\n" + yaml);
    REQUIRE(written.load().value);
    const auto warnings = written.warnings();
    CAPTURE(warnings);
    REQUIRE(warnings.size() == 1);
    CHECK_THAT(warnings[0], Catch::StartsWith(says));
}

TEST_CASE("routes that overlap but do not cover each other are no warning", "[conf][load]") {
    const configuration written(
        "upstreams: {a: {servers: [a:1]}}\n"
        "routes:\n"
        "  - {match: {path: = /}, upstream: a}\n"
        "  - {match: {path: /ab}, upstream: a}\n"
        "  - {match: {path: /abc}, upstream: a}\n"
        "  - {match: {host: \"*.x.com\"}, upstream: a}\n"
        "  - {match: {host: x.com}, upstream: a}\n"
        "  - {match: {host: ax.com}, upstream: a}\n"
        "  - {match: {path: /a}, upstream: a}\n"
        "  - {upstream: a}\n");
    REQUIRE(written.load().value);
    CHECK(written.warnings().empty());
}

TEST_CASE("servers on the command line need no file", "[conf][load][command line]") {
    const auto loaded = load_servers({"127.0.0.1:9001", "unix:/run/app.sock"});
    REQUIRE(loaded.value);
    CHECK(*loaded.value == defaults({"127.0.0.1:9001", "unix:/run/app.sock"}));

    const auto [to, says] = GENERATE(table<std::vector<std::string>, std::string>({
        {std::vector<std::string>{}, "--to:1:1: there are no servers"},
        {{"a:1", "b"}, "--to:2:1: \"b\" has no port"},
        {{"a:1", "A:1"}, "--to:2:1: a:1 is given twice"},
        {{"http://a:1"}, "--to:1:1: \"http://a:1\" is a URL"},
    }));
    const auto refused = load_servers(to);
    CHECK_FALSE(refused.value);
    REQUIRE(refused.faults.size() == 1);
    CHECK_THAT(text(refused.faults[0]), Catch::StartsWith(says));
}
