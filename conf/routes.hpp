// The `routes` section: which upstream gets a request, and what happens to it on the way.
#pragma once

#include "conf/reader.hpp"
#include "conf/settings.hpp"

namespace weir::conf {

// Reads `routes` into `out`, whose upstreams and buffering are there already: they are what a route takes over where it
// says nothing. Without `routes`, the only upstream gets everything. A route to an upstream that is not there is a
// fault, unless an upstream may be in a file that could not be read (`all_known` is false); one that no request can
// reach is a warning.
void read_routes(mapping_reader& top, settings& out, bool all_known);

}  // namespace weir::conf
