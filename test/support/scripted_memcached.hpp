// A server on loopback that says what a test wants, where a memcached would answer.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "conf/settings.hpp"

namespace weir::test {

class scripted_memcached {
  public:
    // What a line is answered with, without its line end; called from several threads. A set's value is a line too. An
    // answer that ends with hang_up closes the connection after it.
    using script = std::function<std::string(const std::string& line)>;
    static constexpr char hang_up = '\0';

    // "version" is answered as memcached does, unless `greets` is false.
    explicit scripted_memcached(script answer, bool greets = true);
    ~scripted_memcached();

    conf::memcached_server_address address() const;
    // All lines so far but "version" and "quit".
    std::vector<std::string> lines();
    int connections();
    // From now on each byte of an answer is sent only after this pause.
    void dribble(std::chrono::milliseconds pause);

  private:
    void accept_all();
    void serve(int descriptor);
    bool send(int descriptor, const std::string& answer);

    const script answer_;
    const bool greets_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::mutex mutex_;  // guards what follows
    std::condition_variable stopping_;
    bool is_stopping_ = false;
    std::chrono::milliseconds pause_{0};
    std::vector<int> descriptors_;
    std::vector<std::string> lines_;
    std::vector<std::jthread> threads_;
    std::jthread acceptor_;
};

}  // namespace weir::test
