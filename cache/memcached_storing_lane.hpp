// The lane of stores and removes, in the order in which they were given.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "cache/memcached_lane.hpp"

namespace weir::cache {

class memcached_storing_lane final : public memcached_lane {
  public:
    explicit memcached_storing_lane(std::shared_ptr<memcached_peer> peer);

    // As memcached's.
    void store(std::uint64_t size_hint_bytes, memcached_maker make);
    void remove(std::string key);

  private:
    struct job {
        memcached_maker make;  // empty: key is removed
        std::string key;
        std::uint64_t bytes;
    };

    bool has_work() const override { return !jobs_.empty(); }
    void begin(std::unique_lock<std::mutex>&) override {}
    void work(std::unique_lock<std::mutex>& lock) override;
    void give_up(std::unique_lock<std::mutex>& lock) override;
    void abandon(std::unique_lock<std::mutex>&) override {}  // work() does not throw
    void look_around(std::unique_lock<std::mutex>&) override {}
    std::chrono::milliseconds longest_finish() const override { return std::chrono::milliseconds(500); }
    clock::time_point sleeps_until() const override { return clock::time_point::max(); }
    void leave_behind(std::unique_lock<std::mutex>& lock) override { give_up(lock); }

    void put(job one);
    bool remove_one(const std::string& key);
    bool store_all(const memcached_maker& make);

    // Guarded by mutex_.
    std::deque<job> jobs_;
    std::uint64_t waiting_bytes_ = 0;  // those of the job under way too
};

}  // namespace weir::cache
