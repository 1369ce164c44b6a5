// This node's share in the purge log that lies in memcached (see purge_record.hpp): what is purged here is appended,
// what was appended by others is applied here, in the order of the log. Why nothing outdated is served: see
// purge_positions.hpp.
//
// All of it happens in rounds, each a few blocking questions to one server. Between two rounds the node knows of no
// purge that the others made. The records are kept for a week: a node that was away for longer finds some missing, and
// has what it stored validated; so it does where memcached lost the log, or there was none when the node came.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/memcached_handle.hpp"
#include "cache/purge.hpp"
#include "cache/purge_outbox.hpp"
#include "cache/purge_positions.hpp"
#include "conf/settings.hpp"

namespace weir::cache {

class purge_replica {
  public:
    // How far back a node reads when it comes. Older ones have gone by, as lost ones have.
    static constexpr std::uint64_t max_history = 10'000;
    static constexpr std::chrono::hours record_lifetime{7 * 24};

    struct events {
        std::function<void()> waiting{};                     // a purge is to be appended; quick, from any thread
        std::function<void(const std::string& text)> say{};  // for the log; from the thread of round()
    };

    // `log` outlives this, keeps its records, and nothing was purged in it so far. Does not connect.
    purge_replica(purge_log& log, const conf::memcached_settings& settings, events told);
    ~purge_replica();
    purge_replica(const purge_replica&) = delete;
    purge_replica& operator=(const purge_replica&) = delete;

    // Applies what is new and appends what waits. False, after at most a few times the timeout of a call: the server
    // did not do as it was asked; what was not done is done in a later round. One thread at a time.
    bool round();

    // As those of purge_positions. Any thread.
    std::optional<purge_position> position_of(std::uint64_t fill_number) const;
    std::optional<std::uint64_t> fill_number_of(const purge_position& at) const;

    struct state {
        bool is_in_step = false;       // the last round reached the log, and all that was found there is applied
        purge_position applied;        // up to here; epoch 0: the log was not reached yet
        std::size_t waiting = 0;       // purges that the others have not been told of
        std::uint64_t appended = 0;    // records
        std::uint64_t taken = 0;       // records of others, applied
        std::uint64_t times_lost = 0;  // the log, or records of it
        // The end of the last round that reached the log; the epoch: none did so far.
        std::chrono::system_clock::time_point last_read{};
    };
    // Any thread.
    state now() const;

  private:
    struct head {
        purge_position at;
        std::uint64_t cas = 0;
    };
    // What is being appended.
    struct draft {
        purge_outbox::draft what;
        purge_position at{};  // tried last; lies there if is_added
        bool is_added = false;
    };

    bool append_and_apply();
    std::optional<head> read_head();
    bool is_wrong(const purge_position& at) const;
    bool follow(const purge_position& to);
    bool apply_next(std::uint64_t last);
    void join(const purge_position& to);
    void apply(std::string_view record, std::uint64_t number);
    void lose(std::uint64_t number);
    bool append(const head& to);
    void say(const std::string& text) const;
    void say_what_is_new(bool reached);

    purge_log& log_;
    const std::string prefix_;
    const std::string head_key_;
    const conf::memcached_server_address server_;
    const std::uint64_t node_;
    const events told_;
    purge_positions positions_;
    purge_outbox outbox_;
    // Of the thread of round().
    memcached_handle handle_;
    std::optional<draft> draft_;
    std::vector<std::uint64_t> left_epochs_;
    std::optional<bool> was_reached_;
    std::uint64_t overflows_said_ = 0;
    bool has_said_loss_ = false;  // in this round
    // For now().
    std::atomic<bool> is_reached_{false};
    std::atomic<std::uint64_t> appended_{0};
    std::atomic<std::uint64_t> taken_{0};
    std::atomic<std::uint64_t> times_lost_{0};
    std::atomic<std::chrono::system_clock::time_point> last_read_{std::chrono::system_clock::time_point{}};
};

}  // namespace weir::cache
