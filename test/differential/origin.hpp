// The origin of the differential test: a thread for each connection, which answers with what the site has at that
// moment.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/differential/page.hpp"
#include "test/differential/wire.hpp"

namespace weir::differential {

class origin {
  public:
    explicit origin(site& has);
    // When weir has ended, and with it every connection.
    ~origin();
    origin(const origin&) = delete;
    origin& operator=(const origin&) = delete;

    std::uint16_t port() const { return port_; }
    std::uint64_t requests() const { return requests_; }
    // What should not have reached it, the first few.
    std::vector<std::string> faults();

  private:
    void accept_all();
    void serve(int descriptor);
    // False where the connection is to be closed.
    bool answer(wire& to, const message& asked);
    bool answer_safe(wire& to, const message& asked, const page& of, const asker& by, const std::string& method);
    bool answer_unsafe(wire& to, const page& of, const asker& by);
    void check(const message& asked, const std::string& target);
    void note(const std::string& what, const message& asked);

    site& site_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<std::uint64_t> requests_{0};
    std::atomic<bool> stopping_{false};
    std::mutex lock_;
    std::condition_variable connection_ended_;
    std::vector<std::string> faults_;  // guarded by lock_, like connections_
    std::size_t connections_ = 0;
    std::thread acceptor_;
};

}  // namespace weir::differential
