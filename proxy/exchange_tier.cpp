// What an exchange has to do with memcached: responses that another node (or this one, before it was started anew) has
// fetched, and the one fetch for all nodes.
#include <algorithm>

#include "cache/memcached_tier.hpp"
#include "proxy/exchange.hpp"
#include "proxy/finally.hpp"
#include "proxy/refresh.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

namespace {

// How often who waits for the fetch of another node looks for its response: soon at first, as most are quick.
constexpr std::chrono::milliseconds first_pause{10};
constexpr std::chrono::milliseconds longest_pause{50};

}  // namespace

// How long this exchange waits for what others fetch, on this node or another.
steady::time_point exchange::collapse_limit() {
    if (!collapse_limit_) collapse_limit_ = steady::now() + in_.config->settings.cache.collapse_timeout;
    return *collapse_limit_;
}

// Until it has ended; all these waits together keep the request for as long as one lookup may.
awaitable<void> exchange::wait_for(std::shared_ptr<cache::tier_lookup> asked) {
    more_.prepare_remote();
    const finally done([&asked] { asked->give_up(); });
    const steady::time_point began = steady::now();
    bool waits = asked->wait(more_);
    while (waits && !unwanted_) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(began + tier_budget_ - steady::now());
        if (left.count() <= 0) break;
        if (co_await more_.wait(left)) waits = !asked->ended();
    }
    const auto took = std::chrono::floor<std::chrono::milliseconds>(steady::now() - began);
    // One that was late is not asked again.
    tier_budget_ = waits ? std::chrono::milliseconds(0) : std::max(tier_budget_ - took, std::chrono::milliseconds(0));
}

// What memcached has under the request's key.
awaitable<cache::tier_value> exchange::ask_tier() {
    cache::memcached_tier& tier = *in_.config->tier;
    cache::tier_value got;
    std::shared_ptr<cache::value_lookup> asked = tier_budget_.count() > 0 ? tier.find(in_.cache_key) : nullptr;
    if (asked) {
        co_await wait_for(asked);
        got = asked->take();
    }
    if (got.what != cache::tier_value::kind::varies) co_return got;
    tier_vary_ = std::move(got.vary);
    asked = tier_budget_.count() > 0 ? tier.find_variant(in_.cache_key, tier_vary_, view()) : nullptr;
    got = {};
    if (asked) {
        co_await wait_for(asked);
        got = asked->take();
    }
    co_return got;
}

// Asks memcached before an endpoint. True: the client has its answer. Where another node is fetching what is missing,
// that is waited for, as for a fetch of this one.
awaitable<bool> exchange::answer_from_tier() {
    if (!in_.config->tier || !in_.found.asks_tier) co_return false;
    for (auto pause = first_pause;; pause = std::min(2 * pause, longest_pause)) {
        cache::tier_value got = co_await ask_tier();
        if (got.what == cache::tier_value::kind::response && co_await answer_found(std::move(got.response))) {
            co_return true;
        }
        if (got.what == cache::tier_value::kind::uncacheable) {
            worker_.cache().note_uncacheable(in_.cache_key, wall_now());
            co_return false;
        }
        // Whoever had the lock may have stored its response after it was looked for here: once more, then.
        if (unwanted_ || fill_lock_taken_ || !may_take_fill_lock()) co_return false;
        if (!co_await is_another_fetching()) {
            if (!fill_lock_taken_) co_return false;
            continue;
        }
        co_await more_.wait(pause);
        tier_budget_ = in_.config->tier->settings().timeout;
    }
}

// Not for what will not be shared: others would wait for it in vain.
bool exchange::may_take_fill_lock() const {
    if (!in_.config->tier->settings().fill_lock || !in_.found.may_collapse || tier_budget_.count() <= 0) return false;
    if (collapse_limit_ && steady::now() >= *collapse_limit_) return false;
    if (has_stale() && in_.found.response->freshness_lifetime.count() <= 0) return false;
    const unsigned uses = in_.route.settings->cache->min_uses;
    return uses == 1 || has_stale() || worker_.cache().keys().uses(in_.cache_key) >= uses;
}

// Takes the fill lock, unless another node has it.
awaitable<bool> exchange::is_another_fetching() {
    collapse_limit();  // counts from here on
    const steady::time_point asked_at = steady::now();
    const std::shared_ptr<cache::lock_lookup> asked = in_.config->tier->lock(in_.cache_key, tier_vary_, view());
    if (!asked) co_return false;
    co_await wait_for(asked);
    const cache::memcached_value::outcome got = asked->take();
    if (got == cache::memcached_value::outcome::found) fill_lock_taken_ = asked_at;
    co_return got == cache::memcached_value::outcome::missing;
}

// One that may have gone by itself may be another's by now. Memcached counts whole seconds.
void exchange::release_fill_lock() {
    if (!fill_lock_taken_) return;
    cache::memcached_tier& tier = *in_.config->tier;
    const std::chrono::milliseconds life = *tier.settings().fill_lock;
    const auto held = steady::now() - *std::exchange(fill_lock_taken_, std::nullopt);
    if (held < std::max(life / 2, life - std::chrono::seconds(1))) tier.unlock(in_.cache_key, tier_vary_, view());
}

// From memcached: into memory, and to the client, if it may be used as it is. Otherwise it is what is to be validated.
awaitable<bool> exchange::answer_found(cache::new_response_ptr response) {
    const conf::route_cache_settings& rules = *in_.route.settings->cache;
    if (!cache::selects(response->vary, view())) co_return false;
    // What is held here was fetched later, or is the very same.
    if (in_.found.response && in_.found.response->response_time >= response->response_time) co_return false;
    worker_.cache().store(response);
    cache::lookup_result judged = worker_.cache().judge(std::move(response), in_.request, rules, in_.found, wall_now());
    if (judged.what == cache::outcome::miss) co_return false;
    if (judged.what == cache::outcome::stale) {
        in_.found.what = cache::outcome::stale;
        in_.found.why = judged.why;
        in_.found.response = std::move(judged.response);
        report_.cache = cache_metric::expired;
        co_return false;
    }
    if (fill_) fill_->validate(judged.response, 0);
    leave_fill();
    // It leads a fill of its own, so not before this one is left.
    if (judged.refreshes) {
        const refresh_source source{
            .head = in_.request, .from = in_.from, .host = in_.from.host, .path = in_.path, .cache_key = in_.cache_key};
        begin_refresh(worker_, source, in_.config, in_.route, judged);
    }
    report_.cache = cache_metric::memcached;
    report_.cache_detail = "memcached";
    co_await answer_stored(judged.response, {.hit = true, .detail = "memcached"});
    co_return true;
}

}  // namespace weir::proxy
