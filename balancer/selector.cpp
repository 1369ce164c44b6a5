#include "balancer/selector.hpp"

namespace weir::balancer {

choice selector::choose(const upstream& among, clock::time_point now, std::span<const std::uint32_t> tried,
                        const affinity& request) {
    gather_candidates(among, now, tried, candidates_);
    while (const auto index = pick(among, request)) {
        const std::shared_ptr<endpoint>& chosen = among.members[candidates_[*index].member].endpoint;
        if (chosen->try_take_slot()) return {.endpoint = chosen};
        candidates_[*index].has_slot = false;  // another worker was quicker
    }
    return {.endpoint = nullptr, .full = !candidates_.empty()};
}

std::optional<std::size_t> selector::pick(const upstream& among, const affinity&) {
    return turns_.pick(among, candidates_);
}

}  // namespace weir::balancer
