#include "cache/memcached_storing_lane.hpp"

#include <utility>

namespace weir::cache {

memcached_storing_lane::memcached_storing_lane(std::shared_ptr<memcached_peer> peer)
    : memcached_lane(std::move(peer)) {}

void memcached_storing_lane::store(std::uint64_t size_hint_bytes, memcached_maker make) {
    put({std::move(make), {}, size_hint_bytes});
}

void memcached_storing_lane::remove(std::string key) {
    put({nullptr, std::move(key), 0});
}

// What is dropped is destroyed without the lock.
void memcached_storing_lane::put(job one) {
    bool is_asleep = false;
    bool is_taken = !peer_->breaker.is_open();
    if (is_taken) {
        const std::lock_guard hold(mutex_);
        const bool has_room =
            jobs_.size() < memcached::max_waiting_stores &&
            (waiting_bytes_ == 0 || one.bytes == 0 || waiting_bytes_ + one.bytes <= memcached::max_waiting_store_bytes);
        is_taken = has_room && !is_stopping();
        if (is_taken) {
            const std::uint64_t bytes = one.bytes;
            jobs_.push_back(std::move(one));
            waiting_bytes_ += bytes;
            is_asleep = is_to_wake();
        }
    }
    if (!is_taken) memcached_tally::note(tally_.dropped);
    if (is_asleep) wake();
}

void memcached_storing_lane::work(std::unique_lock<std::mutex>& lock) {
    auto one = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    bool is_done = false;
    try {
        is_done = one.make ? store_all(one.make) : remove_one(one.key);
    } catch (...) {
        // For want of memory, say.
    }
    if (!is_done) memcached_tally::note(tally_.dropped);
    one.make = nullptr;
    lock.lock();
    waiting_bytes_ -= one.bytes;
}

bool memcached_storing_lane::remove_one(const std::string& key) {
    const auto start = clock::now();
    const auto what = handle_.remove(key);
    note_call(start);
    if (what == memcached_value::outcome::failed) return false;
    memcached_tally::note(tally_.removes);
    return true;
}

// Ends at the first that is not stored: what comes after it is of no use without it.
bool memcached_storing_lane::store_all(const memcached_maker& make) {
    for (const auto& item : make()) {
        if (peer_->breaker.is_open()) return false;
        const auto start = clock::now();
        const auto what = handle_.set(item.key, item.bytes, item.flags, item.lifetime);
        note_call(start);
        if (what != memcached_value::outcome::found) return false;
        memcached_tally::note(tally_.stores);
    }
    return true;
}

void memcached_storing_lane::give_up(std::unique_lock<std::mutex>& lock) {
    while (!jobs_.empty()) {
        auto one = std::move(jobs_.front());
        jobs_.pop_front();
        waiting_bytes_ -= one.bytes;
        lock.unlock();
        memcached_tally::note(tally_.dropped);
        one.make = nullptr;
        lock.lock();
    }
}

}  // namespace weir::cache
