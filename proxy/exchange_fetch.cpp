// How an exchange gets its response: attempts at endpoints, the request on its way out, the response on its way in.
#include <algorithm>
#include <array>

#include "proxy/exchange.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

namespace {

// A response of up to this length is held until it is whole, so that a GET whose endpoint dies in the middle can be
// asked again.
constexpr std::uint64_t held_response_bytes = 64 * 1024;
// How long an endpoint that refused is passed over.
constexpr std::chrono::seconds refused_pause{1};
constexpr unsigned max_interim_responses = 16;
// Budget that other transfers give back wakes nobody, so a writer without room asks this often.
constexpr std::chrono::milliseconds budget_poll{100};
constexpr std::size_t buffers_at_once = 16;

wall_time wall_now() {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

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

}  // namespace

// Until an endpoint has given a head (and, where the response is small, its content), or none is left that may be
// asked.
awaitable<cause> exchange::fetch() {
    const balancer::upstream& upstream = *in_.route.upstream;
    upstream.budget->request_came(upstream.settings.retry.budget_percent);
    cause last = cause::no_endpoint;
    std::shared_ptr<balancer::endpoint> endpoint;
    bool same = false;
    for (;;) {
        if (!same) endpoint = worker_.choose(upstream, tried_, {}).endpoint;
        if (!endpoint && last == cause::connection_timeout && !second_round_) {
            // CherryPy's queue takes five: a SYN beyond them is dropped, and the kernel tries again after a second.
            second_round_ = true;
            tried_.clear();
            continue;
        }
        if (!endpoint) co_return last;
        last = co_await attempt(endpoint, same);
        if (last == cause::none) co_return last;
        if (blames_client(last)) co_return last;
        const balancer::next_step next = judge_failure(last);
        finish_fetch(false);
        same = next == balancer::next_step::same_endpoint;
        if (next == balancer::next_step::give_up) co_return last;
        if (!same) {
            tried_.push_back(endpoint->id());
            facts_.fresh_connection_tried = false;
        }
        if (next == balancer::next_step::retry) {
            ++facts_.retries_made;
            in_.route.counters->by_worker[worker_.index()].retries.add();
            // With every endpoint tried, the first may have come back.
            if (tried_.size() >= upstream.members.size()) tried_ = {endpoint->id()};
            if (upstream.members.size() == 1) tried_.clear();
        }
    }
}

balancer::next_step exchange::judge_failure(cause why) {
    const bool known = connection_ != nullptr;
    const balancer::attempt failed{
        .reused_connection = known && connection_->reused(),
        .timed_out = why == cause::first_byte_timeout || why == cause::read_timeout,
        .bytes_sent = known ? connection_->bytes_sent() : 0,
        .bytes_received = known && why != cause::closed_early ? connection_->bytes_received() : 0};
    facts_.content_replayable = !push_began_;
    const balancer::upstream& upstream = *in_.route.upstream;
    const auto next = balancer::after_failure(failed, facts_, upstream.settings.retry, *upstream.budget, steady::now());
    if (next == balancer::next_step::same_endpoint) {
        facts_.fresh_connection_tried = true;
        worker_.metrics().upstream_connections_replaced.add();
    } else {
        if (why != cause::internal) report_.endpoint->failures.fetch_add(1, std::memory_order_relaxed);
        if (why == cause::connection_refused || why == cause::connection_failed || why == cause::connection_timeout) {
            report_.endpoint->pass_over(steady::now(), refused_pause);
        }
    }
    return next;
}

awaitable<cause> exchange::attempt(std::shared_ptr<balancer::endpoint> to, bool new_connection) {
    report_.endpoint = to;
    fetch_finished_ = false;
    request_sent_ = false;
    asked_ = steady::now();
    if (new_connection) to->try_take_slot();
    to->requests.fetch_add(1, std::memory_order_relaxed);
    cause why = co_await open_connection(to, new_connection);
    if (why == cause::none) why = co_await send_request();
    if (why == cause::none || why == cause::send_failed) {
        // An endpoint that takes no more of the request may have answered already.
        const cause received = co_await receive_response_head();
        why = received == cause::closed_early && why == cause::send_failed ? why : received;
    }
    if (why == cause::none && response_.status != 101) why = co_await receive_first_content();
    co_return why;
}

awaitable<cause> exchange::open_connection(std::shared_ptr<balancer::endpoint> to, bool new_connection) {
    const auto& keepalive = in_.route.upstream->settings.keepalive;
    if (connection_ && connection_->has_buffer()) worker_.give_back_buffer(connection_->end());
    connection_.reset();
    if (keepalive && !new_connection) {
        connection_ = worker_.pool().take(*to, *keepalive, !idempotent(), coarse_now());
    }
    if (connection_) {
        worker_.metrics().upstream_connections_reused.add();
    } else {
        connection_ = std::make_unique<upstream_connection>(worker_.context(), worker_.deadlines(), to);
        connection_->begin(nullptr);
        if (const cause why = co_await connection_->connect(timeouts().connect); why != cause::none) co_return why;
        to->connected();
        worker_.metrics().upstream_connections_opened.add();
    }
    connection_->begin(worker_.take_buffer());
    co_return cause::none;
}

// The head, with as much of the content as is here; what is not goes behind it, in a task of its own.
awaitable<cause> exchange::send_request() {
    const http::request_head& request = in_.request;
    outgoing_request out{.request = request,
                         .route = *in_.route.settings,
                         .host_rule = in_.route.upstream->settings.host,
                         .client = in_.from,
                         .path = in_.path,
                         .request_id = in_.request_id,
                         .received = in_.received,
                         .body = request.body,
                         .content_length = request.content_length,
                         .pass_expect = request_streams_ && request_content_->size() == 0,
                         .pass_upgrade = request.upgrade_websocket,
                         .keep_alive = in_.route.upstream->settings.keepalive.has_value()};
    if (request.body == http::body_kind::chunked && !request_streams_) {
        // Whole by now: a length is what every Python server understands.
        out.body = http::body_kind::length;
        out.content_length = request_content_->size();
    }
    compose_request(out, *report_.endpoint, out_);
    request_time_ = wall_now();

    std::array<std::string_view, buffers_at_once> buffers;
    buffers[0] = out_;
    std::size_t used = 1;
    std::optional<http::content_reader> reader;
    std::array<char, 20> chunk;
    if (request_content_ && request_content_->size() > 0) {
        reader.emplace(request_content_);
        if (out.body == http::body_kind::chunked)
            buffers[used++] = http::chunk_start(request_content_->size(), true, chunk);
    }
    for (;;) {
        http::content_reader::view got;
        if (reader) got = reader->peek(std::span(buffers).subspan(used));
        used += got.buffers;
        if (used == 0) break;
        const cause why = co_await connection_->send(std::span(buffers).first(used), timeouts().write);
        if (why != cause::none) co_return why;
        if (!reader) break;
        reader->consume(got.bytes);
        used = 0;
    }
    if (!request_streams_) {
        request_sent_ = true;
        co_return cause::none;
    }
    push_began_ = push_running_ = true;
    push_failure_ = cause::none;
    worker_.tasks().spawn(push_request());
    co_return cause::none;
}

awaitable<void> exchange::push_request() {
    push_failure_ = co_await push_rest();
    request_sent_ = push_failure_ == cause::none;
    push_running_ = false;
    push_end_ = steady::now();
    // The endpoint would wait for the rest: it must see that there is none.
    if (push_failure_ != cause::none && push_failure_ != cause::send_failed && connection_)
        connection_->stream().close();
    push_ended_.wake();
}

// From the client to the endpoint, a buffer at a time.
awaitable<cause> exchange::push_rest() {
    const conf::client_settings& client = in_.config->settings.client;
    const bool chunked = in_.request.body == http::body_kind::chunked;
    const auto block = http::block::make(http::block::usual_capacity, nullptr);
    bool first = request_content_->size() == 0;
    // A client that expects 100 (Continue) sends nothing before the endpoint has said so.
    auto limit = in_.request.expects_continue && first ? std::max(client.read_timeout, timeouts().first_byte)
                                                       : client.read_timeout;
    for (unsigned turns = 1;; ++turns) {
        if (turns % turns_at_once == 0) co_await let_others_run(worker_);
        const content_result got = co_await in_.client.read_content({block->data(), block->capacity()}, limit);
        limit = client.read_timeout;
        if (got.status == content_status::late) co_return cause::content_timeout;
        if (got.status == content_status::malformed) co_return cause::content_malformed;
        std::array<char, 20> chunk;
        std::array<std::string_view, 2> buffers;
        if (got.status == content_status::end) {
            if (!chunked) co_return cause::none;
            buffers[0] = http::last_chunk(!first);
            co_return co_await connection_->send(std::span(buffers).first(1), timeouts().write);
        }
        if (got.status != content_status::some) co_return cause::client_left;
        request_content_bytes_ += got.bytes;
        if (client.max_content_bytes && request_content_bytes_ > *client.max_content_bytes)
            co_return cause::content_too_large;
        if (chunked) buffers[0] = http::chunk_start(got.bytes, first, chunk);
        buffers[1] = {block->data(), got.bytes};
        first = false;
        if (const cause why = co_await connection_->send(buffers, timeouts().write); why != cause::none) co_return why;
    }
}

awaitable<cause> exchange::receive_response_head() {
    for (unsigned interim = 0; interim <= max_interim_responses;) {
        const cause why = co_await connection_->receive_head(in_.request.method, response_, timeouts().first_byte);
        // The time for the first byte runs from the request's last: once more in full when that came while it ran.
        if (why == cause::first_byte_timeout &&
            (push_running_ || (push_began_ && steady::now() - push_end_ < timeouts().first_byte)))
            continue;
        if (push_failure_ != cause::none && push_failure_ != cause::send_failed) co_return push_failure_;
        if (why != cause::none) co_return why;
        response_time_ = wall_now();
        if (response_.status == 101) {
            const bool agreed = http::iequals(response_.fields.value(http::field_id::upgrade), "websocket");
            co_return in_.request.upgrade_websocket&& agreed ? cause::none : cause::bad_response;
        }
        // Python servers say 408 to a connection that was idle too long: no answer to this request.
        if (response_.status == 408 && connection_->reused() && !response_.keep_alive) co_return cause::closed_early;
        if (response_.status >= 200) co_return cause::none;
        ++interim;
        // In buffered mode weir has said 100 itself.
        if (response_.status == 100 && !(request_streams_ && in_.request.expects_continue)) continue;
        std::string fields;
        append_interim_fields(response_, fields);
        const cause sent = co_await in_.client.send_interim(response_.status, response_.reason, fields);
        if (sent != cause::none) co_return sent;
    }
    co_return cause::bad_response;
}

// Decides how the content is kept: to be stored, or in a window that the client's pace moves.
void exchange::plan_response_content() {
    const conf::route_settings& route = *in_.route.settings;
    if (in_.route.caches && in_.found.what != cache::outcome::pass && in_.found.what != cache::outcome::fresh) {
        storable_ = cache::may_store(in_.request, response_, route.cache->freshness,
                                     worker_.cache().max_response_bytes(), request_time_, response_time_);
        report_.cache_detail = cache::text(storable_.reason);
    }
    http::growing_content::options options{.keep = storable_ ? http::retention::store : http::retention::until_read,
                                           .window_bytes = route.buffering.response_bytes.value_or(1),
                                           .expected_bytes = std::nullopt};
    if (response_.body == http::body_kind::length) options.expected_bytes = response_.content_length;
    content_ = std::make_shared<http::growing_content>(worker_.budget(), options);
    connection_->expect_content(response_);
}

// What is here already; a small response whole, because until then it may still be asked for again.
awaitable<cause> exchange::receive_first_content() {
    plan_response_content();
    const bool held = facts_.idempotent && !push_began_ && response_.body == http::body_kind::length &&
                      response_.content_length <= held_response_bytes;
    for (;;) {
        switch (read_response()) {
            case pumped::done:
                finish_fetch(true);
                co_return cause::none;
            case pumped::failed:
                co_return cause::response_cut;
            case pumped::no_room:
            case pumped::more:
                break;
            case pumped::wait:
                if (!held) break;
                switch (co_await connection_->stream().wait_readable(timeouts().read)) {
                    case wait_status::ready:
                        continue;
                    case wait_status::late:
                        co_return cause::read_timeout;
                    case wait_status::cancelled:
                        co_return cause::response_cut;
                }
        }
        break;
    }
    pull_running_ = true;
    worker_.tasks().spawn(pull_response());
    co_return cause::none;
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
}

// Reads ahead of the client, so that the endpoint is free as soon as it has said its last byte.
awaitable<void> exchange::pull_response() {
    bool whole = false;
    for (;;) {
        const pumped result = read_response();
        if (result == pumped::done || result == pumped::failed) {
            whole = result == pumped::done;
            break;
        }
        if (content_->abandoned() && !storable_) break;
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
            if (content_->wait_for_room(room_)) {
                co_await room_.wait(budget_poll);
                content_->cancel_writer_wait();
            }
            continue;
        }
        if (co_await connection_->stream().wait_readable(timeouts().read) != wait_status::ready) break;
    }
    finish_fetch(whole);
    pull_running_ = false;
    pull_ended_.wake();
}

// The endpoint has said all that it will, or is given up.
void exchange::finish_fetch(bool whole) {
    if (fetch_finished_ || !report_.endpoint) return;
    fetch_finished_ = true;
    balancer::release_slot(*in_.route.upstream, report_.endpoint, coarse_now());
    report_.upstream_duration = std::chrono::duration_cast<std::chrono::microseconds>(steady::now() - asked_);
    if (content_ && !whole) content_->fail();
    if (!connection_) return;
    worker_.metrics().upstream_bytes_sent.add(connection_->bytes_sent());
    worker_.metrics().upstream_bytes_received.add(connection_->bytes_received());
    if (whole && storable_) store_response();
    const auto& keepalive = in_.route.upstream->settings.keepalive;
    const bool reusable =
        whole && keepalive && !push_running_ && connection_->may_serve_again(response_, request_sent_);
    if (reusable) learn_idle_life(*report_.endpoint, response_);
    if (!reusable) {
        connection_->stream().close();
        return;
    }
    // response_ refers to the buffer, which therefore stays here until the exchange ends.
    response_bytes_ = connection_->end();
    worker_.pool().give_back(std::move(connection_), *keepalive, coarse_now());
}

}  // namespace weir::proxy
