// Which server a key lies on: the ring of libmemcached's ketama behaviour, which pylibmc's {"ketama": True} sets, so
// that every program that spells the same servers alike finds the same keys on them, in whatever order it names them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "conf/settings.hpp"

struct memcached_st;

namespace weir::cache {

// Does not change: any thread. No server leaves the ring when it fails, or weirs would disagree about it.
class memcached_ring {
  public:
    // At least one server. Throws std::runtime_error.
    explicit memcached_ring(std::span<const conf::memcached_server_address> servers);

    // The index of the server. Does not allocate, never fails.
    std::size_t server_of(std::string_view key) const;

  private:
    struct freer {
        void operator()(memcached_st* ring) const;
    };
    std::unique_ptr<memcached_st, freer> ring_;
};

}  // namespace weir::cache
