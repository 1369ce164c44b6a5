#include "balancer/queue.hpp"

#include <algorithm>
#include <utility>

#include "balancer/selection.hpp"

namespace weir::balancer {

bool queue::late(const waiters& line, clock::time_point now) const {
    return !line.empty() && now - line.front().since_ > timeout_ / 2;
}

queue::joined queue::join(waiter& newcomer, const conf::queue_settings& limits, clock::time_point now) {
    std::lock_guard lock(mutex_);
    timeout_ = limits.timeout;
    if (waiting_.load() >= limits.length && !make_room(newcomer, now)) return joined::full;
    newcomer.since_ = now;
    newcomer.waits_ = true;
    lines_[newcomer.class_].push_back(newcomer);
    waiting_.fetch_add(1);
    return joined::waits;
}

// One that will not be served in time, or matters less, gives way.
bool queue::make_room(const waiter& newcomer, clock::time_point now) {
    for (std::size_t lowest = 0; lowest <= newcomer.class_; ++lowest) {
        waiters& line = lines_[lowest];
        if (line.empty()) continue;
        const bool newest_first = late(line, now);
        if (lowest == newcomer.class_ && !newest_first) return false;
        waiter& last = newest_first ? line.front() : line.back();
        remove(last);
        last.displaced_ = true;
        last.wakes_.wake();
        return true;
    }
    return false;
}

void queue::remove(waiter& one) {
    waiters& line = lines_[one.class_];
    line.erase(line.iterator_to(one));
    one.waits_ = false;
    waiting_.fetch_sub(1);
}

queue::outcome queue::leave(waiter& one) {
    std::lock_guard lock(mutex_);
    if (one.waits_) remove(one);
    return {.granted = std::exchange(one.granted_, nullptr), .displaced = one.displaced_};
}

queue::waiter* queue::next_for(const upstream& of, const endpoint& free, clock::time_point now) {
    const bool for_anybody = takes_turns(of, free, now, {});
    const auto takes = [&](const waiter& w) {
        if (w.only_ && w.only_->usable(now)) return w.only_ == &free;
        return w.tried_.empty() ? for_anybody : takes_turns(of, free, now, w.tried_);
    };
    for (std::size_t i = lines_.size(); i-- > 0;) {
        waiters& line = lines_[i];
        if (late(line, now)) {
            const auto found = std::find_if(line.rbegin(), line.rend(), takes);
            if (found != line.rend()) return &*found;
        } else {
            const auto found = std::find_if(line.begin(), line.end(), takes);
            if (found != line.end()) return &*found;
        }
    }
    return nullptr;
}

bool queue::offer(const upstream& of, const std::shared_ptr<endpoint>& free, clock::time_point now) {
    // Who waits under the configuration that is still in use waits for others than one that went with the old.
    if (free->is(out_of_use::gone) && !closed_.load()) return false;
    if (!free->has_free_slot()) return false;
    std::lock_guard lock(mutex_);
    waiter* next = next_for(of, *free, now);
    if (!next || !free->try_take_slot()) return false;
    remove(*next);
    next->granted_ = free;
    // Under the lock: once it is released, a waiter that leaves at its deadline may be gone.
    next->wakes_.wake();
    return true;
}

void release_slot(const upstream& of, const std::shared_ptr<endpoint>& one, clock::time_point now) {
    one->give_back_slot();
    if (of.queue->waiting() != 0) of.queue->offer(of, one, now);
}

void offer_free_slots(const upstream& of, clock::time_point now) {
    for (const upstream::member& m : of.members) {
        while (of.queue->waiting() != 0 && of.queue->offer(of, m.endpoint, now)) {
        }
    }
}

}  // namespace weir::balancer
