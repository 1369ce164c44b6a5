#include "cache/memcached_chunks.hpp"

#include <algorithm>

#include "cache/memcached_key.hpp"

namespace weir::cache {

std::vector<memcached_item> split_value(std::string key, std::string_view cache_key, std::string value,
                                        std::chrono::seconds lifetime, std::uint64_t generation) {
    std::vector<memcached_item> items;
    if (lifetime <= std::chrono::seconds{0}) return items;
    if (value.size() <= max_item_bytes) {
        items.push_back({.key = std::move(key), .bytes = std::move(value), .lifetime = lifetime});
        return items;
    }
    const std::size_t count = (value.size() - 1) / max_item_bytes + 1;
    if (count > max_chunks) return items;
    const chunk_list chunks{generation, static_cast<std::uint32_t>(count), value.size()};
    items.reserve(count + 1);
    for (std::uint32_t i = 0; i < chunks.count; ++i) {
        items.push_back({.key = chunk_key(key, generation, i),
                         .bytes = value.substr(i * max_item_bytes, max_item_bytes),
                         .lifetime = lifetime + chunk_margin});
    }
    items.push_back({.key = std::move(key), .bytes = encode_chunked(cache_key, chunks), .lifetime = lifetime});
    return items;
}

std::vector<std::string> chunk_keys(std::string_view value_key, const chunk_list& chunks) {
    std::vector<std::string> keys;
    keys.reserve(chunks.count);
    for (std::uint32_t i = 0; i < chunks.count; ++i) keys.push_back(chunk_key(value_key, chunks.generation, i));
    return keys;
}

tier_value join_chunks(const chunk_list& chunks, std::span<const std::string> pieces, std::string_view cache_key) {
    if (pieces.size() != chunks.count) return {};
    std::size_t bytes = 0;
    for (const std::string& piece : pieces) {
        if (piece.empty()) return {};
        bytes += piece.size();
    }
    if (bytes != chunks.bytes) return {};
    std::string whole;
    whole.reserve(bytes);
    for (const std::string& piece : pieces) whole.append(piece);
    tier_value value = decode(whole, cache_key);
    if (value.what != tier_value::kind::response) return {};
    return value;
}

}  // namespace weir::cache
