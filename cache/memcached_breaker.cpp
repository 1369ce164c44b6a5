#include "cache/memcached_breaker.hpp"

namespace weir::cache {

memcached_breaker::change memcached_breaker::note_success() {
    if (!has_failures_.load(std::memory_order_acquire)) return change::none;
    const std::lock_guard hold(mutex_);
    failures_ = 0;
    has_failures_.store(false, std::memory_order_release);
    return open_.exchange(false) ? change::closed : change::none;
}

memcached_breaker::change memcached_breaker::note_failure(fault what, time_point now) {
    const std::lock_guard hold(mutex_);
    has_failures_.store(true, std::memory_order_release);
    ++failures_;
    if (open_.load() || (what == fault::failure && failures_ < failures_to_open)) return change::none;
    next_probe_ = now + probe_interval;
    open_.store(true, std::memory_order_release);
    return change::opened;
}

bool memcached_breaker::may_probe(time_point now) {
    const std::lock_guard hold(mutex_);
    if (!open_.load() || now < next_probe_) return false;
    next_probe_ = now + probe_interval;
    return true;
}

memcached_breaker::time_point memcached_breaker::next_probe() const {
    const std::lock_guard hold(mutex_);
    return next_probe_;
}

}  // namespace weir::cache
