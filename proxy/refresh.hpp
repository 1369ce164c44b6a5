// Asking an endpoint for a newer response behind the back of a client that has the stale one already (RFC 5861 section
// 3): an exchange like any other, but nobody takes its response.
#pragma once

#include <memory>
#include <string_view>

#include "cache/cache.hpp"
#include "proxy/http/forwarded.hpp"
#include "proxy/http/head.hpp"
#include "proxy/snapshot.hpp"

namespace weir::proxy {

class worker;

// The request that found what is to be refreshed; all of it is copied.
struct refresh_source {
    const http::request_head& head;
    http::forwarded_client from;
    std::string_view host;  // normalised
    std::string_view path;  // normalised
    std::string_view cache_key;
};

// Begins one on the worker's thread; it ends by itself. `via` is a route of `config`. Without the memory for it, others
// try again later.
void begin_refresh(worker& on, const refresh_source& source, std::shared_ptr<const snapshot> config, const route& via,
                   const cache::lookup_result& found);

}  // namespace weir::proxy
