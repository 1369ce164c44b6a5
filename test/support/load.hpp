// Clients that ask all the time, as browsers over kept-alive connections do, while a test does something to the proxy.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/support/message.hpp"

namespace weir::test {

class load {
  public:
    // What one client sends as its n-th request.
    using make_request = std::function<std::string(unsigned client, std::size_t n)>;
    // "" where the response is the right one, else what is wrong.
    using check_response = std::function<std::string(const response&)>;

    // Each of `clients` threads asks, one request after the other, until stop. A connection is given up only where the
    // response said `close`; any other end of it is a failure.
    load(std::uint16_t port, unsigned clients, make_request request, check_response check);
    ~load();

    // Waits until so many more requests than now have been answered rightly.
    void wait_for_answers(std::size_t count);
    struct result {
        std::size_t answers;
        std::size_t failures;
        std::string first_failure;
    };
    result stop();

  private:
    void run(unsigned client);
    void run_connection(unsigned client, std::size_t& n);
    void note_failure(const std::string& what);

    std::uint16_t port_;
    make_request request_;
    check_response check_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::size_t> answers_{0};
    std::atomic<std::size_t> failures_{0};
    std::mutex lock_;
    std::string first_failure_;  // guarded by lock_
    std::vector<std::thread> threads_;
};

// "" for a 200, else the head.
std::string expect_ok(const response& got);

}  // namespace weir::test
