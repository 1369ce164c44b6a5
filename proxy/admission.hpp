// A request's way to an endpoint: a slot of one at once, or a place in the upstream's queue until there is one.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "balancer/selector.hpp"
#include "proxy/awaitable.hpp"
#include "proxy/error.hpp"
#include "proxy/event.hpp"
#include "proxy/snapshot.hpp"

namespace weir::proxy {

class worker;

// One exchange's, on its worker's thread. Holds at most one slot, and gives it back at its end.
class admission {
  public:
    admission(worker& on, const route& via);
    ~admission() { release(); }
    admission(const admission&) = delete;
    admission& operator=(const admission&) = delete;

    // Takes a slot of an endpoint that is not `tried` (ids, which stay as they are meanwhile); waits for it no longer
    // than the queue's time, less what was waited before. None, no_endpoint, queue_full, queue_timeout or client_left.
    awaitable<cause> enter(std::span<const std::uint32_t> tried, const balancer::affinity& request);
    // Nobody needs the slot any more: ends a wait in enter(), and every later one, as client_left.
    void give_up();
    // Gives the slot back, to who waits for it.
    void release();

    // Whose slot it holds, or held last.
    const std::shared_ptr<balancer::endpoint>& endpoint() const { return endpoint_; }
    std::chrono::microseconds waited() const { return waited_; }

  private:
    // Takes the slot of what was chosen, if there is one.
    balancer::choice choose(std::span<const std::uint32_t> tried, const balancer::affinity& request);
    awaitable<cause> wait(std::span<const std::uint32_t> tried, const balancer::endpoint* only);

    worker& worker_;
    const route& via_;
    std::shared_ptr<balancer::endpoint> endpoint_;
    // Of the last wait. Each has its own: a slot's wake that comes just after its wait has ended is not for the next.
    std::optional<event> served_;
    std::chrono::microseconds waited_{0};
    bool holds_slot_ = false;
    bool given_up_ = false;
};

}  // namespace weir::proxy
