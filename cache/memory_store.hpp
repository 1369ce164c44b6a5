// Stored responses in memory: a flat hash table in shards, each with a lock and an LRU list; one bound in bytes over
// all shards.
//
// The table is keyed by a 128-bit hash of the cache key under a seed of this process; the full key is compared on a
// hit. An entry holds the variants of one key (RFC 9111 section 4.1), oldest first, and is what the LRU list orders. A
// shard only divides the lock: the bound is one atomic count over all of them, so a large response takes from other
// shards only when its own has nothing left to give; then the next ones give in turn.
//
// Known costs: the LRU is exact per shard only. A table that doubles does so under its shard's lock. Selecting a
// variant looks at all variants of a key under the lock, so max_variants bounds how long that takes.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "cache/stored_response.hpp"

namespace weir::cache {

// What the store needs for one response beside its tables: an entry with its links and its place for a variant.
inline constexpr std::size_t store_bookkeeping_bytes = 112;

class memory_store {
  public:
    struct usage {
        std::uint64_t bytes = 0;
        std::uint64_t limit_bytes = 0;
        std::uint64_t responses = 0;
        std::uint64_t evictions = 0;  // dropped for the bound in bytes or in variants, since the start
    };

    memory_store(std::uint64_t limit_bytes, std::uint32_t max_variants);
    ~memory_store();
    memory_store(const memory_store&) = delete;
    memory_store& operator=(const memory_store&) = delete;

    // All of these from any thread.
    struct found {
        std::shared_ptr<const stored_response> response;  // null where none is selected
        bool other_variant = false;                       // the key is known, but no variant is selected
    };
    // The response that `request` selects among those stored under `key` (section 4.1; the most recent Date first, then
    // the one stored last); its entry moves to the front of its LRU. Does not allocate.
    found get(std::string_view key, const http::field_list& request);
    // Replaces the variants that the same request would select, and the oldest where there would be too many; drops the
    // least recently used until the bound holds again. What is larger than the bound is not taken.
    void put(std::shared_ptr<const stored_response> response);
    void erase(std::string_view key);  // every variant
    void clear();
    // A lower bound holds when this returns: every shard gives its share.
    void set_limit(std::uint64_t limit_bytes);
    // At least 1. Counts from the next put under a key on.
    void set_max_variants(std::uint32_t count);
    usage use() const;

  private:
    struct shard;
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace weir::cache
