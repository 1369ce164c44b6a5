// Passive health: an endpoint with too many failures of real requests within a window of time is ejected, gets no
// requests for a while, and comes back. When it fails again it stays away for longer, by one more `duration` each time
// up to ten; for each time that it then does well for as long as it was away last, one is forgiven.
//
// What fails everywhere is no endpoint's fault: only a share of an upstream's endpoints is ejected at a time, and a
// lone one never.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "balancer/endpoint.hpp"
#include "conf/settings.hpp"

namespace weir::balancer {

// Of one upstream, over all its configurations. Pure; the control thread's.
class outlier {
  public:
    struct standing {
        std::uint32_t id;        // of the endpoint
        std::uint64_t failures;  // in all: endpoint::failures
    };
    struct change {
        std::uint32_t id;
        bool ejected;
        std::string reason;                  // such as "5 failures in 10s"
        std::chrono::milliseconds lasts{0};  // how long it is ejected
    };
    // To be called some times a second with all endpoints of the upstream: what has changed since. Endpoints that are
    // no longer among them are forgotten. Without settings ejection is off and all come back.
    std::vector<change> update(const std::optional<conf::eject_settings>& settings, std::span<const standing> endpoints,
                               clock::time_point now);

  private:
    struct burst {
        clock::time_point at;
        std::uint64_t failures;
    };
    struct record {
        std::uint64_t counted = 0;  // failures that were looked at
        std::deque<burst> recent;   // of the window, the oldest first; no more than it takes to be ejected
        std::uint64_t in_window = 0;
        unsigned times = 0;                     // ejected in a row
        std::optional<clock::time_point> back;  // when it comes back: it is ejected
        clock::time_point calm_since;
    };
    void count(record& one, std::uint64_t failures, const conf::eject_settings& settings, clock::time_point now);
    void forget_absent(std::span<const standing> endpoints);
    // After a reload with fewer endpoints or a lower share: those whose time ends first come back. How many stay away.
    std::size_t end_excess(std::size_t most, clock::time_point now, std::vector<change>& changes);

    std::map<std::uint32_t, record> records_;  // by endpoint id
};

}  // namespace weir::balancer
