// Chooses the endpoint for an attempt and takes a slot of it: a sticky client's endpoint, or what the upstream's policy
// says of the candidates (see selection.hpp).
//
// One object per worker and upstream, so no lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "balancer/affinity.hpp"
#include "balancer/consistent_hash.hpp"
#include "balancer/least_requests.hpp"
#include "balancer/round_robin.hpp"
#include "balancer/selection.hpp"

namespace weir::balancer {

struct choice {
    std::shared_ptr<balancer::endpoint> endpoint;  // its slot is the caller's; null: none
    // With no endpoint: the sticky one that is worth waiting for, or null.
    const balancer::endpoint* wait_for = nullptr;
    bool full = false;  // with no endpoint: there are candidates, but none has a free slot
};

// The endpoint of a sticky client with this address_hash(), if it is usable and not `tried`; else null.
const std::shared_ptr<endpoint>* sticky_endpoint(const upstream& among, clock::time_point now,
                                                 std::span<const std::uint32_t> tried, std::uint64_t address_hash);

class selector {
  public:
    // `start` staggers the workers.
    explicit selector(std::uint32_t start = 0) : turns_(start), fewest_(start) {}

    // `tried` holds endpoint ids, which are left out. A sticky client gets its endpoint while that is usable, a backup
    // too, and waits for it when it has no free slot; one that is draining, down or unknown is no longer its own.
    choice choose(const upstream& among, clock::time_point now, std::span<const std::uint32_t> tried,
                  const affinity& request);

  private:
    std::optional<std::size_t> pick(const upstream& among, const affinity& request);

    round_robin turns_;
    least_requests fewest_;
    consistent_hash ring_;
    std::vector<candidate> candidates_;  // kept for its capacity
};

}  // namespace weir::balancer
