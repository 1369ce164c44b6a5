#include "cache/purge_positions.hpp"

#include <algorithm>

namespace weir::cache {

std::optional<purge_position> purge_positions::position_of(std::uint64_t fill_number) const {
    const std::lock_guard lock(mutex_);
    if (epoch_ == 0 || fill_number < oldest_local_) return std::nullopt;
    const auto behind = std::upper_bound(entries_.begin(), entries_.end(), fill_number,
                                         [](std::uint64_t local, const entry& e) { return local < e.last; });
    return purge_position{epoch_, oldest_ + static_cast<std::uint64_t>(behind - entries_.begin())};
}

std::optional<std::uint64_t> purge_positions::fill_number_of(const purge_position& at, std::uint64_t now) const {
    const std::lock_guard lock(mutex_);
    const std::uint64_t applied = oldest_ + entries_.size();
    if (epoch_ == 0 || at.epoch != epoch_ || at.number < oldest_ || applied < joined_at_) return std::nullopt;
    std::uint64_t local = now;
    const auto stay_below = [&](std::uint64_t first) { local = std::min(local, first - 1); };
    if (first_waiting_ != 0) stay_below(first_waiting_);
    for (const own_record& own : own_) {
        if (own.number > at.number) stay_below(own.first);
    }
    if (applying_ != 0 && at.number <= applied) stay_below(applying_);
    if (at.number < applied) stay_below(entries_[at.number - oldest_].first);
    return local;
}

void purge_positions::join(std::uint64_t epoch, std::uint64_t oldest, std::uint64_t head, std::uint64_t now) {
    const std::lock_guard lock(mutex_);
    epoch_ = epoch;
    joined_at_ = head;
    // A fill that noted `now` may have done so before the head was read.
    joined_local_ = now + 1;
    oldest_ = oldest;
    oldest_local_ = joined_local_;
    entries_.clear();
    applying_ = 0;
    own_.clear();
}

void purge_positions::begin(std::uint64_t now) {
    const std::lock_guard lock(mutex_);
    applying_ = now + 1;
}

void purge_positions::end(std::uint64_t now) {
    const std::lock_guard lock(mutex_);
    append(applying_, now);
    applying_ = 0;
}

bool purge_positions::pass_own() {
    const std::lock_guard lock(mutex_);
    if (own_.empty() || own_.front().number != oldest_ + entries_.size() + 1) return false;
    append(own_.front().first, own_.front().last);
    own_.pop_front();
    return true;
}

void purge_positions::append(std::uint64_t first, std::uint64_t last) {
    if (oldest_ + entries_.size() < joined_at_) last = joined_local_;
    last = std::max(last, entries_.empty() ? oldest_local_ : entries_.back().last);
    for (auto e = entries_.rbegin(); e != entries_.rend() && e->first > first; ++e) e->first = first;
    entries_.push_back({first, last});
    if (entries_.size() > max_entries) {
        ++oldest_;
        oldest_local_ = entries_.front().last;
        entries_.pop_front();
    }
}

bool purge_positions::lose(std::uint64_t number, std::uint64_t now) {
    const std::lock_guard lock(mutex_);
    const bool was_there_before = number <= joined_at_;
    oldest_ = number;
    oldest_local_ = was_there_before ? joined_local_ : now + 1;
    entries_.clear();
    while (!own_.empty() && own_.front().number <= number) own_.pop_front();
    return !was_there_before;
}

void purge_positions::note_own(std::uint64_t local) {
    const std::lock_guard lock(mutex_);
    if (first_waiting_ == 0) first_waiting_ = local;
    last_noted_ = local;
}

void purge_positions::published(std::uint64_t number, std::uint64_t local) {
    const std::lock_guard lock(mutex_);
    own_.push_back({number, first_waiting_, local});
    first_waiting_ = last_noted_ > local ? local + 1 : 0;
}

std::uint64_t purge_positions::epoch() const {
    const std::lock_guard lock(mutex_);
    return epoch_;
}

std::uint64_t purge_positions::applied() const {
    const std::lock_guard lock(mutex_);
    return oldest_ + entries_.size();
}

bool purge_positions::is_in_step() const {
    const std::lock_guard lock(mutex_);
    return epoch_ != 0 && oldest_ + entries_.size() >= joined_at_;
}

}  // namespace weir::cache
