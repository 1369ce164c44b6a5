#include "cache/cache.hpp"

#include <algorithm>

#include "cache/conditional.hpp"
#include "cache/freshness.hpp"
#include "cache/personal.hpp"

namespace weir::cache {

std::string_view text(forwarded reason) {
    switch (reason) {
        case forwarded::none:
            return "";
        case forwarded::bypass:
            return "bypass";
        case forwarded::method:
            return "method";
        case forwarded::uri_miss:
            return "uri-miss";
        case forwarded::vary_miss:
            return "vary-miss";
        case forwarded::request:
            return "request";
        case forwarded::stale:
            return "stale";
    }
    return "";
}

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The longest that a refresh keeps others from trying; it ends earlier by itself.
constexpr seconds refresh_guard{10};
constexpr milliseconds first_backoff{1'000};
constexpr unsigned most_backoff_doublings = 6;
constexpr seconds longest_backoff{60};

std::int64_t to_ms(time_point t) {
    return t.time_since_epoch().count();
}

// True for one caller at a time.
bool takes_refresh(const stored_response& stored, time_point now) {
    std::int64_t next = stored.use.next_refresh_ms.load(std::memory_order_relaxed);
    return next <= to_ms(now) && stored.use.next_refresh_ms.compare_exchange_strong(next, to_ms(now + refresh_guard),
                                                                                    std::memory_order_relaxed);
}

// Before the next try, after so many failures in a row.
milliseconds pause_after(std::uint32_t failures) {
    return std::min<milliseconds>(first_backoff * (1 << std::min(failures - 1, most_backoff_doublings)),
                                  longest_backoff);
}

// What a response from memcached does not know of this node: that those of its key before it, of whichever variant,
// could not be refreshed. Nothing where it is newer than that, or where that was long ago.
void take_over(const key_memory::failing& known, const stored_response& stored, time_point now) {
    if (known.failures == 0 || stored.response_time > known.until - pause_after(known.failures)) return;
    if (known.until + longest_backoff < now || known.until > now + longest_backoff + seconds(1)) return;
    stored.use.failures.store(known.failures, std::memory_order_relaxed);
    stored.use.next_refresh_ms.store(to_ms(known.until), std::memory_order_relaxed);
}

bool backs_off(const stored_response& stored, time_point now) {
    return stored.use.failures.load(std::memory_order_relaxed) > 0 &&
           stored.use.next_refresh_ms.load(std::memory_order_relaxed) > to_ms(now);
}

bool has_directives(const http::field_list& request) {
    return request.has(http::field_id::cache_control) || request.has(http::field_id::pragma);
}

// RFC 9111 section 5.2.1.5.
bool forbids_storing(const http::field_list& request) {
    return request.has(http::field_id::cache_control) && request_control(request).no_store;
}

// One whose response may well not be stored leaves it to the others.
bool may_refresh(const http::field_list& request) {
    return !request.has(http::field_id::authorization) && !forbids_storing(request);
}

// Who has a found response, decides: fresh, stale but usable, or to be validated.
void judge_found(lookup_result& result, const http::request_head& request, const conf::route_cache_settings& rules,
                 time_point now) {
    const stored_response& stored = *result.response;
    result.age = current_age(stored, now);
    result.ttl = stored.freshness_lifetime - result.age;
    const bool fresh = is_fresh(stored, result.age);
    const bool doubted = stored.use.doubted.load(std::memory_order_relaxed);
    if (rules.client_directives == conf::directives_policy::honour && has_directives(request.fields)) {
        const bool satisfied = !doubted && satisfies(request_control(request.fields), stored, result.age);
        if (!satisfied) {
            result.what = outcome::stale;
            result.why = fresh && !doubted ? forwarded::request : forwarded::stale;
            return;
        }
        if (!fresh) {
            result.what = outcome::stale_usable;
            result.why = forwarded::stale;
            result.detail = "max-stale";
            return;
        }
    }
    if (fresh && !doubted && !stored.use.soft_purged.load(std::memory_order_relaxed)) {
        result.what = outcome::fresh;
        return;
    }
    result.why = forwarded::stale;
    if (doubted) {
        // A purge may have hit it that would have it gone: it stands in where nothing better can be had, no sooner.
        const bool stands_in = backs_off(stored, now) && usable_on_error(stored, result.age, rules.stale);
        result.what = stands_in ? outcome::stale_usable : outcome::stale;
        result.detail = stands_in ? "stale-if-error" : "doubted";
        result.ttl = std::min(result.ttl, seconds{0});
    } else if (fresh) {
        // A soft purge asks for a newer one; the RFC lets this one be used for as long as it says.
        result.what = outcome::stale_usable;
        result.detail = "soft-purge";
        result.refreshes = may_refresh(request.fields) && takes_refresh(stored, now);
        result.ttl = seconds{0};
    } else if (usable_while_revalidating(stored, result.age, rules.stale)) {
        result.what = outcome::stale_usable;
        result.detail = "stale-while-revalidate";
        result.refreshes = may_refresh(request.fields) && takes_refresh(stored, now);
    } else if (backs_off(stored, now) && usable_on_error(stored, result.age, rules.stale)) {
        result.what = outcome::stale_usable;
        result.detail = "stale-if-error";
    } else {
        result.what = outcome::stale;
    }
}

}  // namespace

cache::cache(const conf::cache_settings& settings)
    : enabled_(settings.memory_bytes || settings.memcached),
      max_response_bytes_(settings.max_response_bytes),
      uncacheable_memory_ms_(settings.uncacheable_memory.value_or(milliseconds(0)).count()),
      store_(settings.memory_bytes.value_or(0), settings.max_variants, settings.eviction, purges_) {
    if (settings.memcached) purges_.keep_records();
}

void cache::apply(const conf::cache_settings& settings) {
    enabled_ = settings.memory_bytes || settings.memcached;
    max_response_bytes_ = settings.max_response_bytes;
    uncacheable_memory_ms_ = settings.uncacheable_memory.value_or(milliseconds(0)).count();
    store_.set_max_variants(settings.max_variants);
    store_.set_limit(settings.memory_bytes.value_or(0));
}

lookup_result cache::lookup(const http::request_head& request, std::string_view key,
                            const conf::route_cache_settings* rules, time_point now) {
    if (!rules || !enabled()) return {outcome::pass, forwarded::bypass};
    if (!may_use_cache(request)) {
        const bool by_method = request.method != http::verb::get && request.method != http::verb::head;
        return {outcome::pass, by_method ? forwarded::method : forwarded::request};
    }
    if (bypasses(request.fields, rules->bypass)) return {outcome::pass, forwarded::bypass, "bypass"};
    if (must_forward(request.fields)) return {outcome::pass, forwarded::request, "precondition"};

    lookup_result result;
    std::optional<bool> personal;
    if (!rules->session_cookies.empty()) {
        personal = has_any_cookie(request.fields, rules->session_cookies);
        result.personal = *personal;
    }
    result.fill_number = purges_.now();
    memory_store::found found = store_.get(key, {request.fields, personal});
    if (found.response && (!result.personal || found.response->control.is_public)) {
        result.response = std::move(found.response);
        judge_found(result, request, *rules, now);
    } else if (result.personal) {
        result.why = forwarded::bypass;
        result.detail = "session-cookie";
    } else {
        result.what = outcome::miss;
        result.why = found.other_variant ? forwarded::vary_miss : forwarded::uri_miss;
        result.sibling = std::move(found.sibling);
    }
    const bool is_get = request.method == http::verb::get;
    const bool has_range = request.fields.has(http::field_id::range);
    const bool lacks =
        result.what == outcome::miss || (result.what == outcome::stale && result.why == forwarded::stale);
    result.asks_tier = lacks && !keys_.is_unstored(key, now);
    if (result.what == outcome::miss && !is_get) {
        result.what = outcome::pass;  // what comes has no content to keep
    } else if (result.what == outcome::miss && has_range && rules->ranges == conf::range_policy::pass) {
        result.what = outcome::pass;
        result.detail = "range";
    } else if (result.what == outcome::miss && keys_.is_uncacheable(key, now)) {
        // It is asked for as the client wants it, and stored should it have become storable.
        result.what = outcome::pass;
        result.detail = "uncacheable";
    }
    result.may_store = is_get;
    // What is likely to be for this request alone is not waited for.
    const bool waits = result.what == outcome::miss ||
                       (result.what == outcome::stale && !result.personal && !keys_.is_uncacheable(key, now));
    result.may_collapse =
        is_get && waits && !request.fields.has(http::field_id::authorization) && !forbids_storing(request.fields);
    return result;
}

lookup_result cache::judge(response_ptr response, const http::request_head& request,
                           const conf::route_cache_settings& rules, const lookup_result& found, time_point now) const {
    lookup_result result = found;
    result.what = outcome::miss;
    result.response.reset();
    if (found.personal && !response->control.is_public) return result;
    if (purges_.judge(*response) == purge_log::verdict::dead) return result;
    take_over(keys_.find_failing(response->key), *response, now);
    result.response = std::move(response);
    judge_found(result, request, rules, now);
    return result;
}

bool cache::may_answer(const stored_response& response, const http::request_head& request,
                       const conf::route_cache_settings& rules, bool personal, time_point now) const {
    const purge_log::verdict purged = purges_.judge(response);
    if (purged == purge_log::verdict::dead || purged == purge_log::verdict::doubted) return false;
    if (personal && !response.control.is_public) return false;
    const std::chrono::seconds age = current_age(response, now);
    const bool honours = rules.client_directives == conf::directives_policy::honour && has_directives(request.fields);
    return honours ? satisfies(request_control(request.fields), response, age) : is_fresh(response, age);
}

void cache::store(response_ptr response) {
    if (is_fresh(*response, response->corrected_initial_age)) keys_.forget_uncacheable(response->key);
    store_.put(std::move(response));
}

void cache::drop(std::string_view key) {
    store_.erase(key);
}

void cache::refresh_failed(const stored_response& response, time_point now) {
    const std::uint32_t failures = response.use.failures.fetch_add(1, std::memory_order_relaxed);
    const milliseconds pause = pause_after(failures + 1);
    response.use.next_refresh_ms.store(to_ms(now + pause), std::memory_order_relaxed);
    keys_.note_failing(response.key, {failures + 1, now + pause});
}

void cache::note_uncacheable(std::string_view key, time_point now, bool is_stored) {
    const milliseconds memory(uncacheable_memory_ms_.load(std::memory_order_relaxed));
    if (memory.count() > 0) keys_.note_uncacheable(key, now + memory, is_stored);
}

bool cache::sweep() {
    return store_.sweep();
}

bool cache::enabled() const {
    return enabled_.load(std::memory_order_relaxed);
}

std::uint64_t cache::max_response_bytes() const {
    return max_response_bytes_.load(std::memory_order_relaxed);
}

memory_store::usage cache::use() const {
    return store_.use();
}

}  // namespace weir::cache
