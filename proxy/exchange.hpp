// One request and its response, phase by phase: receive the request's content, fetch the response from an endpoint
// (with retries), relay it to the client, store it. Knows requests and responses, not how the client's side of HTTP
// frames them: that is exchange_client.
//
// Between the two stand the cache's rules: exchange_cache.cpp. A response that may be stored belongs to whoever waits
// for it, so it is fetched to its end even when the client that asked first has left.
//
// run() is the order of things. Two tasks may run beside it: push_request() sends the content that did not go out with
// the head, and pull_response() reads the response ahead of the client. Both end before run() does.
//
// A client that leaves is noticed at once, whatever is being waited for: depart() ends that wait.
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
#include "cache/memcached_tier.hpp"
#include "proxy/admission.hpp"
#include "proxy/awaitable.hpp"
#include "proxy/cache_status.hpp"
#include "proxy/collapse.hpp"
#include "proxy/content_decoder.hpp"
#include "proxy/error.hpp"
#include "proxy/event.hpp"
#include "proxy/forward.hpp"
#include "proxy/http/growing_content.hpp"
#include "proxy/metrics.hpp"
#include "proxy/recycled_memory.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/stored_answer.hpp"
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
    // Ends a wait in read_content(), and every later one until resume_reading(), as cut.
    virtual void cancel_reading() = 0;
    virtual void resume_reading() = 0;
    // Wakes `watcher` once when the client leaves, now if it has left; null: nobody. Only once the request is whole.
    virtual void watch_departure(http::wakeable* watcher) = 0;

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

// What counts for a lookup, until more is known. `caches`: the route does.
cache_metric metric_of(cache::outcome what, bool caches);

// For the log and the counters.
struct exchange_report {
    unsigned status = 0;  // sent to the client; 0 when it left before
    cause why = cause::none;
    std::shared_ptr<balancer::endpoint> endpoint;                // the last one asked
    std::optional<std::chrono::microseconds> upstream_duration;  // of the last attempt
    std::chrono::microseconds queue_duration{0};                 // waited for a slot
    cache_metric cache = cache_metric::off;
    std::string_view cache_detail;
    bool tunnelled = false;
};

// What an exchange writes heads into and reads them into: borrowed from its worker, so that it keeps its capacity.
struct exchange_memory {
    std::string out;  // the head that is being sent, to the endpoint and then to the client
    http::response_head response;

    // For a free_list.
    bool clear_for_reuse() {
        response.clear();
        return out.capacity() <= 64 * 1024;
    }
};

class exchange final : http::wakeable {
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
        std::chrono::milliseconds waited{0};  // for memcached so far
    };
    exchange(worker& on, inputs in);
    static void* operator new(std::size_t bytes) { return recycled_memory::take(bytes); }
    static void operator delete(void* memory, std::size_t bytes) noexcept { recycled_memory::give_back(memory, bytes); }

    awaitable<void> run();
    const exchange_report& report() const { return report_; }

  private:
    // For waits that another task's own deadlines end.
    static constexpr std::chrono::minutes long_wait{10};
    static constexpr std::size_t buffers_at_once = 16;
    // A response of up to this length is held until it is whole, so that a GET whose endpoint dies in the middle can be
    // asked again.
    static constexpr std::uint64_t held_response_bytes = 64 * 1024;
    // Budget that other transfers give back wakes nobody, so a writer without room asks this often.
    static constexpr std::chrono::milliseconds budget_poll{100};

    // The phases: exchange.cpp.
    awaitable<void> run_phases();
    awaitable<cause> receive_request_content();
    awaitable<cause> fetch();
    awaitable<void> relay();
    awaitable<void> relay_unstored();
    void release_response();
    awaitable<cause> relay_content(http::content_reader& reader, content_window window);
    awaitable<void> tunnel();
    awaitable<void> refuse(cause why);
    awaitable<void> end_fetch();
    awaitable<void> settle();
    void run_beside(bool& running, awaitable<void> (exchange::*task)());
    void wake() noexcept override { depart(); }
    void depart() noexcept;
    void count_saved_time();
    void append_sticky_cookie(std::string& fields) const;
    bool fails_softly(cause why) const;

    // The cache: exchange_cache.cpp.
    cache::request_view view() const;
    bool has_stale() const { return in_.found.what == cache::outcome::stale; }
    // The request goes out as the cache wants it: whole, unconditional but for our own validators.
    bool fills() const { return in_.found.what == cache::outcome::miss || has_stale(); }
    bool validates() const;
    void count_use();
    awaitable<bool> follow();
    awaitable<bool> answer_from_refresh(const fill& of);
    awaitable<void> wait_for_outcome(fill& of, steady::time_point limit);
    awaitable<bool> follow_without_response(const fill::view& got);
    awaitable<bool> answer_as_follower(fill::view got);
    awaitable<bool> answer_if_stored_by_now();
    void leave_fill();
    void tell_followers(cause why);
    void plan_storing(bool asked_to_stream);
    cache::response_to_store response_to_store() const;
    void store_response();
    bool needs_another_fetch();
    cache::response_ptr freshen();
    void learn_from_response();
    void invalidate();
    awaitable<bool> answer_arriving(fill::view from, bool collapsed);
    std::optional<std::uint64_t> known_length() const;
    awaitable<void> answer_stored(cache::response_ptr stored, cache_status status);
    bool may_answer_stale() const;
    void keep(cache::response_ptr response);
    void note_uncacheable();
    void drop();
    awaitable<void> answer_stale(cause why, unsigned origin_status);
    void begin_answer(const stored_answer& a);
    void append_withheld_fields(const cache::stored_response& head, std::string& fields) const;
    void append_status(const cache_status& status, std::string& fields) const;
    cache_status forwarded_status() const;

    // Memcached: exchange_tier.cpp.
    awaitable<bool> answer_from_tier();
    awaitable<bool> answer_found(cache::new_response_ptr response);
    awaitable<cache::tier_value> ask_tier();
    awaitable<bool> is_another_fetching();
    awaitable<void> wait_for(std::shared_ptr<cache::tier_lookup> asked);
    bool may_take_fill_lock() const;
    steady::time_point collapse_limit();
    void release_fill_lock();

    // Attempts and the response: exchange_fetch.cpp.
    awaitable<cause> attempt(bool new_connection);
    bool take_idle_connection();
    awaitable<cause> open_connection();
    awaitable<cause> receive_response_head();
    awaitable<cause> receive_first_content();
    cause cut_cause() const;
    balancer::next_step judge_failure(cause why);
    void count_wait(cause outcome);
    void heed_unavailable();
    enum class pumped : std::uint8_t { wait, more, no_room, done, failed };
    pumped read_response();
    awaitable<void> pull_response();
    awaitable<void> pull_content();
    void blame_for_cut();
    awaitable<wait_status> wait_for_endpoint(std::chrono::milliseconds limit);
    void plan_response_content();
    void stop_storing(cache::not_stored why);
    // The attempt under way is over, `whole` or not. Its slot goes back unless it is needed again at once.
    void finish_fetch(bool whole, bool keep_slot = false);

    // The request on its way out: exchange_send.cpp.
    void find_affinity();
    awaitable<cause> send_request();
    awaitable<void> push_request();
    awaitable<cause> push_kept();
    awaitable<cause> push_streamed();
    awaitable<void> end_push();

    const conf::timeout_settings& timeouts() const { return in_.route.settings->timeouts; }
    upstream_metrics& upstream_counters() const;
    bool streams_from_begin() const { return request_streams_ && !content_lost_ && request_content_->size() == 0; }
    bool idempotent() const { return http::is_idempotent(in_.request.method); }

    worker& worker_;
    inputs in_;
    std::unique_ptr<exchange_memory> memory_;  // until run() ends
    std::string& out_;                         // in memory_
    exchange_report report_;
    bool departed_ = false;  // the client left
    bool unwanted_ = false;  // and nobody else waits for the response
    steady::time_point departed_at_;

    // The request's content as far as it is kept, and whether more is streamed behind it.
    std::shared_ptr<http::growing_content> request_content_;
    std::optional<http::content_reader> request_reader_;  // of the present attempt
    std::uint64_t request_content_bytes_ = 0;             // that came
    std::uint64_t request_kept_bytes_ = 0;                // of those, that every attempt begins with
    steady::duration receiving_time_{0};                  // that the content took to arrive
    bool request_streams_ = false;
    bool request_sent_ = false;  // whole, on the present attempt
    bool content_lost_ = false;  // some was streamed and is kept nowhere, so the request cannot be repeated
    bool push_running_ = false;
    bool any_chunk_ = false;  // of the request was sent on the present attempt
    http::body_kind sent_as_ = http::body_kind::none;
    cause push_failure_ = cause::none;
    steady::time_point push_end_;
    event push_ended_;
    event more_to_push_;

    // The attempt under way.
    admission admission_;
    balancer::affinity affinity_;
    balancer::request_facts facts_;
    std::vector<std::uint32_t> tried_;
    bool second_round_ = false;  // every endpoint was tried, and one of them only took too long to connect
    std::unique_ptr<upstream_connection> connection_;
    wall_time request_time_;
    wall_time response_time_;
    steady::time_point asked_;

    // The response.
    http::response_head& response_;                // in memory_
    std::unique_ptr<read_buffer> response_bytes_;  // what response_ refers to, once its connection serves others
    bool relayed_ = false;                         // nothing needs the fields of response_ any more but the store
    std::optional<std::string_view> whole_;        // all of its content, where it came with the head and is not stored
    std::shared_ptr<http::growing_content> content_;  // where it is not whole_
    cache::storability storable_{.reason = cache::not_stored::route_off};
    bool keeps_ = false;                 // what is storable is stored, not only shared
    cache::response_ptr arriving_;       // the head, without content, of what is storable
    cache::response_ptr validated_;      // the stale response, made fresh by a 304
    std::shared_ptr<proxy::fill> fill_;  // that this exchange leads
    bool fill_left_ = false;

    // Memcached.
    std::optional<steady::time_point> collapse_limit_;   // for waiting for the fetches of others
    std::chrono::milliseconds tier_budget_{0};           // that waiting for memcached may still take
    std::vector<std::string> tier_vary_;                 // the names that select among the responses there
    std::optional<steady::time_point> fill_lock_taken_;  // of all nodes, this exchange fetches
    bool marked_uncacheable_ = false;                    // for all nodes
    bool response_streams_ = false;                      // at the client's pace
    bool pull_running_ = false;
    bool fetch_finished_ = false;
    steady::duration paused_{0};  // that reading it waited for room
    steady::time_point fetched_;  // when the endpoint had said its last byte
    event room_;                  // for pull_response: there may be room again
    event pull_ended_;
    event more_;  // for relay: there may be more to send
};

}  // namespace weir::proxy
