// Idle connections to endpoints, of one worker: the newest first, bounded in number over all workers and in idle time.
//
// No operation is pending on an idle connection: it is looked at when it is taken and once a second, and closed when
// the endpoint has closed it or said something that nobody asked for (a late 408, a stray chunk).
//
// A request must not meet a connection that its endpoint is just closing: the endpoint may not say how long it keeps
// them, and a POST that was sent into the void is lost. So connections are used for a trusted life only
// (endpoint::idle_life), and a POST takes only those within half of it. With idle_timeout: auto it is learned:
// - It falls to 4/5 of the idle time at which an endpoint was seen to have closed a connection, within a second. What
//   all was closed between two sweeps is judged together, or a restart would teach short lives.
// - It rises by probes. One connection that has outlived its use is kept, of all workers and in five minutes, and never
//   used again; each sweep sees whether it is still open. When it is closed, or after a minute, the last idle time at
//   which it was open, less a fifth and at least a second, is the new life. So the life is never more than 4/5 of what
//   was seen, and a rise that was wrong (an endpoint that hung, a restart with other settings) falls with the next
//   connection that is closed too soon.
// A restart of an endpoint that has one idle connection looks like a limit. It costs connections that could have been
// kept, until the next probe.
#pragma once

#include <chrono>
#include <cstdint>
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
    // One that its endpoint closed, here only to say whose it was.
    struct ended {
        std::unique_ptr<upstream_connection> connection;
        std::chrono::milliseconds idle;
    };
    struct shelf {
        std::vector<std::unique_ptr<upstream_connection>> connections;  // the one idle longest first
        std::optional<std::chrono::milliseconds> fixed_life;            // idle_timeout, as of the last give_back
        std::vector<ended> seen_closed;                                 // since the last sweep
        std::unique_ptr<upstream_connection> probe;                     // null: none
        std::chrono::milliseconds probe_kept{0};                        // its idle time when it was last seen open
    };
    void sweep(shelf& own, steady::time_point now);
    bool sweep_probe(shelf& own, steady::time_point now);  // false: its endpoint closed it
    void learn(shelf& own, bool probe_closed);
    void note_closed(shelf& own, std::unique_ptr<upstream_connection> connection, std::chrono::milliseconds idle);
    void close_shelf(shelf& own);
    void close(std::unique_ptr<upstream_connection> connection);

    std::unordered_map<std::uint32_t, shelf> idle_;  // by endpoint id
};

}  // namespace weir::proxy
