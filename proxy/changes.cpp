#include "proxy/changes.hpp"

#include <algorithm>

namespace weir::proxy {

namespace {

bool has_server(const conf::upstream_settings& upstream, const std::string& address) {
    return std::any_of(upstream.servers.begin(), upstream.servers.end(),
                       [&](const auto& s) { return s.address.text == address; });
}

// As it is, but for the servers that the other has not.
conf::upstream_settings in_common(conf::upstream_settings upstream, const conf::upstream_settings& other) {
    std::erase_if(upstream.servers, [&](const auto& s) { return !has_server(other, s.address.text); });
    return upstream;
}

std::string upstream_changes(const conf::upstream_settings& before, const conf::upstream_settings& now) {
    std::string text;
    for (const auto& server : now.servers) {
        if (!has_server(before, server.address.text)) text += " +" + server.address.text;
    }
    for (const auto& server : before.servers) {
        if (!has_server(now, server.address.text)) text += " -" + server.address.text;
    }
    if (in_common(before, now) != in_common(now, before)) text += " settings";
    return text;
}

std::uint64_t count(std::int64_t value) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, value));
}

void describe_state(const balancer::endpoint& endpoint, const endpoint_notes& notes, steady::time_point now,
                    endpoint_status& of) {
    using balancer::out_of_use;
    // What a person said goes before what weir found: it is there to stay.
    const auto hold = [&](out_of_use why, const char* word, const std::string& reason) {
        if (!endpoint.is(why)) return;
        if (of.out_of_use.empty()) of.state = word;
        of.reason += (of.out_of_use.empty() ? "" : std::string("; ") + word + ": ") + reason;
        of.out_of_use.push_back(word);
    };
    hold(out_of_use::held_down, "held down", "by hand");
    hold(out_of_use::draining, "draining", "by hand");
    hold(out_of_use::unresolved, "unresolved", "its name does not resolve");
    hold(out_of_use::unhealthy, "down", notes.down_why);
    hold(out_of_use::ejected, "ejected", notes.ejected_why);
    if (!endpoint.in_use()) return;
    if (endpoint.passed_over(now)) {
        of.state = "passed over";
        of.reason = "it refused a moment ago";
    } else if (endpoint.rests(now)) {
        of.state = "resting";
        of.reason = "it answered 503 and asked to be left alone";
    } else if (of.share_percent < 100) {
        of.state = "slow start";
        of.reason = "it gets " + std::to_string(of.share_percent) + "% of its share";
    }
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

endpoint_status describe(const balancer::upstream::member& member, const endpoint_notes& notes,
                         steady::time_point now) {
    const balancer::endpoint& endpoint = *member.endpoint;
    endpoint_status of{.address = endpoint.name(),
                       .weight = static_cast<unsigned>(member.weight),
                       .backup = member.backup,
                       .share_percent = endpoint.share_percent(now),
                       .in_flight = count(endpoint.in_flight()),
                       .max_in_flight = endpoint.max_in_flight(),
                       .checks = notes.checks,
                       .idle_connections = count(endpoint.idle_connections.load()),
                       .requests = endpoint.requests.load(),
                       .failures = endpoint.failures.load()};
    describe_state(endpoint, notes, now, of);
    return of;
}

upstream_status describe(const balancer::upstream& upstream, const upstream_counters& counters) {
    upstream_status status;
    status.name = upstream.name;
    status.queued = upstream.queue->waiting();
    for (const upstream_metrics& worker : counters.by_worker) status.add(worker);
    return status;
}

}  // namespace weir::proxy
