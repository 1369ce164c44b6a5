// Wakes of other threads that go out together. To wake a thread costs a system call, and on a busy core that thread may
// run at once: what is done for many in a row, such as handing on what one read brought, is woken for at its end.
#pragma once

#include <memory>
#include <utility>
#include <vector>

namespace weir::http {

// While one lives on a thread, whoever wakes on it may put that off to the end of the outermost.
class wake_batch {
  public:
    wake_batch() : outer_(std::exchange(current(), this)) {}
    ~wake_batch() {
        current() = outer_;
        for (const wake& one : deferred_) one.act(one.on.get());
    }
    wake_batch(const wake_batch&) = delete;
    wake_batch& operator=(const wake_batch&) = delete;

    // The outermost one of this thread; null: there is none.
    static wake_batch* here() {
        wake_batch* batch = current();
        while (batch && batch->outer_) batch = batch->outer_;
        return batch;
    }
    // `act` does not throw. Throws bad_alloc.
    template <class Waked>
    void defer(std::shared_ptr<Waked> on, void (*act)(void*)) {
        deferred_.push_back({std::move(on), act});
    }

  private:
    struct wake {
        std::shared_ptr<void> on;
        void (*act)(void*);
    };
    static wake_batch*& current() {
        static thread_local wake_batch* innermost = nullptr;
        return innermost;
    }

    wake_batch* const outer_;
    std::vector<wake> deferred_;
};

}  // namespace weir::http
