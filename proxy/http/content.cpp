#include "proxy/http/content.hpp"

#include <algorithm>
#include <new>

namespace weir::http {

bool memory_budget::try_take(std::uint64_t bytes) {
    const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
        if (used + bytes > limit) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
}

std::uint64_t memory_budget::free_bytes() const {
    const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
    const std::uint64_t used = used_.load(std::memory_order_relaxed);
    return limit - std::min(limit, used);
}

block_ptr block::make(std::uint32_t capacity, memory_budget* budget) {
    const std::uint64_t charge = sizeof(block) + capacity;
    void* memory = ::operator new(charge, std::nothrow);
    if (!memory) {
        if (budget) budget->give_back(charge);
        throw std::bad_alloc();
    }
    return block_ptr(::new (memory) block(capacity, budget));
}

void block::release_charge() {
    if (memory_budget* budget = budget_.exchange(nullptr, std::memory_order_relaxed)) budget->give_back(memory_bytes());
}

void intrusive_ptr_release(block* b) {
    if (b->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    b->release_charge();
    b->~block();
    ::operator delete(b);
}

}  // namespace weir::http
