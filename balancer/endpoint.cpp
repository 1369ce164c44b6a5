#include "balancer/endpoint.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

namespace weir::balancer {

namespace {

constexpr std::int64_t longest_life_ms = 60'000;

// What is safe when a connection was still open after `idle`.
std::chrono::milliseconds life_after(std::chrono::milliseconds idle) {
    return std::min(idle * 8 / 10, idle - std::chrono::milliseconds(1000));
}

// The first 64 bits of SHA-256, since a cookie shows it: there is no way back but to guess addresses and compare.
std::uint64_t hash_of(const std::string& address) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(address.data()), address.size(), digest.data());
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < sizeof hash; ++i) hash = hash << 8 | digest[i];
    return hash;
}

}  // namespace

endpoint::endpoint(std::uint32_t id, conf::address address)
    : id_(id), address_(std::move(address)), address_hash_(hash_of(address_.text)), closed_ms_(longest_life_ms) {}

std::shared_ptr<const address_list> endpoint::addresses() const {
    std::lock_guard lock(mutex_);
    return addresses_;
}

void endpoint::set_addresses(std::shared_ptr<const address_list> addresses) {
    const bool any = addresses && !addresses->empty();
    {
        std::lock_guard lock(mutex_);
        addresses_ = std::move(addresses);
    }
    set(out_of_use::unresolved, !any, clock::time_point::min());
}

bool endpoint::last_resort() const {
    // One that is gone may: a request that began before the reload knows no other.
    constexpr auto never = static_cast<std::uint8_t>(out_of_use::unresolved) |
                           static_cast<std::uint8_t>(out_of_use::draining) |
                           static_cast<std::uint8_t>(out_of_use::held_down);
    return (reasons() & never) == 0;
}

void endpoint::set(out_of_use why, bool holds, clock::time_point now) {
    const std::uint8_t before = reasons();
    const auto bit = static_cast<std::uint8_t>(why);
    const auto after = static_cast<std::uint8_t>(holds ? before | bit : before & ~bit);
    // The first time that it comes into use is no return.
    if (before != 0 && after == 0 && now != clock::time_point::min())
        slow_since_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    out_of_use_.store(after);
}

void endpoint::configure(std::optional<unsigned> max_in_flight, std::optional<std::chrono::milliseconds> slow_start) {
    max_in_flight_.store(max_in_flight.value_or(0));
    slow_start_ms_.store(slow_start.value_or(std::chrono::milliseconds(0)).count(), std::memory_order_relaxed);
}

unsigned endpoint::share_percent(clock::time_point now) const {
    const std::int64_t whole = slow_start_ms_.load(std::memory_order_relaxed);
    const clock::rep since = slow_since_.load(std::memory_order_relaxed);
    if (whole == 0 || since == 0) return 100;
    const auto passed =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - clock::time_point(clock::duration(since)));
    return static_cast<unsigned>(std::clamp<std::int64_t>(passed.count() * 100 / whole, 10, 100));
}

bool endpoint::has_free_slot() const {
    const std::int64_t limit = max_in_flight_.load();
    return limit == 0 || in_flight_.load() < limit;
}

bool endpoint::try_take_slot() {
    const std::int64_t limit = max_in_flight_.load();
    if (limit == 0) {
        in_flight_.fetch_add(1);
        return true;
    }
    std::int64_t taken = in_flight_.load();
    do {
        if (taken >= limit) return false;
    } while (!in_flight_.compare_exchange_weak(taken, taken + 1));
    return true;
}

std::optional<unsigned> endpoint::max_in_flight() const {
    const std::int64_t limit = max_in_flight_.load(std::memory_order_relaxed);
    return limit == 0 ? std::nullopt : std::optional(static_cast<unsigned>(limit));
}

void endpoint::pass_over(clock::time_point now, clock::duration pause) {
    passed_over_until_.store((now + pause).time_since_epoch().count(), std::memory_order_relaxed);
}

void endpoint::let_rest(clock::time_point now, clock::duration pause) {
    const clock::rep until = (now + pause).time_since_epoch().count();
    clock::rep before = rests_until_.load(std::memory_order_relaxed);
    while (before < until && !rests_until_.compare_exchange_weak(before, until, std::memory_order_relaxed)) {
    }
}

void endpoint::learn_idle_life(std::chrono::milliseconds announced) {
    // A second less than announced, but never less than half: the server's clock started before the response was here.
    const auto safe = std::max(announced - std::chrono::milliseconds(1000), announced / 2);
    trusted_ms_.store(std::clamp<std::int64_t>(safe.count(), 100, longest_life_ms), std::memory_order_relaxed);
    announced_.store(true, std::memory_order_relaxed);
}

bool endpoint::closed_after(std::span<const std::chrono::milliseconds> idle) {
    // No server has a limit this short: it restarted, or closed this one for a reason of its own.
    constexpr std::chrono::milliseconds shortest_limit(500);
    // Of those that ran into a limit within a second: servers look for them about once a second.
    constexpr std::chrono::milliseconds widest_spread(2500);
    if (idle.empty()) return true;
    const auto [shortest, longest] = std::ranges::minmax(idle);
    if (shortest < shortest_limit || longest - shortest > widest_spread) return false;
    const std::int64_t safe = shortest.count() * 8 / 10;
    if (safe < idle_life().count()) probe_doubted_.store(true, std::memory_order_relaxed);
    if (safe < closed_ms_.load(std::memory_order_relaxed)) closed_ms_.store(safe, std::memory_order_relaxed);
    return true;
}

bool endpoint::begin_probe(clock::time_point now) {
    constexpr std::chrono::minutes pause(5);
    const std::int64_t trusted = trusted_ms_.load(std::memory_order_relaxed);
    if (announced_.load(std::memory_order_relaxed) && closed_ms_.load(std::memory_order_relaxed) >= trusted)
        return false;
    if (idle_life() >= life_after(longest_probe)) return false;
    clock::rep next = next_probe_.load(std::memory_order_relaxed);
    const clock::rep then = (now + pause).time_since_epoch().count();
    if (now.time_since_epoch().count() < next || !next_probe_.compare_exchange_strong(next, then)) return false;
    probe_doubted_.store(false, std::memory_order_relaxed);
    return true;
}

void endpoint::kept_for(std::chrono::milliseconds idle) {
    const std::int64_t safe = life_after(idle).count();
    if (safe <= idle_life().count() || probe_doubted_.load(std::memory_order_relaxed)) return;
    if (safe > closed_ms_.load(std::memory_order_relaxed)) closed_ms_.store(safe, std::memory_order_relaxed);
    if (!announced_.load(std::memory_order_relaxed)) {
        if (safe > trusted_ms_.load(std::memory_order_relaxed)) trusted_ms_.store(safe, std::memory_order_relaxed);
    }
}

}  // namespace weir::balancer
