#include "proxy/http/growing_content.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace weir::http {

bool growing_content::last_has_room() const {
    return !blocks_.empty() && blocks_.back()->size() < blocks_.back()->capacity();
}

bool growing_content::has_room() const {
    if (options_.keeping) return true;
    std::uint64_t slowest = total_;
    for (const content_reader* reader : readers_) slowest = std::min(slowest, reader->position_);
    if (readers_.empty() && !had_readers_) slowest = 0;
    return total_ == slowest || total_ - slowest < options_.window_bytes;
}

std::uint32_t growing_content::next_capacity() const {
    std::uint64_t capacity = block::usual_capacity;
    if (options_.expected_bytes) {
        const std::uint64_t to_come = *options_.expected_bytes - std::min(total_, *options_.expected_bytes);
        capacity = std::min(capacity, std::max<std::uint64_t>(1, to_come));
    }
    return static_cast<std::uint32_t>(capacity);
}

bool growing_content::take_charge(std::uint64_t charge) {
    if (!blocks_.empty()) return budget_.try_take(charge);
    budget_.take(charge);  // the one block that every transfer may hold
    return true;
}

std::span<char> growing_content::prepare() {
    std::unique_lock lock(mutex_);
    if (last_has_room()) {
        block& last = *blocks_.back();
        return {last.data() + last.size(), last.capacity() - last.size()};
    }
    if (!has_room()) return {};
    const std::uint32_t capacity = next_capacity();
    if (!take_charge(sizeof(block) + capacity)) return {};
    blocks_.push_back(block::make(capacity, &budget_));
    return {blocks_.back()->data(), blocks_.back()->capacity()};
}

void growing_content::commit(std::size_t bytes) {
    if (bytes == 0) return;
    std::unique_lock lock(mutex_);
    blocks_.back()->grow(static_cast<std::uint32_t>(bytes));
    total_ += bytes;
    wake_readers(lock);
}

std::size_t growing_content::append(std::string_view bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const std::span<char> room = prepare();
        if (room.empty()) break;
        const std::size_t n = std::min(room.size(), bytes.size() - done);
        std::memcpy(room.data(), bytes.data() + done, n);
        commit(n);
        done += n;
    }
    return done;
}

bool growing_content::wait_for_room(wakeable& writer) {
    std::unique_lock lock(mutex_);
    // Content that is kept goes on without readers, so their leaving is no reason for its writer to look again.
    if (!options_.keeping && had_readers_ && readers_.empty()) return false;
    if (last_has_room()) return false;
    // A reader may have made room since prepare() had none.
    if (has_room()) {
        const std::uint64_t charge = sizeof(block) + next_capacity();
        if (take_charge(charge)) {
            budget_.give_back(charge);
            return false;
        }
    }
    writer_ = &writer;
    return true;
}

void growing_content::cancel_writer_wait() {
    std::unique_lock lock(mutex_);
    writer_ = nullptr;
}

void growing_content::stop_keeping() {
    std::unique_lock lock(mutex_);
    options_.keeping = false;
    free_passed(lock);
}

void growing_content::complete() {
    std::unique_lock lock(mutex_);
    if (state_ != content_state::open) return;
    state_ = content_state::complete;
    wake_readers(lock);
}

void growing_content::fail() {
    std::unique_lock lock(mutex_);
    if (state_ != content_state::open) return;
    state_ = content_state::broken;
    wake_readers(lock);
}

content_state growing_content::state() const {
    std::unique_lock lock(mutex_);
    return state_;
}

std::uint64_t growing_content::size() const {
    std::unique_lock lock(mutex_);
    return total_;
}

std::uint64_t growing_content::unread() const {
    std::unique_lock lock(mutex_);
    std::uint64_t slowest = readers_.empty() && !had_readers_ ? 0 : total_;
    for (const content_reader* reader : readers_) slowest = std::min(slowest, reader->position_);
    return total_ - slowest;
}

bool growing_content::abandoned() const {
    std::unique_lock lock(mutex_);
    return had_readers_ && readers_.empty();
}

std::vector<block_ptr> growing_content::take_blocks() {
    std::unique_lock lock(mutex_);
    assert(state_ == content_state::complete && options_.keeping && first_ == 0);
    std::vector<block_ptr> blocks = blocks_;
    if (!blocks.empty() && blocks.back()->size() < blocks.back()->capacity()) {
        // Readers may still look at the block as it is, so the cache gets a copy of just the right size.
        const block& last = *blocks.back();
        block_ptr exact = block::make(last.size(), nullptr);
        std::memcpy(exact->data(), last.data(), last.size());
        exact->grow(last.size());
        blocks.back() = std::move(exact);
    }
    for (const block_ptr& b : blocks) b->release_charge();
    return blocks;
}

void growing_content::free_passed(std::unique_lock<std::mutex>&) {
    if (options_.keeping || readers_.empty()) return;
    std::uint64_t slowest = first_ + blocks_.size();
    for (const content_reader* reader : readers_) slowest = std::min(slowest, reader->block_);
    if (slowest <= first_) return;
    blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(slowest - first_));
    first_ = slowest;
}

void growing_content::wake_readers(std::unique_lock<std::mutex>&) {
    // wake() only queues the waiter, so calling it under the lock runs none of its code.
    for (content_reader* reader : readers_) {
        if (wakeable* waiter = std::exchange(reader->waiter_, nullptr)) waiter->wake();
    }
}

content_reader::content_reader(std::shared_ptr<growing_content> content) : content_(std::move(content)) {
    std::unique_lock lock(content_->mutex_);
    late_ = content_->first_ != 0;
    if (late_) return;
    content_->readers_.push_back(this);
    content_->had_readers_ = true;
}

content_reader::~content_reader() {
    std::unique_lock lock(content_->mutex_);
    std::erase(content_->readers_, this);
    content_->free_passed(lock);
    if (wakeable* writer = std::exchange(content_->writer_, nullptr)) writer->wake();
}

content_reader::view content_reader::peek(std::span<std::string_view> out) {
    std::unique_lock lock(content_->mutex_);
    if (late_) return {.buffers = 0, .bytes = 0, .state = content_state::broken, .end = true};
    view result{.buffers = 0, .bytes = 0, .state = content_->state_, .end = false};
    std::uint64_t index = block_;
    std::uint32_t offset = offset_;
    while (result.buffers < out.size() && index - content_->first_ < content_->blocks_.size()) {
        const std::string_view bytes = content_->blocks_[index - content_->first_]->view().substr(offset);
        if (!bytes.empty()) {
            out[result.buffers++] = bytes;
            result.bytes += bytes.size();
        }
        ++index;
        offset = 0;
    }
    result.end = content_->state_ != content_state::open && position_ + result.bytes == content_->total_;
    return result;
}

void content_reader::consume(std::uint64_t bytes) {
    std::unique_lock lock(content_->mutex_);
    assert(!late_ && bytes <= content_->total_ - position_);
    position_ += bytes;
    while (bytes > 0) {
        const block& present = *content_->blocks_[block_ - content_->first_];
        const std::uint64_t n = std::min<std::uint64_t>(bytes, present.size() - offset_);
        offset_ += static_cast<std::uint32_t>(n);
        bytes -= n;
        if (offset_ == present.capacity()) {
            ++block_;
            offset_ = 0;
        } else {
            assert(bytes == 0);
        }
    }
    content_->free_passed(lock);
    if (content_->writer_ && content_->has_room()) std::exchange(content_->writer_, nullptr)->wake();
}

bool content_reader::wait(wakeable& waiter) {
    std::unique_lock lock(content_->mutex_);
    if (late_ || content_->state_ != content_state::open || position_ < content_->total_) return false;
    waiter_ = &waiter;
    return true;
}

void content_reader::cancel_wait() {
    std::unique_lock lock(content_->mutex_);
    waiter_ = nullptr;
}

}  // namespace weir::http
