// Fewest requests under way, by weight: an endpoint that is slow gets fewer of them.
//
// Up to eight endpoints are all compared. Of more, two are drawn by weight and the better one is taken, which spreads
// load almost as evenly, and workers that look at the same counts at the same time do not all run to the same endpoint.
// O(endpoints) a choice.
//
// One object per worker and upstream, so no lock. The counts are over all workers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "balancer/selection.hpp"

namespace weir::balancer {

class least_requests {
  public:
    // `start` seeds the draws: the same one draws the same.
    explicit least_requests(std::uint32_t start = 0) : state_(start) {}

    // Index in `among` of one with a free slot; nothing when none has one. Of equals one is drawn, so that idle
    // endpoints share.
    std::optional<std::size_t> pick(const upstream& of, std::span<const candidate> among);

  private:
    std::size_t fewest(const upstream& of, std::span<const candidate> among);
    std::size_t better_of_two(const upstream& of, std::span<const candidate> among);
    std::uint64_t below(std::uint64_t limit);  // evenly, but for less than limit / 2^32

    std::uint64_t state_;
};

}  // namespace weir::balancer
