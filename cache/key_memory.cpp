#include "cache/key_memory.hpp"

#include <xxhash.h>

#include <algorithm>
#include <random>

namespace weir::cache {

namespace {

constexpr std::uint64_t low_bits = (std::uint64_t{1} << 32) - 1;
constexpr unsigned most_uses = 255;

// Good until 2106.
std::uint64_t to_seconds(time_point t) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(t.time_since_epoch()).count();
    return static_cast<std::uint64_t>(std::clamp<std::int64_t>(seconds, 0, low_bits));
}

}  // namespace

key_memory::key_memory()
    : seed_((std::uint64_t{std::random_device{}()} << 32) | std::random_device{}()),
      uncacheable_(std::make_unique<std::atomic<std::uint64_t>[]>(slot_count)),
      uses_(std::make_unique<std::atomic<std::uint64_t>[]>(slot_count)) {}

key_memory::place key_memory::find(std::string_view key) const {
    const std::uint64_t hash = XXH3_64bits_withSeed(key.data(), key.size(), seed_);
    return {hash % slot_count, hash & ~low_bits};
}

void key_memory::note_uncacheable(std::string_view key, time_point until) {
    const place p = find(key);
    uncacheable_[p.slot].store(p.tag | to_seconds(until), std::memory_order_relaxed);
}

void key_memory::forget_uncacheable(std::string_view key) {
    const place p = find(key);
    std::uint64_t value = uncacheable_[p.slot].load(std::memory_order_relaxed);
    if ((value & ~low_bits) == p.tag) uncacheable_[p.slot].compare_exchange_strong(value, 0, std::memory_order_relaxed);
}

bool key_memory::is_uncacheable(std::string_view key, time_point now) const {
    const place p = find(key);
    const std::uint64_t value = uncacheable_[p.slot].load(std::memory_order_relaxed);
    return value != 0 && (value & ~low_bits) == p.tag && to_seconds(now) < (value & low_bits);
}

unsigned key_memory::count_use(std::string_view key) {
    const place p = find(key);
    std::uint64_t value = uses_[p.slot].load(std::memory_order_relaxed);
    for (;;) {
        const bool known = value != 0 && (value & ~low_bits) == p.tag;
        const std::uint64_t count = known ? std::min<std::uint64_t>((value & low_bits) + 1, most_uses) : 1;
        if (uses_[p.slot].compare_exchange_weak(value, p.tag | count, std::memory_order_relaxed))
            return static_cast<unsigned>(count);
    }
}

unsigned key_memory::uses(std::string_view key) const {
    const place p = find(key);
    const std::uint64_t value = uses_[p.slot].load(std::memory_order_relaxed);
    return value != 0 && (value & ~low_bits) == p.tag ? static_cast<unsigned>(value & low_bits) : 0;
}

}  // namespace weir::cache
