// The maps request_headers and response_headers of a route.
#pragma once

#include "conf/reader.hpp"
#include "conf/settings.hpp"

#include <string_view>
#include <vector>

namespace weir::conf {

// True for what may be the name of a field or a cookie, with at most 256 bytes (RFC 9110 section 5.6.2).
bool is_token(std::string_view text);

// Reads the map at `key`. A name that is no token, a value with control characters, and a field that belongs to the
// framing or the connection are faults: setting one would break messages or open a way to smuggle (RFC 9112 section
// 11).
void read_header_rules(mapping_reader& from, std::string_view key, std::vector<header_rule>& out);

}  // namespace weir::conf
