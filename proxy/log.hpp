// The error log: lines such as `2026-11-21T20:15:03.123Z warning message`, from any thread.
//
// A line is formatted on the caller's stack and appended to the bounded buffer of the log writer's error channel: the
// caller never waits for a disk, and lines for which there is no room are dropped and counted. {fmt} alone does this;
// the sinks and queues of spdlog would each be a second one here.
#pragma once

#include "conf/settings.hpp"
#include "proxy/log_buffer.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/core.h>

namespace weir::proxy::log {

using level = conf::log_level;

// Where lines go from now on, and the least level that does. Before other threads log. Until it is called lines of
// `info` and above go straight to stderr.
void start(std::shared_ptr<log_buffer> buffer, level least);
// Back to stderr, once no other thread logs.
void stop();
void set_level(level least);  // any thread
bool enabled(level wanted) noexcept;

// Control characters in the message (it may quote a peer) are written \xXX; a very long one is cut and ends in "...".
void write(level of, fmt::string_view text, fmt::format_args arguments);

template <class... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(level::debug)) write(level::debug, text, fmt::make_format_args(args...));
}

template <class... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(level::info)) write(level::info, text, fmt::make_format_args(args...));
}

template <class... Args>
void warning(fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(level::warning)) write(level::warning, text, fmt::make_format_args(args...));
}

template <class... Args>
void error(fmt::format_string<Args...> text, Args&&... args) {
    if (enabled(level::error)) write(level::error, text, fmt::make_format_args(args...));
}

// Lets at most `lines` lines go in each interval and counts the others. Used by one thread.
class rate_limited {
  public:
    rate_limited(unsigned lines, std::chrono::milliseconds interval) : lines_(lines), interval_(interval) {}

    // Whether a line may be written at `now`: then how many were held back since the last one that might; else nothing.
    std::optional<std::uint64_t> admit(std::chrono::steady_clock::time_point now);

  private:
    unsigned lines_;
    std::chrono::milliseconds interval_;
    std::optional<std::chrono::steady_clock::time_point> began_;  // of the interval under way
    unsigned written_ = 0;                                        // in it
    std::uint64_t held_back_ = 0;
};

}  // namespace weir::proxy::log
