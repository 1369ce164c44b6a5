// The thread that keeps a purge_log in step with those of the other nodes: it appends what is purged here at once, and
// looks twice a second for what was purged elsewhere, with one small question when that is nothing. So a purge reaches
// every node that can reach memcached within poll_interval and the time of a few questions.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "cache/purge_replica.hpp"

namespace weir::cache {

class purge_sync {
  public:
    static constexpr std::chrono::milliseconds poll_interval{500};

    // As for purge_replica; `say`, for the log, is called from the thread. What it throws loses what was said.
    purge_sync(purge_log& log, const conf::memcached_settings& settings,
               std::function<void(const std::string& text)> say);
    ~purge_sync();

    // Until the log was looked at for the first time, with success or without, but not for longer than `limit`: before
    // that everything in memcached is a miss. Any thread.
    void wait_for_first_round(std::chrono::milliseconds limit);

    // What was purged before is appended if that is possible. False: a call to the server holds the thread for longer
    // than it should, and the destructor would wait for it.
    [[nodiscard]] bool stop();

    // Any thread. The position under which a response whose fill noted this number is stored in memcached. Nothing: it
    // is not stored there.
    std::optional<purge_position> position_of(std::uint64_t fill_number) const;
    // Any thread. The fill_number with which a response from memcached is to be judged, as the first thing. Nothing: it
    // counts as a miss.
    std::optional<std::uint64_t> fill_number_of(const purge_position& at) const;
    // Any thread.
    purge_replica::state now() const;

  private:
    void run();
    bool round() noexcept;
    void tell_what_is_left() noexcept;
    void wake();

    const std::function<void(const std::string& text)> say_;
    std::mutex mutex_;
    std::condition_variable woken_;
    bool is_waiting_ = false;  // a purge is
    bool stops_ = false;
    bool has_ended_ = false;
    bool has_looked_ = false;
    purge_replica replica_;
    std::thread thread_;
};

}  // namespace weir::cache
