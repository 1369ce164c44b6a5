// The threads that write the access log and the error log, so that a disk which stalls costs lines and never requests.
//
// Access lines and errors have a channel each: a target (a file, stdout, stderr or none) and a thread, so a stalled
// access log does not hold up the errors. Workers append whole lines to bounded buffers; the thread swaps a buffer for
// an empty one and writes what it held. A line for which a buffer has no room is dropped and counted, as is what the
// system refuses to take (no space left, nobody reads the pipe).
//
// A thread sleeps while there is nothing to write. The first line wakes it; for access lines it lets more gather for a
// tenth of a second, unless there is enough for a write (log_buffer::append).
#pragma once

#include "conf/settings.hpp"
#include "proxy/log_buffer.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace weir::proxy {

class log_channel;

// Used by the control thread, but for what log_buffer allows.
class log_writer {
  public:
    // `report` gets a sentence when lines cannot be written (at most once a minute) or a file cannot be reopened. It is
    // called by the writing threads, which may outlive this object (see stop), so it must not refer to anything that
    // goes away before the process does; log::error is what it is for.
    using report_function = std::function<void(const std::string& what)>;

    // Both targets are `off` until reconfigure().
    explicit log_writer(report_function report = {});
    ~log_writer();  // stop()
    log_writer(const log_writer&) = delete;
    log_writer& operator=(const log_writer&) = delete;

    // Opens the targets of `settings` that differ from those in use and goes over to them once what was appended before
    // has been written. At start and at reload. If one cannot be opened, nothing changes and the text says why.
    // `format` and `level` are not its business.
    std::optional<std::string> reconfigure(const conf::log_settings& settings);

    // A new buffer for the access lines of one worker; make as many as there are workers, not more: they are emptied
    // until stop().
    std::shared_ptr<log_buffer> access_buffer();
    // The one buffer of the error log, for log::start().
    std::shared_ptr<log_buffer> error_buffer() const { return error_buffer_; }

    // SIGUSR1: opens files again by their path, so that whoever renamed them gets new ones. Returns at once; the new
    // file is opened before the old one is closed, which stays in use if that fails.
    void reopen();

    // Waits until what was appended before the call has been handed to the system, and a reopen() before it is done;
    // false if `limit` passed before.
    bool flush(std::chrono::milliseconds limit);

    // Access lines that could not be written, apart from those that a full buffer refused (log_buffer::dropped).
    std::uint64_t access_lines_lost() const;
    // Lines of the error log that a full buffer refused or that could not be written.
    std::uint64_t error_lines_lost() const;

    // Writes what is left and ends the threads. One that the system does not let go within `limit` is abandoned: it
    // stays blocked until the process ends, and its lines are lost.
    void stop(std::chrono::milliseconds limit = std::chrono::seconds(2));

  private:
    std::shared_ptr<log_channel> access_;
    std::shared_ptr<log_channel> errors_;
    std::shared_ptr<log_buffer> error_buffer_;
};

}  // namespace weir::proxy
