// One target of log lines and the thread that writes to it. Internal to log_writer.
#pragma once

#include "conf/settings.hpp"
#include "proxy/log_buffer.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace weir::proxy {

// An open target. `off` is one too: it takes everything and keeps nothing.
class log_sink {
  public:
    log_sink() = default;
    log_sink(log_sink&& other) noexcept;
    log_sink& operator=(log_sink&& other) noexcept;
    ~log_sink();

    // What went wrong, as a sentence, or nothing. A file is made if there is none, and appended to.
    static std::optional<std::string> open(const conf::log_target& target, log_sink& opened);

    // Writes as much of `lines` as the system takes, however long that lasts; returns the bytes that were written. Less
    // than all of it: errno says why. No exit but a write that fails ends the wait for a reader who does not read.
    std::size_t write(std::string_view lines);

    const conf::log_target& target() const { return target_; }
    bool is_open() const { return descriptor_ >= 0; }  // not `off`

  private:
    std::size_t write_piece(std::string_view piece);

    conf::log_target target_;
    int descriptor_ = -1;
    bool owned_ = false;
    bool pipe_ = false;
    bool torn_ = false;  // the last line that was begun is not complete
};

// Shared by its owner and its thread, so that the thread can be abandoned.
class log_channel : public std::enable_shared_from_this<log_channel> {
  public:
    // `gather`: how long the first line waits for others. `capacity_bytes`: of each buffer.
    log_channel(std::string name, std::chrono::milliseconds gather, std::size_t capacity_bytes,
                std::function<void(const std::string&)> report);

    void start();
    std::shared_ptr<log_buffer> add_buffer();
    // What was appended before goes to the old sink, unless that is `off`.
    void change_sink(log_sink next);
    void reopen();
    bool flush_until(std::chrono::steady_clock::time_point limit);
    // stop_until() waits for what request_stop() began.
    void request_stop();
    void stop_until(std::chrono::steady_clock::time_point limit);

    const conf::log_target& target() const { return target_; }  // of the control thread
    std::uint64_t lost() const noexcept { return lost_.value(); }

  private:
    void run();
    void drain(const std::vector<std::shared_ptr<log_buffer>>& buffers);
    void reopen_sink();

    const std::string name_;
    const std::chrono::milliseconds gather_;
    const std::size_t capacity_bytes_;
    const std::function<void(const std::string&)> report_;
    const std::shared_ptr<log_bell> bell_ = std::make_shared<log_bell>();
    std::thread thread_;       // of the control thread
    conf::log_target target_;  // of the control thread

    // Guarded by bell_->mutex.
    std::vector<std::shared_ptr<log_buffer>> buffers_;
    std::optional<log_sink> next_sink_;
    bool reopen_wanted_ = false;
    bool stopping_ = false;
    bool ended_ = false;
    std::uint64_t rounds_asked_ = 0;
    std::uint64_t rounds_done_ = 0;
    std::condition_variable progress_;

    // Of the writing thread.
    log_sink sink_;
    std::unique_ptr<char[]> spare_ = std::make_unique_for_overwrite<char[]>(capacity_bytes_);
    std::optional<std::chrono::steady_clock::time_point> reported_;
    counter lost_;
};

}  // namespace weir::proxy
