// What somebody asks to be purged: by POST /cache/purge on the admin listener, in JSON, or by PURGE on any other.
//
// The content of a POST is an object; of these members, at least one, and a thousand things at most:
//   "url", "urls"        "http://host/path?query", "host/path?query", or "/path?query" with "host" beside it
//   "prefix", "prefixes" the same, for whatever begins with it: http://host/news is the beginning of /newsletter too
//   "tag", "tags"        words of Surrogate-Key, Cache-Tag or xkey
//   "group", "groups"    cache groups (RFC 9875) of "origin", "https://host"; hard only
//   "all": true
// and "mode": "hard", which is the default, or "soft". The singular takes a string, the plural a list of them.
//
// A URL stands for all variants of it, under either scheme, and is cut down as the keys of its route are: what `key`
// leaves out of the query does not matter here either.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/purge.hpp"
#include "proxy/http/head.hpp"
#include "proxy/snapshot.hpp"

namespace weir::proxy {

inline constexpr std::string_view purge_path = "/cache/purge";
inline constexpr std::size_t max_purge_content_bytes = 1024 * 1024;
inline constexpr std::size_t max_purged_things = 1000;

// In the form in which a purge_log compares.
struct purge_order {
    cache::purge_mode mode = cache::purge_mode::hard;
    std::vector<std::string> urls;      // as cache::url_of gives them
    std::vector<std::string> prefixes;  // of these
    std::vector<std::string> tags;
    std::vector<std::string> groups;
    std::string origin;  // of the groups, as in a key: "https://host"
    bool all = false;

    std::size_t size() const { return urls.size() + prefixes.size() + tags.size() + groups.size() + (all ? 1 : 0); }
};

// What `content`, that of a POST, asks for; or nothing, and `why` is a sentence that names the place. Pure.
std::optional<purge_order> parse_purge(std::string_view content, const snapshot& config, std::string& why);

// What a PURGE asks for: the words of its Surrogate-Key, Cache-Tag and xkey, or else its URL, and that of which it is
// the form for Zope (/VirtualHostBase/...); soft where it has `Fastly-Soft-Purge: 1`. `host`: the one it means,
// normalised as for a key. Pure.
purge_order order_of(const http::request_head& request, std::string_view host, const snapshot& config);

// Does it; any thread. The answer, as JSON: how many of what was purged, and the number of the last purge.
std::string carry_out(const purge_order& order, cache::purge_log& purges);

}  // namespace weir::proxy
