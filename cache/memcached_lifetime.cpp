#include "cache/memcached_lifetime.hpp"

#include <algorithm>

namespace weir::cache {

namespace {

constexpr std::chrono::seconds longest = std::chrono::hours{24 * 30};
constexpr std::chrono::seconds for_validation = std::chrono::hours{1};

}  // namespace

std::chrono::seconds memcached_lifetime(const stored_response& response, const stale_windows& windows, time_point now) {
    const bool has_validator = !response.etag.empty() || response.last_modified;
    const std::chrono::seconds fresh = response.freshness_lifetime - current_age(response, now);
    // A window may be as long as a configuration has it.
    const std::chrono::seconds stale = std::min(std::max(windows.while_revalidate, windows.if_error), longest);
    return std::min(fresh + stale + (has_validator ? for_validation : std::chrono::seconds{0}), longest);
}

}  // namespace weir::cache
