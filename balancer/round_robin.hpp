// Smooth weighted round-robin: endpoints in turn, each as often as its weight says, the heavy ones spread out.
// O(endpoints) a choice.
//
// One object per worker and upstream, so no lock: the order is exact per worker only. Each starts at another place, or
// all workers would ask the same endpoint first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "balancer/upstream.hpp"

namespace weir::balancer {

class round_robin {
  public:
    // `start` staggers the workers.
    explicit round_robin(std::uint32_t start = 0) : start_(start) {}

    // The endpoint for the next attempt among those not in `tried`: one that is up and not passed over, backups when no
    // other is; when all are passed over, one of those rather than none. Null when nothing is left. `tried` holds
    // endpoint ids.
    balancer::endpoint* pick(const upstream& among, clock::time_point now, std::span<const std::uint32_t> tried);

  private:
    enum class tier { ready, backup, passed_over };
    balancer::endpoint* pick_in(const upstream& among, clock::time_point now, std::span<const std::uint32_t> tried,
                                tier which);
    void follow(const upstream& among);

    struct standing {
        std::uint32_t id;
        std::int64_t current;
    };
    std::uint32_t start_;
    std::vector<standing> standings_;  // in the order of the upstream's members
};

}  // namespace weir::balancer
