#include "proxy/http/growing_content.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace weir::http {

growing_content::~growing_content() {
    for (const stretch& s : stretches_) {
        if (s.extent) options_.spool->give_back(*s.extent, s.bytes);
    }
}

bool growing_content::last_has_room() const {
    return !blocks_.empty() && blocks_.back().data->size() < blocks_.back().data->capacity();
}

// As far as the window goes.
bool growing_content::has_room() const {
    if (options_.keep == retention::store) return true;
    if (spools()) return resting_bytes() < allowed_bytes() || !has_spare(true);
    const std::uint64_t ahead = total_ - slowest();
    return ahead == 0 || ahead < options_.window_bytes;
}

std::uint32_t growing_content::next_capacity() const {
    if (!options_.expected_bytes) return block_bytes;
    assert(total_ < *options_.expected_bytes);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(block_bytes, *options_.expected_bytes - total_));
}

bool growing_content::take_charge(std::uint64_t charge) {
    const bool entitled = spools() ? !has_spare(false) : blocks_.empty();
    if (!entitled) return budget_.try_take(charge);
    budget_.take(charge);
    return true;
}

bool growing_content::room_now() {
    if (last_has_room()) return true;
    const std::uint32_t capacity = next_capacity();
    relieve(capacity);
    const std::uint64_t charge = sizeof(block) + capacity;
    if (!has_room() || !take_charge(charge)) return false;
    budget_.give_back(charge);
    return true;
}

std::span<char> growing_content::prepare() {
    std::unique_lock lock(mutex_);
    if (last_has_room()) {
        block& last = *blocks_.back().data;
        return {last.data() + last.size(), last.capacity() - last.size()};
    }
    const std::uint32_t capacity = next_capacity();
    relieve(capacity);
    if (!has_room() || !take_charge(sizeof(block) + capacity)) return {};
    assert(total_ % block_bytes == 0);
    block_ptr next = block::make(capacity, &budget_);
    const std::span<char> room{next->data(), capacity};
    blocks_.push_back({total_ / block_bytes, std::move(next)});
    return room;
}

void growing_content::commit(std::size_t bytes) {
    if (bytes == 0) return;
    std::unique_lock lock(mutex_);
    blocks_.back().data->grow(static_cast<std::uint32_t>(bytes));
    held_bytes_ += bytes;
    total_ += bytes;
    wake_readers();
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
    if (options_.keep == retention::until_read && had_readers_ && readers_.empty()) return false;
    // A reader or the spool may have made room since prepare() had none.
    if (room_now()) return false;
    writer_ = &writer;
    return true;
}

void growing_content::cancel_writer_wait() {
    std::unique_lock lock(mutex_);
    writer_ = nullptr;
}

bool growing_content::stalled() {
    std::unique_lock lock(mutex_);
    return leaving_bytes_ == 0 && !room_now();
}

void growing_content::stop_keeping() {
    std::unique_lock lock(mutex_);
    options_.keep = retention::until_read;
    free_passed();
    relieve(0);
}

void growing_content::complete() {
    std::unique_lock lock(mutex_);
    if (state_ != content_state::open) return;
    state_ = content_state::complete;
    if (!blocks_.empty() && blocks_.back().data->size() == 0) blocks_.pop_back();
    wake_readers();
    free_passed();
    relieve(0);
}

void growing_content::fail() {
    std::unique_lock lock(mutex_);
    if (state_ != content_state::open) return;
    state_ = content_state::broken;
    wake_readers();
}

content_state growing_content::state() const {
    std::unique_lock lock(mutex_);
    return state_;
}

std::uint64_t growing_content::size() const {
    std::unique_lock lock(mutex_);
    return total_;
}

std::uint64_t growing_content::slowest() const {
    std::uint64_t position = readers_.empty() && !had_readers_ ? 0 : total_;
    for (const content_reader* reader : readers_) position = std::min(position, reader->position_);
    return position;
}

std::uint64_t growing_content::unread() const {
    std::unique_lock lock(mutex_);
    return total_ - slowest();
}

bool growing_content::abandoned() const {
    std::unique_lock lock(mutex_);
    return had_readers_ && readers_.empty();
}

std::vector<block_ptr> growing_content::take_blocks() {
    std::unique_lock lock(mutex_);
    assert(state_ == content_state::complete && options_.keep == retention::store);
    std::vector<block_ptr> blocks;
    blocks.reserve(blocks_.size());
    for (const held_block& b : blocks_) blocks.push_back(b.data);
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

growing_content::held_blocks::iterator growing_content::find(std::uint64_t index) {
    const auto it = std::lower_bound(blocks_.begin(), blocks_.end(), index,
                                     [](const held_block& b, std::uint64_t i) { return b.index < i; });
    return it != blocks_.end() && it->index == index ? it : blocks_.end();
}

// Whether readers at `position` have what ends at `end` behind them, and nothing more will come there.
bool growing_content::passed(std::uint64_t end, std::uint64_t position) const {
    return end <= position || (state_ != content_state::open && position == total_);
}

// What is about to leave memory is counted no more.
void growing_content::forget(held_block& b) {
    if (b.on == held_block::way::chosen) spare(b);
    if (b.on == held_block::way::leaving) leaving_bytes_ -= b.data->size();
    held_bytes_ -= b.data->size();
}

void growing_content::free_passed() {
    if (options_.keep == retention::store || readers_.empty()) return;
    if (options_.keep == retention::replay && !spools()) return;
    const std::uint64_t position = slowest();
    auto end = blocks_.begin();
    while (end != blocks_.end() && passed(end->index * block_bytes + end->data->capacity(), position)) ++end;
    if (options_.keep == retention::replay) {
        // A copy on disk is enough for who may begin again.
        end = std::stable_partition(blocks_.begin(), end, [this](const held_block& b) { return on_disk(b.index); });
    } else if (end != blocks_.begin()) {
        freed_ = true;
    }
    for (auto it = blocks_.begin(); it != end; ++it) forget(*it);
    blocks_.erase(blocks_.begin(), end);
    if (options_.keep == retention::replay) return;
    while (first_stretch_ < stretches_.size() &&
           passed((first_stretch_ + 1) * std::uint64_t{stretch_blocks} * block_bytes, position)) {
        freed_ = true;
        release_if_unused(first_stretch_++);
    }
}

bool growing_content::readable(const content_reader& reader) {
    return reader.position_ == total_ ? state_ != content_state::open : find(reader.next_block()) != blocks_.end();
}

bool growing_content::waits_for_disk(const content_reader& reader) {
    return !reader.lost_ && reader.position_ < total_ && !readable(reader);
}

// Those that have something to do: who waits for the disk does not look at what comes behind.
void growing_content::wake_readers() {
    for (content_reader* reader : readers_) {
        // wake() only queues the waiter, so calling it under the lock runs none of its code.
        if (reader->waiter_ && (reader->lost_ || readable(*reader))) std::exchange(reader->waiter_, nullptr)->wake();
    }
}

void growing_content::wake_writer_if_room() {
    if (writer_ && has_room()) std::exchange(writer_, nullptr)->wake();
}

content_reader::content_reader(std::shared_ptr<growing_content> content) : content_(std::move(content)) {
    std::unique_lock lock(content_->mutex_);
    lost_ = content_->freed_;
    if (lost_) return;
    content_->readers_.push_back(this);
    content_->had_readers_ = true;
}

content_reader::~content_reader() {
    std::unique_lock lock(content_->mutex_);
    std::erase(content_->readers_, this);
    content_->free_passed();
    if (wakeable* writer = std::exchange(content_->writer_, nullptr)) writer->wake();
}

content_reader::view content_reader::peek(std::span<std::string_view> out) {
    growing_content& content = *content_;
    std::unique_lock lock(content.mutex_);
    if (lost_) return {.buffers = 0, .bytes = 0, .state = content_state::broken, .end = true};
    view result{.buffers = 0, .bytes = 0, .state = content.state_, .end = false};
    if (content.spools()) out = out.first(std::min(out.size(), content.run_length()));
    std::uint64_t index = next_block();
    std::size_t offset = position_ % growing_content::block_bytes;
    for (auto it = content.find(index); it != content.blocks_.end() && it->index == index; ++it) {
        const std::string_view bytes = it->data->view().substr(offset);
        if (result.buffers == out.size() || bytes.empty()) break;
        out[result.buffers++] = bytes;
        result.bytes += bytes.size();
        ++index;
        offset = 0;
    }
    looked_until_ = std::max(looked_until_, index);
    result.end = content.state_ != content_state::open && position_ + result.bytes == content.total_;
    return result;
}

void content_reader::consume(std::uint64_t bytes) {
    std::unique_lock lock(content_->mutex_);
    assert(!lost_ && bytes <= content_->total_ - position_);
    position_ += bytes;
    looked_until_ = 0;
    content_->free_passed();
    content_->relieve(content_->writer_ ? growing_content::block_bytes : 0);
    content_->wake_writer_if_room();
}

bool content_reader::wait(wakeable& waiter) {
    std::unique_lock lock(content_->mutex_);
    if (lost_ || content_->readable(*this)) return false;
    waiter_ = &waiter;
    if (position_ < content_->total_) content_->schedule();
    return true;
}

void content_reader::cancel_wait() {
    std::unique_lock lock(content_->mutex_);
    waiter_ = nullptr;
}

}  // namespace weir::http
