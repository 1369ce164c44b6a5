#include "cache/purge_sync.hpp"

#include <exception>
#include <utility>

#include "cache/block_signals.hpp"

namespace weir::cache {

namespace {

// Some calls to a server that answers, or a few that run into their timeout.
constexpr std::chrono::seconds longest_end{1};

}  // namespace

purge_sync::purge_sync(purge_log& log, const conf::memcached_settings& settings,
                       std::function<void(const std::string& text)> say)
    : say_(std::move(say)), replica_(log, settings, {[this] { wake(); }, say_}), thread_([this] { run(); }) {}

purge_sync::~purge_sync() {
    static_cast<void>(stop());
    if (thread_.joinable()) thread_.join();
}

bool purge_sync::stop() {
    std::unique_lock lock(mutex_);
    stops_ = true;
    woken_.notify_all();
    return woken_.wait_for(lock, longest_end, [this] { return has_ended_; });
}

void purge_sync::wait_for_first_round(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, limit, [this] { return has_looked_; });
}

void purge_sync::run() {
    block_signals();
    for (bool is_over = false; !is_over;) {
        const bool reached = round();
        std::unique_lock lock(mutex_);
        if (!std::exchange(has_looked_, true)) woken_.notify_all();
        // A server that is away is not asked more often for every purge that waits for it.
        woken_.wait_for(lock, poll_interval, [&] { return stops_ || (reached && is_waiting_); });
        is_waiting_ = false;
        is_over = stops_;
    }
    if (replica_.now().waiting > 0) round();
    tell_what_is_left();
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
    woken_.notify_all();
}

// What is thrown, for want of memory say, ends a round and not the thread.
bool purge_sync::round() noexcept {
    try {
        try {
            return replica_.round();
        } catch (const std::exception& failure) {
            if (say_) say_(std::string("the purge log in memcached: ") + failure.what());
        }
    } catch (...) {
        // It could not be said either.
    }
    return false;
}

void purge_sync::tell_what_is_left() noexcept {
    try {
        const std::size_t left = replica_.now().waiting;
        if (left > 0 && say_) {
            say_("the purge log in memcached: " + std::to_string(left) +
                 " purges never reached it, and the other nodes");
        }
    } catch (...) {
        // It could not be said.
    }
}

void purge_sync::wake() {
    {
        const std::lock_guard lock(mutex_);
        is_waiting_ = true;
    }
    woken_.notify_all();
}

std::optional<purge_position> purge_sync::position_of(std::uint64_t fill_number) const {
    return replica_.position_of(fill_number);
}

std::optional<std::uint64_t> purge_sync::fill_number_of(const purge_position& at) const {
    return replica_.fill_number_of(at);
}

purge_replica::state purge_sync::now() const {
    return replica_.now();
}

}  // namespace weir::cache
