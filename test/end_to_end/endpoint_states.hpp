// What /status says of the servers.
#pragma once

#include <boost/json.hpp>
#include <stdexcept>
#include <string>

#include "test/support/patience.hpp"
#include "test/support/weir_instance.hpp"

namespace weir::test {

inline boost::json::object endpoint_of(const weir_instance& weir, const std::string& address) {
    const auto status = weir.status();
    for (const auto& upstream : status.at("upstreams").as_array()) {
        for (const auto& one : upstream.at("endpoints").as_array()) {
            if (one.at("address").as_string() == address.c_str()) return one.as_object();
        }
    }
    throw std::logic_error("no server " + address);
}

inline std::string state_of(const weir_instance& weir, const std::string& address) {
    return std::string(endpoint_of(weir, address).at("state").as_string());
}

// Waits for it.
inline bool comes_to_be(const weir_instance& weir, const std::string& address, const std::string& state) {
    return eventually([&] { return state_of(weir, address) == state; });
}

}  // namespace weir::test
