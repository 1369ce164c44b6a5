#include "test/support/patience.hpp"

#include <thread>

namespace weir::test {

void gate::open() {
    const std::lock_guard hold(lock_);
    open_ = true;
    opened_.notify_all();
}

void gate::wait() {
    std::unique_lock hold(lock_);
    if (!opened_.wait_for(hold, patience, [this] { return open_; })) throw timed_out("nobody opened a gate");
}

bool gate::is_open() {
    const std::lock_guard hold(lock_);
    return open_;
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds bound) {
    const auto until = clock::now() + bound;
    while (!condition()) {
        if (clock::now() > until) return false;
        // The pause between two questions keeps the machine free for the program that is asked.
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

}  // namespace weir::test
