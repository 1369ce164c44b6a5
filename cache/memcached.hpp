// The memcached servers, asked without waiting: a handle blocks, so each server has two lanes, threads with a
// handle and a bounded queue each. One asks (get, add), the other stores (set, delete), so that no lookup waits behind
// a store. All lookups that wait for a server go out as one request. A breaker for each server, shared by its lanes,
// keeps a server that does not answer from costing anything.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/memcached_handle.hpp"
#include "cache/memcached_item.hpp"
#include "cache/memcached_ring.hpp"
#include "conf/settings.hpp"

namespace weir::cache {

// Who waits for answers.
class memcached_reader {
  public:
    virtual ~memcached_reader() = default;
    // Called once, on a thread of the tier, with a value for each key in the order of keys. It is quick and does not
    // throw; it may ask further.
    virtual void finish(std::vector<memcached_value> got) noexcept = 0;
};

// Makes what is to be stored, on the storing thread, in the order in which it is stored; empty: nothing. What it throws
// loses the store.
using memcached_maker = std::function<std::vector<memcached_item>()>;

// What one server has done so far, both lanes together.
struct memcached_counters {
    // Upper bounds of the buckets of `latency`, in microseconds; a last bucket holds what took longer.
    static constexpr std::array<std::uint32_t, 11> latency_bounds_us{100,    250,    500,    1'000,   2'500,  5'000,
                                                                     10'000, 25'000, 50'000, 100'000, 250'000};

    std::string server;    // as spelt
    bool is_open = false;  // the breaker: nobody asks
    // When that changed last; when the server began to be one, if it never did.
    std::chrono::system_clock::time_point since{};
    std::uint64_t opened = 0;        // how often it has opened
    std::uint64_t requests = 0;      // round trips: of lookups one per batch
    std::uint64_t batches = 0;       // of lookups
    std::uint64_t batched_keys = 0;  // keys in them
    std::uint64_t hits = 0;          // of keys asked for
    std::uint64_t misses = 0;
    std::uint64_t adds = 0;      // asked
    std::uint64_t stores = 0;    // items stored
    std::uint64_t removes = 0;   // keys removed, or not there
    std::uint64_t failures = 0;  // requests that failed, timeouts included
    std::uint64_t timeouts = 0;
    std::uint64_t expired_lookups = 0;  // waited in the queue for longer than the timeout, and were not asked
    std::uint64_t refused_lookups = 0;  // turned away: the breaker was open, or the queue full
    std::uint64_t dropped_stores =
        0;  // stores and removes: the queue was full, the breaker open, or making them failed
    std::array<std::uint64_t, latency_bounds_us.size() + 1> latency{};  // requests by how long they took
    std::uint64_t latency_sum_us = 0;
};

// Any thread.
class memcached {
  public:
    // Lookups and adds that may wait for one server: some tens of milliseconds of what one server answers.
    static constexpr std::size_t max_waiting_lookups = 4096;
    // Stores and removes that may wait for one server, and what they keep in memory: a second or so of a fast network.
    static constexpr std::size_t max_waiting_stores = 1024;
    static constexpr std::uint64_t max_waiting_store_bytes = 64 * conf::mebibyte;
    // Keys in one request: beyond it a larger one saves nothing, and delays the first answers.
    static constexpr std::size_t max_batch_keys = 128;

    // What happens to a server that an operator should know: it is given up, it is back. Called on any thread; it does
    // not call back.
    using observer = std::function<void(const std::string& text)>;

    // Starts the threads, connects behind the caller's back: an unreachable server is only told to `observer`. Throws
    // what a thread that cannot be started throws.
    explicit memcached(const conf::memcached_settings& settings, observer observe = {});
    ~memcached();
    memcached(const memcached&) = delete;
    memcached& operator=(const memcached&) = delete;

    // `route`: the key that says which server. False, and the reader is not called: the server's breaker is open, or
    // its queue is full. A lookup that has waited for longer than the timeout fails without being asked.
    bool get(std::string_view route, std::vector<std::string> keys, std::shared_ptr<memcached_reader> reader);
    // One value: found is added, missing is there already.
    bool add(std::string_view route, memcached_item item, std::shared_ptr<memcached_reader> reader);
    // In order with what was stored and removed before on that server. `size_hint_bytes`: what `make` keeps in memory
    // until it has run. Dropped, and counted, where the queue is full or the breaker open.
    void store(std::string_view route, std::uint64_t size_hint_bytes, memcached_maker make);
    void remove(std::string_view route, std::string key);

    // Readers that still wait get `failed`. Stores that wait are carried out, as far as half a second and a server that
    // answers allow, and else dropped. Waits for the calls under way, of all servers at once, but not for one that is
    // held beyond its time. No reader and no observer is called afterwards, and nothing is asked.
    void stop();

    // In the order of the settings.
    std::vector<memcached_counters> counters() const;

  private:
    struct server;
    server& server_of(std::string_view route);

    memcached_ring ring_;
    std::vector<std::unique_ptr<server>> servers_;
};

}  // namespace weir::cache
