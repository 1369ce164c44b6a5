// Content on its way: written once, read while it grows, immutable at its end.
//
// One writer appends blocks; any number of readers, on any worker, follow at their own pace. `keeping` content holds
// everything until its end (a response that will be stored, waiters that come late) and never makes the writer wait;
// otherwise what every reader has passed is freed, and the writer waits when `window` bytes are unread or the budget is
// used up (back-pressure). Every transfer may hold one block whatever the budget says, so all of them go on.
//
// Who waits is woken once through `wakeable`, from the other side's thread. A mutex guards the list of blocks; it is
// held for a few instructions, never while bytes are read or written.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "proxy/http/content.hpp"
#include "proxy/http/wakeable.hpp"

namespace weir::http {

enum class content_state : std::uint8_t {
    open,      // more may come
    complete,  // all is there
    broken     // cut short: never stored, never passed on as whole
};

class content_reader;

class growing_content {
  public:
    struct options {
        bool keeping = false;
        std::uint64_t window_bytes = 256 * 1024;           // unread bytes at which the writer waits, when not keeping
        std::optional<std::uint64_t> expected_bytes = {};  // a known length, so that blocks get just the size they need
    };
    growing_content(memory_budget& budget, options o) : budget_(budget), options_(o) {}
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
    // so already. Budget that other transfers give back wakes nobody: a writer asks again after a while.
    bool wait_for_room(wakeable& writer);
    void cancel_writer_wait();
    // From now on keep nothing for later: the response proved too large to store.
    void stop_keeping();
    void complete();
    void fail();  // broken; nothing happens once complete

    // Any thread.
    content_state state() const;
    std::uint64_t size() const;    // bytes written so far
    std::uint64_t unread() const;  // bytes that the slowest reader has not passed
    bool abandoned() const;        // had readers, and all have gone

    // The whole content, for the cache: only when complete and keeping. The blocks are immutable from then on; the last
    // one is cut to its size, and none is charged to the budget any more.
    std::vector<block_ptr> take_blocks();

  private:
    friend class content_reader;
    void free_passed(std::unique_lock<std::mutex>& lock);
    bool last_has_room() const;
    bool has_room() const;
    std::uint32_t next_capacity() const;
    bool take_charge(std::uint64_t charge);
    void wake_readers(std::unique_lock<std::mutex>& lock);

    memory_budget& budget_;
    mutable std::mutex mutex_;
    // Guarded by mutex_; the bytes of a block before its size() need no guard.
    options options_;
    std::vector<block_ptr> blocks_;
    std::uint64_t first_ = 0;  // how many blocks were freed before blocks_[0]
    std::uint64_t total_ = 0;
    content_state state_ = content_state::open;
    std::vector<content_reader*> readers_;
    bool had_readers_ = false;
    wakeable* writer_ = nullptr;
};

// One reader's place in a growing_content. Used by one thread; may be made at any time while the content is kept, else
// before the first byte is passed: one that comes too late finds the content broken.
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
    // What there is to read from here on, as far as `out` reaches. The views stay valid until consume().
    view peek(std::span<std::string_view> out);
    void consume(std::uint64_t bytes);
    // Wakes `waiter` once when there is more to read or the state changed; false (nothing registered) if that is so
    // already.
    bool wait(wakeable& waiter);
    void cancel_wait();
    std::uint64_t position() const { return position_; }

  private:
    friend class growing_content;
    std::shared_ptr<growing_content> content_;
    std::uint64_t position_ = 0;  // guarded by the content's mutex, as are the next three
    std::uint64_t block_ = 0;     // index since the beginning
    std::uint32_t offset_ = 0;    // in that block
    wakeable* waiter_ = nullptr;
    bool late_ = false;
};

}  // namespace weir::http
