// The purges of this node that the others have not been told of yet, as lines of records, oldest first. Bounded: should
// memcached be away for long, all that waits becomes one purge of everything.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

namespace weir::cache {

// Any thread.
class purge_outbox {
  public:
    static constexpr std::size_t max_purges = 10'000;
    static constexpr std::size_t max_bytes = 16 * 1024 * 1024;

    struct draft {
        std::string record;
        std::uint64_t last = 0;  // of the numbers in it
    };

    // `line` by purge_line, not empty. The numbers grow.
    void add(std::string line, std::uint64_t number);
    // A record of `node` with as many of those that wait longest as it can have. Nothing: none waits.
    std::optional<draft> front(std::uint64_t node) const;
    // Those up to `last` were told. One of everything is told only with its own number, the last of those in it.
    void pop(std::uint64_t last);

    std::size_t size() const;
    std::uint64_t overflows() const;  // how many times all became one

  private:
    struct waiting {
        std::string line;
        std::uint64_t number;
    };

    mutable std::mutex mutex_;
    std::deque<waiting> lines_;
    std::size_t bytes_ = 0;  // of the lines
    std::uint64_t overflows_ = 0;
};

}  // namespace weir::cache
