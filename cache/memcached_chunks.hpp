// Values that are larger than memcached's items: pieces under keys of their own, and a list of them in their place.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/memcached_codec.hpp"
#include "cache/memcached_item.hpp"

namespace weir::cache {

// memcached's default is 1 MiB with key and item header, of which the latter takes some 70 bytes.
inline constexpr std::size_t max_item_bytes = 1'000'000;
// A gigabyte. A list that names more is not believed.
inline constexpr std::uint32_t max_chunks = 1024;
// What pieces live longer than their list: who has just read the list still finds them.
inline constexpr std::chrono::seconds chunk_margin{60};

// `value` as encode_response gave it, for `key`: itself, or its pieces in order and then their list, to be stored in
// this order. Empty where `lifetime` is not positive, or there would be too many pieces. `generation` is random.
std::vector<memcached_item> split_value(std::string key, std::string_view cache_key, std::string value,
                                        std::chrono::seconds lifetime, std::uint64_t generation);

// Where the pieces lie that `chunks`, found under `value_key`, lists.
std::vector<std::string> chunk_keys(std::string_view value_key, const chunk_list& chunks);

// The value that `pieces`, in order, an empty one for what was not found, are together: of kind response, or bad.
tier_value join_chunks(const chunk_list& chunks, std::span<const std::string> pieces, std::string_view cache_key);

}  // namespace weir::cache
