// Debian's memcached, for one test.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "test/support/process.hpp"
#include "test/support/temporary_folder.hpp"

namespace weir::test {

// Runs until destroyed. Like every process it is started from a test's main thread only.
class memcached_process {
  public:
    // loopback: an address of this test program's own, so that nobody else gets the port between kill() and start().
    // localhost: 127.0.0.1.
    enum class where { loopback, localhost, unix_socket };

    // Answers when this returns. `options` are memcached's own.
    explicit memcached_process(where at = where::loopback, std::vector<std::string> options = {});

    // Of one without a unix socket; the port is of the system's choice.
    const std::string& host() const { return host_; }
    std::uint16_t port() const { return port_; }
    // Of a unix socket.
    const std::string& path() const { return path_; }
    // HOST:PORT, or the path.
    std::string address() const;

    process& program() { return *program_; }
    // Ends it at once.
    void kill();
    // It hangs when this returns: it answers nothing, but connections to it are still made.
    void hang();
    void go_on();
    // After kill(): anew and empty, at the same place.
    void start();

  private:
    temporary_folder folder_;
    std::vector<std::string> options_;
    std::string host_;
    std::uint16_t port_ = 0;
    std::string path_;
    std::unique_ptr<process> program_;
};

}  // namespace weir::test
