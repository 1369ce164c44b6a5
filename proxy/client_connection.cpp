#include "proxy/client_connection.hpp"

#include <time.h>

#include <algorithm>
#include <array>

#include "cache/conditional.hpp"
#include "cache/key.hpp"
#include "cache/storability.hpp"
#include "proxy/access_line.hpp"
#include "proxy/finally.hpp"
#include "proxy/hit.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/http/target.hpp"
#include "proxy/log.hpp"
#include "proxy/page_wait.hpp"
#include "proxy/purge_request.hpp"
#include "proxy/refresh.hpp"
#include "proxy/wall_time.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

namespace {

// Pipelined requests that are answered before other connections get their turn.
constexpr unsigned requests_at_once = 32;
// A response that ends at once goes on with the next request within the call that began it.
constexpr unsigned most_nested_loops = 4;
// Room for content and pipelined requests behind a head.
constexpr std::uint32_t room_behind_head = 8 * 1024;
// How long a connection that is to close goes on reading, so that the client sees the response before a reset.
constexpr std::chrono::seconds linger_pause{5};                // it was sending content
constexpr std::chrono::milliseconds short_linger_pause{1000};  // it may have sent another request
constexpr std::chrono::seconds linger_limit{30};

// The server gets Host as it came. Where that is more than another case of the key's host, or its default port, the key
// has it too: a trailing dot, an empty port, or what a trusted proxy sends beside X-Forwarded-Host.
void append_sent_host(std::string_view scheme, request_context& c) {
    std::string_view sent = c.head.host;
    const std::string_view port = scheme == "https" ? ":443" : ":80";
    if (sent.ends_with(port) && !c.host.ends_with(port)) sent.remove_suffix(port.size());
    if (!http::iequals(sent, c.host)) c.key.append("\nhost: ").append(sent);
}

}  // namespace

client_connection::client_connection(worker& on, const accepted_socket& socket)
    : worker_(on), stream_(on.context(), on.deadlines()), peer_(socket.address) {}

client_connection::~client_connection() {
    if (context_ && context_->page) context_->page->give_up();
    if (context_) worker_.give_back(std::move(context_));
}

template <class Part>
void client_connection::guarded(Part part) {
    try {
        part();
    } catch (const std::exception& e) {
        log::error("internal error: {}", e.what());
        end();
    }
}

void client_connection::start() {
    guarded([this] {
        worker_.deadlines().arm(*this, worker_.current()->settings.client.head_timeout);
        wait();
        if (worker_.draining()) drain();
    });
}

// A request that is here already, though nobody has read it, is answered.
void client_connection::drain() {
    if (driver_ == driver::waiting && !context_ && stream_.is_quiet()) stream_.close();
}

// Idle for too long, or the head or memcached's answer did not come in time.
void client_connection::late() noexcept {
    if (context_ && context_->page) return on_page();
    if (reading_head_ && context_) {
        try {
            refuse_late_head();
        } catch (const std::bad_alloc&) {
            // It is closed without a word.
        }
    }
    stream_.close();
}

void client_connection::refuse_late_head() {
    worker_.metrics().head_timeouts.add();
    // What came so far is no head: nothing of it is known.
    context_->head.clear();
    keep_alive_ = false;
    const std::string answer = compose_refusal(408, cause::head_timeout, {});
    const std::string_view bytes = answer;
    stream_.try_write(std::span(&bytes, 1));
    record({.status = 408, .why = cause::head_timeout}, nullptr);
}

void client_connection::wait() {
    driver_ = driver::waiting;
    stream_.on_readable([this](boost::system::error_code error) { guarded([&] { on_readable(error); }); });
}

void client_connection::on_readable(boost::system::error_code error) {
    if (error || !stream_.is_open()) return end();
    if (!context_) {
        context_ = worker_.take_request_context();
        began_ = stream_.last_told();
    }
    const io_result read = stream_.try_read(context_->buffer.room());
    if (read.status == io_status::again) return wait();
    if (read.status != io_status::ok) return end();
    received_ += read.bytes;
    context_->buffer.read(read.bytes);
    process();
}

void client_connection::process() {
    // Not a member: this connection may end within.
    unsigned& nested = worker_.nested_loops();
    const finally leave([&nested] { --nested; });
    const unsigned turns = ++nested <= most_nested_loops ? requests_at_once : 0;
    for (unsigned n = 0; n < turns; ++n) {
        switch (next_request()) {
            case step::read_more:
                return wait();
            case step::handed_over:
                return;
            case step::next_request:
                break;
        }
    }
    driver_ = driver::coroutine;
    asio::post(worker_.context(), [this] { guarded([this] { process(); }); });
}

// A page was asked for.
void client_connection::on_page() {
    guarded([this] { proceed(answer_with_page()); });
}

// After a request that did not end in process().
void client_connection::proceed(step what) {
    if (what == step::read_more) wait();
    if (what == step::next_request) process();
}

client_connection::step client_connection::next_request() {
    read_buffer& buffer = context_->buffer;
    if (buffer.unread() == "\r") return await_head();
    if (scanned_ == 0 && buffer.unread().starts_with("\r\n")) buffer.consume(2);  // RFC 9112 section 2.2
    if (buffer.unread().empty()) return become_idle();
    const http::head_limits& limits = worker_.current()->request_limits;
    const http::head_end found = http::read_request_head(buffer.unread(), scanned_, limits, context_->head);
    if (found.state == http::head_end::state::incomplete) {
        scanned_ = found.size;
        return await_head();
    }
    scanned_ = 0;
    disarm();
    reading_head_ = true;
    sent_ = content_sent_ = 0;
    response_ended_ = false;
    lingers_ = false;
    if (found.state == http::head_end::state::refused) {
        context_->head.clear();
        return refuse(from_head_error(found.error));
    }
    worker_.metrics().requests.add();
    return handle_request();
}

// Part of a head is here.
client_connection::step client_connection::await_head() {
    read_buffer& buffer = context_->buffer;
    context_->head.clear();  // the one before lies where bytes move now
    if (buffer.room().empty()) {
        const std::uint32_t most = worker_.current()->request_limits.max_bytes + room_behind_head;
        buffer.compact(std::min(buffer.capacity() * 2, most));
    }
    if (!armed() || !reading_head_) {
        reading_head_ = true;
        worker_.deadlines().arm(*this, worker_.current()->settings.client.head_timeout);
    }
    return step::read_more;
}

client_connection::step client_connection::become_idle() {
    worker_.give_back(std::move(context_));
    received_ = 0;
    if (worker_.draining()) {
        stream_.close();
    } else {
        reading_head_ = false;
        worker_.deadlines().arm(*this, worker_.current()->settings.client.idle_timeout);
    }
    return step::read_more;
}

http::forwarded_client client_connection::resolve_client() const {
    return http::resolve_client(context_->head, peer_, worker_.current()->trusted);
}

client_connection::step client_connection::handle_request() {
    const snapshot& config = *worker_.current();
    request_context& c = *context_;
    keep_alive_ = c.head.keep_alive;
    c.request_id.clear();
    content_ = content_decoder(c.head.body, c.head.content_length);
    const http::forwarded_client from = resolve_client();
    c.host.clear();
    http::append_normalised_host(from.host, from.scheme, c.host);
    if (c.head.target == "*") {
        c.path = "/";
    } else if (!http::normalise_path(c.head.target, c.path)) {
        return refuse(cause::ambiguous_path);
    }
    if (max_forwards(c.head) == 0) {
        return refuse(c.head.method == http::verb::trace ? cause::trace_ended_here : cause::options_ended_here);
    }
    if (c.head.method == http::verb::purge && !config.settings.cache.purge_allow.empty())
        return answer_purge(from.address);
    const route* via = config.find(c.host, c.path);
    if (!via) return refuse(cause::no_route);
    if (c.head.body == http::body_kind::length &&
        c.head.content_length > config.settings.client.max_content_bytes.value_or(UINT64_MAX)) {
        return refuse(cause::content_too_large);
    }
    static const conf::key_settings whole_target;
    const conf::route_cache_settings* const rules = via->caches ? &*via->settings->cache : nullptr;
    cache::make_key(from.scheme, c.host, c.head.target, rules ? rules->key : whole_target, c.head.fields, c.key);
    if (rules) append_sent_host(from.scheme, c);
    cache::lookup_result found = worker_.cache().lookup(c.head, c.key, rules, coarse_wall_now());
    if (found.refreshes) {
        const refresh_source source{.head = c.head, .from = from, .host = c.host, .path = c.path, .cache_key = c.key};
        begin_refresh(worker_, source, worker_.current(), *via, found);
    }
    if (via->asks_for_pages && ask_for_page(from.scheme, *via, found)) return step::handed_over;
    return answer(worker_.current(), *via, found, {});
}

// `waited`: for memcached.
client_connection::step client_connection::answer(const std::shared_ptr<const snapshot>& config, const route& via,
                                                  cache::lookup_result& found, std::chrono::milliseconds waited) {
    const http::request_head& head = context_->head;
    if (has_answer(found.what)) {
        if (!head.fields.has(http::field_id::range)) return answer_hit(via, found);
        return start_exchange(config, via, std::move(found), waited);
    }
    const bool reads = head.method == http::verb::get || head.method == http::verb::head;
    const bool asks_tier = config->tier && found.asks_tier;
    if (via.caches && reads && !asks_tier && cache::only_if_cached(head.fields)) {
        const bool says_so = via.settings->cache->cache_status;
        return refuse(cause::only_if_cached, says_so ? "Cache-Status: weir; detail=only-if-cached\r\n" : "");
    }
    return start_exchange(config, via, std::move(found), waited);
}

// The path that must be quick: no coroutine, no allocation, one gathered write. What the kernel does not take at once
// is finished by a coroutine.
client_connection::step client_connection::answer_hit(const route& via, const cache::lookup_result& found) {
    keep_alive_ = keep_alive_ && content_.at_end() && !worker_.draining();
    const auto& rules = via.settings->cache;
    const bool cache_status = rules && rules->cache_status;
    hit_response hit(context_->head, found, cache_status, keep_alive_, coarse_wall_now(), context_->out);

    context_->buffer.consume(context_->head.size);
    const io_result written = stream_.try_write(hit.vectors());
    exchange_report report{.status = hit.status(),
                           .why = cause::none,
                           .endpoint = nullptr,
                           .upstream_duration = std::nullopt,
                           .cache = metric_of(found.what, via.caches),
                           .cache_detail = found.detail};
    if (written.status == io_status::error) {
        report.why = cause::client_left;
        record(report, &via);
        stream_.close();
        return step::read_more;
    }
    sent_ = written.bytes;
    if (sent_ < hit.size()) {
        // Recorded as sent: what is left is in memory and goes as the client takes it.
        driver_ = driver::coroutine;
        content_sent_ = hit.content_bytes();
        const std::uint64_t done = sent_;
        sent_ = hit.size();
        record(report, &via);
        std::string head(hit.head());
        head += hit.tail();
        worker_.tasks().spawn(finish_hit(found.response, std::move(head), done, hit.content_bytes() > 0),
                              [this] { guarded([this] { after_response(); }); });
        return step::handed_over;
    }
    content_sent_ = hit.content_bytes();
    record(report, &via);
    received_ = 0;
    if (keep_alive_) {
        if (!context_->buffer.unread().empty()) began_ = steady::now();
        return step::next_request;
    }
    driver_ = driver::coroutine;
    response_ended_ = true;
    after_response();
    return step::handed_over;
}

awaitable<void> client_connection::finish_hit(cache::response_ptr response, std::string head, std::size_t skip,
                                              bool with_content) {
    std::array<std::string_view, 16> buffers;
    buffers[0] = head;
    std::size_t used = 1;
    const cache::stored_content content = response->content();
    const std::size_t pieces = with_content ? content.size() : 0;
    std::size_t next = 0;
    cause why = cause::none;
    do {
        while (next < pieces && used < buffers.size()) buffers[used++] = content[next++];
        const std::span<std::string_view> batch = std::span(buffers).first(used);
        skip = drop_written(batch, skip);
        why = co_await write(batch);
        used = 0;
    } while (why == cause::none && next < pieces);
    response_ended_ = why == cause::none;
    if (!response_ended_) abort();
}

client_connection::step client_connection::start_exchange(const std::shared_ptr<const snapshot>& config,
                                                          const route& via, cache::lookup_result found,
                                                          std::chrono::milliseconds waited) {
    request_context& c = *context_;
    // The head stays where it is while content and pipelined requests come and go behind it.
    c.buffer.compact(c.head.size + room_behind_head);
    c.head.rebase(c.buffer.start());
    c.buffer.keep(c.head.size);
    driver_ = driver::coroutine;
    worker_.tasks().spawn(serve(config, via, std::move(found), waited), [this] {
        worker_.metrics().connections_active.add(-1);
        guarded([this] { after_response(); });
    });
    return step::handed_over;
}

awaitable<void> client_connection::serve(std::shared_ptr<const snapshot> config, const route& via,
                                         cache::lookup_result found, std::chrono::milliseconds waited) {
    worker_.metrics().connections_active.add(1);
    request_context& c = *context_;
    http::forwarded_client from = http::resolve_client(c.head, peer_, config->trusted);
    if (via.caches || via.asks_for_pages) from.host = c.host;  // as the key has it
    if (from.from_trusted) c.request_id = c.head.fields.value("X-Request-ID");
    if (c.request_id.empty()) worker_.write_request_id(c.request_id);
    const auto run = std::make_unique<exchange>(worker_, exchange::inputs{.client = *this,
                                                                          .request = c.head,
                                                                          .config = std::move(config),
                                                                          .route = via,
                                                                          .from = from,
                                                                          .path = c.path,
                                                                          .request_id = c.request_id,
                                                                          .cache_key = c.key,
                                                                          .found = std::move(found),
                                                                          .received = coarse_wall_now(),
                                                                          .waited = waited});
    co_await run->run();
    record(run->report(), &via);
    if (run->report().tunnelled) response_ended_ = false;
}

// The response has ended, whole or not: on to the next request, or to the end.
void client_connection::after_response() {
    if (!response_ended_ || !stream_.is_open()) return end();
    if (keep_alive_ && content_.at_end()) {
        context_->buffer.release_kept();
        if (!context_->buffer.unread().empty()) began_ = steady::now();
        received_ = 0;
        return process();
    }
    stream_.shutdown_sending();
    // A client that knew that this was the last response sends nothing more.
    if (content_.at_end() && !lingers_ && !context_->head.keep_alive) return end();
    worker_.tasks().spawn(linger(), [this] { end(); });
}

// A reset that overtakes the response would take it from the client: so no more from us, and what it still sends is
// read and dropped.
awaitable<void> client_connection::linger() {
    stream_.resume_reading();
    const std::chrono::milliseconds pause = content_.at_end() && !lingers_ ? short_linger_pause : linger_pause;
    unsigned turns = 0;
    const steady::time_point limit = steady::now() + linger_limit;
    while (steady::now() < limit) {
        context_->buffer.consume(context_->buffer.unread().size());
        const io_result read = stream_.try_read(context_->buffer.room());
        if (read.status == io_status::ok) {
            if (++turns % turns_at_once == 0) co_await let_others_run(worker_);
            continue;
        }
        if (read.status != io_status::again || co_await stream_.wait_readable(pause) != wait_status::ready) co_return;
    }
}

void client_connection::end() {
    stream_.close();
    worker_.remove(*this);
}

// PURGE on a listener, where somebody may send it (cache.purge.allow).
client_connection::step client_connection::answer_purge(const boost::asio::ip::address& client) {
    const snapshot& config = *worker_.current();
    request_context& c = *context_;
    if (!config.purgers(client)) return refuse(cause::purge_not_allowed);
    const std::string content = carry_out(order_of(c.head, c.host, config), worker_.cache().purges());
    keep_alive_ = c.head.keep_alive && content_.at_end() && !worker_.draining();
    lingers_ = !keep_alive_;
    content_sent_ = content.size();
    std::string out;
    http::append_status_line(200, http::reason_phrase(200), out);
    http::append_date(std::chrono::floor<std::chrono::seconds>(coarse_wall_now()), out);
    http::append_field("Content-Type", "application/json", out);
    http::append_field("Cache-Control", "no-store", out);
    http::append_field("Content-Length", content.size(), out);
    append_connection_field(out);
    out += "\r\n";
    return end_with(out + content, 200, cause::none);
}

// An answer of our own to a request that goes no further.
client_connection::step client_connection::refuse(cause why, std::string_view fields) {
    const http::request_head& head = context_->head;
    const bool understood = head.size > 0;
    if (!understood || why == cause::ambiguous_path) worker_.metrics().bad_requests.add();
    keep_alive_ =
        understood && why != cause::ambiguous_path && head.keep_alive && content_.at_end() && !worker_.draining();
    lingers_ = !keep_alive_;
    const unsigned status = status_of(why);
    return end_with(compose_refusal(status, why, fields), status, why);
}

client_connection::step client_connection::end_with(std::string response, unsigned status, cause why) {
    const std::uint32_t head = context_->head.size;
    context_->buffer.consume(head > 0 ? head : context_->buffer.unread().size());
    sent_ = response.size();
    driver_ = driver::coroutine;
    record({.status = status, .why = why}, nullptr);
    worker_.tasks().spawn(send_own(std::move(response)), [this] { guarded([this] { after_response(); }); });
    return step::handed_over;
}

std::string client_connection::compose_refusal(unsigned status, cause why, std::string_view fields) {
    const std::string page = error_page(status, why);
    std::string out;
    http::append_status_line(status, http::reason_phrase(status), out);
    append_error_fields(status, why, std::chrono::floor<std::chrono::seconds>(coarse_wall_now()), out);
    http::append_field("Content-Length", page.size(), out);
    out += fields;
    append_connection_field(out);
    out += "\r\n";
    content_sent_ = context_->head.method == http::verb::head ? 0 : page.size();
    if (content_sent_ > 0) out += page;
    return out;
}

awaitable<void> client_connection::send_own(std::string response) {
    std::string_view bytes = response;
    response_ended_ = co_await write(std::span(&bytes, 1)) == cause::none;
}

// The counters and the access log.
void client_connection::record(const exchange_report& report, const route* via) {
    const auto duration = std::chrono::duration_cast<std::chrono::microseconds>(steady::now() - began_);
    worker_metrics& m = worker_.metrics();
    m.responses[status_class(report.status)].add();
    m.durations.record(duration);
    m.client_bytes_sent.add(sent_);
    m.client_bytes_received.add(received_);
    if (via) {
        m.cache(report.cache).add();
        via->counters->by_worker[worker_.index()].responses[status_class(report.status)].add();
    }
    if (!worker_.access_log().wanted()) return;
    write_access_line(worker_, *context_, peer_, report, via, duration,
                      {.sent = sent_, .content_sent = content_sent_, .received = received_});
}

}  // namespace weir::proxy
