#include "balancer/selection.hpp"

#include <algorithm>
#include <array>

namespace weir::balancer {

namespace {

enum class tier : std::uint8_t { ready, resting, backup, last_resort };
constexpr std::array tiers{tier::ready, tier::resting, tier::backup, tier::last_resort};

bool belongs(const upstream::member& m, tier which, clock::time_point now) {
    switch (which) {
        case tier::ready:
            return !m.backup && m.endpoint->usable(now) && !m.endpoint->rests(now);
        case tier::resting:
            return !m.backup && m.endpoint->usable(now);
        case tier::backup:
            return m.backup && m.endpoint->usable(now);
        case tier::last_resort:
            break;
    }
    return m.endpoint->last_resort();
}

bool contains(std::span<const std::uint32_t> ids, const endpoint& one) {
    return std::ranges::find(ids, one.id()) != ids.end();
}

}  // namespace

void gather_candidates(const upstream& among, clock::time_point now, std::span<const std::uint32_t> tried,
                       std::vector<candidate>& out) {
    out.clear();
    for (const tier which : tiers) {
        for (std::uint32_t i = 0; i < among.members.size(); ++i) {
            const upstream::member& m = among.members[i];
            if (!belongs(m, which, now) || contains(tried, *m.endpoint)) continue;
            out.push_back({.member = i,
                           .weight = std::int64_t{m.weight} * m.endpoint->share_percent(now),
                           .has_slot = m.endpoint->has_free_slot()});
        }
        if (!out.empty()) return;
    }
}

bool takes_turns(const upstream& among, const endpoint& one, clock::time_point now,
                 std::span<const std::uint32_t> tried) {
    for (const tier which : tiers) {
        bool any = false;
        for (const upstream::member& m : among.members) {
            if (!belongs(m, which, now) || contains(tried, *m.endpoint)) continue;
            if (m.endpoint.get() == &one) return true;
            any = true;
        }
        if (any) return false;
    }
    return false;
}

bool any_candidate(const upstream& among, clock::time_point now, std::span<const std::uint32_t> tried) {
    return std::ranges::any_of(among.members, [&](const upstream::member& m) {
        return (m.endpoint->usable(now) || m.endpoint->last_resort()) && !contains(tried, *m.endpoint);
    });
}

}  // namespace weir::balancer
