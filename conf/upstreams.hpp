// The `upstreams` section: named groups of servers.
#pragma once

#include "conf/reader.hpp"
#include "conf/settings.hpp"

#include <map>
#include <string>

namespace weir::conf {

// What `upstreams` says. An upstream with a fault is there all the same, so that routes to it are not faults too.
void read_upstreams(mapping_reader& top, std::map<std::string, upstream_settings>& out, node_budget& budget);

// The five durations of a `timeouts` map, of an upstream or a route.
void read_timeouts(mapping_reader& from, timeout_settings& out);

}  // namespace weir::conf
