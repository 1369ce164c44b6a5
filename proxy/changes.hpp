// What a person wants to know of an upstream, and of a reload.
#pragma once

#include <string>

#include "conf/settings.hpp"
#include "proxy/deadlines.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/status.hpp"

namespace weir::proxy {

// "app: +127.0.0.1:9003 -127.0.0.1:9001 settings; routes; client", or "nothing changed". Pure.
std::string describe_changes(const conf::settings& before, const conf::settings& now);

// What is known of an endpoint beside what is in it.
struct endpoint_notes {
    std::string down_why;     // checks found it down: why
    std::string ejected_why;  // likewise
    std::optional<checks_status> checks;
};

endpoint_status describe(const balancer::upstream::member& member, const endpoint_notes& notes, steady::time_point now);
// Without the endpoints.
upstream_status describe(const balancer::upstream& upstream, const upstream_counters& counters);

}  // namespace weir::proxy
