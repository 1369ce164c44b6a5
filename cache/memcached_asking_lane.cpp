#include "cache/memcached_asking_lane.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "proxy/http/wake_batch.hpp"

namespace weir::cache {

memcached_asking_lane::memcached_asking_lane(std::shared_ptr<memcached_peer> peer) : memcached_lane(std::move(peer)) {}

// Whether somebody may wait for the server. One that keeps the thread far beyond the time of a call, as a name can that
// takes long to look up, counts as one that is not there.
bool memcached_asking_lane::may_wait(clock::time_point now) {
    const auto began = call_began_.load(std::memory_order_relaxed);
    if (began != 0 && now - clock::time_point(clock::duration(began)) > 3 * peer_->timeout &&
        !peer_->breaker.is_open()) {
        peer_->note(memcached_fault::unreachable, "an answer takes far longer than it may");
    }
    if (!peer_->breaker.is_open()) return true;
    memcached_tally::note(tally_.refused);
    return false;
}

template <class Queue, class Entry>
bool memcached_asking_lane::put(Queue& queue, Entry entry) {
    if (!may_wait(entry.since)) return false;
    bool is_asleep = false;
    {
        const std::lock_guard hold(mutex_);
        if (is_stopping() || lookups_.size() + additions_.size() >= memcached::max_waiting_lookups) {
            memcached_tally::note(tally_.refused);
            return false;
        }
        queue.push_back(std::move(entry));
        is_asleep = is_to_wake();
    }
    if (is_asleep) wake_soon();
    return true;
}

bool memcached_asking_lane::get(std::vector<std::string> keys, std::shared_ptr<memcached_reader> reader) {
    std::vector<memcached_value> values(keys.size());
    return put(lookups_, lookup{std::move(keys), {std::move(reader), std::move(values)}, clock::now()});
}

bool memcached_asking_lane::add(memcached_item item, std::shared_ptr<memcached_reader> reader) {
    return put(additions_,
               addition{std::move(item), {std::move(reader), std::vector<memcached_value>(1)}, clock::now()});
}

// A server that is not there when weir starts should be told of before anybody asks for it.
void memcached_asking_lane::begin(std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    // A name that takes long to look up counts as a call that does.
    call_began_.store(clock::now().time_since_epoch().count(), std::memory_order_relaxed);
    const bool answers = handle_.answers();
    call_began_.store(0, std::memory_order_relaxed);
    if (!answers) peer_->note(memcached_fault::unreachable, handle_.last_error());
    lock.lock();
}

void memcached_asking_lane::work(std::unique_lock<std::mutex>& lock) {
    if (!lookups_.empty()) look_up(lock);
    for (int i = 0; i < adds_at_once && !additions_.empty() && !is_stopping() && !peer_->breaker.is_open(); ++i) {
        add_one(lock);
    }
}

// Takes the oldest lookups, as many as make a good request, but at least one.
void memcached_asking_lane::take_batch(clock::time_point now) {
    const auto max_keys = std::clamp<std::uint64_t>(max_batch_bytes / std::max<std::uint64_t>(usual_bytes_, 1), 1,
                                                    memcached::max_batch_keys);
    std::size_t keys = 0;
    while (!lookups_.empty()) {
        auto& first = lookups_.front();
        const auto more = first.keys.size();
        if (now - first.since > peer_->timeout) {
            late_.push_back(std::move(first.who));
        } else if (batch_.empty() || keys + more <= max_keys) {
            keys += more;
            batch_.push_back(std::move(first));
        } else {
            break;
        }
        lookups_.pop_front();
    }
}

// With `lock` held before and after; those in asked_ wait for it. They are gone from there afterwards where the lane
// was left behind meanwhile.
template <class Call>
auto memcached_asking_lane::call(std::unique_lock<std::mutex>& lock, const Call& what) {
    under_way_.swap(asked_);
    lock.unlock();
    const auto start = clock::now();
    call_began_.store(start.time_since_epoch().count(), std::memory_order_relaxed);
    const auto end = [&] {
        call_began_.store(0, std::memory_order_relaxed);
        lock.lock();
        asked_.swap(under_way_);
    };
    try {
        auto result = what();
        note_call(start);
        end();
        return result;
    } catch (...) {
        end();
        throw;
    }
}

void memcached_asking_lane::look_up(std::unique_lock<std::mutex>& lock) {
    take_batch(clock::now());
    lock.unlock();
    memcached_tally::note(tally_.expired, late_.size());
    fail(late_);
    gather_keys();
    if (keys_.empty()) fail(asked_);
    lock.lock();
    if (keys_.empty()) return;
    auto got = call(lock, [this] { return handle_.get(keys_); });
    lock.unlock();
    deliver(std::move(got));
    lock.lock();
}

// From batch_ into asked_ and keys_.
void memcached_asking_lane::gather_keys() {
    keys_.clear();
    place_of_.clear();
    places_.clear();
    uses_.clear();
    std::size_t count = 0;
    for (const auto& one : batch_) count += one.keys.size();
    keys_.reserve(count);  // place_of_ has views of short keys, which lie in the strings themselves
    for (auto& one : batch_) {
        for (auto& key : one.keys) {
            const auto found = place_of_.find(key);
            if (found != place_of_.end()) {
                places_.push_back(found->second);
                ++uses_[found->second];
                continue;
            }
            const auto place = keys_.size();
            keys_.push_back(std::move(key));
            place_of_.emplace(keys_.back(), place);
            places_.push_back(place);
            uses_.push_back(1);
        }
        asked_.push_back(std::move(one.who));
    }
    batch_.clear();
}

void memcached_asking_lane::deliver(std::vector<memcached_value> got) {
    using outcome = memcached_value::outcome;
    const http::wake_batch together;
    std::uint64_t bytes = 0;
    for (const auto& value : got) bytes += value.bytes.size();
    usual_bytes_ = (usual_bytes_ * 7 + bytes / got.size()) / 8;
    memcached_tally::note(tally_.batches);
    memcached_tally::note(tally_.batched_keys, got.size());
    const auto count = [&](outcome what) {
        return std::ranges::count_if(places_, [&](std::size_t place) { return got[place].what == what; });
    };
    memcached_tally::note(tally_.hits, static_cast<std::uint64_t>(count(outcome::found)));
    memcached_tally::note(tally_.misses, static_cast<std::uint64_t>(count(outcome::missing)));
    std::size_t next = 0;
    for (auto& one : asked_) {
        for (auto& value : one.values) {
            const auto place = places_[next++];
            if (--uses_[place] == 0) {
                value = std::move(got[place]);
            } else {
                value = got[place];
            }
        }
        one.finish();
    }
    asked_.clear();
}

void memcached_asking_lane::add_one(std::unique_lock<std::mutex>& lock) {
    asked_.push_back(std::move(additions_.front().who));
    const auto one = std::move(additions_.front());
    additions_.pop_front();
    if (clock::now() - one.since > peer_->timeout) {
        lock.unlock();
        memcached_tally::note(tally_.expired);
        fail(asked_);
        lock.lock();
        return;
    }
    const auto what =
        call(lock, [&] { return handle_.add(one.item.key, one.item.bytes, one.item.flags, one.item.lifetime); });
    lock.unlock();
    memcached_tally::note(tally_.adds);
    for (auto& who : asked_) {
        who.values.front().what = what;
        who.finish();
    }
    asked_.clear();
    lock.lock();
}

void memcached_asking_lane::waiting::finish() noexcept {
    if (const auto its = std::exchange(reader, nullptr)) its->finish(std::move(values));
}

void memcached_asking_lane::waiting::fail() noexcept {
    for (auto& value : values) value = {};
    finish();
}

void memcached_asking_lane::fail(std::vector<waiting>& who) noexcept {
    for (auto& one : who) one.fail();
    who.clear();
}

template <class Queue>
void memcached_asking_lane::give_up_first(Queue& queue, std::unique_lock<std::mutex>& lock) {
    waiting who = std::move(queue.front().who);
    queue.pop_front();
    lock.unlock();
    memcached_tally::note(tally_.refused);
    who.fail();
    lock.lock();
}

void memcached_asking_lane::give_up(std::unique_lock<std::mutex>& lock) {
    while (!lookups_.empty()) give_up_first(lookups_, lock);
    while (!additions_.empty()) give_up_first(additions_, lock);
}

// Where nothing had been taken, what could not be taken is given up, so that the thread gets on.
void memcached_asking_lane::abandon(std::unique_lock<std::mutex>& lock) {
    call_began_.store(0, std::memory_order_relaxed);
    if (late_.empty() && batch_.empty() && asked_.empty()) {
        if (!lookups_.empty()) return give_up_first(lookups_, lock);
        if (!additions_.empty()) return give_up_first(additions_, lock);
        return;
    }
    lock.unlock();
    fail(late_);
    for (auto& one : batch_) one.who.fail();
    batch_.clear();
    fail(asked_);
    lock.lock();
}

void memcached_asking_lane::leave_behind(std::unique_lock<std::mutex>& lock) {
    std::vector<waiting> all;
    all.swap(under_way_);
    give_up(lock);
    lock.unlock();
    fail(all);
    lock.lock();
}

void memcached_asking_lane::look_around(std::unique_lock<std::mutex>& lock) {
    if (!peer_->breaker.may_probe(clock::now())) return;
    lock.unlock();
    const auto start = clock::now();
    handle_.answers();
    note_call(start);
    lock.lock();
}

memcached_asking_lane::clock::time_point memcached_asking_lane::sleeps_until() const {
    // The other lane may open the breaker while this one sleeps.
    return peer_->breaker.is_open() ? peer_->breaker.next_probe() : clock::now() + memcached_breaker::probe_interval;
}

}  // namespace weir::cache
