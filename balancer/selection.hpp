// Who may get the next attempt, before a policy chooses among them.
//
// Endpoints that are usable, do not rest and are no backups come first; then those that rest after a 503; backups when
// there is none of those; and when nobody is usable (all are down, or were tried), whoever nobody took out by hand: to
// try is better than to refuse. An endpoint without a free slot stays in its group, or a full group would send its
// requests to the backups.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "balancer/upstream.hpp"

namespace weir::balancer {

struct candidate {
    std::uint32_t member = 0;  // index in upstream::members
    std::int64_t weight = 0;   // 100 times the configured one; less during a slow start
    bool has_slot = true;      // fewer than max_in_flight requests are under way
};

// Replaces `out`. `tried` holds endpoint ids, which are left out. Pure but for the endpoints' atomics.
void gather_candidates(const upstream& among, clock::time_point now, std::span<const std::uint32_t> tried,
                       std::vector<candidate>& out);

// True if a request that has tried `tried` has `one` among its candidates, free slot or not.
bool takes_turns(const upstream& among, const endpoint& one, clock::time_point now,
                 std::span<const std::uint32_t> tried);

// True if a request that has tried `tried` has a candidate, free slot or not.
bool any_candidate(const upstream& among, clock::time_point now, std::span<const std::uint32_t> tried);

}  // namespace weir::balancer
