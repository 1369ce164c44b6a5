#include "cache/purge_outbox.hpp"

#include <utility>

#include "cache/purge_record.hpp"

namespace weir::cache {

void purge_outbox::add(std::string line, std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    if (lines_.size() == max_purges || bytes_ + line.size() > max_bytes) {
        std::deque<waiting> all{{purge_line({purge_kind::all, purge_mode::hard}), number}};
        bytes_ = all.front().line.size();
        lines_.swap(all);
        ++overflows_;
        return;
    }
    const std::size_t bytes = line.size();
    lines_.push_back({std::move(line), number});
    bytes_ += bytes;
}

std::optional<purge_outbox::draft> purge_outbox::front(std::uint64_t node) const {
    const std::lock_guard lock(mutex_);
    if (lines_.empty()) return std::nullopt;
    draft made{purge_record_start(node), 0};
    for (const waiting& next : lines_) {
        if (made.record.size() + next.line.size() > max_purge_record_bytes) break;
        made.record += next.line;
        made.last = next.number;
    }
    return made;
}

void purge_outbox::pop(std::uint64_t last) {
    const std::lock_guard lock(mutex_);
    while (!lines_.empty() && lines_.front().number <= last) {
        bytes_ -= lines_.front().line.size();
        lines_.pop_front();
    }
}

std::size_t purge_outbox::size() const {
    const std::lock_guard lock(mutex_);
    return lines_.size();
}

std::uint64_t purge_outbox::overflows() const {
    const std::lock_guard lock(mutex_);
    return overflows_;
}

}  // namespace weir::cache
