// The facade: what the path of a request asks of the cache. Lives as long as the server; reloads change its bounds.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "cache/key_memory.hpp"
#include "cache/memory_store.hpp"
#include "cache/purge.hpp"
#include "cache/storability.hpp"
#include "cache/stored_response.hpp"
#include "conf/settings.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

enum class outcome : std::uint8_t {
    fresh,         // answer with `response`
    stale_usable,  // answer with `response` too (RFC 5861); `refreshes` says whether to ask an endpoint behind it
    stale,         // `response` is to be validated
    miss,          // nothing is there; the response may be stored
    pass,          // forward the request as it is
    page           // answer with `response`, which the application itself stored; not of lookup()
};

// Whether there is a response that answers as it is.
constexpr bool has_answer(outcome what) {
    return what == outcome::fresh || what == outcome::stale_usable || what == outcome::page;
}

// Why a request was forwarded (RFC 9211 section 2.2).
enum class forwarded : std::uint8_t { none, bypass, method, uri_miss, vary_miss, request, stale };
std::string_view text(forwarded reason);

struct lookup_result {
    outcome what = outcome::pass;
    forwarded why = forwarded::none;
    std::string_view detail{};  // more of the reason, a word; static
    response_ptr response{};    // of fresh, stale_usable, stale and page
    // Of a miss: one of the same key that the request does not select, where there is one.
    response_ptr sibling{};
    std::chrono::seconds age{0};    // of `response`: its current age
    std::chrono::seconds ttl{0};    // what is left of its freshness; negative when stale
    bool refreshes = false;         // of stale_usable: the caller is the one that refreshes it
    bool personal = false;          // the request has a session cookie that the route names
    bool may_store = false;         // the response to this request may be stored, also where the outcome is pass
    bool may_collapse = false;      // the request may wait for another's response
    bool asks_tier = false;         // memcached may have what memory has not
    std::uint64_t fill_number = 0;  // see purge_log; of what may be stored
};

class cache {
  public:
    explicit cache(const conf::cache_settings& settings);

    // New bounds after a reload. The control thread.
    void apply(const conf::cache_settings& settings);

    // Any thread; does not allocate. `rules`: of the request's route, null where it does not cache. `key` as written by
    // make_key. Of all callers that find a response stale but usable, one at a time is told to refresh it.
    lookup_result lookup(const http::request_head& request, std::string_view key,
                         const conf::route_cache_settings* rules, time_point now);

    // What a response that memory did not have, of memcached, is to the request of `found`, which selects it; a miss
    // where it was purged, or the request is personal and the response is not public. As for lookup().
    lookup_result judge(response_ptr response, const http::request_head& request,
                        const conf::route_cache_settings& rules, const lookup_result& found, time_point now) const;

    // Whether a response that another request has just brought may be used for this one, which selects it: not purged
    // or doubted since, fresh, public where the request is personal, and as its directives want it where they count.
    bool may_answer(const stored_response& response, const http::request_head& request,
                    const conf::route_cache_settings& rules, bool personal, time_point now) const;

    // Any thread. Unless it was purged since its fill began.
    void store(response_ptr response);
    // Every variant under `key`, at once: a newer response is there which is not stored.
    void drop(std::string_view key);
    // The request for it was not answered, or with an error: until it has waited a little (1 s, and twice as long each
    // time in a row, up to a minute), nobody asks for it in vain who may use it as it is. Any thread.
    void refresh_failed(const stored_response& response, time_point now);
    // The response to a fill could not be stored, or could but is to be validated by each request: those for its key do
    // not wait for each other for a while.
    void note_uncacheable(std::string_view key, time_point now, bool is_stored = false);

    key_memory& keys() { return keys_; }
    // Drops some of the responses that were purged, in 100 us or so; true while there are more to look at. One thread
    // at a time; to be called now and then anyway.
    bool sweep();

    purge_log& purges() { return purges_; }
    const purge_log& purges() const { return purges_; }

    bool enabled() const;
    std::uint64_t max_response_bytes() const;
    memory_store::usage use() const;

  private:
    std::atomic<bool> enabled_;
    std::atomic<std::uint64_t> max_response_bytes_;
    std::atomic<std::int64_t> uncacheable_memory_ms_;  // 0: off
    purge_log purges_;
    key_memory keys_;
    memory_store store_;
};

}  // namespace weir::cache
