#include "proxy/http/spool.hpp"

#include <utility>

namespace weir::http {

namespace {

constexpr std::chrono::minutes between_faults{1};

}  // namespace

spool::spool(memory_budget& space) : space_(space), thread_([this] { run(); }) {}

spool::~spool() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    submitted_.notify_one();
    thread_.join();
}

void spool::configure(std::string directory) {
    {
        std::lock_guard lock(mutex_);
        directory_ = std::move(directory);
        if (extents_in_use_ == 0) clearing_ = true;
    }
    paused_until_ = 0;
    submitted_.notify_one();
}

std::optional<spool::extent> spool::take_extent() {
    const bool room = space_.try_take(extent_bytes);
    std::lock_guard lock(mutex_);
    if (!room) {
        fault_ = fault{fault_kind::space, {}, directory_};
        return std::nullopt;
    }
    clearing_ = false;
    ++extents_in_use_;
    if (free_.empty()) return next_++;
    const extent e = free_.back();
    free_.pop_back();
    return e;
}

void spool::give_back(extent e, std::uint64_t bytes) {
    bytes_in_use_ -= bytes;
    space_.give_back(extent_bytes);
    {
        std::lock_guard lock(mutex_);
        free_.push_back(e);
        if (--extents_in_use_ != 0) return;
        free_.clear();
        next_ = 0;
        clearing_ = true;
    }
    submitted_.notify_one();
}

bool spool::accepts() const {
    const auto until = paused_until_.load(std::memory_order_relaxed);
    return until == 0 || std::chrono::steady_clock::now().time_since_epoch().count() >= until;
}

void spool::submit(std::weak_ptr<spool_work> work) {
    {
        std::lock_guard lock(mutex_);
        turns_.push_back(std::move(work));
    }
    submitted_.notify_one();
}

void spool::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        submitted_.wait(lock, [this] { return stopping_ || clearing_ || !turns_.empty(); });
        if (clearing_) {
            // An extent that is taken from here on is written at a later turn, so nothing of it is lost.
            clearing_ = false;
            const bool moves = file_.directory() != directory_;
            lock.unlock();
            if (moves) file_.close();
            if (file_.is_open() && file_.clear()) file_.close();
            lock.lock();
            continue;
        }
        if (turns_.empty()) return;
        const std::weak_ptr<spool_work> next = std::move(turns_.front());
        turns_.pop_front();
        lock.unlock();
        // Whoever owned it may have gone meanwhile; then it ends here, and gives its extents back.
        if (const std::shared_ptr<spool_work> work = next.lock()) work->spool_turn();
        lock.lock();
    }
}

bool spool::open_file() {
    if (file_.is_open()) return true;
    std::string directory;
    {
        std::lock_guard lock(mutex_);
        directory = directory_;
    }
    const std::error_code error = file_.open(directory);
    if (error) report(fault_kind::open, error);
    return !error;
}

bool spool::write(extent e, std::uint32_t offset, std::string_view bytes) {
    if (!open_file()) {
        pause();
        return false;
    }
    if (const std::error_code error = file_.write(std::uint64_t{e} * extent_bytes + offset, bytes)) {
        report(fault_kind::write, error);
        pause();
        return false;
    }
    bytes_written_ += bytes.size();
    bytes_in_use_ += bytes.size();
    return true;
}

bool spool::read(extent e, std::uint32_t offset, std::span<char> room) {
    const std::error_code error = file_.read(std::uint64_t{e} * extent_bytes + offset, room);
    if (error) report(fault_kind::read, error);
    return !error;
}

void spool::pause() {
    paused_until_ = (std::chrono::steady_clock::now() + pause_after_failure).time_since_epoch().count();
}

void spool::report(fault_kind kind, std::error_code error) {
    std::lock_guard lock(mutex_);
    fault_ = fault{kind, error, file_.directory()};
}

std::optional<std::string> spool::take_fault(std::chrono::steady_clock::time_point now) {
    std::lock_guard lock(mutex_);
    if (!fault_ || (told_ && now - *told_ < between_faults)) return std::nullopt;
    told_ = now;
    const fault f = *std::exchange(fault_, std::nullopt);
    std::string text = "the spool in " + f.directory;
    switch (f.kind) {
        case fault_kind::open:
            return text + " cannot be opened: " + f.error.message() +
                   "; name a folder that weir may write to as buffering.spool_dir. Until then endpoints wait for slow "
                   "clients";
        case fault_kind::write:
            return text + " cannot be written: " + f.error.message() +
                   "; make room on its disk, or name another folder as buffering.spool_dir. Until then endpoints wait "
                   "for slow clients";
        case fault_kind::read:
            return text + " cannot be read: " + f.error.message() +
                   "; a transfer was cut short. Check its disk, or name another folder as buffering.spool_dir";
        case fault_kind::space:
            break;
    }
    return text +
           " has used up buffering.spool_max; raise it if the disk has room. Until then endpoints wait for slow "
           "clients";
}

}  // namespace weir::http
