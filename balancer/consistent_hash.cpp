#include "balancer/consistent_hash.hpp"

#include <xxhash.h>

#include <algorithm>
#include <tuple>

namespace weir::balancer {

namespace {

constexpr std::uint64_t points_per_weight = 160;
constexpr std::uint64_t most_points = 1 << 16;  // 1 MiB

// Points for one unit of weight, halved as often as needed for the bound: so an endpoint that comes or goes seldom
// changes the points of the others, which would move requests between them.
unsigned halvings(std::span<const upstream::member> members) {
    std::uint64_t points = 0;
    for (const upstream::member& m : members) points += static_cast<std::uint64_t>(m.weight) * points_per_weight;
    unsigned times = 0;
    while (points >> times > most_points) ++times;
    return times;
}

}  // namespace

hash_ring::hash_ring(std::span<const upstream::member> members) {
    const unsigned halved = halvings(members);
    for (std::uint32_t i = 0; i < members.size(); ++i) {
        const std::uint64_t address = members[i].endpoint->address_hash();
        const std::uint64_t points =
            std::max<std::uint64_t>(1, static_cast<std::uint64_t>(members[i].weight) * points_per_weight >> halved);
        for (std::uint64_t n = 0; n < points; ++n)
            points_.push_back({.position = XXH3_64bits_withSeed(&address, sizeof address, n), .member = i});
    }
    std::ranges::sort(points_, {}, [&](const point& p) {
        return std::tuple(p.position, members[p.member].endpoint->address_hash());
    });
}

std::uint32_t hash_ring::first_from(std::uint64_t hash, std::span<const std::uint32_t> open) const {
    auto at = std::ranges::lower_bound(points_, hash, {}, &point::position);
    for (;; ++at) {
        if (at == points_.end()) at = points_.begin();
        if (open[at->member] != 0) return at->member;
    }
}

// The bound is over those with a free slot. What the others have is theirs already, and so there is always one below
// its bound: not all can have more than their share.
std::optional<std::size_t> consistent_hash::pick(const upstream& of, std::span<const candidate> among,
                                                 std::uint64_t hash) {
    in_flight_.clear();
    std::int64_t requests = 1;  // with this one
    std::int64_t weight = 0;
    for (const candidate& c : among) {
        in_flight_.push_back(of.members[c.member].endpoint->in_flight());
        if (!c.has_slot) continue;
        requests += in_flight_.back();
        weight += c.weight;
    }
    if (weight == 0) return std::nullopt;
    open_.assign(of.members.size(), 0);
    for (std::uint32_t i = 0; i < among.size(); ++i) {
        // in flight < ceil(5/4 * requests * its weight / weight of all)
        if (among[i].has_slot && in_flight_[i] * 4 * weight < 5 * requests * among[i].weight)
            open_[among[i].member] = i + 1;
    }
    return open_[of.ring->first_from(hash, open_)] - 1;
}

}  // namespace weir::balancer
