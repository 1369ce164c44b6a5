#include "balancer/round_robin.hpp"

#include <algorithm>

namespace weir::balancer {

// Members change with a reload: those that stay keep their standing.
void round_robin::follow(const upstream& among) {
    const auto same = [](const standing& s, const upstream::member& m) { return s.id == m.endpoint->id(); };
    if (std::equal(standings_.begin(), standings_.end(), among.members.begin(), among.members.end(), same)) return;
    const bool first = standings_.empty();
    std::vector<standing> next;
    next.reserve(among.members.size());
    for (const upstream::member& m : among.members) {
        const auto old = std::find_if(standings_.begin(), standings_.end(),
                                      [&](const standing& s) { return s.id == m.endpoint->id(); });
        next.push_back({m.endpoint->id(), old == standings_.end() ? 0 : old->current});
    }
    standings_ = std::move(next);
    if (first && !standings_.empty()) {
        // A head start that is less than one weight changes who comes first and nothing else.
        const std::size_t index = start_ % standings_.size();
        standings_[index].current = std::max(0, among.members[index].weight * 100 - 1);
    }
}

std::optional<std::size_t> round_robin::pick(const upstream& of, std::span<const candidate> among) {
    follow(of);
    std::int64_t total = 0;
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < among.size(); ++i) {
        const candidate& c = among[i];
        if (!c.has_slot) continue;
        standings_[c.member].current += c.weight;
        total += c.weight;
        if (!best || standings_[c.member].current > standings_[among[*best].member].current) best = i;
    }
    if (best) standings_[among[*best].member].current -= total;
    return best;
}

}  // namespace weir::balancer
