// Settings for tests, as the loader would make them.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "conf/settings.hpp"

namespace weir::test {

inline conf::address make_address(const std::string& text, conf::address_use use = conf::address_use::server) {
    std::string why;
    const auto address = conf::parse_address(text, use, why);
    if (!address) throw std::logic_error("the test's own address is refused: " + why);
    return *address;
}

// Upstreams by name, each with its servers; no routes.
inline conf::settings make_settings(const std::map<std::string, std::vector<std::string>>& upstreams) {
    conf::settings made;
    for (const auto& [name, servers] : upstreams) {
        for (const std::string& server : servers) made.upstreams[name].servers.push_back({make_address(server)});
    }
    return made;
}

}  // namespace weir::test
