#include "proxy/log_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weir::proxy {

namespace {

// Lines that are worth a write at once. What a larger buffer has beyond it is for a writing thread that has to wait for
// a core or for the disk; as long as it does not, only so much of the memory is ever touched.
constexpr std::size_t write_bytes = 128 * 1024;

}  // namespace

void log_bell::ring(bool at_once) {
    {
        const std::lock_guard lock(mutex);
        if (rung && (urgent || !at_once)) return;
        rung = true;
        urgent = urgent || at_once;
    }
    rings.notify_one();
}

log_buffer::log_buffer(std::shared_ptr<log_bell> bell, std::size_t capacity_bytes)
    : bell_(std::move(bell)),
      capacity_(capacity_bytes),
      bytes_(std::make_unique_for_overwrite<char[]>(capacity_bytes)) {}

bool log_buffer::append(std::string_view line) {
    if (!wanted()) return true;
    const std::size_t enough = std::min(write_bytes, capacity_ / 2);
    bool first = false;
    bool urgent = false;
    {
        const std::lock_guard lock(mutex_);
        if (line.size() > capacity_ - used_) {
            dropped_.add();
            return false;
        }
        std::memcpy(bytes_.get() + used_, line.data(), line.size());
        first = used_ == 0;
        urgent = used_ < enough && used_ + line.size() >= enough;
        used_ += line.size();
    }
    if (first || urgent) bell_->ring(urgent);
    return true;
}

std::size_t log_buffer::take(std::unique_ptr<char[]>& space) {
    const std::lock_guard lock(mutex_);
    std::swap(bytes_, space);
    return std::exchange(used_, 0);
}

}  // namespace weir::proxy
