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

#include "cache/eviction.hpp"

// Of jemalloc; null where the program is not linked with it.
extern "C" int mallctl(const char* name, void* old, std::size_t* old_size, void* value, std::size_t value_size)
    __attribute__((weak));

namespace weir::cache {

namespace {

constexpr std::size_t shard_count = 16;
static_assert((shard_count & (shard_count - 1)) == 0, "a shard is chosen by bits of the hash");

// So many responses leave or are judged under one hold of a lock.
constexpr std::size_t slice_responses = 128;
// What a shard gives for its own; for more all give in turn.
constexpr std::uint64_t own_gift_bytes = 64 * 1024;

struct key_hash {
    std::uint64_t low;   // finds the place in a shard's table
    std::uint64_t high;  // finds the shard
    bool operator==(const key_hash&) const = default;
};
struct use_low_half {
    using is_avalanching = void;
    std::size_t operator()(const key_hash& hash) const noexcept { return hash.low; }
};

// One response in the store: in its key's chain, in its shard's order of eviction and in its list to sweep. `id` is the
// low half of its key's hash.
struct variant : eviction_order::item {
    std::uint64_t hash_high = 0;
    std::shared_ptr<const stored_response> response;
    std::unique_ptr<variant> next;  // stored later under the same key
    boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> sweep_link;

    key_hash hash() const { return {id, hash_high}; }
};
static_assert(sizeof(variant) + sizeof(void*) <= store_bookkeeping_bytes);

using variant_table = boost::unordered_flat_map<key_hash, std::unique_ptr<variant>, use_low_half>;
using sweep_list =
    boost::intrusive::list<variant,
                           boost::intrusive::member_hook<variant, decltype(variant::sweep_link), &variant::sweep_link>>;

// Responses that left the store; they are freed after the lock that was held has been given back.
using dropped_responses = boost::container::small_vector<std::unique_ptr<variant>, 8>;

std::uint64_t memory_of(const variant_table& table) {
    constexpr std::uint64_t slots_of_group = 15;
    constexpr std::uint64_t group_bytes = 16;
    return table.bucket_count() * sizeof(variant_table::value_type) +
           (table.bucket_count() + slots_of_group - 1) / slots_of_group * group_bytes;
}

// What a thread has freed waits in its own cache, and what it stores next is put there: piece by piece onto the pages
// of what has gone, each of which then stays for one piece. So that cache is emptied now and then.
void give_back_freed(std::uint64_t freed_bytes) {
    constexpr std::uint64_t worth_it = 256 * 1024;
    thread_local std::uint64_t freed_since = 0;
    freed_since += freed_bytes;
    if (freed_since < worth_it) return;
    freed_since = 0;
    if (mallctl) mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
}

std::uint64_t random_seed() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

struct alignas(64) memory_store::shard {
    std::mutex mutex;
    // Guarded by mutex.
    variant_table table;  // no chain in it is empty
    std::unique_ptr<eviction_order> order;
    sweep_list all;               // judged longest ago first
    std::uint64_t own_bytes = 0;  // of the table and the order, as counted last
};

struct memory_store::impl {
    impl(conf::eviction_policy order, purge_log& log) : policy(order), purges(log) {
        for (shard& s : shards) s.order = make_eviction_order(policy);
    }

    const std::uint64_t seed = random_seed();
    const conf::eviction_policy policy;
    purge_log& purges;
    std::atomic<std::uint64_t> limit{0};
    std::atomic<std::uint32_t> max_variants{1};
    alignas(64) std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> responses{0};
    std::atomic<std::uint64_t> evictions{0};
    std::atomic<std::size_t> turn{0};  // the shard that gives next
    std::array<shard, shard_count> shards;

    // Of the sweeping thread.
    struct {
        bool is_under_way = false;
        std::uint64_t number = 0;     // of the pass under way or the last one
        std::size_t shard = 0;        // under way
        std::size_t left = 0;         // of that shard's list
        std::uint64_t log_bytes = 0;  // as counted last
    } pass;

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
    void make_place(shard& s, const key_hash& h, const stored_response& arriving, dropped_responses& dropped);
    void unlink(shard& s, variant& leaving, dropped_responses& dropped);
    void remove(shard& s, variant& leaving, dropped_responses& dropped);
    void append(shard& s, std::unique_ptr<variant> arriving);
    void count(std::uint64_t& counted, std::uint64_t now);
    void count_own(shard& s) { count(s.own_bytes, memory_of(s.table) + s.order->memory_bytes()); }
    std::uint64_t evict_slice(shard& s, std::uint64_t goal_bytes, dropped_responses& dropped);

    // Without any mutex held.
    bool evict(shard& s, std::uint64_t goal_bytes);
    void evict_in_turn(shard& own);
    void lower(shard& s, std::uint64_t share);
    std::size_t empty_slice(shard& s, std::size_t most);
    bool begin_pass();
    void judge_slice(shard& s);
};

// Takes `leaving`, which is in no order any more, out of everything else.
void memory_store::impl::unlink(shard& s, variant& leaving, dropped_responses& dropped) {
    s.all.erase(s.all.iterator_to(leaving));
    bytes.fetch_sub(leaving.bytes, std::memory_order_relaxed);
    responses.fetch_sub(1, std::memory_order_relaxed);
    const auto place = s.table.find(leaving.hash());
    std::unique_ptr<variant>* owner = &place->second;
    while (owner->get() != &leaving) owner = &(*owner)->next;
    dropped.push_back(std::move(*owner));
    *owner = std::move(leaving.next);
    if (!place->second) s.table.erase(place);
}

void memory_store::impl::remove(shard& s, variant& leaving, dropped_responses& dropped) {
    s.order->remove(leaving);
    unlink(s, leaving, dropped);
}

// Leaves room for `arriving` beside the variants it does not replace.
void memory_store::impl::make_place(shard& s, const key_hash& h, const stored_response& arriving,
                                    dropped_responses& dropped) {
    const auto place = s.table.find(h);
    if (place == s.table.end()) return;
    std::size_t kept = 0;
    for (variant *v = place->second.get(), *next = nullptr; v; v = next) {
        next = v->next.get();
        const stored_response& old = *v->response;
        // Two keys of one hash are not to be expected; should it happen, the later one stays.
        if (old.key == arriving.key && !is_superseded(old.vary, arriving.vary)) {
            ++kept;
        } else {
            remove(s, *v, dropped);
        }
    }
    // With the last one the place itself goes, so nothing is touched after that.
    for (; kept >= max_variants.load(std::memory_order_relaxed); --kept) {
        evictions.fetch_add(1, std::memory_order_relaxed);
        remove(s, *s.table.find(h)->second, dropped);
    }
}

void memory_store::impl::append(shard& s, std::unique_ptr<variant> arriving) {
    variant& added = *arriving;
    std::unique_ptr<variant>* end = &s.table[added.hash()];
    while (*end) end = &(*end)->next;
    *end = std::move(arriving);
    s.all.push_back(added);
    bytes.fetch_add(added.bytes, std::memory_order_relaxed);
    responses.fetch_add(1, std::memory_order_relaxed);
}

void memory_store::impl::count(std::uint64_t& counted, std::uint64_t now) {
    bytes.fetch_add(now - counted, std::memory_order_relaxed);  // wraps around where it has shrunk
    counted = now;
}

// Until `goal_bytes` are free, the slice is at its end or nothing is left. Returns what became free.
std::uint64_t memory_store::impl::evict_slice(shard& s, std::uint64_t goal_bytes, dropped_responses& dropped) {
    std::uint64_t freed = 0;
    for (std::size_t i = 0; i < slice_responses && freed < goal_bytes; ++i) {
        eviction_order::item* const leaving = s.order->evict();
        if (!leaving) break;
        freed += leaving->bytes;
        evictions.fetch_add(1, std::memory_order_relaxed);
        unlink(s, static_cast<variant&>(*leaving), dropped);
    }
    count_own(s);
    return freed;
}

// One slice. False when there was nothing to evict.
bool memory_store::impl::evict(shard& s, std::uint64_t goal_bytes) {
    dropped_responses dropped;
    const std::lock_guard lock(s.mutex);
    return evict_slice(s, goal_bytes, dropped) > 0;
}

// All shards but `own`, each a share, round after round while they have something; then `own` too.
void memory_store::impl::evict_in_turn(shard& own) {
    std::size_t next = turn.fetch_add(1, std::memory_order_relaxed);
    for (std::size_t fruitless = 0; fruitless < shard_count; ++next) {
        const std::uint64_t missing = excess();
        if (missing == 0) return;
        shard& s = shards[next & (shard_count - 1)];
        const bool has_given = &s != &own && evict(s, missing / shard_count + 1);
        fruitless = has_given ? 0 : fruitless + 1;
    }
    while (excess() > 0 && evict(own, excess())) {
    }
}

memory_store::memory_store(std::uint64_t limit_bytes, std::uint32_t max_variants, conf::eviction_policy policy,
                           purge_log& purges)
    : impl_(std::make_unique<impl>(policy, purges)) {
    impl_->limit = limit_bytes;
    set_max_variants(max_variants);
}

memory_store::~memory_store() {
    clear();
}

memory_store::found memory_store::get(std::string_view key, const request_view& request) {
    const key_hash hash = impl_->hash(key);
    shard& s = impl_->shard_of(hash);
    dropped_responses dropped;
    const std::lock_guard lock(s.mutex);
    const auto place = s.table.find(hash);
    if (place == s.table.end() || place->second->response->key != key) return {};

    variant* best = nullptr;
    const variant* other = nullptr;
    for (variant *v = place->second.get(), *next = nullptr; v; v = next) {
        next = v->next.get();
        if (impl_->purges.judge(*v->response) == purge_log::verdict::dead) {
            impl_->remove(s, *v, dropped);
        } else if (!selects(v->response->vary, request)) {
            other = v;
        } else if (!best || v->response->date >= best->response->date) {
            best = v;
        }
    }
    if (best) {
        s.order->touch(*best);
        return {best->response, false, nullptr};
    }
    if (other) return {nullptr, true, other->response};
    return {};
}

void memory_store::put(std::shared_ptr<const stored_response> response) {
    const key_hash hash = impl_->hash(response->key);
    auto arriving = std::make_unique<variant>();
    arriving->id = hash.low;
    arriving->hash_high = hash.high;
    arriving->bytes = response->memory_bytes();
    arriving->response = std::move(response);
    variant& added = *arriving;
    const std::uint64_t bytes = added.bytes;
    if (bytes > impl_->limit.load(std::memory_order_relaxed)) return;
    shard& s = impl_->shard_of(hash);
    {
        dropped_responses dropped;
        const std::lock_guard lock(s.mutex);
        // In one hold of the lock with its arrival: a sweep that comes later sees it, one that came before it was by no
        // later number.
        if (impl_->purges.judge(*added.response) == purge_log::verdict::dead) return;
        impl_->make_place(s, hash, *added.response, dropped);
        impl_->append(s, std::move(arriving));
        impl_->count_own(s);
        // It enters the order after that, so that it is not what goes.
        impl_->evict_slice(s, std::min(impl_->excess(), own_gift_bytes), dropped);
        s.order->insert(added);
    }
    if (impl_->excess() > 0) impl_->evict_in_turn(s);
    give_back_freed(bytes);  // about as much as had to go
}

void memory_store::erase(std::string_view key) {
    const key_hash hash = impl_->hash(key);
    shard& s = impl_->shard_of(hash);
    for (bool is_more = true; is_more;) {
        dropped_responses dropped;
        const std::lock_guard lock(s.mutex);
        for (std::size_t i = 0; i < slice_responses && is_more; ++i) {
            const auto place = s.table.find(hash);
            is_more = place != s.table.end() && place->second->response->key == key;
            if (is_more) impl_->remove(s, *place->second, dropped);
        }
    }
}

// One slice, `most` responses. Returns how many there still are.
std::size_t memory_store::impl::empty_slice(shard& s, std::size_t most) {
    dropped_responses dropped;
    const std::lock_guard lock(s.mutex);
    for (std::size_t i = std::min(slice_responses, most); i > 0 && !s.all.empty(); --i) {
        remove(s, s.all.front(), dropped);
    }
    if (s.all.empty()) {
        s.table.rehash(0);
        s.order = make_eviction_order(policy);
    }
    count_own(s);
    return s.all.size();
}

void memory_store::clear() {
    for (shard& s : impl_->shards) {
        // What comes meanwhile need not go.
        std::size_t left = impl_->empty_slice(s, 0);
        while (left > 0) {
            const std::size_t step = std::min(left, slice_responses);
            if (impl_->empty_slice(s, step) == 0) break;
            left -= step;
        }
    }
}

void memory_store::impl::lower(shard& s, std::uint64_t share) {
    for (bool is_more = share > 0; is_more;) {
        dropped_responses dropped;
        const std::lock_guard lock(s.mutex);
        const std::uint64_t freed = evict_slice(s, share, dropped);
        is_more = freed > 0 && freed < share;
        share -= std::min(share, freed);
        // A table keeps its size when entries leave, and could by itself be larger than the new bound.
        if (!is_more) s.table.rehash(0);
        count_own(s);
    }
}

void memory_store::set_limit(std::uint64_t limit_bytes) {
    impl_->limit = limit_bytes;
    if (limit_bytes == 0) return clear();
    for (std::size_t i = 0; i < shard_count; ++i) {
        const std::uint64_t shards_left = shard_count - i;
        const std::uint64_t share = (impl_->excess() + shards_left - 1) / shards_left;
        impl_->lower(impl_->shards[i], share);
    }
    impl_->evict_in_turn(impl_->shards.back());
}

void memory_store::set_max_variants(std::uint32_t count) {
    impl_->max_variants = std::max<std::uint32_t>(1, count);
}

memory_store::usage memory_store::use() const {
    return {impl_->bytes, impl_->limit, impl_->responses, impl_->evictions};
}

bool memory_store::impl::begin_pass() {
    if (purges.now() == pass.number) return false;
    pass.number = purges.begin_pass();
    pass.is_under_way = true;
    pass.shard = 0;
    pass.left = SIZE_MAX;
    return true;
}

// What was judged goes to the end, where new ones come as well, so the first ones are those to judge yet.
void memory_store::impl::judge_slice(shard& s) {
    dropped_responses dropped;
    const std::lock_guard lock(s.mutex);
    pass.left = std::min(pass.left, s.all.size());
    for (std::size_t i = std::min(pass.left, slice_responses); i > 0; --i, --pass.left) {
        variant& first = s.all.front();
        if (purges.judge(*first.response) == purge_log::verdict::dead) {
            remove(s, first, dropped);
        } else {
            s.all.splice(s.all.end(), s.all, s.all.begin());
        }
    }
}

bool memory_store::sweep() {
    auto& pass = impl_->pass;
    if (!pass.is_under_way && !impl_->begin_pass()) return false;
    impl_->count(pass.log_bytes, impl_->purges.memory_bytes());
    if (impl_->excess() > 0) impl_->evict_in_turn(impl_->shards.front());
    impl_->judge_slice(impl_->shards[pass.shard]);
    if (pass.left > 0) return true;
    pass.left = SIZE_MAX;
    if (++pass.shard < shard_count) return true;
    pass.is_under_way = false;
    impl_->purges.end_pass(pass.number);
    impl_->count(pass.log_bytes, impl_->purges.memory_bytes());
    return impl_->purges.now() != pass.number;
}

}  // namespace weir::cache
