// The disk behind growing content: one temporary file and one thread that writes and reads it, so that no worker ever
// waits for a disk and no transfer needs a descriptor. The server makes one for each worker.
//
// The file is divided into extents. Content takes one for each quarter of a mebibyte that it cannot hold in memory and
// gives it back as soon as that was read; the one given back last is taken first, since its pages are likely to be in
// the page cache still. When none is taken the file is emptied. The disk that all spools use is bounded by a
// memory_budget of theirs (buffering.spool_max), to which whole extents are charged.
//
// The thread takes turns with the contents that have something to move: a few blocks for one, then for the next.
//
// Locks: a content's mutex may be held when the spool's is taken, never the other way round. The thread holds neither
// while it reads or writes.
//
// No failure is more than a value: a block that cannot be written stays in memory and its writer is slowed, and one
// that cannot be read breaks the content for its reader. Known limit: what the disk refuses only after write() took it
// (an error at write-back) is not seen here, since nothing waits for fsync().
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "proxy/http/content.hpp"
#include "proxy/http/spool_file.hpp"

namespace weir::http {

// Who has something to write or to read.
class spool_work {
  public:
    // One turn, on the spool's thread, which then may call spool::write() and spool::read().
    virtual void spool_turn() noexcept = 0;

  protected:
    ~spool_work() = default;
};

class spool {
  public:
    using extent = std::uint32_t;
    static constexpr std::uint32_t extent_bytes = 256 * 1024;
    static constexpr std::chrono::seconds pause_after_failure{1};

    // Extents are charged to `space`, which all spools share.
    explicit spool(memory_budget& space);
    // Ends the thread after the turns that were submitted. Every content that uses the spool must have gone before.
    ~spool();
    spool(const spool&) = delete;
    spool& operator=(const spool&) = delete;

    // Any thread. The folder for the file; it is looked at when a file is opened next: at first use, and after no
    // extent was in use.
    void configure(std::string directory);

    // Any thread. None when the space is used up.
    std::optional<extent> take_extent();
    // `bytes`: what was written() there.
    void give_back(extent e, std::uint64_t bytes);
    // False for a second after a write failed, so that a full disk is not asked at every turn.
    bool accepts() const;
    // Gives `work` one turn, unless it has gone by then.
    void submit(std::weak_ptr<spool_work> work);

    // The spool's thread. False on failure, which take_fault() tells of. Within one extent.
    bool write(extent e, std::uint32_t offset, std::string_view bytes);
    bool read(extent e, std::uint32_t offset, std::span<char> room);

    // Any thread. What went wrong since the last call that told of something, as a sentence for the log: folder, reason
    // and cure. At most one a minute; the latest stands for all.
    std::optional<std::string> take_fault(std::chrono::steady_clock::time_point now);
    std::uint64_t bytes_written() const { return bytes_written_.load(std::memory_order_relaxed); }  // since the start
    std::uint64_t bytes_in_use() const { return bytes_in_use_.load(std::memory_order_relaxed); }    // still to be read
    std::uint64_t extents_in_use() const { return extents_in_use_.load(std::memory_order_relaxed); }

  private:
    enum class fault_kind : std::uint8_t { open, write, read, space };
    struct fault {
        fault_kind kind;
        std::error_code error;
        std::string directory;
    };

    void run();
    bool open_file();
    void report(fault_kind kind, std::error_code error);
    void pause();

    memory_budget& space_;
    spool_file file_;  // the thread's alone

    std::mutex mutex_;
    std::condition_variable submitted_;
    // Guarded by mutex_.
    std::string directory_;
    std::deque<std::weak_ptr<spool_work>> turns_;
    std::vector<extent> free_;
    extent next_ = 0;        // beyond every extent that was ever taken since the file was empty
    bool clearing_ = false;  // no extent is taken, and the file is to be emptied before the next turn
    bool stopping_ = false;
    std::optional<fault> fault_;
    std::optional<std::chrono::steady_clock::time_point> told_;

    std::atomic<std::uint64_t> bytes_written_{0};
    std::atomic<std::uint64_t> bytes_in_use_{0};
    std::atomic<std::uint64_t> extents_in_use_{0};  // changed under mutex_
    std::atomic<std::chrono::steady_clock::rep> paused_until_{0};
    std::thread thread_;
};

}  // namespace weir::http
