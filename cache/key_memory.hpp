// What is remembered of keys beside their responses: which proved uncacheable, and how often a key was asked for.
//
// Two arrays of slots, one slot a key's hash: a key that meets another's slot takes it over, so what is remembered may
// be lost, and is then learnt again. Any thread; no lock, no allocation.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include "cache/stored_response.hpp"

namespace weir::cache {

class key_memory {
  public:
    key_memory();

    // Requests for `key` need not wait for each other until then.
    void note_uncacheable(std::string_view key, time_point until);
    void forget_uncacheable(std::string_view key);
    bool is_uncacheable(std::string_view key, time_point now) const;

    // How often this was called for `key` so far, this time included; stops counting at 255.
    unsigned count_use(std::string_view key);
    unsigned uses(std::string_view key) const;

  private:
    static constexpr std::size_t slot_count = 32 * 1024;
    struct place {
        std::size_t slot;
        std::uint64_t tag;  // the upper half of the hash, in place
    };
    place find(std::string_view key) const;

    std::uint64_t seed_;
    std::unique_ptr<std::atomic<std::uint64_t>[]> uncacheable_;  // tag, and seconds since the epoch
    std::unique_ptr<std::atomic<std::uint64_t>[]> uses_;         // tag, and a count
};

}  // namespace weir::cache
