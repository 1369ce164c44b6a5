// What weir says about itself: plain data that the control thread gathers, as JSON for people and as Prometheus text.
#pragma once

#include "cache/memcached.hpp"
#include "cache/purge_replica.hpp"
#include "proxy/metrics.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir::proxy {

// Active checks of an endpoint.
struct checks_status {
    std::uint64_t started = 0;  // one more than `done` while one is under way, and after one that counted for nothing
    std::uint64_t done = 0;
    std::string fault;  // of the last one that is done; empty: it was good
};

struct endpoint_status {
    std::string address;  // as conf::address::text
    // "up", "slow start", "resting", "passed over", "unresolved", "down", "ejected", "draining" or "held down": the one
    // that says most, where several hold
    std::string state = "up";
    std::string reason;                   // why it is not up; empty if it is
    std::vector<std::string> out_of_use;  // all of "unresolved" to "held down" that hold
    unsigned weight = 1;
    bool backup = false;
    unsigned share_percent = 100;  // of its weight; less during a slow start
    std::uint64_t in_flight = 0;
    std::optional<unsigned> max_in_flight;  // empty: no limit
    std::optional<checks_status> checks;    // empty: health is off
    std::uint64_t idle_connections = 0;
    std::uint64_t requests = 0;
    std::uint64_t failures = 0;
};

// A duration_histogram of several workers together.
struct histogram_sum {
    std::array<std::uint64_t, duration_histogram::bucket_count> buckets{};
    std::uint64_t sum_us = 0;

    void add(const duration_histogram& one);
};

struct upstream_status {
    std::string name;
    std::vector<endpoint_status> endpoints;
    std::uint64_t queued = 0;                  // requests that wait for a slot
    std::array<std::uint64_t, 6> responses{};  // by status_class()
    std::uint64_t retries = 0;
    std::uint64_t cut_responses = 0;
    std::uint64_t saved_us = 0;  // endpoint time
    std::uint64_t queue_refusals = 0;
    std::uint64_t queue_timeouts = 0;
    histogram_sum queue_waits;
    histogram_sum fetches;

    // Adds what one worker has counted.
    void add(const upstream_metrics& worker);
};

struct cache_use {
    std::uint64_t bytes = 0;
    std::uint64_t limit_bytes = 0;  // 0: off
    std::uint64_t responses = 0;
    std::uint64_t evictions = 0;
    std::uint64_t purges = 0;  // what they named, one by one; see cache::purge_log::now
};

// What the kernel says about this process; zeros where /proc cannot be read.
struct process_use {
    std::uint64_t resident_bytes = 0;
    std::uint64_t open_files = 0;
    std::uint64_t max_files = 0;
};
process_use read_process_use();

struct server_status {
    std::string version;
    std::chrono::system_clock::time_point started;
    std::chrono::milliseconds uptime{0};
    std::uint64_t generation = 0;  // of the configuration: 1 at start, one more for every reload that was applied
    std::chrono::system_clock::time_point loaded;  // when that was; the epoch: not known
    bool last_reload_failed = false;
    unsigned workers = 0;
    bool draining = false;  // SIGTERM came: no new connections
    std::vector<upstream_status> upstreams;
    cache_use cache;
    std::vector<cache::memcached_counters> memcached;      // in the order of cache.memcached.servers
    std::optional<cache::purge_replica::state> purge_log;  // empty: no memcached, or none of its log
    std::uint64_t buffer_bytes = 0;                        // of content on its way
    std::uint64_t buffer_limit_bytes = 0;                  // buffering.memory_max
    std::uint64_t spool_bytes = 0;                         // of content on its way, on disk
    std::uint64_t spool_limit_bytes = 0;                   // buffering.spool_max; 0: off
    std::uint64_t spool_written_bytes = 0;
    std::uint64_t access_lines_lost =
        0;  // given to the log writer, which could not write them (log_writer::access_lines_lost)
    std::uint64_t error_lines_lost = 0;  // log_writer::error_lines_lost
    // Not owned; valid while the status is. One for each worker.
    std::vector<const proxy::worker_metrics*> worker_metrics;
    process_use process;  // filled in by admin
};

// Requests that were answered with what was there already, by where that was.
struct tier_hits {
    std::uint64_t memory = 0;  // stale responses too
    std::uint64_t memcached = 0;
    std::uint64_t page = 0;  // the application's own, in memcached
};
tier_hits hits_by_tier(const server_status& status);

// One JSON object without indentation. Names are those of the structs.
std::string to_json(const server_status& status);
// Likewise of one endpoint, with the name of its upstream.
std::string to_json(const std::string& upstream, const endpoint_status& endpoint);

// Prometheus text exposition, version 0.0.4.
std::string to_prometheus(const server_status& status);

}  // namespace weir::proxy
