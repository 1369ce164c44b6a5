#include "proxy/log_channel.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weir::proxy {

namespace {

constexpr auto report_interval = std::chrono::minutes(1);

std::string error_text(int error) {
    return std::generic_category().message(error);
}

// The thread takes no signals: they are the control thread's, and SIGPIPE would otherwise end the process.
void block_all_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

// The longest part of `lines` that a pipe takes in one piece, so that lines of other writers never come between.
std::size_t pipe_piece(std::string_view lines) {
    if (lines.size() <= PIPE_BUF) return lines.size();
    const auto end = lines.substr(0, PIPE_BUF).rfind('\n');
    return end == std::string_view::npos ? PIPE_BUF : end + 1;
}

}  // namespace

log_sink::log_sink(log_sink&& other) noexcept {
    *this = std::move(other);
}

log_sink& log_sink::operator=(log_sink&& other) noexcept {
    std::swap(target_, other.target_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(owned_, other.owned_);
    std::swap(pipe_, other.pipe_);
    std::swap(torn_, other.torn_);
    return *this;
}

log_sink::~log_sink() {
    if (owned_) ::close(descriptor_);
}

std::optional<std::string> log_sink::open(const conf::log_target& target, log_sink& opened) {
    using kind = conf::log_target::kind;
    log_sink sink;
    sink.target_ = target;
    switch (target.type) {
        case kind::off:
            break;
        case kind::standard_output:
            sink.descriptor_ = STDOUT_FILENO;
            break;
        case kind::standard_error:
            sink.descriptor_ = STDERR_FILENO;
            break;
        case kind::file:
            // Without O_NONBLOCK, a named pipe that nobody reads would hold up the caller.
            sink.descriptor_ =
                ::open(target.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
            if (sink.descriptor_ < 0) return "cannot open log file " + target.path + ": " + error_text(errno);
            sink.owned_ = true;
            ::fcntl(sink.descriptor_, F_SETFL, ::fcntl(sink.descriptor_, F_GETFL) & ~O_NONBLOCK);
            break;
    }
    struct stat about {};
    sink.pipe_ = sink.descriptor_ >= 0 && ::fstat(sink.descriptor_, &about) == 0 && S_ISFIFO(about.st_mode);
    opened = std::move(sink);
    return std::nullopt;
}

std::size_t log_sink::write(std::string_view lines) {
    if (descriptor_ < 0) return lines.size();
    if (torn_) {
        if (write_piece("\n") == 0) return 0;
        torn_ = false;
    }
    std::size_t written = 0;
    while (written < lines.size()) {
        const std::string_view rest = lines.substr(written);
        const std::size_t piece = pipe_ ? pipe_piece(rest) : rest.size();
        const std::size_t bytes = write_piece(rest.substr(0, piece));
        written += bytes;
        if (bytes < piece) break;
    }
    torn_ = written > 0 && lines[written - 1] != '\n';
    return written;
}

std::size_t log_sink::write_piece(std::string_view piece) {
    std::size_t written = 0;
    while (written < piece.size()) {
        const ssize_t bytes = ::write(descriptor_, piece.data() + written, piece.size() - written);
        if (bytes > 0) {
            written += static_cast<std::size_t>(bytes);
        } else if (bytes < 0 && errno == EAGAIN) {
            // Somebody who shares stdout has made it non-blocking.
            pollfd ready{descriptor_, POLLOUT, 0};
            ::poll(&ready, 1, -1);
        } else if (bytes == 0 || errno != EINTR) {
            break;
        }
    }
    return written;
}

log_channel::log_channel(std::string name, std::chrono::milliseconds gather, std::size_t capacity_bytes,
                         std::function<void(const std::string&)> report)
    : name_(std::move(name)), gather_(gather), capacity_bytes_(capacity_bytes), report_(std::move(report)) {
    bell_->wanted = false;
}

void log_channel::start() {
    thread_ = std::thread([self = shared_from_this()] {
        block_all_signals();
        self->run();
    });
}

std::shared_ptr<log_buffer> log_channel::add_buffer() {
    auto buffer = std::make_shared<log_buffer>(bell_, capacity_bytes_);
    const std::lock_guard lock(bell_->mutex);
    buffers_.push_back(buffer);
    return buffer;
}

void log_channel::change_sink(log_sink next) {
    target_ = next.target();
    bell_->wanted = target_.type != conf::log_target::kind::off;
    const std::lock_guard lock(bell_->mutex);
    next_sink_ = std::move(next);
    reopen_wanted_ = false;
    bell_->rung = bell_->urgent = true;
    bell_->rings.notify_one();
}

void log_channel::reopen() {
    if (target_.type != conf::log_target::kind::file) return;
    const std::lock_guard lock(bell_->mutex);
    reopen_wanted_ = true;
    bell_->rung = bell_->urgent = true;
    bell_->rings.notify_one();
}

bool log_channel::flush_until(std::chrono::steady_clock::time_point limit) {
    std::unique_lock lock(bell_->mutex);
    const std::uint64_t mine = ++rounds_asked_;
    bell_->rung = bell_->urgent = true;
    bell_->rings.notify_one();
    return progress_.wait_until(lock, limit, [&] { return rounds_done_ >= mine || ended_; }) && rounds_done_ >= mine;
}

void log_channel::request_stop() {
    const std::lock_guard lock(bell_->mutex);
    stopping_ = true;
    bell_->rings.notify_one();
}

void log_channel::stop_until(std::chrono::steady_clock::time_point limit) {
    if (!thread_.joinable()) return;
    {
        std::unique_lock lock(bell_->mutex);
        if (!progress_.wait_until(lock, limit, [&] { return ended_; })) {
            thread_.detach();
            return;
        }
    }
    thread_.join();
}

void log_channel::run() {
    std::vector<std::shared_ptr<log_buffer>> buffers;  // for all rounds: this thread must not need memory to go on
    std::unique_lock lock(bell_->mutex);
    for (bool last = false; !last;) {
        bell_->rings.wait(lock, [&] { return bell_->rung || stopping_; });
        bell_->rings.wait_for(lock, gather_, [&] { return bell_->urgent || stopping_; });
        bell_->rung = bell_->urgent = false;
        last = stopping_;
        const std::uint64_t round = rounds_asked_;
        buffers = buffers_;
        const bool reopen = std::exchange(reopen_wanted_, false);
        auto next = std::exchange(next_sink_, std::nullopt);
        lock.unlock();
        if (next && !sink_.is_open()) sink_ = *std::exchange(next, std::nullopt);  // what waits is meant for it
        drain(buffers);
        if (next) sink_ = *std::exchange(next, std::nullopt);
        if (reopen) reopen_sink();
        if (last) sink_ = {};
        lock.lock();
        rounds_done_ = round;
        progress_.notify_all();
    }
    ended_ = true;
    progress_.notify_all();
}

void log_channel::drain(const std::vector<std::shared_ptr<log_buffer>>& buffers) {
    for (const auto& buffer : buffers) {
        const std::size_t size = buffer->take(spare_);
        if (size == 0) continue;
        const std::string_view lines(spare_.get(), size);
        const std::size_t written = sink_.write(lines);
        if (written == size) continue;
        const int why = errno;
        const std::string_view rest = lines.substr(written);
        lost_.add(static_cast<std::uint64_t>(std::count(rest.begin(), rest.end(), '\n')));
        const auto now = std::chrono::steady_clock::now();
        if (!report_ || (reported_ && now - *reported_ < report_interval)) continue;
        reported_ = now;
        report_("cannot write the " + name_ + ": " + error_text(why) + "; " + std::to_string(lost_.value()) +
                " lines lost so far");
    }
}

void log_channel::reopen_sink() {
    log_sink fresh;
    const auto fault = log_sink::open(sink_.target(), fresh);
    if (!fault) {
        sink_ = std::move(fresh);
    } else if (report_) {
        report_(*fault + "; the " + name_ + " goes on in the old file");
    }
}

}  // namespace weir::proxy
