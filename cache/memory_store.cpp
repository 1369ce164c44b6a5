#include "cache/memory_store.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/container/small_vector.hpp>
#include <mutex>
#include <random>

#include "cache/eviction.hpp"
#include "cache/response_table.hpp"

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
    std::uint32_t id;     // finds the chain in a shard's table
    std::uint32_t shard;  // finds the shard
};

// Responses that left the store; they are freed after the lock that was held has been given back.
using dropped_responses = boost::container::small_vector<response_ptr, 8>;

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

bool has_key(const stored_response& r, std::uint32_t id, std::string_view key) {
    return r.id == id && r.key == key;
}

std::uint64_t random_seed() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

struct alignas(64) memory_store::shard {
    std::mutex mutex;
    // Guarded by mutex.
    response_table table;  // a reference to each response in it
    std::unique_ptr<eviction_order> order;
    std::size_t judged = 0;       // so many chains, of the pass under way
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
        std::uint64_t log_bytes = 0;  // as counted last
    } pass;

    key_hash hash(std::string_view key) const {
        const std::uint64_t h = XXH3_64bits_withSeed(key.data(), key.size(), seed);
        return {static_cast<std::uint32_t>(h), static_cast<std::uint32_t>(h >> 32)};
    }
    shard& shard_of(const key_hash& h) { return shards[h.shard & (shard_count - 1)]; }
    std::uint64_t excess() const {
        const std::uint64_t used = bytes.load(std::memory_order_relaxed);
        const std::uint64_t bound = limit.load(std::memory_order_relaxed);
        return used > bound ? used - bound : 0;
    }

    // All of these with the shard's mutex held.
    void make_place(shard& s, const stored_response& arriving, dropped_responses& dropped);
    void unlink(shard& s, stored_response& leaving, dropped_responses& dropped);
    void remove(shard& s, stored_response& leaving, dropped_responses& dropped);
    void append(shard& s, stored_response& arriving);
    void count(std::uint64_t& counted, std::uint64_t now);
    void count_own(shard& s) { count(s.own_bytes, s.table.memory_bytes() + s.order->memory_bytes()); }
    std::uint64_t evict_slice(shard& s, std::uint64_t goal_bytes, dropped_responses& dropped);
    void fit(shard& s);
    // The oldest variant; null: none.
    static stored_response* find(const shard& s, std::uint32_t id, std::string_view key);

    // Without any mutex held.
    bool evict(shard& s, std::uint64_t goal_bytes);
    void evict_in_turn(shard& own);
    void lower(shard& s, std::uint64_t share);
    std::size_t empty_slice(shard& s, std::size_t from);
    bool begin_pass();
    bool judge_slice(shard& s);
};

// Takes `leaving`, which is in no order any more, out of everything else.
void memory_store::impl::unlink(shard& s, stored_response& leaving, dropped_responses& dropped) {
    s.table.remove(leaving);
    leaving.is_stored = false;
    bytes.fetch_sub(leaving.bytes, std::memory_order_relaxed);
    responses.fetch_sub(1, std::memory_order_relaxed);
    dropped.emplace_back(&leaving, false);  // the table's reference
}

void memory_store::impl::remove(shard& s, stored_response& leaving, dropped_responses& dropped) {
    s.order->remove(leaving);
    unlink(s, leaving, dropped);
}

stored_response* memory_store::impl::find(const shard& s, std::uint32_t id, std::string_view key) {
    stored_response* r = s.table.chain(id);
    while (r && !has_key(*r, id, key)) r = r->next;
    return r;
}

// Leaves room for `arriving` beside the variants it does not replace.
void memory_store::impl::make_place(shard& s, const stored_response& arriving, dropped_responses& dropped) {
    std::size_t kept = 0;
    for (stored_response *r = s.table.chain(arriving.id), *next = nullptr; r; r = next) {
        next = r->next;
        if (!has_key(*r, arriving.id, arriving.key)) continue;
        if (is_superseded(r->vary, arriving.vary)) {
            remove(s, *r, dropped);
        } else {
            ++kept;
        }
    }
    for (; kept >= max_variants.load(std::memory_order_relaxed); --kept) {
        evictions.fetch_add(1, std::memory_order_relaxed);
        remove(s, *find(s, arriving.id, arriving.key), dropped);
    }
}

void memory_store::impl::append(shard& s, stored_response& arriving) {
    s.table.insert(arriving);
    intrusive_ptr_add_ref(&arriving);
    arriving.is_stored = true;
    bytes.fetch_add(arriving.bytes, std::memory_order_relaxed);
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
        unlink(s, static_cast<stored_response&>(*leaving), dropped);
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
    stored_response* best = nullptr;
    const stored_response* other = nullptr;
    for (stored_response *r = s.table.chain(hash.id), *next = nullptr; r; r = next) {
        next = r->next;
        if (!has_key(*r, hash.id, key)) continue;
        if (impl_->purges.judge(*r) == purge_log::verdict::dead) {
            impl_->remove(s, *r, dropped);
        } else if (!selects(r->vary, request)) {
            other = r;
        } else if (!best || r->date >= best->date) {
            best = r;
        }
    }
    if (best) {
        s.order->touch(*best);
        return {response_ptr(best), false, nullptr};
    }
    if (other) return {nullptr, true, response_ptr(other)};
    return {};
}

void memory_store::put(response_ptr response) {
    const std::uint64_t bytes = response->bytes;
    if (bytes > impl_->limit.load(std::memory_order_relaxed)) return;
    const key_hash hash = impl_->hash(response->key);
    shard& s = impl_->shard_of(hash);
    // A store changes what of the response is the store's own.
    stored_response& arriving = const_cast<stored_response&>(*response);
    {
        dropped_responses dropped;
        const std::lock_guard lock(s.mutex);
        if (arriving.is_stored) return;
        // In one hold of the lock with its arrival: a sweep that comes later sees it, one that came before it was by no
        // later number.
        if (impl_->purges.judge(arriving) == purge_log::verdict::dead) return;
        arriving.id = hash.id;
        impl_->make_place(s, arriving, dropped);
        impl_->append(s, arriving);
        impl_->count_own(s);
        // It enters the order after that, so that it is not what goes.
        impl_->evict_slice(s, std::min(impl_->excess(), own_gift_bytes), dropped);
        s.order->insert(arriving);
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
            stored_response* const first = impl_->find(s, hash.id, key);
            is_more = first != nullptr;
            if (is_more) impl_->remove(s, *first, dropped);
        }
    }
}

// Gives back what the table and the order do not need (any more). Linear in the table; with the mutex held.
void memory_store::impl::fit(shard& s) {
    s.table.fit();
    s.judged = 0;
    if (s.table.size() == 0) s.order = make_eviction_order(policy);
}

// One slice: the chains from that one on. Returns the first that it did not come to.
std::size_t memory_store::impl::empty_slice(shard& s, std::size_t from) {
    dropped_responses dropped;
    const std::lock_guard lock(s.mutex);
    const std::size_t end = std::min(from + slice_responses, s.table.size());
    for (; from < end; ++from) {
        while (stored_response* const first = s.table.chain_at(from)) remove(s, *first, dropped);
    }
    if (from == s.table.size()) fit(s);
    count_own(s);
    return end;
}

void memory_store::clear() {
    for (shard& s : impl_->shards) {
        std::size_t next = 0;
        std::size_t done = 0;
        do {
            done = next;
            next = impl_->empty_slice(s, done);
        } while (next > done);
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
        if (!is_more) fit(s);
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
    return true;
}

// One slice of chains. False where that was the last of the shard. What moves on to another chain meanwhile comes to
// one that is still to be judged.
bool memory_store::impl::judge_slice(shard& s) {
    dropped_responses dropped;
    const std::lock_guard lock(s.mutex);
    const std::size_t end = std::min(s.judged + slice_responses, s.table.size());
    for (; s.judged < end; ++s.judged) {
        for (stored_response *r = s.table.chain_at(s.judged), *next = nullptr; r; r = next) {
            next = r->next;
            if (purges.judge(*r) == purge_log::verdict::dead) remove(s, *r, dropped);
        }
    }
    if (end < s.table.size()) return true;
    s.judged = 0;
    return false;
}

bool memory_store::sweep() {
    auto& pass = impl_->pass;
    if (!pass.is_under_way && !impl_->begin_pass()) return false;
    impl_->count(pass.log_bytes, impl_->purges.memory_bytes());
    if (impl_->excess() > 0) impl_->evict_in_turn(impl_->shards.front());
    if (impl_->judge_slice(impl_->shards[pass.shard])) return true;
    if (++pass.shard < shard_count) return true;
    pass.is_under_way = false;
    impl_->purges.end_pass(pass.number);
    impl_->count(pass.log_bytes, impl_->purges.memory_bytes());
    return impl_->purges.now() != pass.number;
}

}  // namespace weir::cache
