#include "cache/memcached_lane.hpp"

#include <algorithm>
#include <new>
#include <thread>
#include <utility>

#include "cache/block_signals.hpp"
#include "proxy/http/wake_batch.hpp"

namespace weir::cache {

void memcached_peer::note(memcached_fault fault, std::string_view error) {
    using change = memcached_breaker::change;
    using kind = memcached_breaker::fault;
    auto what = change::none;
    if (fault == memcached_fault::none || fault == memcached_fault::refused) {
        what = breaker.note_success();
    } else {
        what = breaker.note_failure(fault == memcached_fault::unreachable ? kind::unreachable : kind::failure,
                                    std::chrono::steady_clock::now());
    }
    if (what != change::none) changed.store(std::chrono::system_clock::now(), std::memory_order_relaxed);
    if (what == change::opened) {
        opened.fetch_add(1, std::memory_order_relaxed);
        tell("memcached " + address.text + " does not answer and is not asked until it does: " + std::string(error));
    } else if (what == change::closed) {
        tell("memcached " + address.text + " answers and is asked again");
    }
}

void memcached_peer::tell(const std::string& text) {
    const std::lock_guard hold(mutex_);
    if (observe_) observe_(text);
}

void memcached_peer::be_silent() {
    const std::lock_guard hold(mutex_);
    observe_ = nullptr;
}

void memcached_tally::note_request(std::chrono::steady_clock::duration took, memcached_fault fault) {
    const auto us = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    const auto& bounds = memcached_counters::latency_bounds_us;
    note(requests);
    note(latency_sum_us, us);
    note(latency[static_cast<std::size_t>(std::ranges::lower_bound(bounds, us) - bounds.begin())]);
    if (fault != memcached_fault::none) note(failures);
    if (fault == memcached_fault::timed_out) note(timeouts);
}

void memcached_tally::add_to(memcached_counters& sum) const {
    const auto add = [](std::uint64_t& to, const count& from) { to += from.load(std::memory_order_relaxed); };
    add(sum.requests, requests);
    add(sum.batches, batches);
    add(sum.batched_keys, batched_keys);
    add(sum.hits, hits);
    add(sum.misses, misses);
    add(sum.adds, adds);
    add(sum.stores, stores);
    add(sum.removes, removes);
    add(sum.failures, failures);
    add(sum.timeouts, timeouts);
    add(sum.expired_lookups, expired);
    add(sum.refused_lookups, refused);
    add(sum.dropped_stores, dropped);
    add(sum.latency_sum_us, latency_sum_us);
    for (std::size_t i = 0; i < latency.size(); ++i) add(sum.latency[i], latency[i]);
}

memcached_lane::memcached_lane(std::shared_ptr<memcached_peer> peer)
    : peer_(std::move(peer)), handle_(peer_->address, peer_->timeout) {}

void memcached_lane::start() {
    thread_ = std::thread([self = shared_from_this()] { self->run(); });
}

void memcached_lane::begin_to_stop() {
    {
        const std::lock_guard hold(mutex_);
        // The call, and what a busy machine adds.
        if (!is_stopping_) stops_by_ = clock::now() + longest_finish() + peer_->timeout + std::chrono::seconds(1);
        is_stopping_ = true;
    }
    wake();
}

void memcached_lane::finish_stopping() {
    if (!thread_.joinable()) return;
    std::unique_lock lock(mutex_);
    if (ended_.wait_until(lock, stops_by_, [this] { return has_ended_; })) {
        lock.unlock();
        thread_.join();
    } else {
        leave_behind(lock);
        thread_.detach();
    }
}

void memcached_lane::wake_soon() {
    http::wake_batch* const batch = http::wake_batch::here();
    if (!batch) return wake();
    try {
        batch->defer(shared_from_this(), [](void* lane) { static_cast<memcached_lane*>(lane)->wake(); });
    } catch (const std::bad_alloc&) {
        wake();
    }
}

// Whoever waits for what a step threw in gets `failed`, as from a server that does.
template <class Step>
void memcached_lane::survive(std::unique_lock<std::mutex>& lock, const Step& step) {
    try {
        step();
    } catch (...) {
        memcached_tally::note(tally_.failures);
        if (!lock.owns_lock()) lock.lock();
        abandon(lock);
    }
}

void memcached_lane::run() {
    block_signals();
    std::unique_lock lock(mutex_);
    const auto work_once = [&] { survive(lock, [&] { work(lock); }); };
    survive(lock, [&] { begin(lock); });
    while (!is_stopping_) {
        if (peer_->breaker.is_open()) {
            give_up(lock);
        } else if (has_work()) {
            work_once();
            continue;
        }
        survive(lock, [&] { look_around(lock); });
        if (is_stopping_ || has_work()) continue;
        is_asleep_ = true;
        wake_.wait_until(lock, sleeps_until());
        is_asleep_ = false;
    }
    const clock::time_point limit = clock::now() + longest_finish();
    while (has_work() && !peer_->breaker.is_open() && clock::now() < limit) work_once();
    give_up(lock);
    has_ended_ = true;
    ended_.notify_all();
}

void memcached_lane::note_call(clock::time_point start) {
    const auto fault = handle_.fault();
    tally_.note_request(clock::now() - start, fault);
    peer_->note(fault, handle_.last_error());
}

}  // namespace weir::cache
