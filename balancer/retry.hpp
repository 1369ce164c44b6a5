// May an attempt be repeated (RFC 9110 section 9.2.2)? The one place that decides; the attempt only reports what
// happened.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "balancer/endpoint.hpp"
#include "conf/settings.hpp"

namespace weir::balancer {

// What a failed attempt knows of itself.
struct attempt {
    bool reused_connection = false;    // it went out on a connection that had served before
    bool timed_out = false;            // first_byte or read ran out: the endpoint may be at work on it
    std::uint64_t bytes_sent = 0;      // of the request, on this attempt
    std::uint64_t bytes_received = 0;  // of the response
};

// What is known of the request over all its attempts.
struct request_facts {
    bool idempotent = false;
    bool content_replayable = true;       // its content is still here whole, or it has none
    bool response_begun = false;          // the client has been sent part of a final response
    unsigned retries_made = 0;            // of those that count
    bool fresh_connection_tried = false;  // a reused connection was replaced once already
};

enum class next_step : std::uint8_t {
    give_up,
    same_endpoint,   // on a new connection: an idle one that died is no failure of the endpoint
    other_endpoint,  // nothing was sent: costs nothing
    retry            // on another endpoint if there is one; counts against `retries` and the budget
};

// Pure but for the budget, which is asked only when all else allows a retry.
class retry_budget;
next_step after_failure(const attempt& failed, const request_facts& request, const conf::retry_settings& settings,
                        retry_budget& budget, clock::time_point now);

// Retries as a share of requests, so that they never double an overload, but never less than 10 a second: in any time
// at most the greater of the two, and what a calm time saved up. Any thread.
class retry_budget {
  public:
    void request_came(unsigned percent);
    bool take(clock::time_point now);  // true: one retry may be made

  private:
    static constexpr std::int64_t unit = 100;         // one retry
    static constexpr std::int64_t most = 100 * unit;  // what a calm time can save up
    std::atomic<std::int64_t> earned_{0};
    std::atomic<std::int64_t> second_{0};  // the second that taken_ counts
    std::atomic<std::int64_t> taken_{0};   // retries asked for in it
};

}  // namespace weir::balancer
