// A wait that is no socket: content that grows, a queue slot, the end of a task. Waited for by one coroutine of one
// worker, with a time limit; woken from any thread. A wake that comes before the wait is not lost.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>

#include "proxy/awaitable.hpp"
#include "proxy/http/growing_content.hpp"
#include "proxy/inbox.hpp"

namespace weir::proxy {

class event final : public http::wakeable {
  public:
    event(asio::io_context& context, inbox& box) : context_(context), inbox_(box) {}
    ~event() {
        if (remote_) remote_->owner = nullptr;
    }
    event(const event&) = delete;
    event& operator=(const event&) = delete;

    // True when woken, false when `limit` passed first. On the worker's thread.
    awaitable<bool> wait(std::chrono::milliseconds limit) {
        if (!set_) {
            if (!timer_) timer_.emplace(context_);
            timer_->expires_after(limit);
            co_await expiry_of(*timer_);
        }
        co_return std::exchange(set_, false);
    }

    void wake() noexcept override {
        if (inbox_.here()) {
            set();
            return;
        }
        // Only while a wait is registered somewhere does another thread come here, so prepare_remote() was called
        // before.
        try {
            inbox_.push([remote = remote_] {
                if (remote->owner) remote->owner->set();
            });
        } catch (const std::bad_alloc&) {
            // The wait has a limit, which is what this wake costs it.
        }
    }
    // To be called on the worker's thread before this event is given to something that may wake it from another thread.
    void prepare_remote() {
        if (!remote_) remote_ = std::make_shared<remote>(remote{this});
    }

  private:
    void set() {
        set_ = true;
        if (timer_) timer_->cancel();
    }

    struct remote {
        event* owner;  // null once it is gone; touched on the worker's thread alone
    };
    using timer =
        asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, executor>;
    asio::io_context& context_;
    std::optional<timer> timer_;  // most events are never waited for
    inbox& inbox_;
    std::shared_ptr<remote> remote_;
    bool set_ = false;
};

}  // namespace weir::proxy
