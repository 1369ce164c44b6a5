// Changes by hand: which endpoints get requests, said by a person or a script at run time.
//
// They are kept in the endpoint, so a reload keeps them too; a restart does not.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "balancer/endpoint.hpp"
#include "proxy/snapshot.hpp"

namespace weir::proxy {

enum class by_hand : std::uint8_t {
    drain,  // no new requests; exchanges and tunnels under way end by themselves
    ready,  // in use again, if nothing else keeps it out
    down    // as drain, until somebody says ready: for a server that is broken
};

struct hand_change {
    std::string upstream;
    std::string address;  // as conf::address::text
    by_hand action;
};

// The change that `path` names, or nothing: /upstreams/NAME/servers/ADDRESS/(drain|ready|down), with percent-encoding
// where it is needed. The slashes of a unix socket's path need none. Pure.
std::optional<hand_change> parse_hand_change(std::string_view path);
// The other way round, for who asks.
std::string path_of(const hand_change& change);

std::string_view to_text(by_hand action);

struct hand_result {
    const balancer::upstream* upstream = nullptr;  // of `upstreams`, like the next; null if it was not found
    const balancer::upstream::member* member = nullptr;
    std::string why;  // it was not found: a sentence that names what is there
};

// The control thread. Logs a line, and gives who waits in the queue to those who may serve now.
hand_result change_by_hand(const hand_change& change, const std::map<std::string, upstream_in_use>& upstreams,
                           balancer::clock::time_point now);

}  // namespace weir::proxy
