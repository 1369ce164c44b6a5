// Content on its way: written once, read while it grows, immutable at its end.
//
// One writer appends blocks; any number of readers, on any worker, follow at their own pace. What is kept is a matter
// of `retention`; how much of it in memory, of the window and of the budget that all transfers share. Where they give
// out, whole blocks go to the spool (those farthest from the readers first), and without one, or when that is full or
// fails, the writer waits for the readers (back-pressure). The nearer the budget is to its end, the smaller every
// content's window becomes, so that many slow transfers share it evenly and something is left for the quick ones.
//
// Every transfer may hold, whatever the budget says, one block for its writer and the one that each reader needs next,
// so all of them go on.
//
// Who waits is woken once through `wakeable`, from the other side's thread or the spool's. A mutex guards the list of
// blocks; it is held for a few instructions, never while bytes are moved. What a block holds before its size() never
// changes; the spool takes a block only when it is full or the content has ended, so it reads nothing that is written.
// Lock order: this mutex, then the spool's.
//
// On disk, block n is the (n % 16)th of stretch n / 16, and a stretch that has a block there owns an extent. The extent
// goes back when the stretch was passed and nothing of it is being moved; a turn of the spool's thread holds a share of
// the content, so it never moves what has gone.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "proxy/http/content.hpp"
#include "proxy/http/spool.hpp"
#include "proxy/http/wakeable.hpp"

namespace weir::http {

enum class content_state : std::uint8_t {
    open,      // more may come
    complete,  // all is there
    broken     // cut short: never stored, never passed on as whole
};

enum class retention : std::uint8_t {
    until_read,  // what every reader has passed is freed
    replay,      // all of it, in memory or on disk: a new reader may begin again (a request's content)
    store        // all of it in memory, for take_blocks(): never spooled, and only the budget makes its writer wait
};

class content_reader;

// Made by std::make_shared alone.
class growing_content final : public spool_work, public std::enable_shared_from_this<growing_content> {
  public:
    struct options {
        retention keep = retention::until_read;
        // Bytes that the readers have not passed and memory may hold; not for retention::store.
        std::uint64_t window_bytes = 256 * 1024;
        // A known length, so that blocks get just the size they need. Beyond it nothing may be written or prepared.
        std::optional<std::uint64_t> expected_bytes = {};
        http::spool* spool = nullptr;  // none: what does not fit in the window waits. Outlives the content
    };
    growing_content(memory_budget& budget, options o) : budget_(budget), options_(o) {}
    ~growing_content();
    growing_content(const growing_content&) = delete;
    growing_content& operator=(const growing_content&) = delete;

    // Writer. All of these from one thread at a time.
    // Room to read into: the rest of the last block, or a new one. Empty when the writer is to wait (wait_for_room).
    // What the next commit does not cover is offered again.
    std::span<char> prepare();
    void commit(std::size_t bytes);
    // Copies as much as there is room for; returns how much.
    std::size_t append(std::string_view bytes);
    // Wakes `writer` once when there may be room again or every reader has gone; false (nothing registered) if that is
    // so already. Budget or spool that other transfers give back wakes nobody: a writer asks again after a while.
    bool wait_for_room(wakeable& writer);
    void cancel_writer_wait();
    // True when the writer has no room and no block is on its way to the spool: only readers, or what other transfers
    // give back, make some.
    bool stalled();
    // Goes over to retention::until_read: the response proved too large to store (what is there already may be
    // spooled), or a replay takes more than there is.
    void stop_keeping();
    void complete();
    void fail();  // broken; nothing happens once complete

    // Any thread.
    content_state state() const;
    std::uint64_t size() const;    // bytes written so far
    std::uint64_t unread() const;  // bytes that the slowest reader has not passed
    bool abandoned() const;        // had readers, and all have gone

    // The whole content, for the cache: only when complete and with retention::store. The blocks are immutable from
    // then on; the last one is cut to its size, and none is charged to the budget any more.
    std::vector<block_ptr> take_blocks();

  private:
    friend class content_reader;
    static constexpr std::uint32_t block_bytes = block::usual_capacity;  // of every block but the last
    static constexpr std::uint32_t stretch_blocks = 16;
    static constexpr std::uint64_t max_leaving_bytes = 256 * 1024;
    static constexpr std::size_t run_blocks = 4;  // moved in one turn of the spool

    // A block in memory.
    struct held_block {
        enum class way : std::uint8_t { at_rest, chosen, leaving };  // chosen: to be written; leaving: being written
        std::uint64_t index;
        block_ptr data;
        way on = way::at_rest;
    };
    using held_blocks = std::vector<held_block>;
    struct stretch {
        std::optional<spool::extent> extent;
        std::uint32_t bytes = 0;    // written there
        std::uint16_t written = 0;  // a bit for each block that is whole there
        std::uint16_t in_use = 0;   // how many of its blocks are chosen, being written or being read
    };
    // What the spool's thread moves in one turn.
    struct batch {
        struct item {
            std::uint64_t index = 0;
            spool::extent extent = 0;
            block_ptr data;
            std::uint32_t size = 0;
            bool done = false;
        };
        std::array<item, run_blocks> items;
        std::size_t count = 0;
        bool reads = false;
        void add(std::uint64_t index, spool::extent extent, block_ptr data, std::uint32_t size) {
            items[count++] = {index, extent, std::move(data), size, false};
        }
    };

    // All of these with mutex_ held.
    bool last_has_room() const;
    bool has_room() const;
    bool room_now();
    bool take_charge(std::uint64_t charge);
    std::uint32_t next_capacity() const;
    std::uint64_t slowest() const;
    held_blocks::iterator find(std::uint64_t index);
    bool passed(std::uint64_t end, std::uint64_t position) const;
    void free_passed();
    void forget(held_block& b);
    bool readable(const content_reader& reader);
    bool waits_for_disk(const content_reader& reader);
    void wake_readers();
    void wake_writer_if_room();

    // growing_content_spool.cpp. With mutex_ held but for spool_turn().
    bool spools() const { return options_.spool && options_.keep != retention::store; }
    std::uint64_t allowed_bytes() const;
    std::size_t run_length() const;
    std::uint64_t resting_bytes() const { return held_bytes_ - leaving_bytes_; }
    bool needed_now(std::uint64_t index) const;
    bool has_spare(bool at_rest) const;
    bool on_disk(std::uint64_t index) const;
    void relieve(std::uint64_t incoming_bytes);
    bool release(std::size_t i);
    bool choose(held_block& b);
    void spare(held_block& b);
    void leave_stretch(std::uint64_t index);
    void release_if_unused(std::size_t n);
    void schedule();
    void spool_turn() noexcept override;
    void pick(batch& b);
    void pick_reads(batch& b, std::uint64_t first);
    void finish_writes(batch& b);
    void finish_reads(batch& b);
    bool has_spool_work();

    memory_budget& budget_;
    mutable std::mutex mutex_;
    // Guarded by mutex_; the bytes of a block before its size() need no guard.
    options options_;
    held_blocks blocks_;  // by index
    std::uint64_t held_bytes_ = 0;
    std::uint64_t leaving_bytes_ = 0;  // of those, chosen to be written or being written
    std::vector<stretch> stretches_;
    std::size_t first_stretch_ = 0;  // those before it were passed for good
    bool queued_ = false;            // for a turn of the spool's thread
    bool freed_ = false;             // the beginning is no longer there
    std::uint64_t total_ = 0;
    content_state state_ = content_state::open;
    std::vector<content_reader*> readers_;
    bool had_readers_ = false;
    wakeable* writer_ = nullptr;
};

// One reader's place in a growing_content. Used by one thread; may be made at any time while all of the content is
// kept, else before the first byte is passed: one that comes too late finds the content broken, as does one whose next
// bytes cannot be read from the spool.
class content_reader {
  public:
    explicit content_reader(std::shared_ptr<growing_content> content);
    ~content_reader();
    content_reader(const content_reader&) = delete;
    content_reader& operator=(const content_reader&) = delete;

    struct view {
        std::size_t buffers = 0;  // of `out` that were filled
        std::uint64_t bytes = 0;  // in them together
        content_state state = content_state::open;
        bool end = false;  // nothing lies beyond these bytes: with state complete the content ends with them
    };
    // What memory holds from here on, as far as `out` reaches; nothing while the next bytes are on disk alone, which
    // wait() fetches. The views stay valid until consume().
    view peek(std::span<std::string_view> out);
    void consume(std::uint64_t bytes);
    // Wakes `waiter` once when there is more to read or the end has come; false (nothing registered) if that is so
    // already. Fetches what is on disk alone.
    bool wait(wakeable& waiter);
    void cancel_wait();
    std::uint64_t position() const { return position_; }

  private:
    friend class growing_content;
    std::uint64_t next_block() const { return position_ / growing_content::block_bytes; }

    std::shared_ptr<growing_content> content_;
    std::uint64_t position_ = 0;  // written by its own thread, with the content's mutex, which guards the next three
    std::uint64_t looked_until_ = 0;  // the block after those that peek() gave out and that stay where they are
    wakeable* waiter_ = nullptr;
    bool lost_ = false;
};

}  // namespace weir::http
