// The same endpoint for the same hash, whatever happens to the others: requests and endpoints lie on a ring, and a
// request belongs to the first endpoint from it on. An endpoint lies there many times, more often the greater its
// weight, so that its share is even and what it leaves goes to all others. With n endpoints of the same weight one more
// or less moves 1/n of the requests and leaves all others where they are.
//
// Bounded load: what is asked for most must not bring down its endpoint. None gets more than 5/4 of its share of the
// requests under way, nor more than its slots; a request that it may not have goes to the next on the ring.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "balancer/selection.hpp"

namespace weir::balancer {

// Immutable; any thread. Made of the endpoints' addresses and weights, so the order of the configuration's lines does
// not matter and a restart changes nothing.
class hash_ring {
  public:
    // Backups are on it too: they get what is theirs when no other is up.
    explicit hash_ring(std::span<const upstream::member> members);

    // Index in members of the first from `hash` on of those whose entry in `open` is not 0. There is one.
    std::uint32_t first_from(std::uint64_t hash, std::span<const std::uint32_t> open) const;
    std::size_t size() const { return points_.size(); }

  private:
    struct point {
        std::uint64_t position;
        std::uint32_t member;
    };
    std::vector<point> points_;  // by position
};

// One object per worker and upstream, so no lock. O(endpoints) a choice, and some steps on the ring.
class consistent_hash {
  public:
    // Index in `among` of one with a free slot; nothing when none has one. `of` has a ring.
    std::optional<std::size_t> pick(const upstream& of, std::span<const candidate> among, std::uint64_t hash);

  private:
    // Kept for their capacity.
    std::vector<std::int64_t> in_flight_;  // by candidate: one reading for all of a choice
    std::vector<std::uint32_t> open_;      // by member: 0, or 1 more than its index in `among`
};

}  // namespace weir::balancer
