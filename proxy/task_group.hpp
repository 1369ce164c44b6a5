// Running coroutines of one kind: started through here, counted until they end, so that their owner can wait for them
// all. An exception that leaves one is a bug: it is logged, and the others go on.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <utility>

#include "proxy/asio_awaitable.hpp"
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

    // Runs `task` until it waits for something. `done` is called on the worker when it has ended, whichever way:
    // perhaps before this returns. Throws bad_alloc where it could not begin.
    template <class Done>
    void spawn(awaitable<void> task, Done done) {
        ++running_;
        try {
            run(std::move(task), std::move(done));
        } catch (...) {
            --running_;
            throw;
        }
    }
    template <class Done>
    void spawn(asio_awaitable<void> task, Done done) {
        ++running_;
        try {
            asio::co_spawn(context_, std::move(task),
                           [this, done = std::move(done)](std::exception_ptr failure) mutable { end(failure, done); });
        } catch (...) {
            --running_;
            throw;
        }
    }
    template <class Task>
    void spawn(Task task) {
        spawn(std::move(task), [] {});
    }

    std::size_t running() const { return running_; }

  private:
    // The beginning of a chain of coroutines. Nobody waits for it.
    struct root {
        struct promise_type final : coroutine_promise {
            promise_type() : coroutine_promise(std::coroutine_handle<promise_type>::from_promise(*this)) {}
            root get_return_object() { return {}; }
            std::suspend_never initial_suspend() noexcept { return {}; }
            std::suspend_never final_suspend() noexcept { return {}; }
            void return_void() {}
            void unhandled_exception() noexcept { std::terminate(); }  // all that may throw is guarded
        };
    };
    // Frees the coroutine that awaits it, so that what `done` begins finds its memory.
    template <class Done>
    class ending {
      public:
        ending(task_group& group, std::exception_ptr& failure, Done& done)
            : group_(group), failure_(failure), done_(done) {}
        bool await_ready() const noexcept { return false; }
        // Inlined by clang 14, it has its variables in the frame that it destroys.
        [[gnu::noinline]] void await_suspend(std::coroutine_handle<> ended) noexcept {
            task_group& group = group_;
            const std::exception_ptr failure = std::move(failure_);
            Done done = std::move(done_);
            ended.destroy();
            group.end(failure, done);
        }
        void await_resume() const noexcept {}

      private:
        task_group& group_;
        std::exception_ptr& failure_;
        Done& done_;
    };

    template <class Done>
    root run(awaitable<void> task, Done done) {
        std::exception_ptr failure;
        try {
            co_await std::move(task);
        } catch (...) {
            failure = std::current_exception();
        }
        ending<Done> last(*this, failure, done);
        co_await last;
    }

    template <class Done>
    void end(const std::exception_ptr& failure, Done& done) noexcept {
        --running_;
        if (failure) report(failure);
        try {
            done();
        } catch (...) {
            report(std::current_exception());
        }
    }

    static void report(const std::exception_ptr& failure) {
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
