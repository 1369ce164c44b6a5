// The requests of the differential test, from a seed and a number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "test/differential/page.hpp"

namespace weir::differential {

// One of the ranges asked for: first and last byte; a suffix has no first, and its length is `last`.
struct byte_range {
    std::optional<std::size_t> first;
    std::optional<std::size_t> last;
};

enum class purge_scope { url, tag, prefix, all };

struct purge_order {
    purge_scope scope;
    bool soft;
    bool by_method;  // PURGE to the listener; else POST /cache/purge to the admin listener
};

struct request {
    std::uint64_t number;
    const page* of;
    asker by;
    std::string method;
    std::string bytes;
    std::optional<purge_order> purge;

    std::vector<byte_range> ranges;
    std::optional<std::string> if_range;
    std::vector<std::string> if_none_match;     // entity tags, or "*"
    std::optional<unsigned> if_modified_since;  // the version whose date it is
    bool only_if_cached = false;
    bool wants_current = false;  // no-cache on a route that honours it

    std::optional<std::size_t> leaves_after;  // bytes of content; 0: right after sending
    bool leaves_by_reset = false;

    bool safe() const { return method == "GET" || method == "HEAD" || method == "OPTIONS"; }
};

// Of the kinds in `kinds`. What names a version names one near the current one.
request make_request(std::uint64_t seed, std::uint64_t number, const std::vector<kind>& kinds, site& of);

}  // namespace weir::differential
