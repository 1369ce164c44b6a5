// Out of descriptors, or of memory for sockets: what it looks like, and a line about it now and then however often it
// happens, since a line each would fill the disk too.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "proxy/log.hpp"

namespace weir::proxy {

// True if `error`, an errno, says that the process or the system has no more to give.
bool is_shortage(int error);

// What is lacking and what to do about it, for a log line.
std::string describe_shortage(int error);

// Any thread.
class shortage_log {
  public:
    // `consequence` is what comes of it, and begins the line.
    explicit shortage_log(std::string consequence) : consequence_(std::move(consequence)) {}
    void say(int error);

  private:
    const std::string consequence_;
    std::mutex mutex_;
    log::rate_limited admitted_{1, std::chrono::seconds(2)};  // guarded by mutex_
};

}  // namespace weir::proxy
