// Stored responses in memory: hash tables in shards, each with a lock and an order of eviction; one bound in bytes over
// all shards, with the tables and what the orders and the purge log remember counted. The links of both are in the
// responses, which a store shares with whoever answers with them.
//
// The tables are keyed by a hash of the cache key under a seed of this process; the full key is compared on a hit. The
// variants of a key (RFC 9111 section 4.1) are in one chain, oldest first; each is evicted on its own. A shard only
// divides the lock: the bound is one atomic count over all of them. What one response takes comes from its own shard if
// it is little, and from all of them in turn if it is more.
//
// Nothing is walked under a lock but in slices of some hundred responses; what leaves is freed after the lock.
//
// Known costs: the order is exact per shard only. Selecting a variant looks at all variants of a key under the lock, so
// max_variants bounds how long that takes.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "cache/key.hpp"
#include "cache/purge.hpp"
#include "cache/stored_response.hpp"
#include "conf/settings.hpp"

namespace weir::cache {

class memory_store {
  public:
    struct usage {
        std::uint64_t bytes = 0;
        std::uint64_t limit_bytes = 0;
        std::uint64_t responses = 0;
        std::uint64_t evictions = 0;  // dropped for the bound in bytes or in variants, since the start
    };

    // `purges` outlives the store.
    memory_store(std::uint64_t limit_bytes, std::uint32_t max_variants, conf::eviction_policy policy,
                 purge_log& purges);
    ~memory_store();
    memory_store(const memory_store&) = delete;
    memory_store& operator=(const memory_store&) = delete;

    // All of these from any thread.
    struct found {
        response_ptr response;       // null where none is selected
        bool other_variant = false;  // the key is known, but no variant is selected
        response_ptr sibling;        // then one of those, for the names in its vary
    };
    // The response that `request` selects among those stored under `key` (section 4.1; the most recent Date first, then
    // the one stored last), which counts as a use. Those that a purge hit are dropped, or say soft_purged. Does not
    // allocate.
    found get(std::string_view key, const request_view& request);
    // Replaces the variants that the same request would select, and the oldest where there would be too many; drops
    // others until the bound holds again. Not taken: what is larger than the bound, was purged since its fill began, or
    // is in the store already. `response` is in no other store.
    void put(response_ptr response);
    void erase(std::string_view key);  // every variant
    void clear();
    // A lower bound holds when this returns: every shard gives its share.
    void set_limit(std::uint64_t limit_bytes);
    // At least 1. Counts from the next put under a key on.
    void set_max_variants(std::uint32_t count);
    usage use() const;

    // One slice of a pass over everything stored, which drops what purges hit and lets the log forget: some 100 us at
    // most. True while there is more to do; to be called now and then anyway. One thread at a time.
    bool sweep();

  private:
    struct shard;
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace weir::cache
