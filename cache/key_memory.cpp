#include "cache/key_memory.hpp"

#include <xxhash.h>

#include <algorithm>
#include <random>

namespace weir::cache {

namespace {

// A slot: 28 bits of tag, 4 of a small number, 32 of seconds or of a count.
constexpr std::uint64_t low_bits = (std::uint64_t{1} << 32) - 1;
constexpr unsigned small_shift = 32;
constexpr unsigned most_small = 15;
constexpr std::uint64_t tag_bits = ~((std::uint64_t{1} << 36) - 1);
constexpr unsigned most_uses = 255;

// Good until 2106.
std::uint64_t to_seconds(time_point t) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(t.time_since_epoch()).count();
    return static_cast<std::uint64_t>(std::clamp<std::int64_t>(seconds, 0, low_bits));
}

unsigned small_of(std::uint64_t value) {
    return (value >> small_shift) & most_small;
}

void clear(std::atomic<std::uint64_t>& slot, std::uint64_t tag) {
    std::uint64_t value = slot.load(std::memory_order_relaxed);
    if ((value & tag_bits) == tag) slot.compare_exchange_strong(value, 0, std::memory_order_relaxed);
}

// What the slot has of this tag; 0: nothing.
std::uint64_t read(const std::atomic<std::uint64_t>& slot, std::uint64_t tag) {
    const std::uint64_t value = slot.load(std::memory_order_relaxed);
    return (value & tag_bits) == tag ? value & ~tag_bits : 0;
}

}  // namespace

key_memory::key_memory()
    : seed_((std::uint64_t{std::random_device{}()} << 32) | std::random_device{}()),
      uncacheable_(std::make_unique<std::atomic<std::uint64_t>[]>(slot_count)),
      failing_(std::make_unique<std::atomic<std::uint64_t>[]>(slot_count)),
      uses_(std::make_unique<std::atomic<std::uint64_t>[]>(slot_count)) {}

key_memory::place key_memory::find(std::string_view key) const {
    const std::uint64_t hash = XXH3_64bits_withSeed(key.data(), key.size(), seed_);
    return {hash % slot_count, hash & tag_bits};
}

void key_memory::note_uncacheable(std::string_view key, time_point until, bool is_stored) {
    const place p = find(key);
    const std::uint64_t kind = is_stored ? 1 : 0;
    uncacheable_[p.slot].store(p.tag | (kind << small_shift) | to_seconds(until), std::memory_order_relaxed);
}

bool key_memory::is_uncacheable(std::string_view key, time_point now) const {
    const place p = find(key);
    return to_seconds(now) < (read(uncacheable_[p.slot], p.tag) & low_bits);
}

bool key_memory::is_unstored(std::string_view key, time_point now) const {
    const place p = find(key);
    const std::uint64_t value = read(uncacheable_[p.slot], p.tag);
    return to_seconds(now) < (value & low_bits) && small_of(value) == 0;
}

void key_memory::forget_uncacheable(std::string_view key) {
    const place p = find(key);
    clear(uncacheable_[p.slot], p.tag);
}

void key_memory::note_failing(std::string_view key, const failing& what) {
    const place p = find(key);
    const std::uint64_t failures = std::min(what.failures, most_small);
    failing_[p.slot].store(p.tag | (failures << small_shift) | to_seconds(what.until), std::memory_order_relaxed);
}

key_memory::failing key_memory::find_failing(std::string_view key) const {
    const place p = find(key);
    const std::uint64_t value = read(failing_[p.slot], p.tag);
    return {small_of(value), time_point(std::chrono::seconds(value & low_bits))};
}

void key_memory::forget_failing(std::string_view key) {
    const place p = find(key);
    clear(failing_[p.slot], p.tag);
}

unsigned key_memory::count_use(std::string_view key) {
    const place p = find(key);
    std::uint64_t value = uses_[p.slot].load(std::memory_order_relaxed);
    for (;;) {
        const bool known = value != 0 && (value & tag_bits) == p.tag;
        const std::uint64_t count = known ? std::min<std::uint64_t>((value & low_bits) + 1, most_uses) : 1;
        if (uses_[p.slot].compare_exchange_weak(value, p.tag | count, std::memory_order_relaxed))
            return static_cast<unsigned>(count);
    }
}

unsigned key_memory::uses(std::string_view key) const {
    const place p = find(key);
    return static_cast<unsigned>(read(uses_[p.slot], p.tag));
}

}  // namespace weir::cache
