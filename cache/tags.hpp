// What a response may be purged by beside its URL: the words of Surrogate-Key, Cache-Tag and xkey, and its cache groups
// (RFC 9875). Kept as 64-bit hashes: should two tags share one, a purge takes more than was asked for, never less.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/head.hpp"

namespace weir::cache {

// What a response keeps; one with more tags is hit by every purge of a tag, since which ones it has is not known.
inline constexpr std::size_t max_tags = 1024;
inline constexpr std::uint64_t any_tag = 0;  // the tag of such a response

// Case counts. Never any_tag.
std::uint64_t hash_tag(std::string_view tag);
// `origin`: "scheme://host", normalised as in a key; the same group at another origin is another group (RFC 9875
// section 2).
std::uint64_t hash_group(std::string_view origin, std::string_view group);

// The tags of a response, sorted, each once: the words, separated by commas or white space, of all lines of the fields
// that `tag_fields` names, and the members of Cache-Groups (a structured list of strings; anything else counts as
// absent). Pure.
std::vector<std::uint64_t> tags_of(const http::field_list& response, std::span<const std::string> tag_fields,
                                   std::string_view origin);

// The members of Cache-Group-Invalidation (RFC 9875 section 3), which counts only in responses to unsafe methods.
std::vector<std::string> groups_to_invalidate(const http::field_list& response);

}  // namespace weir::cache
