#include "proxy/log_writer.hpp"

#include "proxy/log_channel.hpp"

#include <utility>

namespace weir::proxy {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Of lines of one worker that wait for the writing thread. A worker makes up to 30 MB of them a second, and on a
// machine that is busy the thread may wait for a core longer than the 8 ms of 256 KiB; this is 140 ms.
constexpr std::size_t access_buffer_bytes = 4 * 1024 * 1024;

// Opens `target` into `opened` if the channel writes somewhere else so far.
std::optional<std::string> open_if_changed(const log_channel& channel, const conf::log_target& target,
                                           std::optional<log_sink>& opened) {
    if (channel.target() == target) return std::nullopt;
    return log_sink::open(target, opened.emplace());
}

}  // namespace

log_writer::log_writer(report_function report)
    : access_(std::make_shared<log_channel>("access log", milliseconds(100), access_buffer_bytes, report)),
      errors_(std::make_shared<log_channel>("error log", milliseconds(0), log_buffer::default_capacity_bytes,
                                            std::move(report))),
      error_buffer_(errors_->add_buffer()) {
    access_->start();
    errors_->start();
}

log_writer::~log_writer() {
    stop();
}

std::optional<std::string> log_writer::reconfigure(const conf::log_settings& settings) {
    std::optional<log_sink> access;
    std::optional<log_sink> errors;
    if (auto fault = open_if_changed(*access_, settings.access, access)) return fault;
    if (auto fault = open_if_changed(*errors_, settings.errors, errors)) return fault;
    if (access) access_->change_sink(std::move(*access));
    if (errors) errors_->change_sink(std::move(*errors));
    return std::nullopt;
}

std::shared_ptr<log_buffer> log_writer::access_buffer() {
    return access_->add_buffer();
}

void log_writer::reopen() {
    access_->reopen();
    errors_->reopen();
}

bool log_writer::flush(milliseconds limit) {
    const auto until = steady_clock::now() + limit;
    const bool access = access_->flush_until(until);
    const bool errors = errors_->flush_until(until);
    return access && errors;
}

std::uint64_t log_writer::access_lines_lost() const {
    return access_->lost();
}
std::uint64_t log_writer::error_lines_lost() const {
    return errors_->lost() + error_buffer_->dropped();
}

void log_writer::stop(milliseconds limit) {
    // The access log's thread may still have something to say in the error log.
    const auto until = steady_clock::now() + limit;
    access_->request_stop();
    access_->stop_until(until - limit / 2);
    errors_->request_stop();
    errors_->stop_until(until);
}

}  // namespace weir::proxy
