#include "proxy/log_buffer.hpp"

#include <cstring>
#include <utility>

namespace weir::proxy {

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
    bool first = false;
    bool half = false;
    {
        const std::lock_guard lock(mutex_);
        if (line.size() > capacity_ - used_) {
            dropped_.add();
            return false;
        }
        std::memcpy(bytes_.get() + used_, line.data(), line.size());
        first = used_ == 0;
        half = used_ < capacity_ / 2 && used_ + line.size() >= capacity_ / 2;
        used_ += line.size();
    }
    if (first || half) bell_->ring(half);
    return true;
}

std::size_t log_buffer::take(std::unique_ptr<char[]>& space) {
    const std::lock_guard lock(mutex_);
    std::swap(bytes_, space);
    return std::exchange(used_, 0);
}

}  // namespace weir::proxy
