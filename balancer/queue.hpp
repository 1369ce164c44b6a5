// Who waits for a slot of an upstream's endpoints: one queue for all workers, three classes of priority.
//
// A class with a higher priority goes first. Within a class the oldest goes first while waits are short. When the
// oldest has waited for more than half of the queue's time, there is more to do than can be done, and first in, first
// out would make everybody wait until just before the end; so the newest goes first from there on, and the oldest, who
// would have come too late, leave at their deadline. When the queue is full a newcomer takes the place of whoever would
// be served last of the lowest class: of a lower one always, of its own when the oldest there has waited that long;
// else it is refused.
//
// The mutex is taken only when no slot is free or somebody waits. A slot that is given back is offered to who waits
// when waiting() is not 0; who joins counts itself first and looks for a free slot again after that, by
// offer_free_slots(), which overtakes nobody. Both orders are sequentially consistent, so one of the two sees the other
// and no wake-up is lost. What happens by the clock alone (the pause of an endpoint that was passed over ends, or keeps
// a sticky client from its own) wakes nobody: the control thread offers free slots about ten times a second while
// somebody waits.
#pragma once

#include <array>
#include <atomic>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "balancer/endpoint.hpp"
#include "proxy/http/wakeable.hpp"

namespace weir::balancer {

struct upstream;

class queue {
  public:
    // One place in the queue; the request's, for as long as it waits. Everything in it is the queue's while it is in
    // it.
    class waiter : public boost::intrusive::list_base_hook<> {
      public:
        // Woken when it got a slot or lost its place. `tried` holds endpoint ids that it does not want again; `only`,
        // if not null, is the one that it waits for while that is usable (a sticky client's). Both outlive the waiter's
        // stay in the queue.
        waiter(http::wakeable& wakes, conf::priority of, std::span<const std::uint32_t> tried, const endpoint* only)
            : wakes_(wakes), class_(static_cast<std::size_t>(of)), tried_(tried), only_(only) {}

      private:
        friend class queue;
        http::wakeable& wakes_;
        const std::size_t class_;
        const std::span<const std::uint32_t> tried_;
        const endpoint* only_;
        clock::time_point since_;
        std::shared_ptr<endpoint> granted_;  // its slot is taken
        bool waits_ = false;
        bool displaced_ = false;
    };

    enum class joined : std::uint8_t { waits, full };
    // `limits` are those of the present configuration.
    joined join(waiter& newcomer, const conf::queue_settings& limits, clock::time_point now);

    struct outcome {
        std::shared_ptr<endpoint> granted;  // its slot is the caller's; null: none
        bool displaced = false;             // its place went to another
    };
    // Takes `one` out, if it is in, and says what it got. Always to be called after join() said waits.
    outcome leave(waiter& one);

    // `free`, a member of `of`, may have a free slot: takes it for who is next of those that may have it: it waits for
    // this endpoint, or would choose among it and others. True if somebody got it. Any thread.
    bool offer(const upstream& of, const std::shared_ptr<endpoint>& free, clock::time_point now);

    // Its upstream is no longer in the configuration. Who waits goes to the endpoints that it had. The control thread.
    void close() { closed_.store(true); }

    std::size_t waiting() const { return waiting_.load(); }

  private:
    using waiters = boost::intrusive::list<waiter, boost::intrusive::constant_time_size<true>>;

    bool late(const waiters& line, clock::time_point now) const;
    waiter* next_for(const upstream& of, const endpoint& free, clock::time_point now);
    bool make_room(const waiter& newcomer, clock::time_point now);
    void remove(waiter& one);

    mutable std::mutex mutex_;
    std::array<waiters, 3> lines_;               // by priority; the oldest in front
    std::chrono::milliseconds timeout_{10'000};  // as the last who joined had it
    std::atomic<std::size_t> waiting_{0};
    std::atomic<bool> closed_{false};
};

// Gives back a slot of `one`: to who waits, if it may have it. Any thread.
void release_slot(const upstream& of, const std::shared_ptr<endpoint>& one, clock::time_point now);
// Slots may have become free otherwise (an endpoint came up, its limit was raised), or somebody joined: all that waits
// and can have one gets one. Any thread.
void offer_free_slots(const upstream& of, clock::time_point now);

}  // namespace weir::balancer
