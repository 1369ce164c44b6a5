// Upstreams for tests.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <vector>

#include "balancer/consistent_hash.hpp"
#include "balancer/selector.hpp"
#include "balancer/upstream.hpp"

namespace weir::balancer::test {

inline const clock::time_point now{std::chrono::hours(1)};

inline std::shared_ptr<endpoint> make_endpoint(std::uint32_t id, bool resolved = true) {
    conf::address address;
    address.host = "127.0.0.1";
    address.port = static_cast<std::uint16_t>(9000 + id);
    address.text = "127.0.0.1:" + std::to_string(address.port);
    auto made = std::make_shared<endpoint>(id, address);
    if (resolved) {
        const boost::asio::ip::tcp::endpoint at(boost::asio::ip::address_v4::loopback(), address.port);
        made->set_addresses(std::make_shared<const address_list>(address_list{at}));
    }
    return made;
}

struct line {
    int weight = 1;
    bool backup = false;
    unsigned max_in_flight = 0;  // 0: no limit
};

inline upstream make_upstream(const std::vector<line>& lines,
                              conf::balance_policy policy = conf::balance_policy::round_robin) {
    upstream made;
    made.name = "app";
    made.settings.balance = policy;
    for (std::uint32_t id = 0; id < lines.size(); ++id) {
        made.members.push_back({make_endpoint(id), lines[id].weight, lines[id].backup});
        if (lines[id].max_in_flight != 0) made.members.back().endpoint->configure(lines[id].max_in_flight, {});
    }
    made.budget = std::make_shared<retry_budget>();
    made.queue = std::make_shared<queue>();
    if (policy == conf::balance_policy::hash) made.ring = std::make_shared<const hash_ring>(made.members);
    return made;
}

// An endpoint that is back after an outage, at `at`, and gets its share over `slow_start`.
inline void come_back(endpoint& one, clock::time_point at, std::chrono::milliseconds slow_start) {
    one.configure({}, slow_start);
    one.set(out_of_use::unhealthy, true, at);
    one.set(out_of_use::unhealthy, false, at);
}

}  // namespace weir::balancer::test
