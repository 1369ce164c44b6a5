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
        standings_[index].current = std::max(0, among.members[index].weight - 1);
        if (among.members[index].weight == 1 && index > 0) standings_[index].current = 1;
    }
}

endpoint* round_robin::pick(const upstream& among, clock::time_point now, std::span<const std::uint32_t> tried) {
    follow(among);
    for (const tier which : {tier::ready, tier::backup, tier::passed_over}) {
        if (endpoint* chosen = pick_in(among, now, tried, which)) return chosen;
    }
    return nullptr;
}

endpoint* round_robin::pick_in(const upstream& among, clock::time_point now, std::span<const std::uint32_t> tried,
                               tier which) {
    std::int64_t total = 0;
    std::size_t best = among.members.size();
    for (std::size_t i = 0; i < among.members.size(); ++i) {
        const upstream::member& m = among.members[i];
        const endpoint& e = *m.endpoint;
        if (!e.resolved() || std::find(tried.begin(), tried.end(), e.id()) != tried.end()) continue;
        if (which != tier::passed_over && (e.passed_over(now) || m.backup != (which == tier::backup))) continue;
        standings_[i].current += m.weight;
        total += m.weight;
        if (best == among.members.size() || standings_[i].current > standings_[best].current) best = i;
    }
    if (best == among.members.size()) return nullptr;
    standings_[best].current -= total;
    return among.members[best].endpoint.get();
}

}  // namespace weir::balancer
