// Deadlines of a worker: one FIFO list per distinct duration, served by one tick. Arming and disarming are O(1),
// without a system call, an allocation or a handler; the price is that a deadline is met up to a tick late (100 ms, or
// 10 ms while one under a second is pending).
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <list>

#include "proxy/awaitable.hpp"

namespace weir::proxy {

using steady = std::chrono::steady_clock;

// The time now at the resolution of the kernel's tick (1-4 ms), which costs a fraction of steady::now().
steady::time_point coarse_now() noexcept;

// Something that is late when it is still armed after its time. Belongs to one worker; disarms itself when destroyed.
struct deadline_tag;
using deadline_hook = boost::intrusive::list_base_hook<boost::intrusive::tag<deadline_tag>,
                                                       boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
class deadline : public deadline_hook {
  public:
    deadline(const deadline&) = delete;
    deadline& operator=(const deadline&) = delete;
    virtual ~deadline() = default;
    bool armed() const noexcept { return deadline_hook::is_linked(); }
    void disarm() noexcept { deadline_hook::unlink(); }

  protected:
    deadline() = default;
    // Called once, disarmed, on the worker's thread. May arm, disarm or destroy any deadline.
    virtual void late() noexcept = 0;

  private:
    friend class deadlines;
    steady::time_point expiry_;
};

class deadlines {
  public:
    explicit deadlines(asio::io_context& context) : timer_(context) {}
    deadlines(const deadlines&) = delete;
    deadlines& operator=(const deadlines&) = delete;

    // (Re)arms `d` to be late in `duration`, which is one of few values: those of the settings.
    void arm(deadline& d, std::chrono::milliseconds duration);

  private:
    using deadline_list = boost::intrusive::list<deadline, boost::intrusive::base_hook<deadline_hook>,
                                                 boost::intrusive::constant_time_size<false>>;
    struct queue {
        std::chrono::milliseconds duration;
        deadline_list waiting;  // earliest first
    };
    void tick();
    void schedule(bool soon);

    asio::basic_waitable_timer<steady, asio::wait_traits<steady>, executor> timer_;
    std::list<queue> queues_;  // few, and stable in place; those of settings that are gone stay empty
    bool ticking_ = false;
    bool soon_ = false;
};

}  // namespace weir::proxy
