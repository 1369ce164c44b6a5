// Stored responses by the hash of their key: chains that go through the responses themselves, so that one takes a
// pointer in the table and no memory beside it.
//
// A table grows by a chain at a time, which the arrival of a response pays for (linear hashing): a chain n takes over
// what belongs into it from chain n without its highest bit. Only the array of the chains is doubled at once.
//
// Not safe from several threads; a shard's lock guards it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cache/stored_response.hpp"

namespace weir::cache {

class response_table {
  public:
    // The first of the chain with those of this id, in the order they came, and others; null: none.
    stored_response* chain(std::uint32_t id) const { return chains_.empty() ? nullptr : chains_[place_of(id)]; }
    // The chain at a place below size(). What is there may come to lie at a higher place later, never at a lower one
    // but by fit().
    stored_response* chain_at(std::size_t place) const { return chains_[place]; }
    std::size_t size() const { return chains_.size(); }

    // The response stays where it is, and its id as it is, until it is removed.
    void insert(stored_response& arriving);
    void remove(stored_response& leaving);
    // Gives back what a table of that many does not need. Linear.
    void fit();
    std::uint64_t memory_bytes() const { return chains_.capacity() * sizeof(stored_response*); }

  private:
    std::size_t place_of(std::uint32_t id) const;
    void grow();
    void append(std::size_t place, stored_response* chain);

    std::vector<stored_response*> chains_;
    std::size_t responses_ = 0;
};

}  // namespace weir::cache
