// What outlives configurations: endpoints by upstream and address, counters and budgets by upstream. The control
// thread's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "balancer/upstream.hpp"
#include "conf/settings.hpp"
#include "proxy/snapshot.hpp"

namespace weir::proxy {

class upstream_registry {
  public:
    explicit upstream_registry(std::size_t workers) : workers_(workers) {}

    // The upstreams of `settings`, with the endpoints that are known already where the addresses are the same. Changes
    // nothing that is in use.
    std::map<std::string, upstream_in_use> make(const conf::settings& settings);
    // `now` is in use from here on: its limits hold, and what it does not use is forgotten. Returns the ids of the
    // endpoints that went.
    std::vector<std::uint32_t> put_to_use(const std::map<std::string, upstream_in_use>& now);

  private:
    struct entry {
        std::uint32_t id;
        std::shared_ptr<upstream_counters> counters;
        std::shared_ptr<balancer::retry_budget> budget;
        std::shared_ptr<balancer::queue> queue;
        std::map<std::string, std::shared_ptr<balancer::endpoint>> endpoints;  // by address
    };
    std::size_t workers_;
    std::map<std::string, entry> known_;
    std::uint32_t next_upstream_ = 0;
    std::uint32_t next_endpoint_ = 0;
};

// Every endpoint in use, each once.
std::vector<std::shared_ptr<balancer::endpoint>> all_endpoints(const std::map<std::string, upstream_in_use>& upstreams);

}  // namespace weir::proxy
