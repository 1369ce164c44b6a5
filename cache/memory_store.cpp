#include "cache/memory_store.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/container/small_vector.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <mutex>
#include <random>

#include "cache/key.hpp"

namespace weir::cache {

namespace {

constexpr std::size_t shard_count = 16;
static_assert((shard_count & (shard_count - 1)) == 0, "a shard is chosen by bits of the hash");

struct key_hash {
    std::uint64_t low;   // finds the place in a shard's table
    std::uint64_t high;  // finds the shard
    bool operator==(const key_hash&) const = default;
};
struct use_low_half {
    using is_avalanching = void;
    std::size_t operator()(const key_hash& hash) const noexcept { return hash.low; }
};

struct variant {
    std::shared_ptr<const stored_response> response;
    std::size_t bytes;
};

struct entry : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> {
    key_hash hash{};
    boost::container::small_vector<variant, 1> variants;  // oldest first; never empty while in a table
};
static_assert(sizeof(entry) + 2 * sizeof(void*) <= store_bookkeeping_bytes);

using entry_table = boost::unordered_flat_map<key_hash, std::unique_ptr<entry>, use_low_half>;

// Responses that left the store; they are freed after the lock that was held has been given back.
using dropped_responses = boost::container::small_vector<std::shared_ptr<const stored_response>, 8>;

std::uint64_t memory_of(const entry_table& table) {
    constexpr std::uint64_t slots_of_group = 15;
    constexpr std::uint64_t group_bytes = 16;
    return table.bucket_count() * sizeof(entry_table::value_type) +
           (table.bucket_count() + slots_of_group - 1) / slots_of_group * group_bytes;
}

std::uint64_t random_seed() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

struct alignas(64) memory_store::shard {
    std::mutex mutex;
    // Guarded by mutex.
    entry_table entries;
    boost::intrusive::list<entry, boost::intrusive::constant_time_size<false>> recent;  // least recently used last
    std::uint64_t table_bytes = 0;                                                      // as counted last
};

struct memory_store::impl {
    const std::uint64_t seed = random_seed();
    std::atomic<std::uint64_t> limit{0};
    std::atomic<std::uint32_t> max_variants{1};
    alignas(64) std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> responses{0};
    std::atomic<std::uint64_t> evictions{0};
    std::array<shard, shard_count> shards;

    key_hash hash(std::string_view key) const {
        const XXH128_hash_t h = XXH3_128bits_withSeed(key.data(), key.size(), seed);
        return {h.low64, h.high64};
    }
    shard& shard_of(const key_hash& h) { return shards[h.high & (shard_count - 1)]; }
    std::uint64_t excess() const {
        const std::uint64_t used = bytes.load(std::memory_order_relaxed);
        const std::uint64_t bound = limit.load(std::memory_order_relaxed);
        return used > bound ? used - bound : 0;
    }

    // All of these with the shard's mutex held.
    entry& entry_for(shard& s, const key_hash& h);
    void remove_variant(entry& e, std::size_t index, dropped_responses& dropped);
    void remove_entry(shard& s, entry& e, dropped_responses& dropped);
    void make_place(entry& e, const stored_response& arriving, dropped_responses& dropped);
    void count_table(shard& s);
    std::uint64_t evict(shard& s, std::uint64_t goal_bytes, const entry* kept, dropped_responses& dropped);

    // Without any mutex held.
    void evict_in_turn(const shard& first);
};

entry& memory_store::impl::entry_for(shard& s, const key_hash& h) {
    const auto [place, is_new] = s.entries.try_emplace(h);
    if (is_new) {
        place->second = std::make_unique<entry>();
        place->second->hash = h;
        s.recent.push_front(*place->second);
        count_table(s);
    }
    return *place->second;
}

void memory_store::impl::remove_variant(entry& e, std::size_t index, dropped_responses& dropped) {
    variant& leaving = e.variants[index];
    bytes.fetch_sub(leaving.bytes, std::memory_order_relaxed);
    responses.fetch_sub(1, std::memory_order_relaxed);
    dropped.push_back(std::move(leaving.response));
    e.variants.erase(e.variants.begin() + static_cast<std::ptrdiff_t>(index));
}

void memory_store::impl::remove_entry(shard& s, entry& e, dropped_responses& dropped) {
    while (!e.variants.empty()) remove_variant(e, e.variants.size() - 1, dropped);
    s.recent.erase(s.recent.iterator_to(e));
    s.entries.erase(key_hash{e.hash});  // frees `e`
}

// Leaves room for `arriving` beside the variants it does not replace.
void memory_store::impl::make_place(entry& e, const stored_response& arriving, dropped_responses& dropped) {
    for (std::size_t i = e.variants.size(); i-- > 0;) {
        const stored_response& old = *e.variants[i].response;
        // Two keys of one hash are not to be expected; should it happen, the later one stays.
        if (old.key != arriving.key || is_superseded(old.vary, arriving.vary)) remove_variant(e, i, dropped);
    }
    while (e.variants.size() >= max_variants.load(std::memory_order_relaxed)) {
        remove_variant(e, 0, dropped);
        evictions.fetch_add(1, std::memory_order_relaxed);
    }
}

void memory_store::impl::count_table(shard& s) {
    const std::uint64_t now = memory_of(s.entries);
    if (now == s.table_bytes) return;
    bytes.fetch_add(now - s.table_bytes, std::memory_order_relaxed);  // wraps around where the table has shrunk
    s.table_bytes = now;
}

// Drops the oldest variants of the least recently used entries until `goal_bytes` are free or nothing is left; of
// `kept` the last variant stays. Returns what became free.
std::uint64_t memory_store::impl::evict(shard& s, std::uint64_t goal_bytes, const entry* kept,
                                        dropped_responses& dropped) {
    std::uint64_t freed = 0;
    while (freed < goal_bytes && !s.recent.empty()) {
        entry& last = s.recent.back();
        if (&last == kept && last.variants.size() == 1) break;
        freed += last.variants.front().bytes;
        evictions.fetch_add(1, std::memory_order_relaxed);
        if (last.variants.size() == 1) {
            remove_entry(s, last, dropped);
        } else {
            remove_variant(last, 0, dropped);
        }
    }
    return freed;
}

// After `first` has given what it could: the shards behind it, one lock at a time, and at last itself.
void memory_store::impl::evict_in_turn(const shard& first) {
    const std::size_t start = static_cast<std::size_t>(&first - shards.data());
    for (std::size_t i = 1; i <= shard_count && excess() > 0; ++i) {
        shard& s = shards[(start + i) & (shard_count - 1)];
        dropped_responses dropped;
        const std::lock_guard lock(s.mutex);
        evict(s, excess(), nullptr, dropped);
    }
}

memory_store::memory_store(std::uint64_t limit_bytes, std::uint32_t max_variants) : impl_(std::make_unique<impl>()) {
    impl_->limit = limit_bytes;
    set_max_variants(max_variants);
}

memory_store::~memory_store() = default;

memory_store::found memory_store::get(std::string_view key, const http::field_list& request) {
    const key_hash hash = impl_->hash(key);
    shard& s = impl_->shard_of(hash);
    const std::lock_guard lock(s.mutex);
    const auto place = s.entries.find(hash);
    if (place == s.entries.end()) return {};
    entry& e = *place->second;
    if (e.variants.front().response->key != key) return {};

    const variant* best = nullptr;
    for (const variant& v : e.variants) {
        if (selects(v.response->vary, {request}) && (!best || v.response->date >= best->response->date)) best = &v;
    }
    if (!best) return {nullptr, true};
    if (&s.recent.front() != &e) s.recent.splice(s.recent.begin(), s.recent, s.recent.iterator_to(e));
    return {best->response, false};
}

void memory_store::put(std::shared_ptr<const stored_response> response) {
    const std::size_t bytes = response->memory_bytes();
    if (bytes > impl_->limit.load(std::memory_order_relaxed)) return;
    const key_hash hash = impl_->hash(response->key);
    shard& s = impl_->shard_of(hash);
    {
        dropped_responses dropped;
        const std::lock_guard lock(s.mutex);
        entry& e = impl_->entry_for(s, hash);
        impl_->make_place(e, *response, dropped);
        e.variants.push_back({std::move(response), bytes});
        impl_->bytes.fetch_add(bytes, std::memory_order_relaxed);
        impl_->responses.fetch_add(1, std::memory_order_relaxed);
        if (&s.recent.front() != &e) s.recent.splice(s.recent.begin(), s.recent, s.recent.iterator_to(e));
        impl_->evict(s, impl_->excess(), &e, dropped);
    }
    if (impl_->excess() > 0) impl_->evict_in_turn(s);
}

void memory_store::erase(std::string_view key) {
    const key_hash hash = impl_->hash(key);
    shard& s = impl_->shard_of(hash);
    dropped_responses dropped;
    const std::lock_guard lock(s.mutex);
    const auto place = s.entries.find(hash);
    if (place == s.entries.end() || place->second->variants.front().response->key != key) return;
    impl_->remove_entry(s, *place->second, dropped);
}

void memory_store::clear() {
    for (shard& s : impl_->shards) {
        dropped_responses dropped;
        const std::lock_guard lock(s.mutex);
        while (!s.recent.empty()) impl_->remove_entry(s, s.recent.back(), dropped);
        s.entries.rehash(0);
        impl_->count_table(s);
    }
}

void memory_store::set_limit(std::uint64_t limit_bytes) {
    impl_->limit = limit_bytes;
    if (limit_bytes == 0) return clear();
    for (std::size_t i = 0; i < shard_count; ++i) {
        const std::uint64_t excess = impl_->excess();
        if (excess == 0) return;
        const std::uint64_t shards_left = shard_count - i;
        shard& s = impl_->shards[i];
        dropped_responses dropped;
        const std::lock_guard lock(s.mutex);
        impl_->evict(s, (excess + shards_left - 1) / shards_left, nullptr, dropped);
        // A table keeps its size when entries leave, and could by itself be larger than the new bound.
        s.entries.rehash(0);
        impl_->count_table(s);
    }
    impl_->evict_in_turn(impl_->shards.back());
}

void memory_store::set_max_variants(std::uint32_t count) {
    impl_->max_variants = std::max<std::uint32_t>(1, count);
}

memory_store::usage memory_store::use() const {
    return {impl_->bytes, impl_->limit, impl_->responses, impl_->evictions};
}

}  // namespace weir::cache
