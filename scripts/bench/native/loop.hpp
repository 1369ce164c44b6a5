// One thread, one epoll set, one time a task: what the generators and origins of the bench stand on. Descriptors are
// watched edge-triggered and only once; a task reads or writes until the system has no more. Not thread-safe.
#pragma once

#include <chrono>
#include <queue>
#include <vector>

namespace bench {

// CLOCK_MONOTONIC: the times that are recorded are those of Python's time.monotonic().
using clock = std::chrono::steady_clock;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

inline double seconds(clock::time_point at) {
    return std::chrono::duration<double>(at.time_since_epoch()).count();
}
inline clock::duration from_seconds(double count) {
    return duration_cast<clock::duration>(std::chrono::duration<double>(count));
}

// What a loop calls. It must live as long as the loop runs; calls without a cause may happen, after a close above all.
class task {
  public:
    task() = default;
    task(const task&) = delete;
    task& operator=(const task&) = delete;
    virtual ~task() = default;
    virtual void on_ready() {}
    virtual void on_time() {}

  private:
    friend class loop;
    clock::time_point wake_at_ = clock::time_point::max();
};

class loop {
  public:
    loop();
    ~loop();
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;

    // Until the descriptor is closed. Ends the program if the system refuses.
    void watch(int descriptor, task& who);
    // One time a task: a later call replaces an earlier one.
    void wake(task& who, clock::time_point at);
    static void let_sleep(task& who) { who.wake_at_ = clock::time_point::max(); }
    // Until stop(), SIGTERM or SIGINT.
    void run();
    void stop() { running_ = false; }

  private:
    struct alarm {
        clock::time_point at;
        task* who;
        bool operator<(const alarm& other) const { return at > other.at; }
    };
    void ring(clock::time_point now);

    int epoll_;
    bool running_ = true;
    std::priority_queue<alarm> alarms_;
};

// Prints what failed and why, and ends the program.
[[noreturn]] void fail(const char* what);

}  // namespace bench
