// Running coroutines of one kind: started through here, counted until they end, so that their owner can wait for them
// all. An exception that leaves one is a bug: it is logged, and the others go on.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <cstddef>
#include <exception>
#include <functional>

#include "proxy/awaitable.hpp"
#include "proxy/log.hpp"

namespace weir::proxy {

// Belongs to one worker and its thread.
class task_group {
  public:
    explicit task_group(asio::io_context& context) : context_(context) {}
    ~task_group() = default;
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;

    // `done` runs on the worker when the coroutine has ended, whichever way. Throws bad_alloc where it could not begin.
    template <class Done>
    void spawn(awaitable<void> task, Done done) {
        ++running_;
        try {
            asio::co_spawn(context_, std::move(task),
                           [this, done = std::move(done)](std::exception_ptr failure) mutable {
                               --running_;
                               if (failure) report(failure);
                               done();
                           });
        } catch (...) {
            --running_;
            throw;
        }
    }
    void spawn(awaitable<void> task) {
        spawn(std::move(task), [] {});
    }

    std::size_t running() const { return running_; }

  private:
    static void report(std::exception_ptr failure) {
        try {
            std::rethrow_exception(failure);
        } catch (const std::exception& e) {
            log::error("internal error: {}", e.what());
        } catch (...) {
            log::error("internal error of unknown type");
        }
    }

    asio::io_context& context_;
    std::size_t running_ = 0;
};

}  // namespace weir::proxy
