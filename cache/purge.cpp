#include "cache/purge.hpp"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "cache/key.hpp"
#include "cache/tags.hpp"

namespace weir::cache {

namespace {

// Apart from the hashes of tags and groups.
constexpr std::uint64_t url_seed = 3;

std::uint64_t hash_url(std::string_view url) {
    return XXH3_64bits_withSeed(url.data(), url.size(), url_seed);
}

void raise(std::atomic<std::uint64_t>& newest, std::uint64_t number) {
    newest.store(std::max(newest.load(std::memory_order_relaxed), number), std::memory_order_relaxed);
}

}  // namespace

void purge_log::numbers::take_newer(const numbers& other) {
    hard = std::max(hard, other.hard);
    soft = std::max(soft, other.soft);
}

void purge_log::purge_url(std::string_view url, purge_mode mode) {
    make({purge_kind::url, mode, url}, true);
}

void purge_log::purge_prefix(std::string_view url_prefix, purge_mode mode) {
    make({purge_kind::prefix, mode, url_prefix}, true);
}

void purge_log::purge_tag(std::string_view tag, purge_mode mode) {
    make({purge_kind::tag, mode, tag}, true);
}

void purge_log::purge_group(std::string_view origin, std::string_view group) {
    make({purge_kind::group, purge_mode::hard, group, origin}, true);
}

void purge_log::purge_all(purge_mode mode) {
    make({purge_kind::all, mode}, true);
}

void purge_log::apply(const purge& what) {
    make(what, false);
}

void purge_log::make(const purge& what, bool is_own) {
    generation dropped;
    const std::lock_guard lock(mutex_);
    const std::uint64_t number = now_.load(std::memory_order_relaxed) + 1;
    if (is_own && listener_) listener_(what, number);
    switch (what.kind) {
        case purge_kind::url:
            dropped = note_hashes({{hash_url(what.text)}}, what.mode, number);
            break;
        case purge_kind::tag:
            dropped = note_hashes({{hash_tag(what.text), any_tag}}, what.mode, number);
            break;
        case purge_kind::group:
            dropped = note_hashes({{hash_group(what.origin, what.text), any_tag}}, purge_mode::hard, number);
            break;
        case purge_kind::prefix:
            dropped = note_prefix(what.text, what.mode, number);
            break;
        case purge_kind::all:
            (what.mode == purge_mode::hard ? all_hard_ : all_soft_).store(number, std::memory_order_relaxed);
            break;
    }
    now_.store(number, std::memory_order_release);
}

purge_log::generation purge_log::note_hashes(std::span<const std::uint64_t> hashes, purge_mode mode,
                                             std::uint64_t number) {
    generation dropped = make_room(hashes.size(), 0);
    current_.last = number;
    for (const std::uint64_t hash : hashes) {
        current_.by_hash[hash].note(number, mode);
        newest_[bucket_of(hash)].store(number, std::memory_order_relaxed);
    }
    return dropped;
}

purge_log::generation purge_log::note_prefix(std::string_view prefix, purge_mode mode, std::uint64_t number) {
    prefix_record record{std::string(prefix), {}};
    generation dropped = make_room(0, 1);
    current_.last = number;
    const auto same = std::find_if(current_.prefixes.begin(), current_.prefixes.end(),
                                   [&](const prefix_record& known) { return known.prefix == prefix; });
    if (same != current_.prefixes.end()) {
        record.when = same->when;
        current_.prefixes.erase(same);
    }
    record.when.note(number, mode);
    current_.prefixes.push_back(std::move(record));
    newest_prefix_.store(number, std::memory_order_relaxed);
    return dropped;
}

void purge_log::doubt() {
    const std::lock_guard lock(mutex_);
    const std::uint64_t number = now_.load(std::memory_order_relaxed) + 1;
    doubt_.store(number, std::memory_order_relaxed);
    now_.store(number, std::memory_order_release);
}

void purge_log::listen(listener to, const void* owner) {
    const std::lock_guard lock(mutex_);
    listener_.swap(to);
    listener_owner_ = owner;
}

void purge_log::stop_listening(const void* owner) {
    listener ended;
    const std::lock_guard lock(mutex_);
    if (listener_owner_ == owner) listener_.swap(ended);
}

void purge_log::keep_records() {
    const std::lock_guard lock(mutex_);
    keeps_records_ = true;
}

purge_log::generation purge_log::make_room(std::size_t hashes, std::size_t prefixes) {
    if (current_.by_hash.size() + hashes <= max_records_ && current_.prefixes.size() + prefixes <= max_prefixes) {
        return {};
    }
    generation oldest = forget(previous_);
    previous_ = std::exchange(current_, {});
    return oldest;
}

// The number first: a judge that finds no record any more sees it.
purge_log::generation purge_log::forget(generation& forgotten) {
    raise(forgotten_, forgotten.last);
    return std::exchange(forgotten, {});
}

std::uint64_t purge_log::begin_pass() {
    const std::lock_guard lock(mutex_);
    if (!keeps_records_ && previous_.last == 0) previous_ = std::exchange(current_, {});
    return now_.load(std::memory_order_relaxed);
}

void purge_log::end_pass(std::uint64_t number) {
    generation dropped[2];
    const std::lock_guard lock(mutex_);
    if (keeps_records_) return;
    if (previous_.last <= number) dropped[0] = forget(previous_);
    if (current_.last <= number) dropped[1] = forget(current_);
}

std::uint64_t purge_log::memory_bytes() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t bytes = 0;
    for (const generation* g : {&current_, &previous_}) {
        bytes += g->by_hash.bucket_count() * (sizeof(std::pair<std::uint64_t, numbers>) + 2);
        bytes += g->prefixes.capacity() * sizeof(prefix_record);
        for (const prefix_record& record : g->prefixes) bytes += record.prefix.capacity();
    }
    return bytes;
}

purge_log::verdict purge_log::judge(const stored_response& response) const {
    const std::uint64_t last = now();
    const std::uint64_t since = std::max(response.fill_number, response.use.judged.load(std::memory_order_acquire));
    if (since < last) {
        const std::string_view url = url_of(response.key);
        const std::uint64_t url_hash = hash_url(url);
        numbers hit{all_hard_.load(std::memory_order_relaxed), all_soft_.load(std::memory_order_relaxed)};
        if (may_be_hit(url_hash, response, since)) {
            hit.take_newer(find(url, url_hash, response, since));
            // Looked at after the records: whatever was missing among them is below it.
            if (forgotten_.load(std::memory_order_relaxed) > since) return verdict::dead;
        }
        if (hit.hard > since) return verdict::dead;
        if (doubt_.load(std::memory_order_relaxed) > since) {
            response.use.doubted.store(true, std::memory_order_relaxed);
        }
        if (hit.soft > since) response.use.soft_purged.store(true, std::memory_order_relaxed);
        response.use.judged.store(last, std::memory_order_release);
    }
    if (response.use.doubted.load(std::memory_order_relaxed)) return verdict::doubted;
    return response.use.soft_purged.load(std::memory_order_relaxed) ? verdict::soft : verdict::alive;
}

bool purge_log::may_be_hit(std::uint64_t url_hash, const stored_response& response, std::uint64_t since) const {
    const auto is_newer = [&](std::uint64_t hash) {
        return newest_[bucket_of(hash)].load(std::memory_order_relaxed) > since;
    };
    return newest_prefix_.load(std::memory_order_relaxed) > since || is_newer(url_hash) ||
           std::any_of(response.tags.begin(), response.tags.end(), is_newer);
}

purge_log::numbers purge_log::find(std::string_view url, std::uint64_t url_hash, const stored_response& response,
                                   std::uint64_t since) const {
    numbers newest;
    const std::lock_guard lock(mutex_);
    for (const generation* g : {&current_, &previous_}) {
        const auto take = [&](std::uint64_t hash) {
            if (newest_[bucket_of(hash)].load(std::memory_order_relaxed) <= since) return;
            if (const auto place = g->by_hash.find(hash); place != g->by_hash.end()) newest.take_newer(place->second);
        };
        take(url_hash);
        std::for_each(response.tags.begin(), response.tags.end(), take);
        for (auto record = g->prefixes.rbegin(); record != g->prefixes.rend(); ++record) {
            if (std::max(record->when.hard, record->when.soft) <= since) break;
            if (url.starts_with(record->prefix)) newest.take_newer(record->when);
        }
    }
    return newest;
}

}  // namespace weir::cache
