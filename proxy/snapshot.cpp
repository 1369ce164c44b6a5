#include "proxy/snapshot.hpp"

#include <boost/asio/ip/address.hpp>

namespace weir::proxy {

namespace {

bool host_matches(std::string_view pattern, std::string_view host) {
    if (pattern == "*") return true;
    if (pattern.starts_with("*.")) return host.size() > pattern.size() - 1 && host.ends_with(pattern.substr(1));
    return host == pattern;
}

bool path_matches(const conf::route_settings& route, std::string_view path) {
    if (route.exact) return path == route.path;
    if (!path.starts_with(route.path)) return false;
    return route.path.ends_with('/') || path.size() == route.path.size() || path[route.path.size()] == '/';
}

std::string_view without_port(std::string_view host) {
    const std::size_t colon = host.rfind(':');
    if (colon == std::string_view::npos || host.find(']', colon) != std::string_view::npos) return host;
    return host.substr(0, colon);
}

// Whether an address is in one of `blocks`.
http::trust in_any_of(std::vector<conf::cidr> blocks) {
    return [blocks = std::move(blocks)](const boost::asio::ip::address& address) {
        const auto any = [&](std::span<const std::uint8_t> bytes) {
            for (const conf::cidr& block : blocks) {
                if (block.contains(bytes)) return true;
            }
            return false;
        };
        return address.is_v4() ? any(address.to_v4().to_bytes()) : any(address.to_v6().to_bytes());
    };
}

}  // namespace

const route* snapshot::find(std::string_view host, std::string_view path) const {
    const std::string_view name = without_port(host);
    for (const route& candidate : routes) {
        if (host_matches(candidate.settings->host, name) && path_matches(*candidate.settings, path)) return &candidate;
    }
    return nullptr;
}

std::shared_ptr<const snapshot> make_snapshot(std::uint64_t generation, conf::settings settings,
                                              std::map<std::string, upstream_in_use> upstreams,
                                              std::shared_ptr<cache::memcached_tier> tier) {
    auto made = std::make_shared<snapshot>();
    made->generation = generation;
    made->settings = std::move(settings);
    made->upstreams = std::move(upstreams);
    made->tier = std::move(tier);
    const bool caches = made->settings.cache.memory_bytes || made->tier;
    for (const conf::route_settings& r : made->settings.routes) {
        const upstream_in_use& target = made->upstreams.at(r.upstream);
        made->routes.push_back({.settings = &r,
                                .upstream = target.upstream.get(),
                                .counters = target.counters.get(),
                                .caches = r.cache.has_value() && caches,
                                .asks_for_pages = r.memcached_pages && made->tier});
    }
    made->trusted = in_any_of(made->settings.client.trusted_proxies);
    made->purgers = in_any_of(made->settings.cache.purge_allow);
    made->request_limits = {.max_bytes = static_cast<std::uint32_t>(made->settings.client.max_head_bytes),
                            .max_fields = made->settings.client.max_fields};
    return made;
}

}  // namespace weir::proxy
