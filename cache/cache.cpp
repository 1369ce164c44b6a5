#include "cache/cache.hpp"

#include "cache/conditional.hpp"
#include "cache/freshness.hpp"

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

cache::cache(const conf::cache_settings& settings)
    : enabled_(settings.memory_bytes.has_value()),
      max_response_bytes_(settings.max_response_bytes),
      store_(settings.memory_bytes.value_or(0), settings.max_variants, settings.eviction, purges_) {}

void cache::apply(const conf::cache_settings& settings) {
    enabled_ = settings.memory_bytes.has_value();
    max_response_bytes_ = settings.max_response_bytes;
    store_.set_max_variants(settings.max_variants);
    store_.set_limit(settings.memory_bytes.value_or(0));
}

lookup_result cache::lookup(const http::request_head& request, std::string_view key, bool enabled, time_point now) {
    if (!enabled || !this->enabled()) return {outcome::pass, forwarded::bypass};
    if (!may_use_cache(request)) {
        const bool by_method = request.method != http::verb::get && request.method != http::verb::head;
        return {outcome::pass, by_method ? forwarded::method : forwarded::request};
    }
    if (must_forward(request.fields)) return {outcome::pass, forwarded::request};

    memory_store::found found = store_.get(key, {request.fields});
    if (!found.response) return {outcome::miss, found.other_variant ? forwarded::vary_miss : forwarded::uri_miss};
    lookup_result result;
    result.age = current_age(*found.response, now);
    result.ttl = found.response->freshness_lifetime - result.age;
    const bool is_fresh = result.ttl > std::chrono::seconds{0};  // section 4.2
    result.what = is_fresh ? outcome::fresh : outcome::stale;
    result.why = is_fresh ? forwarded::none : forwarded::stale;
    result.response = std::move(found.response);
    return result;
}

void cache::store(std::shared_ptr<const stored_response> response) {
    if (enabled()) store_.put(std::move(response));
}

void cache::invalidate(std::string_view key) {
    store_.erase(key);
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
