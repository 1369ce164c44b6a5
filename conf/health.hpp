// How the health of an upstream's servers is watched: the maps `health` and `eject`.
#pragma once

#include "conf/reader.hpp"
#include "conf/settings.hpp"

namespace weir::conf {

void read_health(mapping_reader& health, health_settings& out);
void read_eject(mapping_reader& eject, eject_settings& out);

}  // namespace weir::conf
