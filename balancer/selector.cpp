#include "balancer/selector.hpp"

#include <algorithm>

namespace weir::balancer {

const std::shared_ptr<endpoint>* sticky_endpoint(const upstream& among, clock::time_point now,
                                                 std::span<const std::uint32_t> tried, std::uint64_t address_hash) {
    for (const upstream::member& m : among.members) {
        if (m.endpoint->address_hash() != address_hash) continue;
        const bool free = m.endpoint->usable(now) && std::ranges::find(tried, m.endpoint->id()) == tried.end();
        return free ? &m.endpoint : nullptr;
    }
    return nullptr;
}

choice selector::choose(const upstream& among, clock::time_point now, std::span<const std::uint32_t> tried,
                        const affinity& request) {
    if (request.sticky) {
        if (const auto* own = sticky_endpoint(among, now, tried, *request.sticky)) {
            if ((*own)->try_take_slot()) return {.endpoint = *own};
            return {.endpoint = nullptr, .wait_for = own->get(), .full = true};
        }
    }
    gather_candidates(among, now, tried, candidates_);
    while (const auto index = pick(among, request)) {
        const std::shared_ptr<endpoint>& chosen = among.members[candidates_[*index].member].endpoint;
        if (chosen->try_take_slot()) return {.endpoint = chosen};
        candidates_[*index].has_slot = false;  // another worker was quicker
    }
    return {.endpoint = nullptr, .full = !candidates_.empty()};
}

std::optional<std::size_t> selector::pick(const upstream& among, const affinity& request) {
    switch (among.settings.balance) {
        case conf::balance_policy::least_requests:
            return fewest_.pick(among, candidates_);
        case conf::balance_policy::hash:
            return ring_.pick(among, candidates_, request.hash);
        case conf::balance_policy::round_robin:
            break;
    }
    return turns_.pick(among, candidates_);
}

}  // namespace weir::balancer
