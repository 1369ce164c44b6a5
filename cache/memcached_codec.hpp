// Values of the tier as bytes, written by one weir and read by another, which may be of another version, or by none of
// ours: memcached is shared.
//
// Little-endian: "weir", version, kind, the cache key in full, what the kind has, and last the XXH3-128 of all before.
// Numbers have their size; texts and lists begin with their length or count. What of a stored_response follows from
// its head (field positions, validators) is not written but found again. There is one version, this one: what another
// weir wrote is a miss, and replaced.
//
// The checksum finds accidents. Whoever can write to memcached can write a response with a right one, as they can write
// pages: reading only makes sure that even such a value cannot break the framing of an answer or use memory beyond its
// own size.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/purge_position.hpp"
#include "cache/stored_response.hpp"

namespace weir::cache {

// A value that is stored in pieces: see memcached_chunks.hpp.
struct chunk_list {
    std::uint64_t generation = 0;  // drawn for each value, so that pieces of two are never put together
    std::uint32_t count = 0;
    std::uint64_t bytes = 0;  // of all pieces
    bool operator==(const chunk_list&) const = default;
};

struct tier_value {
    enum class kind : std::uint8_t {
        response,
        varies,       // the names that select among the responses of this key
        chunked,      // pieces, which together are one of kind response
        uncacheable,  // the last response for this key could not be stored
        bad           // of another version or key, damaged, cut: a miss
    };
    kind what = kind::bad;
    // Of response. Its fill_number is 0: the caller finds it for `position`, or calls the value a miss. Where it has a
    // vary, whether a request selects it is still to be asked.
    new_response_ptr response;
    purge_position position;        // of response: that of its fill's start
    std::vector<std::string> vary;  // of varies: in lower case, at least one
    chunk_list chunks;              // of chunked
};

// `response` is whole, with its length in its head. Of use only whether it is soft_purged is written.
std::string encode_response(const stored_response& response, const purge_position& position);
std::string encode_varies(std::string_view cache_key, const std::vector<vary_field>& vary);
std::string encode_chunked(std::string_view cache_key, const chunk_list& chunks);
std::string encode_uncacheable(std::string_view cache_key);

// Any bytes; pure, any thread. Throws nothing but std::bad_alloc.
tier_value decode(std::string_view bytes, std::string_view cache_key);

}  // namespace weir::cache
