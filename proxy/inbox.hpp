// What other threads hand to a worker: functions to run there, in the order they came. One post to the worker when the
// box was empty, however many follow.
#pragma once

#include <boost/asio/post.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "proxy/awaitable.hpp"
#include "proxy/http/wake_batch.hpp"
#include "proxy/log.hpp"

namespace weir::proxy {

class inbox {
  public:
    explicit inbox(asio::io_context& context) : context_(context) {}
    inbox(const inbox&) = delete;
    inbox& operator=(const inbox&) = delete;

    // Any thread. What is pushed after the context was stopped never runs. Throws bad_alloc where there is no memory
    // for the task; where there is none for the post, it goes with the next push.
    void push(std::function<void()> task) {
        {
            std::lock_guard lock(mutex_);
            tasks_.push_back(std::move(task));
            if (std::exchange(posted_, true)) return;
        }
        try {
            http::wake_batch* const batch = http::wake_batch::here();
            if (!batch || here()) return post();
            // Not owned: who pushes from a batch ends before the worker does.
            batch->defer(std::shared_ptr<inbox>(std::shared_ptr<inbox>(), this),
                         [](void* box) { static_cast<inbox*>(box)->post(); });
        } catch (const std::bad_alloc&) {
            std::lock_guard lock(mutex_);
            posted_ = false;
        }
    }
    // True on the worker's own thread.
    bool here() const { return context_.get_executor().running_in_this_thread(); }

  private:
    void post() noexcept {
        try {
            asio::post(context_, [this] { run(); });
        } catch (const std::bad_alloc&) {
            std::lock_guard lock(mutex_);
            posted_ = false;
        }
    }

    void run() {
        std::vector<std::function<void()>> tasks;
        {
            std::lock_guard lock(mutex_);
            tasks.swap(tasks_);
            posted_ = false;
        }
        for (auto& task : tasks) {
            try {
                task();
            } catch (const std::exception& e) {
                log::error("internal error: {}", e.what());  // and the tasks behind it go on
            }
        }
    }

    asio::io_context& context_;
    std::mutex mutex_;
    std::vector<std::function<void()>> tasks_;  // guarded by mutex_, like posted_
    bool posted_ = false;                       // run() is on its way
};

}  // namespace weir::proxy
