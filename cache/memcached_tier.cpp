#include "cache/memcached_tier.hpp"

#include <random>
#include <utility>

#include "cache/memcached_chunks.hpp"
#include "cache/memcached_key.hpp"
#include "cache/memcached_lifetime.hpp"
#include "cache/purge_sync.hpp"

namespace weir::cache {

namespace {

// A start is not held up for longer by a memcached that does not answer.
constexpr std::chrono::milliseconds longest_first_look{500};

// The names outlive what they lead to: of several variants the last stored may be the first to go.
constexpr std::chrono::hours names_lifetime{30 * 24};

std::uint64_t random_generation() {
    thread_local std::mt19937_64 numbers(std::random_device{}());
    return numbers();
}

time_point wall_now() {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

std::chrono::seconds whole_seconds(std::chrono::milliseconds time) {
    return std::max(std::chrono::ceil<std::chrono::seconds>(time), std::chrono::seconds(1));
}

}  // namespace

memcached_tier::memcached_tier(const conf::memcached_settings& settings, purge_log& purges,
                               std::function<void(const std::string&)> observer)
    : settings_(settings),
      purges_(purges),
      lone_positions_(random_generation()),
      client_(settings, observer),
      sync_(settings.purge_log ? std::make_unique<purge_sync>(purges, settings, observer) : nullptr) {
    if (sync_) sync_->wait_for_first_round(longest_first_look);
}

memcached_tier::~memcached_tier() = default;

// First what asks the other.
bool memcached_tier::stop() {
    client_.stop();
    return !sync_ || sync_->stop();
}

std::optional<purge_position> memcached_tier::position_of(std::uint64_t fill_number) const {
    return sync_ ? sync_->position_of(fill_number) : lone_positions_.position_of(fill_number);
}

std::optional<std::uint64_t> memcached_tier::fill_number_of(const purge_position& position) const {
    return sync_ ? sync_->fill_number_of(position) : lone_positions_.fill_number_of(position);
}

std::optional<purge_replica::state> memcached_tier::purge_log_state() const {
    if (!sync_) return std::nullopt;
    return sync_->now();
}

std::shared_ptr<value_lookup> memcached_tier::find(std::string_view cache_key) {
    std::string key = tier_key(settings_.prefix, cache_key);
    auto asked = std::make_shared<value_lookup>(client_, *this, key, key, cache_key);
    return client_.get(key, {key}, asked) ? asked : nullptr;
}

std::shared_ptr<value_lookup> memcached_tier::find_variant(std::string_view cache_key,
                                                           const std::vector<std::string>& vary_names,
                                                           const request_view& request) {
    std::string route = tier_key(settings_.prefix, cache_key);
    std::string key = variant_key(settings_.prefix, cache_key, vary_names, request);
    auto asked = std::make_shared<value_lookup>(client_, *this, route, key, cache_key);
    return client_.get(route, {std::move(key)}, asked) ? asked : nullptr;
}

std::shared_ptr<lock_lookup> memcached_tier::lock(std::string_view cache_key,
                                                  const std::vector<std::string>& vary_names,
                                                  const request_view& request) {
    const std::string route = tier_key(settings_.prefix, cache_key);
    std::string key = lock_key(variant_key(settings_.prefix, cache_key, vary_names, request));
    auto asked = std::make_shared<lock_lookup>(client_, route, key);
    memcached_item item{.key = std::move(key), .bytes = "1", .lifetime = whole_seconds(*settings_.fill_lock)};
    return client_.add(route, std::move(item), asked) ? asked : nullptr;
}

void memcached_tier::unlock(std::string_view cache_key, const std::vector<std::string>& vary_names,
                            const request_view& request) {
    client_.remove(tier_key(settings_.prefix, cache_key),
                   lock_key(variant_key(settings_.prefix, cache_key, vary_names, request)));
}

std::shared_ptr<raw_lookup> memcached_tier::find_page(std::string key) {
    auto asked = std::make_shared<raw_lookup>();
    const std::string route = key;
    return client_.get(route, {std::move(key)}, asked) ? asked : nullptr;
}

bool memcached_tier::is_alive(stored_response& page, const purge_position& position) const {
    const auto number = fill_number_of(position);
    if (!number) return false;
    page.fill_number = *number;
    return purges_.judge(page) == purge_log::verdict::alive;
}

void memcached_tier::store(response_ptr response, const conf::stale_settings& stale) {
    if (response->content_bytes > settings_.max_response_bytes) return drop(*response);
    const std::string route = tier_key(settings_.prefix, response->key);
    const std::uint64_t bytes = response->memory_bytes();
    const stale_windows windows = stale_windows_of(response->control, stale);
    auto make = [this, response = std::move(response), windows] {
        const std::chrono::seconds lifetime = memcached_lifetime(*response, windows, wall_now());
        const std::optional<purge_position> position = position_of(response->fill_number);
        if (!position) return std::vector<memcached_item>{};
        std::string value = encode_response(*response, *position);
        std::vector<memcached_item> items = split_value(variant_key(settings_.prefix, response->key, response->vary),
                                                        response->key, std::move(value), lifetime, random_generation());
        if (!response->vary.empty() && !items.empty()) {
            items.push_back({.key = tier_key(settings_.prefix, response->key),
                             .bytes = encode_varies(response->key, response->vary),
                             .lifetime = names_lifetime});
        }
        return items;
    };
    client_.store(route, bytes, std::move(make));
}

void memcached_tier::note_uncacheable(std::string_view cache_key, std::chrono::milliseconds time) {
    const std::string key = tier_key(settings_.prefix, cache_key);
    client_.store(key, cache_key.size(), [key, cache_key = std::string(cache_key), time] {
        return std::vector<memcached_item>{
            {.key = key, .bytes = encode_uncacheable(cache_key), .lifetime = whole_seconds(time)}};
    });
}

void memcached_tier::drop(const stored_response& old, bool with_key) {
    const std::string key = tier_key(settings_.prefix, old.key);
    if (!old.vary.empty()) client_.remove(key, variant_key(settings_.prefix, old.key, old.vary));
    if (with_key) client_.remove(key, key);
}

}  // namespace weir::cache
