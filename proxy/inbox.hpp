// What other threads hand to a worker: functions to run there, in the order they came. One post to the worker when the
// box was empty, however many follow.
#pragma once

#include <boost/asio/post.hpp>
#include <exception>
#include <functional>
#include <mutex>
#include <vector>

#include "proxy/awaitable.hpp"
#include "proxy/log.hpp"

namespace weir::proxy {

class inbox {
  public:
    explicit inbox(asio::io_context& context) : context_(context) {}
    inbox(const inbox&) = delete;
    inbox& operator=(const inbox&) = delete;

    // Any thread. What is pushed after the context was stopped never runs.
    void push(std::function<void()> task) {
        bool first;
        {
            std::lock_guard lock(mutex_);
            first = tasks_.empty();
            tasks_.push_back(std::move(task));
        }
        if (first) asio::post(context_, [this] { run(); });
    }
    // True on the worker's own thread.
    bool here() const { return context_.get_executor().running_in_this_thread(); }

  private:
    void run() {
        std::vector<std::function<void()>> tasks;
        {
            std::lock_guard lock(mutex_);
            tasks.swap(tasks_);
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
    std::vector<std::function<void()>> tasks_;
};

}  // namespace weir::proxy
