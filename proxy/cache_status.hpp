// Cache-Status (RFC 9211): what the cache did with a request, and why. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace weir::proxy {

struct cache_status {
    bool hit = false;               // answered without asking an endpoint
    std::string_view forwarded{};   // why not; a word of RFC 9211 section 2.2
    unsigned forwarded_status = 0;  // that an endpoint said; 0: none did, or the one that the client gets
    std::optional<std::chrono::seconds>
        ttl;  // what is left of the lifetime of what is stored; negative: stale for so long
    bool stored = false;
    bool collapsed = false;     // another request's response
    std::string_view detail{};  // a token
};

// The whole line. What an upstream cache said stays in front of it.
void append_cache_status(const cache_status& status, std::string& fields);

}  // namespace weir::proxy
