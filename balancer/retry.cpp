#include "balancer/retry.hpp"

namespace weir::balancer {

next_step after_failure(const attempt& failed, const request_facts& request, const conf::retry_settings& settings,
                        retry_budget& budget, clock::time_point now) {
    if (request.response_begun || !request.content_replayable) return next_step::give_up;
    if (failed.reused_connection && failed.bytes_received == 0 && !failed.timed_out &&
        !request.fresh_connection_tried && (request.idempotent || failed.bytes_sent == 0)) {
        return next_step::same_endpoint;
    }
    if (failed.bytes_sent == 0) return next_step::other_endpoint;
    if (!request.idempotent) return next_step::give_up;
    if (request.retries_made >= settings.retries || !budget.take(now)) return next_step::give_up;
    return next_step::retry;
}

void retry_budget::request_came(unsigned percent) {
    if (earned_.load(std::memory_order_relaxed) < most)
        earned_.fetch_add(percent * unit / 100, std::memory_order_relaxed);
}

bool retry_budget::take(clock::time_point now) {
    constexpr std::int64_t free_per_second = 10;
    const std::int64_t second = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    // Two threads at the turn of a second may both reset the count: a few retries more, never a lock.
    if (second_.exchange(second, std::memory_order_relaxed) != second) taken_.store(0, std::memory_order_relaxed);
    const bool free = taken_.fetch_add(1, std::memory_order_relaxed) < free_per_second;
    const std::int64_t earned = earned_.fetch_sub(unit, std::memory_order_relaxed);
    if (earned >= unit) return true;
    // A free one is owed, so that they are a floor and no addition; what is owed is bounded, so that they stay free.
    if (!free || earned <= -free_per_second * unit) earned_.fetch_add(unit, std::memory_order_relaxed);
    return free;
}

}  // namespace weir::balancer
