#include "proxy/connection_pool.hpp"

#include <utility>

namespace weir::proxy {

namespace {

std::chrono::milliseconds idle_time(const upstream_connection& connection, steady::time_point now) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - connection.idle_since);
}

}  // namespace

std::unique_ptr<upstream_connection> connection_pool::take(const balancer::endpoint& endpoint,
                                                           const conf::keepalive_settings& settings, bool careful,
                                                           steady::time_point now) {
    const auto found = idle_.find(endpoint.id());
    if (found == idle_.end()) return nullptr;
    auto& connections = found->second.connections;
    const auto life = settings.idle_timeout.value_or(endpoint.idle_life());
    while (!connections.empty()) {
        const auto idle = idle_time(*connections.back(), now);
        if (careful && idle < life && idle >= life / 2) return nullptr;  // good enough for somebody else
        auto connection = std::move(connections.back());
        connections.pop_back();
        if (idle >= life) {
            close(std::move(connection));
            continue;
        }
        if (!connection->stream().is_quiet()) {
            note_closed(found->second, std::move(connection), idle);
            continue;
        }
        connection->endpoint().idle_connections.fetch_sub(1, std::memory_order_relaxed);
        return connection;
    }
    return nullptr;
}

void connection_pool::give_back(std::unique_ptr<upstream_connection> connection,
                                const conf::keepalive_settings& settings, steady::time_point now) {
    balancer::endpoint& endpoint = connection->endpoint();
    const bool surplus = endpoint.idle_connections.fetch_add(1, std::memory_order_relaxed) >= settings.max_idle;
    if (surplus || endpoint.is(balancer::out_of_use::gone)) {
        close(std::move(connection));
        return;
    }
    connection->idle_since = now;
    shelf& own = idle_[endpoint.id()];
    own.fixed_life = settings.idle_timeout;
    own.connections.push_back(std::move(connection));
}

void connection_pool::sweep(steady::time_point now) {
    for (auto entry = idle_.begin(); entry != idle_.end();) {
        shelf& own = entry->second;
        sweep(own, now);
        entry = own.connections.empty() && !own.probe ? idle_.erase(entry) : std::next(entry);
    }
}

void connection_pool::sweep(shelf& own, steady::time_point now) {
    const bool probe_closed = own.probe && !sweep_probe(own, now);
    for (auto& connection : own.connections) {
        balancer::endpoint& endpoint = connection->endpoint();
        const auto idle = idle_time(*connection, now);
        if (!connection->stream().is_quiet()) {
            note_closed(own, std::move(connection), idle);
        } else if (idle >= own.fixed_life.value_or(endpoint.idle_life())) {
            if (!own.fixed_life && !own.probe && endpoint.begin_probe(now)) {
                // One more than max_idle allows, or it would keep others from being kept.
                endpoint.idle_connections.fetch_sub(1, std::memory_order_relaxed);
                own.probe = std::move(connection);
                own.probe_kept = idle;
            } else {
                close(std::move(connection));
            }
        }
    }
    std::erase(own.connections, nullptr);
    learn(own, probe_closed);
}

bool connection_pool::sweep_probe(shelf& own, steady::time_point now) {
    const auto idle = idle_time(*own.probe, now);
    if (!own.probe->stream().is_quiet()) {
        own.probe->stream().close();
        own.seen_closed.push_back({std::move(own.probe), idle});
        return false;
    }
    own.probe_kept = idle;
    if (idle >= balancer::endpoint::longest_probe) {
        own.probe->endpoint().kept_for(idle);
        own.probe->stream().close();
        own.probe.reset();
    }
    return true;
}

// From what was closed since the last sweep.
void connection_pool::learn(shelf& own, bool probe_closed) {
    if (own.seen_closed.empty()) return;
    std::vector<std::chrono::milliseconds> idle;
    for (const ended& each : own.seen_closed) idle.push_back(each.idle);
    balancer::endpoint& endpoint = own.seen_closed.front().connection->endpoint();
    if (endpoint.closed_after(idle) && probe_closed) endpoint.kept_for(own.probe_kept);
    own.seen_closed.clear();
}

void connection_pool::note_closed(shelf& own, std::unique_ptr<upstream_connection> connection,
                                  std::chrono::milliseconds idle) {
    connection->endpoint().idle_connections.fetch_sub(1, std::memory_order_relaxed);
    connection->stream().close();
    own.seen_closed.push_back({std::move(connection), idle});
}

void connection_pool::forget(std::uint32_t endpoint_id) {
    const auto found = idle_.find(endpoint_id);
    if (found == idle_.end()) return;
    close_shelf(found->second);
    idle_.erase(found);
}

void connection_pool::close_all() {
    for (auto& [id, own] : idle_) close_shelf(own);
    idle_.clear();
}

void connection_pool::close_shelf(shelf& own) {
    for (auto& connection : own.connections) close(std::move(connection));
    if (own.probe) own.probe->stream().close();
}

void connection_pool::close(std::unique_ptr<upstream_connection> connection) {
    connection->endpoint().idle_connections.fetch_sub(1, std::memory_order_relaxed);
    connection->stream().close();
}

}  // namespace weir::proxy
