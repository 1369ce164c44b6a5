// Which endpoints are well: asks them (active checks, `health`), counts what real requests meet there (`eject`), sets
// what it finds in the endpoint, and says each change in one log line.
//
// The deciding is balancer/health and balancer/outlier; this is the part with clocks and connections. All on the
// control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "balancer/outlier.hpp"
#include "balancer/upstream.hpp"
#include "proxy/asio_awaitable.hpp"
#include "proxy/changes.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/task_group.hpp"

namespace weir::proxy {

class health_watch {
  public:
    explicit health_watch(asio::io_context& control);
    ~health_watch();
    health_watch(const health_watch&) = delete;
    health_watch& operator=(const health_watch&) = delete;

    // From now on these are watched, as their settings say; what is known of endpoints that stay is kept. Those whose
    // checks are turned off are not down any more.
    void watch(const std::map<std::string, upstream_in_use>& upstreams);
    // No check begins any more; those under way end within their timeout, without effect.
    void stop();

    // What /status says of an endpoint beside what is in it.
    endpoint_notes notes(std::uint32_t endpoint_id) const;

  private:
    struct checked;  // an endpoint with active checks
    struct watched {
        std::shared_ptr<const balancer::upstream> upstream;
        balancer::outlier failures;
        bool any_up = true;
    };

    void watch_endpoint(const std::shared_ptr<const balancer::upstream>& upstream,
                        const std::shared_ptr<balancer::endpoint>& endpoint);
    static asio_awaitable<void> run_checks(std::shared_ptr<checked> self);
    void schedule_tick();
    void tick();
    void eject(watched& one, balancer::clock::time_point now);
    void note_rest(const watched& one, balancer::clock::time_point now);

    asio::io_context& control_;
    task_group tasks_;
    asio::basic_waitable_timer<balancer::clock, asio::wait_traits<balancer::clock>, executor> tick_timer_;
    std::map<std::uint32_t, std::shared_ptr<checked>> checked_;  // by endpoint id
    std::map<std::uint32_t, watched> watched_;                   // by upstream id
    std::map<std::uint32_t, std::string> ejected_why_;           // by endpoint id
    std::set<std::uint32_t> resting_;                            // endpoint ids, as of the last tick
};

}  // namespace weir::proxy
