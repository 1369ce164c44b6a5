// A memory store with a purge log of its own.
#pragma once

#include "cache/memory_store.hpp"

namespace weir::test {

inline constexpr std::uint64_t plenty = 64 * 1024 * 1024;

struct has_log {
    cache::purge_log purges;
};

class test_store : public has_log, public cache::memory_store {
  public:
    explicit test_store(std::uint64_t limit_bytes = plenty, std::uint32_t max_variants = 64,
                        conf::eviction_policy policy = conf::eviction_policy::lru)
        : cache::memory_store(limit_bytes, max_variants, policy, purges) {}
};

}  // namespace weir::test
