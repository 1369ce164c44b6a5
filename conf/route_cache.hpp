// The section `cache` of a route: what is stored, under which key, and for how long.
#pragma once

#include "conf/reader.hpp"
#include "conf/settings.hpp"

namespace weir::conf {

// Reads the keys of the mapping into `out`, which holds the defaults.
void read_route_cache(mapping_reader& from, route_cache_settings& out);

}  // namespace weir::conf
