// Stored responses in memory: a flat hash table in shards, each with a lock and an order of eviction; one bound in
// bytes over all shards, with the tables, the links and what the orders and the purge log remember counted.
//
// The table is keyed by a 128-bit hash of the cache key under a seed of this process; the full key is compared on a
// hit. Under a key is the chain of its variants (RFC 9111 section 4.1), oldest first; each is evicted on its own. A
// shard only divides the lock: the bound is one atomic count over all of them. What one response takes comes from its
// own shard if it is little, and from all of them in turn if it is more.
//
// Nothing is walked under a lock but in slices of some hundred responses; what leaves is freed after the lock.
//
// Known costs: the order is exact per shard only. A table that doubles does so under its shard's lock. Selecting a
// variant looks at all variants of a key under the lock, so max_variants bounds how long that takes.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "cache/key.hpp"
#include "cache/purge.hpp"
#include "cache/stored_response.hpp"
#include "conf/settings.hpp"

namespace weir::cache {

// What the store needs for one response beside its tables: its links and what its order notes, as the allocator counts.
inline constexpr std::size_t store_bookkeeping_bytes = 96;

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
        std::shared_ptr<const stored_response> response;  // null where none is selected
        bool other_variant = false;                       // the key is known, but no variant is selected
        std::shared_ptr<const stored_response> sibling;   // then one of those, for the names in its vary
    };
    // The response that `request` selects among those stored under `key` (section 4.1; the most recent Date first, then
    // the one stored last), which counts as a use. Those that a purge hit are dropped, or say soft_purged. Does not
    // allocate.
    found get(std::string_view key, const request_view& request);
    // Replaces the variants that the same request would select, and the oldest where there would be too many; drops
    // others until the bound holds again. Not taken: what is larger than the bound, or was purged since its fill began.
    void put(std::shared_ptr<const stored_response> response);
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
