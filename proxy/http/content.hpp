// Memory for content: reference-counted blocks, and the budget that bounds those of all transfers.
#pragma once

#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <cstdint>
#include <limits>
#include <string_view>

namespace weir::http {

// Bytes that all transfers together may hold (buffering.memory_max). Safe from any thread; outlives every block charged
// to it.
class memory_budget {
  public:
    explicit memory_budget(std::uint64_t limit_bytes = std::numeric_limits<std::uint64_t>::max())
        : limit_(limit_bytes) {}
    void set_limit(std::uint64_t bytes) { limit_.store(bytes, std::memory_order_relaxed); }
    // Charges `bytes` and says true, or charges nothing and says false.
    bool try_take(std::uint64_t bytes);
    // Charges even past the limit: the one block that every transfer is entitled to.
    void take(std::uint64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
    void give_back(std::uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
    std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
    std::uint64_t free_bytes() const;

  private:
    std::atomic<std::uint64_t> limit_;
    std::atomic<std::uint64_t> used_{0};
};

// A run of content. One writer fills it from the front; what lies before size() never changes, so readers on other
// threads need no lock once they have learned of it. Freed with its last block_ptr.
class block {
  public:
    // With the block's own fields jemalloc's last class of small sizes, which leaves nothing unused; what is larger has
    // pages of its own, and one more.
    static constexpr std::uint32_t usual_capacity = 14 * 1024 - 32;

    // A block that is charged to `budget`, which was asked before (nullptr: not charged).
    static boost::intrusive_ptr<block> make(std::uint32_t capacity, memory_budget* budget);

    char* data() { return reinterpret_cast<char*>(this + 1); }
    const char* data() const { return reinterpret_cast<const char*>(this + 1); }
    std::uint32_t capacity() const { return capacity_; }
    std::uint32_t size() const { return size_; }
    std::string_view view() const { return {data(), size_}; }
    void grow(std::uint32_t bytes) { size_ += bytes; }
    std::size_t memory_bytes() const { return sizeof(block) + capacity_; }
    // From transfer to cache: the cache counts it from here on. Once, by the writer, after its last change.
    void release_charge();

  private:
    block(std::uint32_t capacity, memory_budget* budget) : capacity_(capacity), budget_(budget) {}
    friend void intrusive_ptr_add_ref(block* b) { b->references_.fetch_add(1, std::memory_order_relaxed); }
    friend void intrusive_ptr_release(block* b);

    std::atomic<std::uint32_t> references_{0};
    std::uint32_t capacity_;
    std::uint32_t size_ = 0;
    std::atomic<memory_budget*> budget_;
};
using block_ptr = boost::intrusive_ptr<block>;

}  // namespace weir::http
