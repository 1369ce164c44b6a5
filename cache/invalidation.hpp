// What a request that may have changed something makes invalid (RFC 9111 section 4.4). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/head.hpp"

namespace weir::cache {

// True for a method that is not safe, or not known, and a status of no error: then what is stored for the target URI
// has to go.
bool invalidates(http::verb method, std::uint16_t status);

// A URI as keys have it before the route's `key` settings: the host normalised, the target without a fragment.
struct invalidated_uri {
    std::string host;
    std::string target;

    bool operator==(const invalidated_uri&) const = default;
};

// Those that Location and Content-Location of the response name and that have the origin (scheme, host and port) of the
// target URI. Others stay: an origin must not empty the cache of another (section 4.4). Relative references are
// resolved against the target URI (RFC 3986 section 5.2). `target` in origin-form, as the client sent it.
std::vector<invalidated_uri> invalidated_uris(std::string_view scheme, std::string_view host, std::string_view target,
                                              const http::field_list& response);

}  // namespace weir::cache
