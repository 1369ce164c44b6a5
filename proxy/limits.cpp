#include "proxy/limits.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

namespace weir::proxy {

namespace {

// With auto. Fewer are the default of some shell rather than anybody's choice.
constexpr std::uint64_t usual_clients = 4096;
// Descriptors that are not for connections: logs, listeners, epoll, what libraries open.
constexpr std::uint64_t reserved_descriptors = 64;
// Clients for each connection to an upstream that has no max_in_flight.
constexpr std::uint64_t clients_for_one = 20;

constexpr std::uint64_t mebibyte = conf::mebibyte;
// An idle kept-alive connection takes less than half a KiB of weir and about 3 of the kernel.
constexpr std::uint64_t bytes_for_connection = 4 * conf::kibibyte;
// The program itself, its threads and their log buffers.
constexpr std::uint64_t bytes_for_program = 32 * mebibyte;

constexpr std::uint64_t usual_packet_queue = 1000;
constexpr std::uint64_t lowest_port = 1024;
constexpr std::uint64_t highest_port = 65535;
constexpr std::uint64_t time_wait_seconds = 60;  // a constant of the kernel
// What the kernel grants to each connection however short of memory it is: 4 KiB each way (tcp_rmem, tcp_wmem).
constexpr std::uint64_t pages_for_connection = 2;

std::string text(std::uint64_t number) {
    return std::to_string(number);
}

std::string mebibytes(std::uint64_t bytes) {
    return text((bytes + mebibyte - 1) / mebibyte) + " MiB";
}

bool is_tcp(const conf::address& where) {
    return where.type == conf::address::kind::host_port;
}

// Whether a list such as "8080,9000-9010" has the port.
bool is_listed(std::string_view list, unsigned port) {
    while (!list.empty()) {
        const std::string_view item = list.substr(0, list.find(','));
        list.remove_prefix(std::min(list.size(), item.size() + 1));
        const std::string_view last_part = item.substr(item.find('-') == item.npos ? 0 : item.find('-') + 1);
        unsigned first = 0;
        unsigned last = 0;
        const auto begin = std::from_chars(item.data(), item.data() + item.size(), first);
        const auto end = std::from_chars(last_part.data(), last_part.data() + last_part.size(), last);
        if (begin.ec == std::errc() && end.ec == std::errc() && first <= port && port <= last) return true;
    }
    return false;
}

class examination {
  public:
    examination(const conf::settings& settings, const machine& on)
        : settings_(settings), on_(on), clients_(clients_to_hold(settings)) {
        for (const auto& [name, upstream] : settings.upstreams) count_connections(upstream);
    }

    std::vector<finding> take() {
        files();
        accepting();
        ports();
        own_ports();
        reuse();
        tracking();
        memory();
        spool();
        if (!on_.null_fault.empty())
            add("/dev/null", on_.null_fault, "a device that opens", "mknod -m 666 /dev/null c 1 3");
        return std::move(findings_);
    }

  private:
    void add(std::string limit, std::string found, std::string needed, std::string cure) {
        findings_.push_back({std::move(limit), std::move(found), std::move(needed), std::move(cure)});
    }
    // A kernel parameter that has to be `needed` at least.
    void parameter(const std::string& name, const std::optional<std::uint64_t>& found, std::uint64_t needed) {
        if (found) add(name, text(*found), text(needed), *found < needed ? name + " = " + text(needed) : "");
    }

    // At one time, to one server of an upstream: under way and kept idle.
    std::uint64_t connections_to(const conf::upstream_settings& upstream, const conf::server_settings& server) const {
        const std::uint64_t idle = upstream.keepalive ? upstream.keepalive->max_idle : 0;
        return idle + std::min(clients_, server.max_in_flight ? std::uint64_t{*server.max_in_flight}
                                                              : clients_ / clients_for_one);
    }

    void count_connections(const conf::upstream_settings& upstream) {
        std::uint64_t under_way = 0;
        bool bounded = true;
        for (const conf::server_settings& server : upstream.servers) {
            bounded = bounded && server.max_in_flight;
            under_way += server.max_in_flight.value_or(0);
            if (upstream.keepalive) to_endpoints_ += upstream.keepalive->max_idle;
        }
        to_endpoints_ += std::min(clients_, bounded ? under_way : clients_ / clients_for_one);
    }

    void files() {
        const std::uint64_t needed = clients_ + to_endpoints_ + reserved_descriptors;
        if (on_.open_files) {
            std::string cure;
            if (*on_.open_files < needed)
                cure = "LimitNOFILE=" + text(needed) +
                       " in the unit (systemctl edit weir); for a shell \"* hard nofile " + text(needed) +
                       "\" in /etc/security/limits.conf";
            std::string found = text(*on_.open_files);
            if (on_.soft_open_files && *on_.soft_open_files < *on_.open_files)
                found += " (soft " + text(*on_.soft_open_files) + ", which serve raises)";
            add("open files (RLIMIT_NOFILE)", found, text(needed), cure);
        }
        parameter("fs.nr_open", on_.most_for_limit, needed);
        parameter("fs.file-max", on_.all_open_files, needed);
    }

    void accepting() {
        const auto at_once = std::min<std::uint64_t>(listen_backlog, clients_);
        parameter("net.core.somaxconn", on_.accept_queue, at_once);
        const bool tcp = std::any_of(settings_.listen.begin(), settings_.listen.end(),
                                     [](const conf::listen_address& each) { return is_tcp(each.address); });
        if (!tcp) return;
        // With cookies the kernel answers whatever the length of that queue.
        if (on_.syn_cookies.value_or(0) != 0)
            add("net.ipv4.tcp_syncookies", text(*on_.syn_cookies), "1", "");
        else
            parameter("net.ipv4.tcp_max_syn_backlog", on_.syn_queue, at_once);
        // Who leaves with an answer half sent leaves an orphan, and what is too many is reset.
        parameter("net.ipv4.tcp_max_orphans", on_.orphans, clients_);
        parameter("net.core.netdev_max_backlog", on_.packet_queue, usual_packet_queue);
        // Without, no more than 64 KiB are under way to a client, however far it is.
        parameter("net.ipv4.tcp_window_scaling", on_.window_scaling, 1);
        queues();
    }

    // Beyond it the kernel drops what comes, and what is to be sent waits. The other two numbers are in the proportion
    // of its defaults.
    void queues() {
        if (!on_.tcp_pages) return;
        const std::uint64_t needed = pages_for_connection * (clients_ + to_endpoints_);
        std::string cure;
        if (*on_.tcp_pages < needed)
            cure = "net.ipv4.tcp_mem = " + text(needed / 2) + ' ' + text(needed * 2 / 3) + ' ' + text(needed);
        add("net.ipv4.tcp_mem", text(*on_.tcp_pages) + " pages", text(needed), cure);
    }

    // A connection to an endpoint takes a port of those that the system gives out; another endpoint may use it again.
    void ports() {
        if (!on_.first_port || !on_.last_port || *on_.last_port < *on_.first_port) return;
        std::uint64_t most = 0;
        std::string_view to;
        for (const auto& [name, upstream] : settings_.upstreams) {
            for (const conf::server_settings& server : upstream.servers) {
                const std::uint64_t wanted = connections_to(upstream, server);
                if (!is_tcp(server.address) || wanted <= most) continue;
                most = wanted;
                to = server.address.text;
            }
        }
        if (most == 0) return;
        std::string cure;
        if (most > highest_port - lowest_port + 1)
            cure = "lower max_in_flight or max_idle of " + std::string(to) + ", or let it listen on several ports";
        else if (most > port_count()) {
            cure = "net.ipv4.ip_local_port_range = " + text(lowest_port) + " " + text(highest_port);
            widened_ = true;
        }
        add("net.ipv4.ip_local_port_range", text(port_count()) + " ports", text(most) + " to " + std::string(to), cure);
    }

    // A connection that goes out may be given any port of the range on which nobody listens just then, and while it
    // lasts nobody can: neither weir when it starts again, nor a server on this machine.
    void own_ports() {
        if (!on_.first_port || !on_.last_port) return;
        const std::uint64_t first = widened_ ? lowest_port : *on_.first_port;
        const std::uint64_t last = widened_ ? highest_port : *on_.last_port;
        std::set<unsigned> in_range;
        const auto look_at = [&](const conf::address& where) {
            if (is_tcp(where) && where.port >= first && where.port <= last) in_range.insert(where.port);
        };
        for (const conf::listen_address& each : settings_.listen) look_at(each.address);
        if (settings_.admin.listen) look_at(*settings_.admin.listen);
        for (const auto& [name, upstream] : settings_.upstreams)
            for (const conf::server_settings& server : upstream.servers)
                if (conf::is_local(server.address)) look_at(server.address);
        if (in_range.empty()) return;
        std::string needed;
        std::string listed = on_.reserved_ports;
        for (const unsigned port : in_range) {
            needed += (needed.empty() ? "" : ",") + text(port);
            if (!is_listed(on_.reserved_ports, port)) listed += (listed.empty() ? "" : ",") + text(port);
        }
        add("net.ipv4.ip_local_reserved_ports", on_.reserved_ports.empty() ? "none" : on_.reserved_ports, needed,
            listed == on_.reserved_ports ? "" : "net.ipv4.ip_local_reserved_ports = " + listed);
    }

    std::uint64_t port_count() const { return *on_.last_port - *on_.first_port + 1; }

    // Without keep-alive every request takes a port, which rests for a minute after weir has closed.
    void reuse() {
        if (!on_.port_reuse) return;
        const auto any = [&](bool local) {
            return std::any_of(settings_.upstreams.begin(), settings_.upstreams.end(), [&](const auto& named) {
                const auto& servers = named.second.servers;
                return !named.second.keepalive &&
                       std::any_of(servers.begin(), servers.end(), [&](const conf::server_settings& server) {
                           return is_tcp(server.address) && conf::is_local(server.address) == local;
                       });
            });
        };
        const bool elsewhere = any(false);
        if (!elsewhere && !any(true)) return;
        const bool fits = *on_.port_reuse == 1 || (*on_.port_reuse == 2 && !elsewhere);
        std::string found = text(*on_.port_reuse);
        if (!fits && on_.first_port && on_.last_port)
            found += ", which leaves " + text(port_count() / time_wait_seconds) + " new connections a second";
        const char* const needed = elsewhere ? "1, for keepalive: off" : "1 or 2, for keepalive: off";
        add("net.ipv4.tcp_tw_reuse", found, needed, fits ? "" : "net.ipv4.tcp_tw_reuse = 1");
    }

    // What has ended is tracked for two minutes more.
    void tracking() { parameter("net.netfilter.nf_conntrack_max", on_.connections, 2 * (clients_ + to_endpoints_)); }

    void memory() {
        if (!on_.free_memory) return;
        const std::uint64_t needed = settings_.cache.memory_bytes.value_or(0) + settings_.buffering.memory_max_bytes +
                                     clients_ * bytes_for_connection + bytes_for_program;
        std::string cure;
        if (*on_.free_memory < needed)
            cure =
                "lower cache.memory, buffering.memory_max or client.max_connections, or raise MemoryMax= of the unit";
        add("memory", mebibytes(*on_.free_memory) + " free", mebibytes(needed), cure);
    }

    void spool() {
        const conf::buffering_settings& buffering = settings_.buffering;
        if (!buffering.spool_max_bytes) return;
        const std::string limit = "spool_dir " + buffering.spool_dir;
        if (!on_.spool_fault.empty()) {
            add(limit, on_.spool_fault, "a folder that weir may write to",
                "name another folder in buffering.spool_dir, or write \"spool_max: off\"");
            return;
        }
        if (!on_.free_disk) return;
        std::string cure;
        if (*on_.free_disk < *buffering.spool_max_bytes)
            cure = "lower buffering.spool_max, or name a folder on a larger disk in buffering.spool_dir";
        add(limit, mebibytes(*on_.free_disk) + " free", mebibytes(*buffering.spool_max_bytes), cure);
    }

    const conf::settings& settings_;
    const machine& on_;
    const std::uint64_t clients_;
    std::uint64_t to_endpoints_ = 0;  // connections at one time
    bool widened_ = false;            // the range of ports, if what was advised is done
    std::vector<finding> findings_;
};

}  // namespace

std::uint64_t clients_to_hold(const conf::settings& settings) {
    return settings.client.max_connections.value_or(usual_clients);
}

std::vector<finding> judge(const conf::settings& settings, const machine& on) {
    return examination(settings, on).take();
}

std::uint64_t clients_within(std::uint64_t descriptors) {
    return descriptors - std::min(descriptors / 2, descriptors / clients_for_one + reserved_descriptors);
}

}  // namespace weir::proxy
