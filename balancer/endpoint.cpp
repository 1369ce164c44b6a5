#include "balancer/endpoint.hpp"

#include <algorithm>

namespace weir::balancer {

std::shared_ptr<const address_list> endpoint::addresses() const {
    std::lock_guard lock(mutex_);
    return addresses_;
}

void endpoint::set_addresses(std::shared_ptr<const address_list> addresses) {
    const bool any = addresses && !addresses->empty();
    std::lock_guard lock(mutex_);
    addresses_ = std::move(addresses);
    resolved_.store(any, std::memory_order_relaxed);
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
