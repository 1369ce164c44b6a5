#include "proxy/collapse.hpp"

#include <algorithm>

namespace weir::proxy {

namespace {

// Fills of one key at once; what is more goes alone.
constexpr std::size_t max_fills_per_key = 64;

}  // namespace

fill::view fill::look() const {
    const std::lock_guard lock(mutex_);
    return view_;
}

bool fill::wait(http::wakeable& waiter) {
    const std::lock_guard lock(mutex_);
    if (view_.now != stage::asking) return false;
    waiters_.push_back(&waiter);
    return true;
}

void fill::unfollow(http::wakeable& waiter) {
    const std::lock_guard lock(mutex_);
    std::erase(waiters_, &waiter);
    --followers_;
}

void fill::arrive(cache::response_ptr head, std::shared_ptr<http::growing_content> content,
                  std::optional<std::uint64_t> length) {
    view outcome{.now = stage::arriving};
    outcome.origin_status = head->status;
    outcome.response = std::move(head);
    outcome.content = std::move(content);
    outcome.length = length;
    settle(std::move(outcome));
}

void fill::validate(cache::response_ptr response, unsigned origin_status) {
    view outcome{.now = stage::validated};
    outcome.origin_status = origin_status;
    outcome.response = std::move(response);
    settle(std::move(outcome));
}

void fill::keep_to_itself(unsigned origin_status) {
    view outcome{.now = stage::not_shared};
    outcome.origin_status = origin_status;
    settle(std::move(outcome));
}

void fill::fail(cause why, cache::response_ptr stale) {
    view outcome{.now = stage::failed};
    outcome.why = why;
    outcome.response = std::move(stale);
    settle(std::move(outcome));
}

// With the mutex held while they are woken: who cancels its wait may be gone right after.
void fill::settle(view outcome) {
    std::vector<cache::vary_field> vary;
    if (outcome.response) vary = outcome.response->vary;
    const std::lock_guard lock(mutex_);
    if (view_.now != stage::asking) return;
    view_ = std::move(outcome);
    if (view_.response) vary_ = std::move(vary);
    for (http::wakeable* waiter : waiters_) waiter->wake();
    waiters_.clear();
}

bool fill::followed() const {
    const std::lock_guard lock(mutex_);
    return followers_ > 0;
}

bool fill::goes_on_without_client() {
    const std::lock_guard lock(mutex_);
    if (followers_ > 0 || view_.now == stage::arriving) return true;
    closed_ = true;
    return false;
}

collapse::place collapse::join(std::string_view key, const cache::request_view& request,
                               const cache::stored_response* sibling, cache::response_ptr refreshed) {
    shard& s = shard_of(key);
    const std::lock_guard lock(s.mutex);
    const auto found = s.fills.find(key);
    if (found != s.fills.end()) {
        for (const std::shared_ptr<fill>& running : found->second) {
            const std::lock_guard fill_lock(running->mutex_);
            if (running->closed_ || !cache::selects(running->vary_, request)) continue;
            ++running->followers_;
            return {running, false};
        }
        if (found->second.size() >= max_fills_per_key) return {};
    }
    auto led = std::make_shared<fill>();
    if (sibling) led->vary_ = cache::vary_of(sibling->vary, request);
    led->view_.response = std::move(refreshed);
    if (found != s.fills.end()) {
        found->second.push_back(led);
    } else {
        s.fills.emplace(std::string(key), std::vector{led});
    }
    return {std::move(led), true};
}

void collapse::leave(std::string_view key, const std::shared_ptr<fill>& led) {
    shard& s = shard_of(key);
    const std::lock_guard lock(s.mutex);
    const auto found = s.fills.find(key);
    if (found == s.fills.end()) return;
    std::erase(found->second, led);
    if (found->second.empty()) s.fills.erase(found);
}

}  // namespace weir::proxy
