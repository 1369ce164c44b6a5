// The sections of a configuration that stand alone: everything but upstreams and routes. Each function reads the
// section of its name from the top-level mapping, leaves the defaults where it is silent, and reports what is wrong.
#pragma once

#include "conf/reader.hpp"
#include "conf/settings.hpp"

#include <vector>

namespace weir::conf {

inline constexpr range any_size{kibibyte, 1024 * gibibyte};

void read_listen(mapping_reader& top, std::vector<listen_address>& out);
void read_admin(mapping_reader& top, admin_settings& out);
void read_log(mapping_reader& top, log_settings& out);
void read_client(mapping_reader& top, client_settings& out);
void read_buffering(mapping_reader& top, buffering_settings& out);
void read_dns(mapping_reader& top, dns_settings& out);
void read_cache(mapping_reader& top, cache_settings& out);

// `request` and `response` of a `buffering` map, at the top or in a route.
void read_route_buffering(mapping_reader& from, route_buffering& out);

}  // namespace weir::conf
