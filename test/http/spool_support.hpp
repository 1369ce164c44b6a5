// What tests of the spool share: a folder of their own, waits that end, and a look at the file without a name.
#pragma once

#include <sys/stat.h>
#include <unistd.h>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/http/spool.hpp"

namespace weir::test {

class temporary_folder {
  public:
    temporary_folder() {
        std::string path = (std::filesystem::temp_directory_path() / "weir-spool-test-XXXXXX").string();
        if (!::mkdtemp(path.data())) std::abort();
        path_ = std::filesystem::canonical(path).string();
    }
    ~temporary_folder() { std::filesystem::remove_all(path_); }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// Counted up on one thread and down on another.
class signal_count {
  public:
    void release() {
        std::lock_guard lock(mutex_);
        ++count_;
        changed_.notify_one();
    }
    void acquire() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return count_ > 0; });
        --count_;
    }
    bool try_acquire() { return try_acquire_for(std::chrono::milliseconds(0)); }
    bool try_acquire_for(std::chrono::milliseconds limit) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, limit, [this] { return count_ > 0; })) return false;
        --count_;
        return true;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    unsigned count_ = 0;
};

// Holds the spool's thread from the moment it is made until it goes.
class hold_up {
  public:
    explicit hold_up(http::spool& disk) : turn_(std::make_shared<turn>()) {
        disk.submit(turn_);
        turn_->begun.acquire();
    }
    ~hold_up() {
        turn_->may_end.release();
        turn_->ended.acquire();
    }

  private:
    struct turn final : http::spool_work {
        void spool_turn() noexcept override {
            begun.release();
            may_end.acquire();
            ended.release();
        }
        signal_count begun, may_end, ended;
    };
    std::shared_ptr<turn> turn_;
};

// Returns once every turn that was submitted before has ended, and a file that is no longer used was emptied.
inline void pass_through(http::spool& disk) {
    hold_up turn(disk);
}

// The descriptor of the one open file in `folder` that has no name; none when there is no such file.
inline std::optional<int> nameless_file_in(const std::string& folder) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
        if (!gone && target.starts_with(folder + "/")) return std::stoi(entry.path().filename().string());
    }
    return std::nullopt;
}

inline std::uint64_t file_size(int descriptor) {
    struct ::stat status {};
    return ::fstat(descriptor, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

inline std::string some_text(std::size_t size, unsigned seed = 0) {
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251 + seed) % 26);
    return text;
}

}  // namespace weir::test
