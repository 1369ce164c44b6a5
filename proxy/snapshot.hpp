// One configuration as the workers use it: immutable, shared, kept by every exchange that started under it.
//
// Endpoints and counters live outside it and stay over reloads, so an exchange that lasts a day pins settings only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "balancer/upstream.hpp"
#include "cache/memcached_tier.hpp"
#include "conf/settings.hpp"
#include "proxy/http/forwarded.hpp"
#include "proxy/http/head_parser.hpp"
#include "proxy/metrics.hpp"

namespace weir::proxy {

// What an upstream has counted, worker by worker; stays over reloads.
struct upstream_counters {
    explicit upstream_counters(std::size_t workers) : by_worker(workers) {}
    std::vector<upstream_metrics> by_worker;
};

struct upstream_in_use {
    std::shared_ptr<const balancer::upstream> upstream;
    std::shared_ptr<upstream_counters> counters;
};

struct route {
    const conf::route_settings* settings;  // in the snapshot's settings
    const balancer::upstream* upstream;    // in the snapshot
    upstream_counters* counters;           // likewise
    bool caches = false;                   // the route's cache is on, and so is memory or memcached
    bool asks_for_pages = false;           // memcached_pages: before anything else
};

struct snapshot {
    std::uint64_t generation = 0;
    conf::settings settings;
    std::map<std::string, upstream_in_use> upstreams;
    std::vector<route> routes;
    std::shared_ptr<cache::memcached_tier> tier;  // null: no memcached; the same over reloads that do not change it
    http::trust trusted;                          // client.trusted_proxies
    http::trust purgers;                          // cache.purge.allow
    http::head_limits request_limits;

    // The first route that takes `host` (normalised, a port is ignored) and `path` (normalised); null where none does.
    // Pure.
    const route* find(std::string_view host, std::string_view path) const;
};

// `upstreams` by name, as the server made them from the same settings.
std::shared_ptr<const snapshot> make_snapshot(std::uint64_t generation, conf::settings settings,
                                              std::map<std::string, upstream_in_use> upstreams,
                                              std::shared_ptr<cache::memcached_tier> tier = nullptr);

}  // namespace weir::proxy
