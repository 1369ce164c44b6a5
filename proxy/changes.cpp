#include "proxy/changes.hpp"

#include <algorithm>

namespace weir::proxy {

namespace {

bool has_server(const conf::upstream_settings& upstream, const std::string& address) {
    return std::any_of(upstream.servers.begin(), upstream.servers.end(),
                       [&](const auto& s) { return s.address.text == address; });
}

std::string upstream_changes(const conf::upstream_settings& before, const conf::upstream_settings& now) {
    std::string text;
    for (const auto& server : now.servers) {
        if (!has_server(before, server.address.text)) text += " +" + server.address.text;
    }
    for (const auto& server : before.servers) {
        if (!has_server(now, server.address.text)) text += " -" + server.address.text;
    }
    return text.empty() && before != now ? " settings" : text;
}

}  // namespace

std::string describe_changes(const conf::settings& before, const conf::settings& now) {
    std::string text;
    const auto say = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
    for (const auto& [name, upstream] : now.upstreams) {
        const auto known = before.upstreams.find(name);
        const std::string changes =
            known == before.upstreams.end() ? " new" : upstream_changes(known->second, upstream);
        if (!changes.empty()) say(name + ":" + changes);
    }
    for (const auto& [name, upstream] : before.upstreams) {
        if (!now.upstreams.contains(name)) say(name + ": gone");
    }
    if (before.listen != now.listen) say("listen");
    if (before.routes != now.routes) say("routes");
    if (before.client != now.client) say("client");
    if (before.buffering != now.buffering) say("buffering");
    if (before.cache != now.cache) say("cache");
    if (before.log != now.log) say("log");
    if (before.admin != now.admin) say("admin");
    if (before.dns != now.dns) say("dns");
    if (before.drain_timeout != now.drain_timeout) say("drain_timeout");
    return text.empty() ? "nothing changed" : text;
}

upstream_status describe(const balancer::upstream& upstream, const upstream_counters& counters,
                         steady::time_point now) {
    upstream_status status;
    status.name = upstream.name;
    for (const auto& member : upstream.members) {
        const balancer::endpoint& endpoint = *member.endpoint;
        endpoint_status of{
            .address = endpoint.name(), .weight = static_cast<unsigned>(member.weight), .backup = member.backup};
        if (!endpoint.resolved()) {
            of.state = "unresolved";
            of.reason = "its name does not resolve";
        } else if (endpoint.passed_over(now)) {
            of.state = "passed over";
            of.reason = "it refused a connection less than a second ago";
        }
        of.in_flight = static_cast<std::uint64_t>(std::max<std::int64_t>(0, endpoint.in_flight()));
        of.idle_connections = static_cast<std::uint64_t>(std::max<std::int64_t>(0, endpoint.idle_connections.load()));
        of.requests = endpoint.requests.load();
        of.failures = endpoint.failures.load();
        status.endpoints.push_back(std::move(of));
    }
    for (const upstream_metrics& worker : counters.by_worker) status.add(worker);
    return status;
}

}  // namespace weir::proxy
