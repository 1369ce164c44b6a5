// One entry of an upstream's servers: what all workers share of it. Outlives reloads, as long as its address stays in
// its upstream.
//
// The control thread alone writes addresses, limits and the reasons why it gets no requests; workers count on it with
// atomics, take and give back its slots, and pass it over for a while after it refused.
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "conf/settings.hpp"

namespace weir::balancer {

using clock = std::chrono::steady_clock;
using address_list = std::vector<boost::asio::generic::stream_protocol::endpoint>;

// Why an endpoint gets no requests; several may hold at a time.
enum class out_of_use : std::uint8_t {
    unresolved = 1,  // its name has no address
    unhealthy = 2,   // active checks failed
    ejected = 4,     // too many requests failed
    draining = 8,    // by hand: what is under way ends
    held_down = 16,  // by hand
    gone = 32        // no longer in the configuration
};

class endpoint {
  public:
    // `id` is small, never used twice in a process, and indexes what workers keep per endpoint.
    endpoint(std::uint32_t id, conf::address address);

    std::uint32_t id() const { return id_; }
    const conf::address& address() const { return address_; }
    const std::string& name() const { return address_.text; }
    // What sticky cookies say of it (see affinity.hpp) and the ring of consistent hashing is made of: from the address
    // alone, so that it is the same after a restart.
    std::uint64_t address_hash() const { return address_hash_; }

    // Where to connect, in the order to try; null or empty while the name does not resolve: the endpoint is down. Any
    // thread.
    std::shared_ptr<const address_list> addresses() const;
    // The control thread. An empty list marks the endpoint unresolved.
    void set_addresses(std::shared_ptr<const address_list> addresses);

    // Any thread.
    bool resolved() const { return !is(out_of_use::unresolved); }
    bool is(out_of_use why) const { return (reasons() & static_cast<std::uint8_t>(why)) != 0; }
    std::uint8_t reasons() const { return out_of_use_.load(); }
    bool in_use() const { return reasons() == 0; }
    // Up, and not passed over: it gets its share of requests.
    bool usable(clock::time_point now) const { return in_use() && !passed_over(now); }
    // May be tried when no endpoint is usable: it is there, and nobody took it out by hand.
    bool last_resort() const;
    // The control thread. One that comes back starts slowly, if `slow_start` says so.
    void set(out_of_use why, bool holds, clock::time_point now);
    // The control thread, from the settings.
    void configure(std::optional<unsigned> max_in_flight, std::optional<std::chrono::milliseconds> slow_start);
    // The share of its weight that it gets, in percent, 10 to 100: less after it came back. Any thread.
    unsigned share_percent(clock::time_point now) const;

    // After a refused connection: nobody gets it until `now` + `pause` while there are others. Any thread.
    void pass_over(clock::time_point now, clock::duration pause);
    // After a 503: others are preferred until `now` + `pause`, or longer if it rests for longer already. It is up, so
    // its sticky clients stay with it, and backups stay out. Any thread.
    void let_rest(clock::time_point now, clock::duration pause);
    bool rests(clock::time_point now) const {
        return now.time_since_epoch().count() < rests_until_.load(std::memory_order_relaxed);
    }
    void end_pause() {
        passed_over_until_.store(0, std::memory_order_relaxed);
        rests_until_.store(0, std::memory_order_relaxed);
    }
    bool passed_over(clock::time_point now) const {
        return now.time_since_epoch().count() < passed_over_until_.load(std::memory_order_relaxed);
    }

    // A slot is the right to one request at a time. Any thread.
    bool has_free_slot() const;
    bool try_take_slot();
    void give_back_slot() { in_flight_.fetch_sub(1); }
    std::int64_t in_flight() const { return in_flight_.load(); }
    std::optional<unsigned> max_in_flight() const;

    // For /status and the bound on idle connections. Any thread.
    std::atomic<std::int64_t> idle_connections{0};
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> failures{0};  // that are its own fault; passive health reads them

    // How long a connection may be idle and still be sent a request: less than the endpoint keeps it, as far as is
    // known. Starts at 1.5 s, is told by Keep-Alive: timeout=, falls at once with connections that the endpoint closed
    // sooner, and rises by probes (see connection_pool). 100 ms to 60 s. Any thread, as for all that follows.
    std::chrono::milliseconds idle_life() const {
        return std::chrono::milliseconds(
            std::min(trusted_ms_.load(std::memory_order_relaxed), closed_ms_.load(std::memory_order_relaxed)));
    }
    void learn_idle_life(std::chrono::milliseconds announced);
    // It was seen to have closed connections that had been idle for so long, all within about a second. False, and
    // nothing learned, where that looks like a restart and not like a limit: connections of very different idle times,
    // or one that had just served.
    bool closed_after(std::span<const std::chrono::milliseconds> idle);
    // True: the caller may keep one connection beyond its life, without a use, to see how long the endpoint keeps it.
    // At most one begins in five minutes, and none where there is nothing to learn. It ends when the endpoint closes
    // the connection, or after longest_probe.
    static constexpr std::chrono::milliseconds longest_probe{60'000};
    bool begin_probe(clock::time_point now);
    // That connection was still open after `idle`. Ignored where a connection was seen closed too soon meanwhile.
    void kept_for(std::chrono::milliseconds idle);

  private:
    const std::uint32_t id_;
    const conf::address address_;
    const std::uint64_t address_hash_;
    mutable std::mutex mutex_;  // of addresses_; taken only to connect
    std::shared_ptr<const address_list> addresses_;
    std::atomic<clock::rep> passed_over_until_{0};
    std::atomic<clock::rep> rests_until_{0};
    std::atomic<clock::rep> slow_since_{0};  // when it came back; 0: long ago
    std::atomic<std::int64_t> slow_start_ms_{0};
    // These three are sequentially consistent with the queue's count of who waits (see queue): who frees a slot in any
    // of these ways, or who waits, sees the other.
    std::atomic<std::uint8_t> out_of_use_{static_cast<std::uint8_t>(out_of_use::unresolved)};
    std::atomic<std::int64_t> in_flight_{0};
    std::atomic<std::int64_t> max_in_flight_{0};  // 0: no limit
    std::atomic<std::int64_t> trusted_ms_{1500};  // from what it announced, or else from probes
    std::atomic<std::int64_t> closed_ms_;         // from what it closed
    std::atomic<bool> announced_{false};
    std::atomic<bool> probe_doubted_{false};
    std::atomic<clock::rep> next_probe_{clock::time_point::min().time_since_epoch().count()};
};

}  // namespace weir::balancer
