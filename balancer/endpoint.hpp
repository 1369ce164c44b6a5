// One entry of an upstream's servers: what all workers share of it. Outlives reloads, as long as its address stays in
// its upstream.
//
// The control thread alone writes the addresses; workers count on it with relaxed atomics and pass it over for a while
// after it refused.
#pragma once

#include <atomic>
#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "conf/settings.hpp"

namespace weir::balancer {

using clock = std::chrono::steady_clock;
using address_list = std::vector<boost::asio::generic::stream_protocol::endpoint>;

class endpoint {
  public:
    // `id` is small, never used twice in a process, and indexes what workers keep per endpoint.
    endpoint(std::uint32_t id, conf::address address) : id_(id), address_(std::move(address)) {}

    std::uint32_t id() const { return id_; }
    const conf::address& address() const { return address_; }
    const std::string& name() const { return address_.text; }

    // Where to connect, in the order to try; null or empty while the name does not resolve: the endpoint is down. Any
    // thread.
    std::shared_ptr<const address_list> addresses() const;
    // The control thread. An empty list marks the endpoint down.
    void set_addresses(std::shared_ptr<const address_list> addresses);

    bool resolved() const { return resolved_.load(std::memory_order_relaxed); }
    // After a refused connection: other endpoints are preferred until `now` + `pause`.
    void pass_over(clock::time_point now, clock::duration pause);
    bool passed_over(clock::time_point now) const {
        return now.time_since_epoch().count() < passed_over_until_.load(std::memory_order_relaxed);
    }
    void connected() { passed_over_until_.store(0, std::memory_order_relaxed); }

    // For /status and the bound on idle connections. Any thread.
    std::atomic<std::int64_t> in_flight{0};
    std::atomic<std::int64_t> idle_connections{0};
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> failures{0};

    // How long it keeps an idle connection, as far as is known: from Keep-Alive: timeout and from connections that it
    // closed. Starts at 1.5 s.
    std::chrono::milliseconds idle_life() const {
        return std::chrono::milliseconds(idle_life_ms_.load(std::memory_order_relaxed));
    }
    void learn_idle_life(std::chrono::milliseconds announced);
    void closed_after(std::chrono::milliseconds idle);  // it closed a connection that had been idle this long

  private:
    const std::uint32_t id_;
    const conf::address address_;
    mutable std::mutex mutex_;  // of addresses_; taken only to connect
    std::shared_ptr<const address_list> addresses_;
    std::atomic<bool> resolved_{false};
    std::atomic<clock::rep> passed_over_until_{0};
    std::atomic<std::int64_t> idle_life_ms_{1500};
};

}  // namespace weir::balancer
