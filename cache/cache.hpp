// The facade: what the path of a request asks of the cache. Lives as long as the server; reloads change its bounds.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "cache/memory_store.hpp"
#include "cache/storability.hpp"
#include "cache/stored_response.hpp"
#include "conf/settings.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

enum class outcome : std::uint8_t {
    fresh,  // answer with `response`
    stale,  // `response` is there but may not be used as it is: forward (validation comes with the cache issue)
    miss,   // forward; the response may be stored
    pass    // forward; neither looked up nor stored
};

// Why a request was forwarded (RFC 9211 section 2.2).
enum class forwarded : std::uint8_t { none, bypass, method, uri_miss, vary_miss, request, stale };
std::string_view text(forwarded reason);

struct lookup_result {
    outcome what = outcome::pass;
    forwarded why = forwarded::none;
    std::shared_ptr<const stored_response> response{};  // of fresh and stale
    std::chrono::seconds age{0};                        // its current age
    std::chrono::seconds ttl{0};                        // what is left of its freshness; negative when stale
};

class cache {
  public:
    explicit cache(const conf::cache_settings& settings);

    // New bounds after a reload. The control thread.
    void apply(const conf::cache_settings& settings);

    // Any thread; does not allocate. `enabled`: the route caches. `key` as written by make_key.
    lookup_result lookup(const http::request_head& request, std::string_view key, bool enabled, time_point now);

    // Any thread.
    void store(std::shared_ptr<const stored_response> response);
    // After a successful unsafe method (RFC 9111 section 4.4): every variant under `key`.
    void invalidate(std::string_view key);

    bool enabled() const;
    std::uint64_t max_response_bytes() const;
    memory_store::usage use() const;

  private:
    std::atomic<bool> enabled_;
    std::atomic<std::uint64_t> max_response_bytes_;
    purge_log purges_;
    memory_store store_;
};

}  // namespace weir::cache
