// What is counted of each memcached server, under the names of /status; /metrics has them between weir_memcached_ and
// _total.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "cache/memcached.hpp"

namespace weir::proxy {

struct memcached_count {
    std::string_view name;
    std::uint64_t cache::memcached_counters::*member;
    std::string_view help;
};
inline constexpr std::array<memcached_count, 14> memcached_counts{{
    {"requests", &cache::memcached_counters::requests, "Round trips; lookups that wait together are one."},
    {"batches", &cache::memcached_counters::batches, "Round trips of lookups."},
    {"keys", &cache::memcached_counters::batched_keys, "Keys that were looked up."},
    {"hits", &cache::memcached_counters::hits, "Keys that were found."},
    {"misses", &cache::memcached_counters::misses, "Keys that were not there."},
    {"adds", &cache::memcached_counters::adds, "Attempts to take a fill lock."},
    {"stores", &cache::memcached_counters::stores, "Values stored."},
    {"removes", &cache::memcached_counters::removes, "Values removed, or not there."},
    {"failures", &cache::memcached_counters::failures, "Round trips that failed, timeouts among them."},
    {"timeouts", &cache::memcached_counters::timeouts, "Round trips without an answer in time."},
    {"expired_lookups", &cache::memcached_counters::expired_lookups, "Lookups that waited too long to be sent."},
    {"refused_lookups", &cache::memcached_counters::refused_lookups,
     "Lookups turned away: the server is not asked for now, or too many wait."},
    {"dropped_stores", &cache::memcached_counters::dropped_stores,
     "Values not stored or removed: the server is not asked for now, or too much waits."},
    {"breaker_opened", &cache::memcached_counters::opened, "How often the server was given up."},
}};

}  // namespace weir::proxy
