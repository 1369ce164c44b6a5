// What is remembered of keys beside their responses: which proved uncacheable, which could not be refreshed, and how
// often a key was asked for.
//
// Three arrays of slots, one slot a key's hash: a key that meets another's slot takes it over, so what is remembered
// may be lost, and is then learnt again. Any thread; no lock, no allocation.
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

    // Requests for `key` need not wait for each other until then. `is_stored`: its responses are stored, but each
    // request has to have them validated.
    void note_uncacheable(std::string_view key, time_point until, bool is_stored = false);
    bool is_uncacheable(std::string_view key, time_point now) const;
    // Whether nothing of it is stored, either.
    bool is_unstored(std::string_view key, time_point now) const;
    void forget_uncacheable(std::string_view key);

    // Refreshes of `key` that failed in a row, up to 15, and until when it is left alone.
    struct failing {
        unsigned failures = 0;
        time_point until{};
    };
    void note_failing(std::string_view key, const failing& what);
    failing find_failing(std::string_view key) const;
    void forget_failing(std::string_view key);

    // How often this was called for `key` so far, this time included; stops counting at 255.
    unsigned count_use(std::string_view key);
    unsigned uses(std::string_view key) const;

  private:
    static constexpr std::size_t slot_count = 32 * 1024;
    struct place {
        std::size_t slot;
        std::uint64_t tag;  // the upper bits of the hash, in place
    };
    place find(std::string_view key) const;

    std::uint64_t seed_;
    using slots = std::unique_ptr<std::atomic<std::uint64_t>[]>;
    slots uncacheable_;  // tag, whether it is stored, and seconds since the epoch
    slots failing_;      // tag, failures, and seconds since the epoch
    slots uses_;         // tag, and a count
};

}  // namespace weir::cache
