// Every key of the configuration contract with its default: it is taken, and never unknown.
#include "test/conf/loading.hpp"

#include <catch2/catch.hpp>

using weir::test::configuration;

namespace {

constexpr std::string_view contract = R"(workers: auto
drain_timeout: 30s
listen:
  - 127.0.0.1:8880
admin:
  listen: off
  token: off
log:
  access: stdout
  format: combined
  errors: stderr
  level: info
client:
  head_timeout: 10s
  idle_timeout: 60s
  read_timeout: 30s
  write_timeout: 30s
  min_rate: off
  max_connections: auto
  max_head: 32KiB
  max_fields: 128
  max_content: 100MiB
  trusted_proxies: []
  proxy_protocol: off
buffering:
  request: 64KiB
  response: 256KiB
  memory_max: 64MiB
  spool_dir: /var/tmp
  spool_max: 10GiB
dns: {refresh: 30s}
upstreams:
  app:
    servers:
      - 127.0.0.1:9001
      - {address: 127.0.0.1:9002, weight: 1, backup: false, max_in_flight: 20}
    servers_file: off
    balance: round_robin
    hash_on: uri
    sticky: off
    max_in_flight: off
    queue: {length: 1000, timeout: 10s}
    keepalive: {max_idle: 32, idle_timeout: auto}
    timeouts: {connect: 1s, first_byte: 60s, read: 60s, write: 30s, tunnel: 1h}
    retry: {retries: 1, budget: 20%}
    health: off
    slow_start: off
    eject: {failures: 5, window: 10s, duration: 10s, max_ejected: 50%}
    host: preserve
cache:
  memory: 256MiB
  max_response: 16MiB
  eviction: s3fifo
  collapse_timeout: 10s
  max_variants: 64
  uncacheable_memory: 1m
  purge: {allow: []}
  memcached: off
routes:
  - match: {host: "*", path: /}
    upstream: app
    priority: normal
    cache:
      freshness:
        default: off
        override: off
        max: off
        statuses: [200, 203, 204, 300, 301, 308, 404, 410]
        by_status: {}
        heuristic: off
      stale: {while_revalidate: off, if_error: off}
      key: {query: all, ignore_query: [], headers: [], cookies: []}
      session_cookies: []
      store_set_cookie: false
      min_uses: 1
      client_directives: ignore
      bypass: {headers: [], cookies: []}
      ranges: whole
      tag_fields: [Surrogate-Key, Cache-Tag, xkey]
      cache_status: true
    memcached_pages: off
    rewrite: off
    request_headers: {}
    response_headers: {}
    timeouts: {}
    buffering: {}
)";

}  // namespace

TEST_CASE("the whole contract is known", "[conf][not built]") {
    const configuration written(contract);
    CHECK(written.faults() == std::vector<std::string>{});
}

TEST_CASE("the defaults of the contract are the defaults", "[conf][load]") {
    const auto loaded = configuration(contract).load();
    REQUIRE(loaded.value);
    CHECK(loaded.value->cache == weir::conf::cache_settings{});
    REQUIRE(loaded.value->routes.size() == 1);
    CHECK(loaded.value->routes[0].cache == weir::conf::route_cache_settings{});
}
