// What a person wants to know of an upstream, and of a reload.
#pragma once

#include <string>

#include "conf/settings.hpp"
#include "proxy/deadlines.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/status.hpp"

namespace weir::proxy {

// "app: +127.0.0.1:9003 -127.0.0.1:9001; routes; client", or "nothing changed". Pure.
std::string describe_changes(const conf::settings& before, const conf::settings& now);

upstream_status describe(const balancer::upstream& upstream, const upstream_counters& counters, steady::time_point now);

}  // namespace weir::proxy
