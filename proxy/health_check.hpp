// What an active check asks an endpoint, and what it makes of the answer. Pure.
#pragma once

#include <string>

#include "conf/settings.hpp"
#include "proxy/ask.hpp"

namespace weir::proxy {

// The whole request. Host is what requests of the upstream say; where they say the client's, it is the endpoint's
// address.
std::string check_request(const conf::upstream_settings& upstream, const conf::address& endpoint);

// Empty: good. Else why not, such as "status 503".
std::string fault_of(const reply& answer, const conf::health_settings& expected);

// When the first check of an endpoint is due after start or reload, and how long after one check the next begins:
// spread by the endpoint's id, so that many are never checked all at once, and the same each time.
std::chrono::milliseconds first_check_after(std::uint32_t endpoint_id, std::chrono::milliseconds interval);
std::chrono::milliseconds next_check_after(std::uint32_t endpoint_id, std::chrono::milliseconds interval);

}  // namespace weir::proxy
