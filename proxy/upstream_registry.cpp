#include "proxy/upstream_registry.hpp"

#include <algorithm>

#include "balancer/consistent_hash.hpp"

namespace weir::proxy {

std::map<std::string, upstream_in_use> upstream_registry::make(const conf::settings& settings) {
    std::map<std::string, upstream_in_use> made;
    for (const auto& [name, wanted] : settings.upstreams) {
        auto [known, added] = known_.try_emplace(name);
        if (added) {
            known->second = {.id = next_upstream_++,
                             .counters = std::make_shared<upstream_counters>(workers_),
                             .budget = std::make_shared<balancer::retry_budget>(),
                             .queue = std::make_shared<balancer::queue>(),
                             .endpoints = {}};
        }
        entry& own = known->second;
        auto upstream = std::make_shared<balancer::upstream>();
        upstream->name = name;
        upstream->id = own.id;
        upstream->settings = wanted;
        upstream->budget = own.budget;
        upstream->queue = own.queue;
        for (const conf::server_settings& server : wanted.servers) {
            std::shared_ptr<balancer::endpoint>& endpoint = own.endpoints[server.address.text];
            if (!endpoint) endpoint = std::make_shared<balancer::endpoint>(next_endpoint_++, server.address);
            upstream->members.push_back({endpoint, static_cast<int>(server.weight), server.backup});
        }
        if (wanted.balance == conf::balance_policy::hash)
            upstream->ring = std::make_shared<const balancer::hash_ring>(upstream->members);
        made[name] = {std::move(upstream), own.counters};
    }
    return made;
}

std::vector<std::uint32_t> upstream_registry::put_to_use(const std::map<std::string, upstream_in_use>& now) {
    std::vector<std::uint32_t> gone;
    for (auto known = known_.begin(); known != known_.end();) {
        const auto used = now.find(known->first);
        // Before its endpoints go: a slot that is given back in between is for who waits.
        if (used == now.end()) known->second.queue->close();
        std::erase_if(known->second.endpoints, [&](const auto& own) {
            const bool stays = used != now.end() &&
                               std::any_of(used->second.upstream->members.begin(), used->second.upstream->members.end(),
                                           [&](const auto& m) { return m.endpoint == own.second; });
            if (stays) return false;
            own.second->set(balancer::out_of_use::gone, true, balancer::clock::time_point::min());
            gone.push_back(own.second->id());
            return true;
        });
        known = used == now.end() ? known_.erase(known) : std::next(known);
    }
    for (const auto& [name, used] : now) {
        const balancer::upstream& upstream = *used.upstream;
        for (std::size_t i = 0; i < upstream.members.size(); ++i)
            upstream.members[i].endpoint->configure(upstream.settings.servers[i].max_in_flight,
                                                    upstream.settings.slow_start);
        balancer::offer_free_slots(upstream, balancer::clock::now());
    }
    return gone;
}

std::vector<std::shared_ptr<balancer::endpoint>> all_endpoints(
    const std::map<std::string, upstream_in_use>& upstreams) {
    std::vector<std::shared_ptr<balancer::endpoint>> all;
    for (const auto& [name, used] : upstreams) {
        for (const auto& member : used.upstream->members) all.push_back(member.endpoint);
    }
    return all;
}

}  // namespace weir::proxy
