// Counters of one worker, which it alone writes and the control thread reads when somebody asks for metrics.
//
// Because each has one writer, a plain load and store of a relaxed atomic is enough: no lock prefix and no shared cache
// line on the path of a request. Readers add up over workers; the sums of one scrape may be some requests apart.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace weir::proxy {

// Only grows. add() from the one thread that owns it, value() from any.
class counter {
  public:
    void add(std::uint64_t n = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

// Goes up and down. add() and set() from the one thread that owns it, value() from any.
class gauge {
  public:
    void add(std::int64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void set(std::int64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
    std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::int64_t> value_{0};
};

// How long things took, in the fixed buckets that the exposition shows. record() from the one thread that owns it.
//
// No two bounds lie in the same power of two, so the bit width of a duration leads to its bucket with one comparison.
class duration_histogram {
  public:
    using microseconds = std::chrono::microseconds;

    // Upper bounds, each of them included in its bucket; what is longer than the last goes into a further one.
    static constexpr std::array<std::int64_t, 18> bounds_us{
        100,     250,     500,     1'000,     2'500,     5'000,     10'000,     25'000,     50'000,
        100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};
    static constexpr std::size_t bucket_count = bounds_us.size() + 1;

    void record(microseconds duration) noexcept {
        const auto us = std::max<std::int64_t>(duration.count(), 0);
        buckets_[bucket_of(us)].add();
        sum_us_.add(static_cast<std::uint64_t>(us));
    }
    // How many fell into the bucket with this index, not those before it.
    std::uint64_t bucket(std::size_t index) const noexcept { return buckets_[index].value(); }
    std::uint64_t sum_us() const noexcept { return sum_us_.value(); }

    static constexpr std::size_t bucket_of(std::int64_t us) noexcept {
        const auto width = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(us)));
        const std::size_t first = first_bucket_[std::min(width, first_bucket_.size() - 1)];
        return first + static_cast<std::size_t>(first < bounds_us.size() && us > bounds_us[first]);
    }

  private:
    // By bit width: the bucket of the least duration that has it. 2^26 us is beyond the last bound.
    static constexpr std::array<std::size_t, 28> first_bucket_ = [] {
        std::array<std::size_t, 28> first{};
        for (std::size_t width = 1; width < first.size(); ++width) {
            const std::int64_t least = std::int64_t{1} << (width - 1);
            while (first[width] < bounds_us.size() && bounds_us[first[width]] < least) ++first[width];
        }
        return first;
    }();

    std::array<counter, bucket_count> buckets_;
    counter sum_us_;
};

// What became of a request at the cache.
enum class cache_metric : std::uint8_t {
    hit,
    stale,      // answered with a stale response
    validated,  // with one that an endpoint said is right still
    expired,    // a stale one was replaced by what an endpoint sent
    collapsed,  // with the response to another request
    miss,
    pass,       // looked at and not served from the cache or stored: its method, its fields, its response
    memcached,  // with a response of memcached, which memory did not have
    page,       // with a page that the application put into memcached
    off         // the route caches nothing
};
inline constexpr std::size_t cache_metric_count = 10;
// In that order: the words of the log and the metrics.
inline constexpr std::array<std::string_view, cache_metric_count> cache_metric_words{
    "hit", "stale", "validated", "expired", "collapsed", "miss", "pass", "memcached", "page", "off"};

// Index of a final status in `responses`: its class, or 0 for an exchange that ended without a response.
constexpr std::size_t status_class(unsigned status) noexcept {
    return status >= 100 && status < 600 ? status / 100 : 0;
}

// One for each upstream and worker. Times in a queue and at endpoints are apart, so that one sees which of them is
// slow.
struct alignas(64) upstream_metrics {
    std::array<counter, 6> responses;  // by status_class()
    counter retries;
    counter cut_responses;           // responses that broke after their head had gone to the client
    counter saved_us;                // that endpoints were not held, because requests were read and responses kept here
    counter queue_refusals;          // no place in the queue, or one lost to another request
    counter queue_timeouts;          // waited until the queue's time was over
    duration_histogram queue_waits;  // of those that waited for a slot, whatever came of it
    duration_histogram fetches;  // of those that were answered: from the attempt's begin to its response's last byte
};

// One for each worker.
struct alignas(64) worker_metrics {
    counter requests;  // heads that were read whole and understood
    gauge connections_idle;
    gauge connections_active;
    gauge connections_tunnelling;
    counter connections_accepted;
    counter connections_refused;  // over client.max_connections, or for want of descriptors or memory
    std::array<counter, cache_metric_count> cache_outcomes;
    counter client_bytes_received;
    counter client_bytes_sent;
    counter upstream_bytes_received;
    counter upstream_bytes_sent;
    counter upstream_connections_opened;
    counter upstream_connections_reused;
    counter upstream_connections_replaced;  // reused ones that proved dead before the first byte of the response
    counter refreshes;                      // of stale responses, behind a client's back
    counter bad_requests;
    counter log_lines_dropped;  // access lines for which the buffer had no room
    counter head_timeouts;
    std::array<counter, 6> responses;  // to clients, by status_class()
    duration_histogram durations;      // from the first byte of the request to the last of the response

    counter& cache(cache_metric outcome) noexcept { return cache_outcomes[static_cast<std::size_t>(outcome)]; }
};

}  // namespace weir::proxy
