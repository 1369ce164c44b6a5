// How long a stored response is of use to anybody.
#pragma once

#include <chrono>

#include "cache/freshness.hpp"
#include "cache/stored_response.hpp"

namespace weir::cache {

// While it is fresh, may be used stale, and, where it has a validator, an hour beyond that: a 304 is cheaper than the
// response. At most 30 days, which is what memcached takes as a span. Zero or less: not worth storing. Pure.
std::chrono::seconds memcached_lifetime(const stored_response& response, const stale_windows& windows, time_point now);

}  // namespace weir::cache
