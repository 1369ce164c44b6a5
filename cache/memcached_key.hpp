// Under which keys the tier stores. A cache key may be long and may hold any bytes, so its SHA-256 stands for it; the
// value carries the key in full. `prefix` is as configured: letters, digits and ._- only. Pure; any thread; they throw
// nothing but std::bad_alloc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/stored_response.hpp"

namespace weir::cache {

// Of the value of a cache key: the response, or the names of the fields that select among several. All keys that follow
// from it are to be routed by it, so that they lie on one server.
std::string tier_key(std::string_view prefix, std::string_view cache_key);

// Of the response that a request with these values selects (RFC 9111 section 4.1); tier_key where `vary` is empty. What
// `selects` takes for the same value gives the same key.
std::string variant_key(std::string_view prefix, std::string_view cache_key, const std::vector<vary_field>& vary);
// The same for the names that are stored under tier_key, in their order, and a request.
std::string variant_key(std::string_view prefix, std::string_view cache_key, std::span<const std::string> vary_names,
                        const request_view& request);

// Of the lock on fetching what belongs under `value_key`, which is a tier_key or variant_key.
std::string lock_key(std::string_view value_key);
// Of a piece of what belongs under `value_key`.
std::string chunk_key(std::string_view value_key, std::uint64_t generation, std::uint32_t index);

}  // namespace weir::cache
