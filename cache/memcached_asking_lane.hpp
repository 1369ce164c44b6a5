// The lane of lookups and adds. All lookups that wait go out as one request, each key in it once, however many wait for
// it. This is also the lane that finds out whether a server is back.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/memcached_lane.hpp"

namespace weir::cache {

class memcached_asking_lane final : public memcached_lane {
  public:
    explicit memcached_asking_lane(std::shared_ptr<memcached_peer> peer);

    // As memcached's.
    bool get(std::vector<std::string> keys, std::shared_ptr<memcached_reader> reader);
    bool add(memcached_item item, std::shared_ptr<memcached_reader> reader);

  private:
    // Has the memory for its answer from the beginning, so that it can always be given one.
    struct waiting {
        std::shared_ptr<memcached_reader> reader;  // null: it has been given one
        std::vector<memcached_value> values;

        void finish() noexcept;
        void fail() noexcept;
    };
    struct lookup {
        std::vector<std::string> keys;
        waiting who;
        clock::time_point since;
    };
    struct addition {
        memcached_item item;
        waiting who;
        clock::time_point since;
    };
    // Adds between two requests for lookups, so that lookups do not wait for all of them.
    static constexpr int adds_at_once = 8;
    // What one request should bring: more than that takes longer than lookups should have to wait.
    static constexpr std::uint64_t max_batch_bytes = conf::mebibyte;

    bool has_work() const override { return !lookups_.empty() || !additions_.empty(); }
    void begin(std::unique_lock<std::mutex>& lock) override;
    void work(std::unique_lock<std::mutex>& lock) override;
    void give_up(std::unique_lock<std::mutex>& lock) override;
    void abandon(std::unique_lock<std::mutex>& lock) override;
    void look_around(std::unique_lock<std::mutex>& lock) override;
    clock::time_point sleeps_until() const override;
    void leave_behind(std::unique_lock<std::mutex>& lock) override;

    bool may_wait(clock::time_point now);
    template <class Queue, class Entry>
    bool put(Queue& queue, Entry entry);
    void take_batch(clock::time_point now);
    void look_up(std::unique_lock<std::mutex>& lock);
    void gather_keys();
    void deliver(std::vector<memcached_value> got);
    void add_one(std::unique_lock<std::mutex>& lock);
    template <class Call>
    auto call(std::unique_lock<std::mutex>& lock, const Call& what);
    static void fail(std::vector<waiting>& who) noexcept;
    template <class Queue>
    void give_up_first(Queue& queue, std::unique_lock<std::mutex>& lock);

    // Guarded by mutex_.
    std::deque<lookup> lookups_;
    std::deque<addition> additions_;
    std::vector<waiting> under_way_;  // who waits for the call that the thread is in

    // When that call began, by the clock; 0: the thread is in none.
    std::atomic<clock::rep> call_began_{0};

    // The thread's own; kept for their memory.
    std::vector<lookup> batch_;
    std::vector<waiting> asked_;
    std::vector<waiting> late_;
    std::vector<std::string> keys_;
    boost::unordered_flat_map<std::string_view, std::size_t> place_of_;  // in keys_
    std::vector<std::size_t> places_;                                    // of the batch's keys, in order
    std::vector<std::size_t> uses_;                                      // of each of keys_
    std::uint64_t usual_bytes_ = 0;                                      // of a value, lately
};

}  // namespace weir::cache
