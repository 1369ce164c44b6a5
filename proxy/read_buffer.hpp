// The bytes of one direction of a connection that were read and not used yet: a window into memory that is borrowed
// while there is something to do with it, so that an idle connection holds none.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace weir::proxy {

class read_buffer {
  public:
    static constexpr std::uint32_t usual_capacity = 16 * 1024;

    read_buffer() : memory_(new char[usual_capacity]), capacity_(usual_capacity) {}

    std::string_view unread() const { return {memory_.get() + begin_, end_ - begin_}; }
    void consume(std::size_t bytes) { begin_ += static_cast<std::uint32_t>(bytes); }
    // For a free_list: false when it is not worth keeping.
    bool clear_for_reuse() {
        begin_ = end_ = keep_ = 0;
        return capacity_ == usual_capacity;
    }

    // Room behind what was read. What lies before `unread` is given up, but for the bytes that keep() protects.
    std::span<char> room() {
        if (begin_ == end_) begin_ = end_ = keep_;
        return {memory_.get() + end_, capacity_ - end_};
    }
    void read(std::size_t bytes) { end_ += static_cast<std::uint32_t>(bytes); }

    // Moves what is unread to the front and makes the memory at least `capacity`. Views into it go; keep() is
    // forgotten.
    void compact(std::uint32_t capacity) {
        const std::uint32_t size = end_ - begin_;
        if (capacity > capacity_) {
            std::unique_ptr<char[]> larger(new char[capacity]);
            std::memcpy(larger.get(), memory_.get() + begin_, size);
            memory_ = std::move(larger);
            capacity_ = capacity;
        } else if (begin_ > 0) {
            std::memmove(memory_.get(), memory_.get() + begin_, size);
        }
        begin_ = keep_ = 0;
        end_ = size;
    }
    // Consumes `bytes` (a head) and keeps them in place while what follows comes and goes. At the front, after
    // compact().
    void keep(std::size_t bytes) {
        begin_ += static_cast<std::uint32_t>(bytes);
        keep_ = begin_;
    }
    void release_kept() { keep_ = 0; }
    std::uint32_t capacity() const { return capacity_; }
    const char* start() const { return memory_.get(); }

  private:
    std::unique_ptr<char[]> memory_;
    std::uint32_t capacity_;
    std::uint32_t begin_ = 0;
    std::uint32_t end_ = 0;
    std::uint32_t keep_ = 0;
};

// A worker's objects for use again. T::clear_for_reuse() says whether one is worth keeping.
template <class T>
class free_list {
  public:
    std::unique_ptr<T> take() {
        if (free_.empty()) return std::make_unique<T>();
        std::unique_ptr<T> taken = std::move(free_.back());
        free_.pop_back();
        return taken;
    }
    void give_back(std::unique_ptr<T> object) {
        if (free_.size() < most && object->clear_for_reuse()) free_.push_back(std::move(object));
    }

  private:
    static constexpr std::size_t most = 256;
    std::vector<std::unique_ptr<T>> free_;
};

}  // namespace weir::proxy
