// What the system lets a process have, against what a configuration needs: the findings of `weir doctor`. Pure: the
// numbers come from proxy/doctor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conf/settings.hpp"

namespace weir::proxy {

inline constexpr int listen_backlog = 4096;  // the kernel cuts it to net.core.somaxconn

// An empty optional: the system has no such limit, or does not tell.
struct machine {
    std::optional<std::uint64_t> open_files;  // RLIMIT_NOFILE, the hard one
    std::optional<std::uint64_t> soft_open_files;
    std::optional<std::uint64_t> most_for_limit;  // fs.nr_open: what RLIMIT_NOFILE can be raised to
    std::optional<std::uint64_t> all_open_files;  // fs.file-max
    std::optional<std::uint64_t> accept_queue;    // net.core.somaxconn
    std::optional<std::uint64_t> syn_queue;       // net.ipv4.tcp_max_syn_backlog
    std::optional<std::uint64_t> syn_cookies;     // net.ipv4.tcp_syncookies
    std::optional<std::uint64_t> orphans;         // net.ipv4.tcp_max_orphans
    std::optional<std::uint64_t> packet_queue;    // net.core.netdev_max_backlog
    std::optional<std::uint64_t> window_scaling;  // net.ipv4.tcp_window_scaling
    std::optional<std::uint64_t> tcp_pages;       // net.ipv4.tcp_mem, the third: what all queues of TCP may hold
    std::optional<std::uint64_t> first_port;      // net.ipv4.ip_local_port_range, both ends included
    std::optional<std::uint64_t> last_port;
    std::string reserved_ports;                // net.ipv4.ip_local_reserved_ports, as the kernel writes it: "80,90-99"
    std::optional<std::uint64_t> port_reuse;   // net.ipv4.tcp_tw_reuse: 0, 1, or 2 for loopback only
    std::optional<std::uint64_t> connections;  // net.netfilter.nf_conntrack_max
    std::optional<std::uint64_t> free_memory;  // bytes, MemAvailable or the limit of the cgroup
    std::optional<std::uint64_t> free_disk;    // bytes, in buffering.spool_dir
    std::string spool_fault;                   // what is wrong with buffering.spool_dir; empty: nothing
    std::string null_fault;                    // why /dev/null does not open; empty: it does
};

struct finding {
    std::string limit;  // its name, as the system has it
    std::string found;
    std::string needed;
    std::string cure;  // the line to change; empty: it fits

    bool fits() const { return cure.empty(); }
};

// The clients that a machine is judged for: client.max_connections, and some thousands where that is auto, which takes
// what there is.
std::uint64_t clients_to_hold(const conf::settings& settings);

// One finding for each limit that `on` tells of and that matters for `settings`.
std::vector<finding> judge(const conf::settings& settings, const machine& on);

// How many clients `client.max_connections: auto` takes with so many descriptors: some are for endpoints, since behind
// each of them few connections serve many clients, and some for logs, listeners and what libraries open.
std::uint64_t clients_within(std::uint64_t descriptors);

}  // namespace weir::proxy
