// One request and its response, phase by phase: receive the request's content, fetch the response from an endpoint
// (with retries), relay it to the client, store it. Knows requests and responses, not how the client's side of HTTP
// frames them: that is exchange_client.
//
// run() is the order of things. Two tasks may run beside it: push_request() streams what did not fit into memory to the
// endpoint, and pull_response() reads the response ahead of the client. Both end before run() does.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "balancer/retry.hpp"
#include "cache/cache.hpp"
#include "proxy/awaitable.hpp"
#include "proxy/content_decoder.hpp"
#include "proxy/error.hpp"
#include "proxy/event.hpp"
#include "proxy/forward.hpp"
#include "proxy/http/growing_content.hpp"
#include "proxy/metrics.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/upstream_connection.hpp"

namespace weir::proxy {

class worker;

struct response_start {
    unsigned status = 200;
    std::string_view reason;
    std::string_view fields;              // whole lines; framing, Connection and the blank line left out
    std::optional<std::uint64_t> length;  // known length of the content; nothing: framed as the client can take it
    bool has_content = true;  // false: the response ends with its head, whatever `length` says (HEAD, 204, 304)
};

// The client's side of an exchange, whichever version of HTTP it speaks. Everything on the worker's thread.
class exchange_client {
  public:
    // Decoded request content, at least one byte unless the status says otherwise; waits up to `limit` for it.
    virtual awaitable<content_result> read_content(std::span<char> into, std::chrono::milliseconds limit) = 0;
    // Content that arrived behind the head, so that nobody waits for a 100 (Continue).
    virtual bool content_has_arrived() const = 0;
    virtual bool content_at_end() const = 0;
    // Ends a wait in read_content(), and every later one, as cut.
    virtual void cancel_reading() = 0;

    // An interim response; nothing happens for a client of HTTP/1.0.
    virtual awaitable<cause> send_interim(unsigned status, std::string_view reason, std::string_view fields) = 0;
    // The head goes out with the first send().
    virtual void begin_response(const response_start& start) = 0;
    virtual awaitable<cause> send(std::span<const std::string_view> content, bool last) = 0;
    // What was sent must not look whole: the connection ends visibly.
    virtual void abort() = 0;

    // After 101: the naked connection, and what was read from it already.
    virtual awaitable<cause> begin_tunnel(const response_start& start) = 0;
    virtual proxy::stream& tunnel_stream() = 0;
    virtual std::string_view tunnel_bytes() = 0;

  protected:
    ~exchange_client() = default;
};

// For the log and the counters.
struct exchange_report {
    unsigned status = 0;  // sent to the client; 0 when it left before
    cause why = cause::none;
    std::shared_ptr<balancer::endpoint> endpoint;  // the last one asked
    std::optional<std::chrono::microseconds> upstream_duration;
    cache_metric cache = cache_metric::off;
    std::string_view cache_detail;
    bool tunnelled = false;
};

class exchange {
  public:
    struct inputs {
        exchange_client& client;
        const http::request_head& request;
        std::shared_ptr<const snapshot> config;
        const proxy::route& route;
        http::forwarded_client from;
        std::string_view path;  // normalised
        std::string_view request_id;
        std::string_view cache_key;
        cache::lookup_result found;
        wall_time received;
    };
    exchange(worker& on, inputs in);

    awaitable<void> run();
    const exchange_report& report() const { return report_; }

  private:
    awaitable<cause> receive_request_content();
    awaitable<cause> fetch();
    awaitable<void> relay();
    awaitable<void> tunnel();
    awaitable<void> refuse(cause why);
    awaitable<void> settle();

    awaitable<cause> attempt(std::shared_ptr<balancer::endpoint> to, bool new_connection);
    awaitable<cause> open_connection(std::shared_ptr<balancer::endpoint> to, bool new_connection);
    awaitable<cause> send_request();
    awaitable<cause> receive_response_head();
    awaitable<cause> receive_first_content();
    balancer::next_step judge_failure(cause why);

    enum class pumped : std::uint8_t { wait, more, no_room, done, failed };
    pumped read_response();
    awaitable<void> push_request();
    awaitable<cause> push_rest();
    awaitable<void> pull_response();

    void plan_response_content();
    void stop_storing(cache::not_stored why);
    void finish_fetch(bool whole);
    void store_response();
    void append_cache_status(std::string& fields) const;
    const conf::timeout_settings& timeouts() const { return in_.route.settings->timeouts; }
    bool idempotent() const { return http::is_idempotent(in_.request.method); }

    worker& worker_;
    inputs in_;
    exchange_report report_;

    // The request's content, so far as it is kept in memory, and whether more is streamed behind it.
    std::shared_ptr<http::growing_content> request_content_;
    std::uint64_t request_content_bytes_ = 0;
    bool request_streams_ = false;
    bool request_sent_ = false;  // whole, on the present attempt
    bool push_began_ = false;    // so the request cannot be repeated
    bool push_running_ = false;
    cause push_failure_ = cause::none;
    steady::time_point push_end_;
    event push_ended_;

    // The attempt under way.
    balancer::request_facts facts_;
    std::vector<std::uint32_t> tried_;
    bool second_round_ = false;  // every endpoint was tried, and one of them only took too long to connect
    std::unique_ptr<upstream_connection> connection_;
    std::string out_;  // the head that is being sent, to the endpoint and then to the client
    wall_time request_time_;
    wall_time response_time_;
    steady::time_point asked_;

    // The response.
    http::response_head response_;
    std::unique_ptr<read_buffer> response_bytes_;  // what response_ refers to, once its connection serves others
    std::shared_ptr<http::growing_content> content_;
    cache::storability storable_{.reason = cache::not_stored::route_off};
    bool pull_running_ = false;
    bool fetch_finished_ = false;
    event room_;  // for pull_response: there may be room again
    event pull_ended_;
    event more_;  // for relay: there may be more to send
};

}  // namespace weir::proxy
