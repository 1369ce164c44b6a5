// A thread that talks to one memcached server, and what it shares with the server's other lane. What kinds of lane
// there are: memcached_asking_lane and memcached_storing_lane.
//
// A lane's thread sleeps while there is nothing to do, and only then is it woken, so under load callers do no more than
// put something into a queue. No lock is held while a server is asked or others' code runs. What throws, for want of
// memory say, costs the piece of work that it was thrown in, and the thread goes on.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "cache/memcached.hpp"
#include "cache/memcached_breaker.hpp"
#include "cache/memcached_handle.hpp"
#include "conf/settings.hpp"

namespace weir::cache {

// Of both lanes of one server. Any thread.
class memcached_peer {
  public:
    memcached_peer(const conf::memcached_server_address& server, std::chrono::milliseconds limit,
                   memcached::observer observe)
        : address(server), timeout(limit), observe_(std::move(observe)) {}

    const conf::memcached_server_address address;
    const std::chrono::milliseconds timeout;
    memcached_breaker breaker;
    std::atomic<std::uint64_t> opened{0};
    // When the breaker opened or closed last.
    std::atomic<std::chrono::system_clock::time_point> changed{std::chrono::system_clock::now()};

    // Tells the breaker how a call went, and the observer what that changed.
    void note(memcached_fault fault, std::string_view error);
    // The observer is not called any more, once this has returned.
    void be_silent();

  private:
    void tell(const std::string& text);

    std::mutex mutex_;
    memcached::observer observe_;  // guarded by mutex_
};

// What one lane has done; relaxed, since each figure counts for itself.
struct memcached_tally {
    using count = std::atomic<std::uint64_t>;
    count requests{0}, batches{0}, batched_keys{0}, hits{0}, misses{0}, adds{0}, stores{0}, removes{0}, failures{0},
        timeouts{0}, expired{0}, refused{0}, dropped{0}, latency_sum_us{0};
    std::array<count, memcached_counters::latency_bounds_us.size() + 1> latency{};

    static void note(count& what, std::uint64_t more = 1) { what.fetch_add(more, std::memory_order_relaxed); }
    void note_request(std::chrono::steady_clock::duration took, memcached_fault fault);
    void add_to(memcached_counters& sum) const;
};

// The thread shares the lane, so that a lane whose thread is held by the look-up of a name can be left behind.
class memcached_lane : public std::enable_shared_from_this<memcached_lane> {
  public:
    virtual ~memcached_lane() = default;
    memcached_lane(const memcached_lane&) = delete;
    memcached_lane& operator=(const memcached_lane&) = delete;

    // Throws std::system_error.
    void start();
    // From here on nothing is taken.
    void begin_to_stop();
    // Waits until the thread has ended; or, where something holds it, until a call that began with begin_to_stop()
    // would be long over, and then fails what is under way too. Of others' code nothing runs afterwards.
    void finish_stopping();

    const memcached_tally& tally() const { return tally_; }

  protected:
    using clock = std::chrono::steady_clock;

    explicit memcached_lane(std::shared_ptr<memcached_peer> peer);

    // On the thread, with `lock` held, and again when they return.
    virtual void begin(std::unique_lock<std::mutex>& lock) = 0;
    virtual bool has_work() const = 0;
    virtual void work(std::unique_lock<std::mutex>& lock) = 0;
    virtual void give_up(std::unique_lock<std::mutex>& lock) = 0;      // all that waits; does not throw
    virtual void abandon(std::unique_lock<std::mutex>& lock) = 0;      // what work() threw in; does not throw
    virtual void look_around(std::unique_lock<std::mutex>& lock) = 0;  // before it sleeps
    virtual clock::time_point sleeps_until() const = 0;
    // For how long what waits is worked off after begin_to_stop().
    virtual std::chrono::milliseconds longest_finish() const { return std::chrono::milliseconds(0); }
    // On another thread, with `lock` held.
    virtual void leave_behind(std::unique_lock<std::mutex>& lock) = 0;

    // Tells all who should know how the call went that began at `start`.
    void note_call(clock::time_point start);
    bool is_stopping() const { return is_stopping_.load(std::memory_order_relaxed); }
    // With mutex_ held: whether the caller is to call wake() without it.
    [[nodiscard]] bool is_to_wake() { return std::exchange(is_asleep_, false); }
    void wake() { wake_.notify_one(); }
    // When all that is ready on this thread has been put, so that it goes out as one request.
    void wake_soon();

    const std::shared_ptr<memcached_peer> peer_;
    memcached_handle handle_;  // the thread's
    memcached_tally tally_;
    std::mutex mutex_;

  private:
    void run();
    template <class Step>
    void survive(std::unique_lock<std::mutex>& lock, const Step& step);

    std::thread thread_;
    std::condition_variable wake_;
    std::condition_variable ended_;
    bool is_asleep_ = false;  // guarded by mutex_, like has_ended_
    bool has_ended_ = false;
    clock::time_point stops_by_{};          // guarded by mutex_
    std::atomic<bool> is_stopping_{false};  // set under mutex_
};

}  // namespace weir::cache
