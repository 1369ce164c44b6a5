// Asking an endpoint for a newer response behind the back of a client that has the stale one already (RFC 5861 section
// 3): an exchange like any other, but nobody takes its response.
#pragma once

#include <boost/asio/ip/address.hpp>

#include "cache/cache.hpp"
#include "proxy/request_context.hpp"
#include "proxy/snapshot.hpp"

namespace weir::proxy {

class worker;

// Begins one on the worker's thread, under its present configuration, which has `via`; it ends by itself. `context`: of
// the request of `peer` that found `found`; it is copied. Throws bad_alloc, and then nothing has begun.
void begin_refresh(worker& on, const request_context& context, const boost::asio::ip::address& peer, const route& via,
                   cache::lookup_result found);

}  // namespace weir::proxy
