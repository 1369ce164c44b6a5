// How growing content uses the spool: what leaves memory, and what comes back.
//
// Nothing here is a queue of requests: a turn of the spool's thread looks at the blocks that were chosen to be written
// and at the readers that wait, so what they no longer want is simply not done.
#include <algorithm>
#include <cassert>

#include "proxy/http/growing_content.hpp"

namespace weir::http {

namespace {

// The part of the free budget that one content may hold. With n slow transfers the budget settles where each holds a
// share of 1 / (n + 16) and 16 shares are free (dynamic thresholds, as switches use them for their buffers).
constexpr std::uint64_t free_part = 16;

}  // namespace

std::uint64_t growing_content::allowed_bytes() const {
    return std::min(options_.window_bytes, budget_.free_bytes() / free_part);
}

// How many blocks a reader gets at a time, since what it looks at cannot leave memory.
std::size_t growing_content::run_length() const {
    return std::clamp<std::size_t>(allowed_bytes() / block_bytes, 1, run_blocks);
}

// What a reader looks at or needs next.
bool growing_content::needed_now(std::uint64_t index) const {
    // The first reader, or the next one of a replay, begins at the beginning.
    if (readers_.empty()) return index == 0 && !(had_readers_ && options_.keep == retention::until_read);
    return std::any_of(readers_.begin(), readers_.end(), [index](const content_reader* reader) {
        return index == reader->next_block() || (index > reader->next_block() && index < reader->looked_until_);
    });
}

// Whether memory holds what no reader needs now; `at_rest`: and what does not leave it anyway.
bool growing_content::has_spare(bool at_rest) const {
    return std::any_of(blocks_.rbegin(), blocks_.rend(), [this, at_rest](const held_block& b) {
        return (!at_rest || b.on == held_block::way::at_rest) && !needed_now(b.index);
    });
}

bool growing_content::on_disk(std::uint64_t index) const {
    const std::uint64_t n = index / stretch_blocks;
    return n < stretches_.size() && (stretches_[n].written >> (index % stretch_blocks) & 1) != 0;
}

// Sees to it that memory holds no more than it may once `incoming_bytes` are added: what is farthest from the readers
// goes first, and of a replay what all have passed.
void growing_content::relieve(std::uint64_t incoming_bytes) {
    if (!spools()) return;
    const std::uint64_t allowed = allowed_bytes();
    const auto too_much = [&] { return resting_bytes() + incoming_bytes > allowed; };
    const std::uint64_t behind = readers_.empty() ? 0 : slowest() / block_bytes;
    std::size_t first = 0;
    while (too_much() && first < blocks_.size() && blocks_[first].index < behind) {
        const std::size_t before = blocks_.size();
        if (!release(first)) return;
        if (blocks_.size() == before) ++first;
    }
    for (std::size_t i = blocks_.size(); too_much() && i > first; --i) {
        if (!release(i - 1)) return;
    }
}

// Drops a block of which there is a copy on disk, or chooses it to be written, unless a reader needs it. False when the
// spool takes no more for now.
bool growing_content::release(std::size_t i) {
    held_block& b = blocks_[i];
    if (b.on != held_block::way::at_rest || needed_now(b.index)) return true;
    if (!on_disk(b.index)) return choose(b);
    forget(b);
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(i));
    return true;
}

bool growing_content::choose(held_block& b) {
    const std::uint32_t size = b.data->size();
    // The last block may still grow.
    if (size < b.data->capacity() && (state_ == content_state::open || size == 0)) return true;
    if (leaving_bytes_ + size > max_leaving_bytes || !options_.spool->accepts()) return false;
    const std::size_t n = b.index / stretch_blocks;
    if (n >= stretches_.size()) stretches_.resize(n + 1);
    stretch& s = stretches_[n];
    if (!s.extent) s.extent = options_.spool->take_extent();
    if (!s.extent) return false;
    ++s.in_use;
    leaving_bytes_ += size;
    b.on = held_block::way::chosen;
    schedule();
    return true;
}

// Takes back the choice.
void growing_content::spare(held_block& b) {
    b.on = held_block::way::at_rest;
    leaving_bytes_ -= b.data->size();
    leave_stretch(b.index);
}

void growing_content::leave_stretch(std::uint64_t index) {
    const std::size_t n = index / stretch_blocks;
    --stretches_[n].in_use;
    release_if_unused(n);
}

void growing_content::release_if_unused(std::size_t n) {
    stretch& s = stretches_[n];
    if (!s.extent || s.in_use != 0 || (s.written != 0 && n >= first_stretch_)) return;
    options_.spool->give_back(*s.extent, s.bytes);
    s = {};
}

void growing_content::schedule() {
    if (queued_) return;
    queued_ = true;
    options_.spool->submit(weak_from_this());
}

void growing_content::spool_turn() noexcept {
    batch b;
    {
        std::unique_lock lock(mutex_);
        queued_ = false;
        pick(b);
    }
    spool& disk = *options_.spool;
    for (batch::item& item : std::span(b.items).first(b.count)) {
        const auto offset =
            static_cast<std::uint32_t>(item.index % stretch_blocks) * (spool::extent_bytes / stretch_blocks);
        item.done = b.reads ? disk.read(item.extent, offset, {item.data->data(), item.size})
                            : disk.write(item.extent, offset, {item.data->data(), item.size});
    }
    std::unique_lock lock(mutex_);
    if (b.reads) {
        finish_reads(b);
    } else {
        finish_writes(b);
    }
    wake_readers();
    wake_writer_if_room();
    if (has_spool_work()) schedule();
}

bool growing_content::has_spool_work() {
    return std::any_of(blocks_.begin(), blocks_.end(),
                       [](const held_block& b) { return b.on == held_block::way::chosen; }) ||
           std::any_of(readers_.begin(), readers_.end(),
                       [this](const content_reader* r) { return r->waiter_ && waits_for_disk(*r); });
}

// A reader that waits goes before what only makes room.
void growing_content::pick(batch& b) {
    for (const content_reader* reader : readers_) {
        if (reader->waiter_ && waits_for_disk(*reader)) return pick_reads(b, reader->next_block());
    }
    for (held_block& h : blocks_) {
        if (h.on != held_block::way::chosen) continue;
        if (needed_now(h.index)) {
            // A reader has come as far as this meanwhile.
            spare(h);
            continue;
        }
        if (b.count == run_blocks) break;
        h.on = held_block::way::leaving;
        b.add(h.index, *stretches_[h.index / stretch_blocks].extent, h.data, h.data->size());
    }
}

void growing_content::pick_reads(batch& b, std::uint64_t first) {
    assert(on_disk(first));
    b.reads = true;
    std::uint64_t coming = 0;
    for (std::uint64_t i = first; b.count < run_blocks && on_disk(i) && find(i) == blocks_.end(); ++i) {
        const auto size = static_cast<std::uint32_t>(std::min<std::uint64_t>(block_bytes, total_ - i * block_bytes));
        if (i == first) {
            budget_.take(sizeof(block) + size);  // the one that its reader is entitled to
        } else if (resting_bytes() + coming + size > allowed_bytes() || !budget_.try_take(sizeof(block) + size)) {
            break;
        }
        coming += size;
        stretch& s = stretches_[i / stretch_blocks];
        ++s.in_use;
        b.add(i, *s.extent, block::make(size, &budget_), size);
    }
}

void growing_content::finish_writes(batch& b) {
    bool failed = false;
    for (batch::item& item : std::span(b.items).first(b.count)) {
        stretch& s = stretches_[item.index / stretch_blocks];
        if (item.done) {
            s.written = static_cast<std::uint16_t>(s.written | 1U << (item.index % stretch_blocks));
            s.bytes += item.size;
        }
        failed = failed || !item.done;
        // It may have been passed meanwhile.
        if (const auto h = find(item.index); h != blocks_.end()) {
            h->on = held_block::way::at_rest;
            leaving_bytes_ -= item.size;
            if (item.done && !needed_now(item.index)) {
                forget(*h);
                blocks_.erase(h);
            }
        }
        item.data.reset();  // gives the budget back before the writer looks
        leave_stretch(item.index);
    }
    if (!failed) return relieve(writer_ ? block_bytes : 0);
    // Who writes or reads tries again; the spool itself refuses for a while.
    for (held_block& h : blocks_) {
        if (h.on == held_block::way::chosen) spare(h);
    }
}

void growing_content::finish_reads(batch& b) {
    const std::uint64_t behind = readers_.empty() ? total_ : slowest() / block_bytes;
    for (batch::item& item : std::span(b.items).first(b.count)) {
        leave_stretch(item.index);
        if (!item.done) {
            for (content_reader* reader : readers_) reader->lost_ = reader->lost_ || reader->next_block() == item.index;
        } else if (item.index >= behind) {
            item.data->grow(item.size);
            held_bytes_ += item.size;
            const auto place =
                std::find_if(blocks_.begin(), blocks_.end(), [&](const held_block& h) { return h.index > item.index; });
            blocks_.insert(place, {item.index, item.data});
        }
        item.data.reset();
    }
}

}  // namespace weir::http
