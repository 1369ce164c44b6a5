// Smooth weighted round-robin: endpoints in turn, each as often as its weight says, the heavy ones spread out.
// O(endpoints) a choice. Weights may change with each of them, as they do during a slow start.
//
// One object per worker and upstream, so no lock: the order is exact per worker only. Each starts at another place, or
// all workers would ask the same endpoint first.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "balancer/selection.hpp"

namespace weir::balancer {

class round_robin {
  public:
    // `start` staggers the workers.
    explicit round_robin(std::uint32_t start = 0) : start_(start) {}

    // Index in `among` of the candidate whose turn it is, of those with a free slot; nothing when none has one.
    std::optional<std::size_t> pick(const upstream& of, std::span<const candidate> among);

  private:
    void follow(const upstream& of);

    struct standing {
        std::uint32_t id;
        std::int64_t current;
    };
    std::uint32_t start_;
    std::vector<standing> standings_;  // in the order of the upstream's members
};

}  // namespace weir::balancer
