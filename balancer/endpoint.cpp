#include "balancer/endpoint.hpp"

#include <algorithm>

#include <xxhash.h>

namespace weir::balancer {

endpoint::endpoint(std::uint32_t id, conf::address address)
    : id_(id), address_(std::move(address)), address_hash_(XXH3_64bits(address_.text.data(), address_.text.size())) {}

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
    constexpr auto never =
        static_cast<std::uint8_t>(out_of_use::unresolved) | static_cast<std::uint8_t>(out_of_use::draining) |
        static_cast<std::uint8_t>(out_of_use::held_down) | static_cast<std::uint8_t>(out_of_use::gone);
    return (reasons() & never) == 0;
}

void endpoint::set(out_of_use why, bool holds, clock::time_point now) {
    const std::uint8_t before = reasons();
    const auto bit = static_cast<std::uint8_t>(why);
    const auto after = static_cast<std::uint8_t>(holds ? before | bit : before & ~bit);
    // The first time that it comes into use is no return.
    if (before != 0 && after == 0 && now != clock::time_point::min())
        slow_since_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    out_of_use_.store(after, std::memory_order_relaxed);
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
    const std::int64_t limit = max_in_flight_.load(std::memory_order_relaxed);
    return limit == 0 || in_flight_.load() < limit;
}

bool endpoint::try_take_slot() {
    const std::int64_t limit = max_in_flight_.load(std::memory_order_relaxed);
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

void endpoint::learn_idle_life(std::chrono::milliseconds announced) {
    // A second less than announced, but never less than half: the server's clock started before the response was here.
    const auto safe = std::max(announced - std::chrono::milliseconds(1000), announced / 2);
    idle_life_ms_.store(std::clamp<std::int64_t>(safe.count(), 100, 60'000), std::memory_order_relaxed);
}

void endpoint::closed_after(std::chrono::milliseconds idle) {
    // Connections that end sooner say that the server restarted, not how long it keeps them.
    if (idle < std::chrono::milliseconds(500)) return;
    const std::int64_t safe = idle.count() * 8 / 10;
    if (safe < idle_life_ms_.load(std::memory_order_relaxed)) idle_life_ms_.store(safe, std::memory_order_relaxed);
}

}  // namespace weir::balancer
