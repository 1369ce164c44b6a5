#include "proxy/connection_pool.hpp"

#include <algorithm>

namespace weir::proxy {

namespace {

std::chrono::milliseconds life_of(const balancer::endpoint& endpoint, const conf::keepalive_settings& settings) {
    return settings.idle_timeout.value_or(endpoint.idle_life());
}

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
    const auto life = life_of(endpoint, settings);
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
            connection->endpoint().closed_after(idle);
            close(std::move(connection));
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
    if (endpoint.idle_connections.fetch_add(1, std::memory_order_relaxed) >= settings.max_idle) {
        close(std::move(connection));
        return;
    }
    connection->idle_since = now;
    shelf& own = idle_[endpoint.id()];
    own.life = life_of(endpoint, settings);
    own.connections.push_back(std::move(connection));
}

void connection_pool::sweep(steady::time_point now) {
    for (auto entry = idle_.begin(); entry != idle_.end();) {
        auto& connections = entry->second.connections;
        for (auto& connection : connections) {
            const auto idle = idle_time(*connection, now);
            const bool quiet = connection->stream().is_quiet();
            if (!quiet) connection->endpoint().closed_after(idle);
            if (!quiet || idle >= entry->second.life) close(std::move(connection));
        }
        std::erase(connections, nullptr);
        entry = connections.empty() ? idle_.erase(entry) : std::next(entry);
    }
}

void connection_pool::forget(std::uint32_t endpoint_id) {
    const auto found = idle_.find(endpoint_id);
    if (found == idle_.end()) return;
    for (auto& connection : found->second.connections) close(std::move(connection));
    idle_.erase(found);
}

void connection_pool::close_all() {
    for (auto& [id, own] : idle_) {
        for (auto& connection : own.connections) close(std::move(connection));
    }
    idle_.clear();
}

void connection_pool::close(std::unique_ptr<upstream_connection> connection) {
    connection->endpoint().idle_connections.fetch_sub(1, std::memory_order_relaxed);
    connection->stream().close();
}

}  // namespace weir::proxy
