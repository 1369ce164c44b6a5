#include "proxy/admission.hpp"

#include <algorithm>

#include "proxy/finally.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

admission::admission(worker& on, const route& via) : worker_(on), via_(via) {}

awaitable<cause> admission::enter(std::span<const std::uint32_t> tried, const balancer::affinity& request) {
    release();
    if (given_up_) co_return cause::client_left;
    const balancer::upstream& upstream = *via_.upstream;
    const balancer::endpoint* only = nullptr;
    // Nobody overtakes a queue.
    if (upstream.queue->waiting() == 0) {
        const balancer::choice chosen = choose(tried, request);
        if (chosen.endpoint) co_return cause::none;
        if (!chosen.full) co_return cause::no_endpoint;
        only = chosen.wait_for;
    } else {
        const auto now = coarse_now();
        if (request.sticky) {
            if (const auto* own = balancer::sticky_endpoint(upstream, now, tried, *request.sticky)) only = own->get();
        }
        // Who could be served by nobody would only stand in the way.
        if (!balancer::any_candidate(upstream, now, tried)) co_return cause::no_endpoint;
    }
    if (!upstream.settings.queue) co_return cause::queue_full;
    const cause outcome = co_await wait(tried, only);
    if (outcome != cause::queue_full || given_up_) co_return outcome;
    // Those who wait may all want a server that hangs (sticky clients do), and others be free. They were asked first.
    const auto now = coarse_now();
    if (std::ranges::none_of(upstream.members, [&](const balancer::upstream::member& m) {
            return m.endpoint->usable(now) && m.endpoint->has_free_slot();
        }))
        co_return outcome;
    balancer::offer_free_slots(upstream, now);
    co_return choose(tried, request).endpoint ? cause::none : cause::queue_full;
}

balancer::choice admission::choose(std::span<const std::uint32_t> tried, const balancer::affinity& request) {
    balancer::choice chosen = worker_.choose(*via_.upstream, tried, request);
    endpoint_ = chosen.endpoint;
    holds_slot_ = endpoint_ != nullptr;
    return chosen;
}

awaitable<cause> admission::wait(std::span<const std::uint32_t> tried, const balancer::endpoint* only) {
    const balancer::upstream& upstream = *via_.upstream;
    const conf::queue_settings& limits = *upstream.settings.queue;
    const auto left = limits.timeout - std::chrono::floor<std::chrono::milliseconds>(waited_);
    if (left.count() <= 0) co_return cause::queue_timeout;
    event& served = served_.emplace(worker_.context(), worker_.inbox());
    served.prepare_remote();
    balancer::queue::waiter place(served, via_.settings->priority, tried, only);
    const steady::time_point began = steady::now();
    if (upstream.queue->join(place, limits, began) == balancer::queue::joined::full) co_return cause::queue_full;
    // A slot that came free before this one was in the queue was offered to nobody.
    balancer::offer_free_slots(upstream, began);
    bool waits = true;
    const finally left_queue([&] {
        if (!waits) return;
        // No memory to wait.
        if (const auto got = upstream.queue->leave(place); got.granted)
            balancer::release_slot(upstream, got.granted, began);
    });
    co_await served.wait(left);
    waits = false;
    balancer::queue::outcome got = upstream.queue->leave(place);
    waited_ += std::chrono::duration_cast<std::chrono::microseconds>(steady::now() - began);
    if (got.granted) {
        endpoint_ = std::move(got.granted);
        holds_slot_ = true;
        if (!given_up_) co_return cause::none;
        release();
    }
    if (given_up_) co_return cause::client_left;
    co_return got.displaced ? cause::queue_full : cause::queue_timeout;
}

void admission::give_up() {
    given_up_ = true;
    if (served_) served_->wake();
}

void admission::release() {
    if (!std::exchange(holds_slot_, false)) return;
    balancer::release_slot(*via_.upstream, endpoint_, coarse_now());
}

}  // namespace weir::proxy
