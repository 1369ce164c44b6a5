// How an exchange gets its response: attempts at endpoints, and the response on its way in.
#include <algorithm>

#include "proxy/exchange.hpp"
#include "proxy/finally.hpp"
#include "proxy/http/date.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

namespace {

// A small response that does not say its length may be a page that is meant to be seen as it grows: it is not held back
// for longer than this.
constexpr std::chrono::milliseconds chunked_hold{250};
// It is waited for in such steps, since deadlines are of few lengths.
constexpr std::chrono::milliseconds hold_step{50};
// How long an endpoint that refused is passed over.
constexpr std::chrono::seconds refused_pause{1};
constexpr unsigned max_interim_responses = 16;
// The longest that Retry-After of a 503 keeps requests from an endpoint.
constexpr std::chrono::seconds longest_pause{60};
// How long reading may have paused for a connection that is to serve again: what idle lives have to spare.
constexpr std::chrono::milliseconds longest_unnoticed_pause{200};

// Keep-Alive: timeout=N (RFC 2068 section 19.7.1.1, which Python servers still say).
void learn_idle_life(balancer::endpoint& endpoint, const http::response_head& response) {
    http::any_element(response.fields.value(http::field_id::keep_alive), [&](std::string_view element) {
        constexpr std::string_view name = "timeout=";
        if (element.size() <= name.size() || !http::iequals(element.substr(0, name.size()), name)) return false;
        const std::optional<std::chrono::seconds> timeout = cache::parse_delta_seconds(element.substr(name.size()));
        if (timeout) endpoint.learn_idle_life(*timeout);
        return true;
    });
}

// Events, and what its application wants to be seen at once (X-Accel-Buffering, as for other proxies).
bool asks_to_be_streamed(const http::response_head& response) {
    if (http::iequals(response.fields.value("X-Accel-Buffering"), "no")) return true;
    constexpr std::string_view events = "text/event-stream";
    const std::string_view type = response.fields.value(http::field_id::content_type);
    return http::iequals(type.substr(0, events.size()), events);
}

}  // namespace

// Until an endpoint has given a head (and, where the response is small, its content), or none is left that may be
// asked.
awaitable<cause> exchange::fetch() {
    const balancer::upstream& upstream = *in_.route.upstream;
    upstream.budget->request_came(upstream.settings.retry.budget_percent);
    find_affinity();
    cause last = cause::none;
    bool same = false;
    for (;;) {
        if (!same) {
            // One that streams is read from later: until then only its leaving is of interest.
            if (request_streams_) in_.client.watch_departure(this);
            const cause refused = co_await admission_.enter(tried_, affinity_);
            if (request_streams_) in_.client.watch_departure(nullptr);
            count_wait(refused);
            if (refused == cause::no_endpoint && last == cause::connection_timeout && !second_round_) {
                // CherryPy's queue takes five: a SYN beyond them is dropped, and the kernel tries again after a second.
                second_round_ = true;
                tried_.clear();
                continue;
            }
            // What an endpoint did says more than that there is no other.
            if (refused != cause::none) co_return last == cause::none || unwanted_ ? refused : last;
        }
        report_.endpoint = admission_.endpoint();
        last = co_await attempt(same);
        if (last == cause::none) co_return last;
        if (unwanted_) co_return cause::client_left;
        if (blames_client(last)) co_return last;
        co_await end_push();
        const balancer::next_step next = judge_failure(last);
        same = next == balancer::next_step::same_endpoint;
        finish_fetch(false, same);
        if (next == balancer::next_step::give_up) co_return last;
        if (!same) {
            tried_.push_back(report_.endpoint->id());
            facts_.fresh_connection_tried = false;
        }
        if (next == balancer::next_step::retry) {
            ++facts_.retries_made;
            upstream_counters().retries.add();
            // With every endpoint tried, the first may have come back.
            if (tried_.size() >= upstream.members.size()) tried_ = {report_.endpoint->id()};
            if (upstream.members.size() == 1) tried_.clear();
        }
    }
}

void exchange::count_wait(cause outcome) {
    upstream_metrics& counters = upstream_counters();
    if (admission_.waited() > report_.queue_duration)
        counters.queue_waits.record(admission_.waited() - report_.queue_duration);
    report_.queue_duration = admission_.waited();
    if (outcome == cause::queue_full) counters.queue_refusals.add();
    if (outcome == cause::queue_timeout) counters.queue_timeouts.add();
}

balancer::next_step exchange::judge_failure(cause why) {
    if (why == cause::internal || why == cause::out_of_descriptors) return balancer::next_step::give_up;
    const bool known = connection_ != nullptr;
    const balancer::attempt failed{
        .reused_connection = known && connection_->reused(),
        .timed_out = why == cause::first_byte_timeout || why == cause::read_timeout || why == cause::send_timeout,
        .bytes_sent = known ? connection_->bytes_sent() : 0,
        .bytes_received = known && why != cause::closed_early ? connection_->bytes_received() : 0};
    facts_.content_replayable = !content_lost_;
    const balancer::upstream& upstream = *in_.route.upstream;
    const auto next = balancer::after_failure(failed, facts_, upstream.settings.retry, *upstream.budget, steady::now());
    if (next == balancer::next_step::same_endpoint) {
        const auto idle = std::chrono::duration_cast<std::chrono::milliseconds>(asked_ - connection_->idle_since);
        report_.endpoint->closed_after(std::span(&idle, 1));
        facts_.fresh_connection_tried = true;
        worker_.metrics().upstream_connections_replaced.add();
    } else {
        report_.endpoint->failures.fetch_add(1, std::memory_order_relaxed);
        if (why == cause::connection_refused || why == cause::connection_failed || why == cause::connection_timeout) {
            report_.endpoint->pass_over(steady::now(), refused_pause);
        }
    }
    return next;
}

awaitable<cause> exchange::attempt(bool new_connection) {
    fetch_finished_ = request_sent_ = false;
    push_failure_ = cause::none;
    whole_.reset();
    content_.reset();
    paused_ = {};
    asked_ = steady::now();
    report_.endpoint->requests.fetch_add(1, std::memory_order_relaxed);
    if (connection_ && connection_->has_buffer()) worker_.give_back_buffer(connection_->end());
    connection_.reset();
    if (unwanted_) co_return cause::client_left;
    cause why = cause::none;
    if (new_connection || !take_idle_connection()) why = co_await open_connection();
    if (why == cause::none) why = co_await send_request();
    if (why == cause::none || why == cause::send_failed) {
        // An endpoint that takes no more of the request may have answered already.
        const cause received = co_await receive_response_head();
        why = received == cause::closed_early && why == cause::send_failed ? why : received;
    }
    if (why != cause::none || response_.status == 101) co_return why;
    plan_response_content();
    if (!whole_) co_return co_await receive_first_content();
    finish_fetch(true);
    co_return cause::none;
}

bool exchange::take_idle_connection() {
    const auto& keepalive = in_.route.upstream->settings.keepalive;
    if (!keepalive) return false;
    connection_ = worker_.pool().take(*report_.endpoint, *keepalive, !idempotent(), coarse_now());
    if (!connection_) return false;
    connection_->begin(worker_.take_buffer());
    worker_.metrics().upstream_connections_reused.add();
    return true;
}

awaitable<cause> exchange::open_connection() {
    connection_ = std::make_unique<upstream_connection>(worker_.context(), worker_.deadlines(), report_.endpoint);
    connection_->begin(nullptr);
    if (const cause why = co_await connection_->connect(timeouts().connect); why != cause::none) co_return why;
    worker_.metrics().upstream_connections_opened.add();
    connection_->begin(worker_.take_buffer());
    co_return unwanted_ ? cause::client_left : cause::none;
}

awaitable<cause> exchange::receive_response_head() {
    for (unsigned interim = 0; interim <= max_interim_responses;) {
        const cause why = co_await connection_->receive_head(in_.request.method, response_, timeouts().first_byte);
        // The time for the first byte runs from the request's last: once more in full when that came while it ran.
        if (why == cause::first_byte_timeout && !unwanted_ &&
            (push_running_ || coarse_now() - push_end_ < timeouts().first_byte))
            continue;
        if (push_failure_ != cause::none && push_failure_ != cause::send_failed) co_return push_failure_;
        if (why != cause::none) co_return why;
        // Not the coarse clock: by one that lags behind the endpoint's, its Expires would be a second further away.
        response_time_ = wall_now();
        if (response_.status == 101) {
            const bool agreed = http::iequals(response_.fields.value(http::field_id::upgrade), "websocket");
            co_return in_.request.upgrade_websocket&& agreed ? cause::none : cause::bad_response;
        }
        // Python servers say 408 to a connection that was idle too long: no answer to this request.
        if (response_.status == 408 && connection_->reused() && !response_.keep_alive) co_return cause::closed_early;
        if (response_.status == 503) heed_unavailable();
        if (response_.status >= 200) co_return cause::none;
        ++interim;
        // In buffered mode weir has said 100 itself.
        if (response_.status == 100 && !(request_streams_ && request_kept_bytes_ == 0 && in_.request.expects_continue))
            continue;
        if (departed_) continue;
        std::string fields;
        append_interim_fields(response_, fields);
        const cause sent = co_await in_.client.send_interim(response_.status, response_.reason, fields);
        if (sent != cause::none && !(fill_ && fill_->goes_on_without_client())) co_return sent;
    }
    co_return cause::bad_response;
}

// An endpoint that says that it cannot serve is left alone for as long as it asks, while there are others (RFC 9110
// section 10.2.3).
void exchange::heed_unavailable() {
    const std::string_view field = response_.fields.value(http::field_id::retry_after);
    std::chrono::seconds asked = cache::parse_delta_seconds(field).value_or(refused_pause);
    const auto now = std::chrono::floor<std::chrono::seconds>(response_time_);
    if (const auto date = http::parse_date(field, now)) asked = *date - now;
    report_.endpoint->let_rest(steady::now(), std::clamp(asked, refused_pause, longest_pause));
}

// Decides how the content is kept: to be stored, read ahead of the client, or at the client's pace.
void exchange::plan_response_content() {
    const conf::route_settings& route = *in_.route.settings;
    const bool asked_for = asks_to_be_streamed(response_);
    plan_storing(asked_for);
    response_streams_ = asked_for || !route.buffering.response_bytes;
    connection_->expect_content(response_);
    // What is for this client alone and here already goes on from where it lies.
    if (!storable_) whole_ = connection_->take_whole_content();
    if (whole_) return;
    http::growing_content::options options{.keep = storable_ ? http::retention::store : http::retention::until_read,
                                           .window_bytes = response_streams_ ? 1 : *route.buffering.response_bytes,
                                           .expected_bytes = std::nullopt,
                                           .spool = response_streams_ ? nullptr : worker_.spool()};
    if (response_.body == http::body_kind::length) options.expected_bytes = response_.content_length;
    content_ = std::make_shared<http::growing_content>(worker_.budget(), options);
}

// What is here already; a small response whole, because until then it may still be asked for again.
awaitable<cause> exchange::receive_first_content() {
    const bool repeatable = facts_.idempotent && !content_lost_ && !response_streams_;
    const bool whole = response_.body == http::body_kind::length && response_.content_length <= held_response_bytes;
    const bool chunked = response_.body == http::body_kind::chunked;
    const steady::time_point hold_ends = coarse_now() + chunked_hold;
    for (;;) {
        const pumped got = read_response();
        if (got == pumped::done) {
            finish_fetch(true);
            co_return cause::none;
        }
        if (got == pumped::failed) co_return cut_cause();
        if (got == pumped::no_room || !repeatable || !(whole || chunked)) break;
        if (content_->size() > held_response_bytes) break;
        if (got == pumped::more) {
            co_await let_others_run(worker_);
            continue;
        }
        if (chunked && coarse_now() >= hold_ends) break;
        wait_status waited;
        if (whole) {
            waited = co_await wait_for_endpoint(timeouts().read);
            if (waited == wait_status::late) co_return cause::read_timeout;
        } else {
            waited = co_await connection_->stream().wait_readable(hold_step);
        }
        if (waited == wait_status::cancelled) co_return cut_cause();
    }
    run_beside(pull_running_, &exchange::pull_response);
    co_return cause::none;
}

// Why a response broke off: the request may have done so first, and the connection with it.
cause exchange::cut_cause() const {
    return push_failure_ == cause::none || push_failure_ == cause::send_failed ? cause::response_cut : push_failure_;
}

// Moves what can be read without waiting from the endpoint into content_.
exchange::pumped exchange::read_response() {
    for (unsigned turns = 0; turns < turns_at_once; ++turns) {
        if (connection_->content_at_end()) {
            content_->complete();
            return pumped::done;
        }
        const std::span<char> room = content_->prepare();
        if (room.empty()) return pumped::no_room;
        const content_result got = connection_->read_content(room);
        switch (got.status) {
            case content_status::again:
                return pumped::wait;
            case content_status::end:
                content_->complete();
                return pumped::done;
            case content_status::some:
                break;
            default:
                return pumped::failed;
        }
        content_->commit(got.bytes);
        if (storable_ && content_->size() > worker_.cache().max_response_bytes())
            stop_storing(cache::not_stored::too_large);
    }
    return pumped::more;
}

void exchange::stop_storing(cache::not_stored why) {
    storable_.reason = why;
    report_.cache_detail = cache::text(why);
    content_->stop_keeping();
    if (why == cache::not_stored::too_large) worker_.cache().note_uncacheable(in_.cache_key, response_time_);
    // Those who come later would find its beginning gone.
    leave_fill();
}

// Reads ahead of the client, so that the endpoint is free as soon as it has said its last byte.
awaitable<void> exchange::pull_response() {
    const finally ended([this] {
        pull_running_ = false;
        pull_ended_.wake();
    });
    try {
        // Who waits for what is fetched hears of its head before storing it may be given up.
        if (fill_) co_await let_others_run(worker_);
        co_await pull_content();
    } catch (const std::exception& e) {
        // Who relays it must see that no more will come.
        log::error("internal error: {}", e.what());
    }
    finish_fetch(content_->state() == http::content_state::complete);
    leave_fill();
}

awaitable<void> exchange::pull_content() {
    for (;;) {
        const pumped result = read_response();
        if (result == pumped::failed) blame_for_cut();
        if (result == pumped::done || result == pumped::failed) co_return;
        if (content_->abandoned() && !storable_) co_return;
        if (result == pumped::more) {
            co_await let_others_run(worker_);
            continue;
        }
        if (result == pumped::no_room && storable_) {
            // Content that is kept gives nothing back: when the budget is used up, transfers that wait for each other
            // would hang.
            stop_storing(cache::not_stored::no_memory);
            continue;
        }
        if (result == pumped::no_room) {
            room_.prepare_remote();
            const steady::time_point began = steady::now();
            if (content_->wait_for_room(room_)) {
                co_await room_.wait(budget_poll);
                content_->cancel_writer_wait();
            }
            paused_ += steady::now() - began;
            continue;
        }
        // Nobody but the store wants it: not for ever.
        const bool nobody_reads = departed_ && content_->abandoned();
        if (nobody_reads && coarse_now() - departed_at_ > timeouts().read) co_return;
        const wait_status waited = co_await wait_for_endpoint(timeouts().read);
        if (waited == wait_status::late) blame_for_cut();
        if (waited != wait_status::ready) co_return;
    }
}

// A response that broke off in the middle, unless it was broken off here.
void exchange::blame_for_cut() {
    if (connection_->stream().is_open()) report_.endpoint->failures.fetch_add(1, std::memory_order_relaxed);
}

// For the next byte of a response. While the request is still being sent the endpoint may be silent for as long.
awaitable<wait_status> exchange::wait_for_endpoint(std::chrono::milliseconds limit) {
    for (;;) {
        const wait_status waited = co_await connection_->stream().wait_readable(limit);
        if (waited != wait_status::late) co_return waited;
        if (!push_running_ && coarse_now() - push_end_ >= limit) co_return waited;
    }
}

// The endpoint has said all that it will, or is given up.
void exchange::finish_fetch(bool whole, bool keep_slot) {
    if (fetch_finished_ || !report_.endpoint) return;
    fetch_finished_ = true;
    fetched_ = steady::now();
    report_.upstream_duration = std::chrono::duration_cast<std::chrono::microseconds>(fetched_ - asked_);
    if (content_ && !whole) content_->fail();
    if (whole) upstream_counters().fetches.record(*report_.upstream_duration);
    if (connection_) {
        worker_.metrics().upstream_bytes_sent.add(connection_->bytes_sent());
        worker_.metrics().upstream_bytes_received.add(connection_->bytes_received());
        if (whole && storable_) store_response();
        const auto& keepalive = in_.route.upstream->settings.keepalive;
        // After a pause the endpoint may have said its last byte, and begun to count, long before it was read.
        const bool reusable = whole && keepalive && !push_running_ && paused_ < longest_unnoticed_pause &&
                              connection_->may_serve_again(response_, request_sent_);
        if (reusable) {
            learn_idle_life(*report_.endpoint, response_);
            // response_ refers to the buffer, which therefore stays here as long as that is needed.
            response_bytes_ = connection_->end();
            worker_.pool().give_back(std::move(connection_), *keepalive, coarse_now());
            if (relayed_) worker_.give_back_buffer(std::move(response_bytes_));
        } else {
            connection_->stream().close();
        }
    }
    // Last, so that who gets the slot finds the connection.
    if (!keep_slot) admission_.release();
}

}  // namespace weir::proxy
