// Bytes both ways after 101, until both sides have said their last one (RFC 9110 section 7.8).
#pragma once

#include <chrono>
#include <string_view>

#include "proxy/awaitable.hpp"
#include "proxy/stream.hpp"

namespace weir::proxy {

class worker;

struct tunnel_end {
    proxy::stream& stream;
    std::string_view unread;  // what was read from it and not passed on; outlives the tunnel
};

// Ends when both sides have closed, one breaks, or no byte has gone either way for `idle_limit`. A side that says its
// last byte may go on listening. Both streams are closed at the end.
awaitable<void> run_tunnel(worker& on, tunnel_end client, tunnel_end endpoint, std::chrono::milliseconds idle_limit);

}  // namespace weir::proxy
