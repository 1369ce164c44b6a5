// The coroutines of the data path, and the one executor type: a worker's io_context, named in full so that Asio erases
// nothing.
//
// A coroutine starts when it is awaited and runs on the awaiting one's stack: to its end, or until it waits for
// something, and only then does the other wait too. It ends on the stack of what it waited for and goes on with the
// other from there. So a call that has nothing to wait for costs little more than a function, and its frame comes from
// memory that the thread keeps. (Asio's awaitable, which does the same by a stack of its own, took three times the
// instructions, and most frames from the heap while many ran at once.)
//
// All of a chain belongs to the one thread that runs the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "proxy/recycled_memory.hpp"

namespace weir::proxy {

namespace asio = boost::asio;

using executor = asio::io_context::executor_type;

// What is the same for coroutines of every type.
class coroutine_promise {
  public:
    static void* operator new(std::size_t bytes) { return recycled_memory::take(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept { recycled_memory::give_back(frame, bytes); }

    // What it waits for has begun, and holds the continuation.
    void wait_began() { waits_ = true; }
    // Somebody waits for this one to end.
    void set_waiter(coroutine_promise& waiter) { waiter_ = &waiter; }

  protected:
    explicit coroutine_promise(std::coroutine_handle<> self) : self_(self) {}
    ~coroutine_promise() = default;
    coroutine_promise(const coroutine_promise&) = delete;
    coroutine_promise& operator=(const coroutine_promise&) = delete;

    void resume_waiter() {
        if (waiter_) waiter_->self_.resume();
    }

  private:
    friend class continuation;

    const std::coroutine_handle<> self_;
    coroutine_promise* waiter_ = nullptr;
    bool waits_ = false;
};

// Held by what a coroutine waits for. Whoever destroys it without a call has ended the wait for good: the coroutine is
// destroyed with all that wait for it, as when the io_context goes.
class continuation {
  public:
    explicit continuation(coroutine_promise& waiting) noexcept : waiting_(&waiting) {}
    continuation(continuation&& other) noexcept : waiting_(std::exchange(other.waiting_, nullptr)) {}
    continuation& operator=(continuation&&) = delete;
    ~continuation() {
        // One that does not wait yet runs at this moment: beginning the wait has failed.
        if (!waiting_ || !waiting_->waits_) return;
        coroutine_promise* last = waiting_;
        while (last->waiter_) last = last->waiter_;
        last->self_.destroy();
    }

    // Runs the coroutine until it waits again or has ended. Once.
    void operator()() {
        coroutine_promise& waiting = *std::exchange(waiting_, nullptr);
        waiting.waits_ = false;
        waiting.self_.resume();
    }

  private:
    coroutine_promise* waiting_;
};

template <class T>
class coroutine_result {
  public:
    template <class U = T>
    void return_value(U&& value) {
        value_.emplace(std::forward<U>(value));
    }
    T take() { return std::move(*value_); }

  private:
    std::optional<T> value_;
};
template <>
class coroutine_result<void> {
  public:
    void return_void() {}
    void take() {}
};

// Owns its coroutine. Awaited at most once, by one coroutine, which gets what it returns or throws.
template <class T = void>
class [[nodiscard]] awaitable {
  public:
    class promise_type final : public coroutine_promise, public coroutine_result<T> {
      public:
        promise_type() : coroutine_promise(handle::from_promise(*this)) {}
        awaitable get_return_object() { return awaitable(handle::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept { return at_end(); }
        void unhandled_exception() noexcept { failure_ = std::current_exception(); }

      private:
        friend awaitable;
        struct at_end {
            bool await_ready() noexcept { return false; }
            // The one that waits may destroy this one as it goes on.
            void await_suspend(std::coroutine_handle<promise_type> ended) noexcept { ended.promise().resume_waiter(); }
            void await_resume() noexcept {}
        };
        std::exception_ptr failure_;
    };

    awaitable(awaitable&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
    awaitable& operator=(awaitable&&) = delete;
    ~awaitable() {
        if (coroutine_) coroutine_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> by) {
        coroutine_.resume();
        if (coroutine_.done()) return false;
        coroutine_.promise().set_waiter(by.promise());
        return true;
    }
    T await_resume() {
        promise_type& promise = coroutine_.promise();
        if (promise.failure_) std::rethrow_exception(promise.failure_);
        return promise.take();
    }

  private:
    using handle = std::coroutine_handle<promise_type>;
    explicit awaitable(handle coroutine) : coroutine_(coroutine) {}

    handle coroutine_;
};

// Waits until an Asio timer expires or is cancelled. Throws bad_alloc.
template <class Timer>
class [[nodiscard]] expiry_of {
  public:
    explicit expiry_of(Timer& timer) : timer_(timer) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> by) {
        timer_.async_wait([go_on = continuation(by.promise())](boost::system::error_code) mutable { go_on(); });
        by.promise().wait_began();
    }
    void await_resume() const noexcept {}

  private:
    Timer& timer_;
};

// A loop whose operations never have to wait gives way to others each time it has taken this many turns.
inline constexpr unsigned turns_at_once = 64;
// Waits until all that can run now has had its turn. Throws bad_alloc.
class [[nodiscard]] turn_of_others {
  public:
    explicit turn_of_others(asio::io_context& context) : context_(context) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> by) {
        asio::post(context_, [go_on = continuation(by.promise())]() mutable { go_on(); });
        by.promise().wait_began();
    }
    void await_resume() const noexcept {}

  private:
    asio::io_context& context_;
};
template <class Worker>
turn_of_others let_others_run(Worker& on) {
    return turn_of_others(on.context());
}

}  // namespace weir::proxy
