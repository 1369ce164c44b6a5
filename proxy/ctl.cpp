#include "proxy/ctl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

namespace weir::proxy {

namespace {

int fail(const std::string& why) {
    std::cerr << "weir ctl: " << why << '\n';
    return 1;
}

std::string under_way(const endpoint_status& one) {
    return one.max_in_flight ? fmt::format("{}/{}", one.in_flight, *one.max_in_flight) : std::to_string(one.in_flight);
}

}  // namespace

std::string status_table(const shown_status& shown) {
    std::string text;
    const std::vector<upstream_status>& upstreams = shown.upstreams;
    std::size_t width = 0;
    for (const upstream_status& upstream : upstreams) {
        for (const endpoint_status& one : upstream.endpoints) width = std::max(width, one.address.size());
    }
    for (const upstream_status& upstream : upstreams) {
        text += fmt::format("{}: {} waiting\n", upstream.name, upstream.queued);
        for (const endpoint_status& one : upstream.endpoints) {
            text += fmt::format("  {:<{}}  {:<11}  under way {:<7}  requests {:<9}  failures {:<6}", one.address, width,
                                one.state, under_way(one), one.requests, one.failures);
            if (one.backup) text += "  backup";
            if (!one.reason.empty()) text += "  " + one.reason;
            text.erase(text.find_last_not_of(' ') + 1);
            text += '\n';
        }
    }
    for (const auto& one : shown.memcached) {
        text += fmt::format("memcached {}: {} since {}, {} of {} keys found, {} failures\n", one.server, one.state,
                            one.since, one.hits, one.keys, one.failures);
    }
    if (shown.log) {
        text += fmt::format("purge log: {}, read {}, own purges waiting {}, times lost {}\n",
                            shown.log->is_in_step ? "in step" : "not in step",
                            shown.log->last_read.empty() ? "never" : shown.log->last_read, shown.log->waiting,
                            shown.log->times_lost);
    }
    return text;
}

int ctl_status(const ctl_client& client) {
    std::string why;
    const auto shown = client.status(why);
    if (!shown) return fail(why);
    std::cout << status_table(*shown);
    return 0;
}

int ctl_change(const ctl_client& client, const hand_change& what) {
    std::string why;
    const auto now = client.change(what, why);
    if (!now) return fail(why);
    std::cout << fmt::format("{}: {} is {}{}; requests under way: {}\n", what.upstream, now->address, now->state,
                             now->reason.empty() ? "" : " (" + now->reason + ')', now->in_flight);
    return 0;
}

int ctl_purge(const ctl_client& client, const purge_wish& what) {
    std::string why;
    const auto done = client.purge(what, why);
    if (!done) return fail(why);
    std::cout << *done << '\n';
    return 0;
}

}  // namespace weir::proxy
