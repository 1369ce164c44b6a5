// A named group of endpoints with one policy, as one configuration has it. Immutable, but for the counters and the
// queue that it shares with the upstream of that name in the configurations before and after.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "balancer/endpoint.hpp"
#include "balancer/queue.hpp"
#include "balancer/retry.hpp"
#include "conf/settings.hpp"

namespace weir::balancer {

class hash_ring;

struct upstream {
    struct member {
        std::shared_ptr<balancer::endpoint> endpoint;
        int weight = 1;
        bool backup = false;
    };

    std::string name;
    std::uint32_t id = 0;  // of the name: small, stays over reloads, indexes what workers keep per upstream
    conf::upstream_settings settings;
    std::vector<member> members;
    std::shared_ptr<retry_budget> budget;
    std::shared_ptr<balancer::queue> queue;
    std::shared_ptr<const hash_ring> ring;  // with balance: hash; null otherwise
};

}  // namespace weir::balancer
