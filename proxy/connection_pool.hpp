// Idle connections to endpoints, of one worker: the newest first, bounded in number over all workers and in idle time.
//
// No operation is pending on an idle connection: it is looked at when it is taken and once a second, and closed when
// the endpoint has closed it or said something that nobody asked for (a late 408, a stray chunk).
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "conf/settings.hpp"
#include "proxy/upstream_connection.hpp"

namespace weir::proxy {

class connection_pool {
  public:
    connection_pool() = default;
    ~connection_pool() { close_all(); }
    connection_pool(const connection_pool&) = delete;
    connection_pool& operator=(const connection_pool&) = delete;

    // One that is quiet and not idle for longer than `settings` allow; null where there is none. `careful`: for a
    // request that cannot be repeated, only one that has been idle less than half its known life.
    std::unique_ptr<upstream_connection> take(const balancer::endpoint& endpoint,
                                              const conf::keepalive_settings& settings, bool careful,
                                              steady::time_point now);
    // Keeps `connection`, or closes it where its endpoint has enough.
    void give_back(std::unique_ptr<upstream_connection> connection, const conf::keepalive_settings& settings,
                   steady::time_point now);

    void sweep(steady::time_point now);
    void forget(std::uint32_t endpoint_id);  // it is in no configuration any more
    void close_all();
    bool empty() const { return idle_.empty(); }

  private:
    struct shelf {
        std::vector<std::unique_ptr<upstream_connection>> connections;  // the one idle longest first
        std::chrono::milliseconds life{0};                              // as of the last give_back
    };
    void close(std::unique_ptr<upstream_connection> connection);

    std::unordered_map<std::uint32_t, shelf> idle_;  // by endpoint id
};

}  // namespace weir::proxy
