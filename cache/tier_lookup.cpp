#include "cache/tier_lookup.hpp"

#include <new>
#include <utility>

#include "cache/memcached_tier.hpp"
namespace weir::cache {

bool tier_lookup::wait(http::wakeable& waiter) {
    const std::lock_guard lock(mutex_);
    if (!ended_) waiter_ = &waiter;
    return !ended_;
}

void tier_lookup::give_up() {
    const std::lock_guard lock(mutex_);
    waiter_ = nullptr;
    given_up_ = given_up_ || !ended_;
}

bool tier_lookup::ended() const {
    const std::lock_guard lock(mutex_);
    return ended_;
}

bool tier_lookup::is_for_somebody() const {
    const std::lock_guard lock(mutex_);
    return ended_ && !given_up_;
}

// With the mutex held while it is woken: who gives up may be gone right after.
bool tier_lookup::end() noexcept {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (http::wakeable* const waiter = std::exchange(waiter_, nullptr)) waiter->wake();
    return !given_up_;
}

void value_lookup::finish(std::vector<memcached_value> got) noexcept {
    try {
        if (read(std::move(got))) return;
    } catch (const std::bad_alloc&) {
        found_ = {};
    }
    end();
}

// True: its pieces are asked for, and finish() is called again.
bool value_lookup::read(std::vector<memcached_value> got) {
    if (chunks_) {
        std::vector<std::string> pieces;
        for (memcached_value& piece : got) pieces.push_back(std::move(piece.bytes));
        found_ = join_chunks(*chunks_, pieces, cache_key_);
    } else if (got.front().what == memcached_value::outcome::found) {
        found_ = decode(got.front().bytes, cache_key_);
    }
    if (found_.what == tier_value::kind::chunked && !chunks_) {
        chunks_ = std::exchange(found_, {}).chunks;
        return client_.get(route_, chunk_keys(value_key_, *chunks_), shared_from_this());
    }
    if (found_.what != tier_value::kind::response) return false;
    if (const auto number = tier_.fill_number_of(found_.position)) {
        found_.response->fill_number = *number;
    } else {
        found_ = {};
    }
    return false;
}

tier_value value_lookup::take() {
    return is_for_somebody() ? std::exchange(found_, {}) : tier_value{};
}

void lock_lookup::finish(std::vector<memcached_value> got) noexcept {
    found_ = got.front().what;
    if (end() || found_ != memcached_value::outcome::found) return;
    try {
        client_.remove(route_, lock_key_);
    } catch (const std::bad_alloc&) {
        // It goes by itself.
    }
}

memcached_value::outcome lock_lookup::take() const {
    return is_for_somebody() ? found_ : memcached_value::outcome::failed;
}

void raw_lookup::finish(std::vector<memcached_value> got) noexcept {
    found_ = std::move(got.front());
    end();
}

memcached_value raw_lookup::take() {
    return is_for_somebody() ? std::exchange(found_, {}) : memcached_value{};
}

}  // namespace weir::cache
