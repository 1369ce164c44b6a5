// One client over HTTP/1: the keep-alive loop. A small callback state machine, because every idle connection lives in
// it: wait until readable, borrow a context, read, parse, answer a fresh hit at once with one gathered write, give the
// context back. A page of memcached costs one wait more. Whatever else a request needs is an exchange, a coroutine that
// drives this connection until its response has ended.
//
// Exactly one thing drives a connection at a time: the wait for a request or for a page, or one coroutine. Who drives
// it alone may destroy it.
#pragma once

#include <boost/intrusive/list_hook.hpp>
#include <chrono>
#include <memory>
#include <span>
#include <string_view>

#include "cache/cache.hpp"
#include "proxy/accepted_socket.hpp"
#include "proxy/content_decoder.hpp"
#include "proxy/error.hpp"
#include "proxy/exchange.hpp"
#include "proxy/request_context.hpp"
#include "proxy/stream.hpp"

namespace weir::proxy {

class page_wait;
class worker;

struct connection_tag;
using connection_hook = boost::intrusive::list_base_hook<boost::intrusive::tag<connection_tag>>;

class client_connection final : public exchange_client, public connection_hook, private deadline {
  public:
    client_connection(worker& on, const accepted_socket& socket);
    ~client_connection();

    // Takes the descriptor; false when it cannot be used (it is closed then).
    bool take_over(const accepted_socket& socket) { return stream_.assign(socket.descriptor); }
    // Begins to wait for requests. From here on it ends by itself, through worker::remove().
    void start();
    // The worker stops: an idle connection ends now, another after its response.
    void drain();

    // exchange_client
    awaitable<content_result> read_content(std::span<char> into, std::chrono::milliseconds limit) override;
    bool content_has_arrived() const override { return !context_->buffer.unread().empty(); }
    bool content_at_end() const override { return content_.at_end(); }
    void cancel_reading() override { stream_.cancel_reading(); }
    void resume_reading() override { stream_.resume_reading(); }
    void watch_departure(http::wakeable* watcher) override;
    awaitable<cause> send_interim(unsigned status, std::string_view reason, std::string_view fields) override;
    void begin_response(const response_start& start) override;
    awaitable<cause> send(std::span<const std::string_view> content, bool last) override;
    void abort() override;
    awaitable<cause> begin_tunnel(const response_start& start) override;
    proxy::stream& tunnel_stream() override { return stream_; }
    std::string_view tunnel_bytes() override { return context_->buffer.unread(); }

  private:
    enum class driver : std::uint8_t { waiting, coroutine };
    enum class step : std::uint8_t { read_more, next_request, handed_over };
    enum class body_framing : std::uint8_t { none, length, chunked, until_close };

    friend class page_wait;

    void late() noexcept override;
    // Runs a part of the loop, and ends this connection, no other, where it has no memory.
    template <class Part>
    void guarded(Part part);
    void wait();
    void on_readable(boost::system::error_code error);
    void process();
    void proceed(step what);
    step next_request();
    step await_head();
    step become_idle();
    step handle_request();
    step answer(const std::shared_ptr<const snapshot>& config, const route& via, cache::lookup_result& found,
                std::chrono::milliseconds waited);
    step answer_hit(const route& via, const cache::lookup_result& found);
    step start_exchange(const std::shared_ptr<const snapshot>& config, const route& via, cache::lookup_result found,
                        std::chrono::milliseconds waited);
    bool ask_for_page(std::string_view scheme, const route& via, cache::lookup_result& found);
    step answer_with_page();
    void on_page();
    step answer_purge(const boost::asio::ip::address& client);
    step refuse(cause why, std::string_view fields = {});
    step end_with(std::string response, unsigned status, cause why);
    void refuse_late_head();
    std::string compose_refusal(unsigned status, cause why, std::string_view fields);

    awaitable<void> serve(std::shared_ptr<const snapshot> config, const route& via, cache::lookup_result found,
                          std::chrono::milliseconds waited);
    awaitable<void> finish_hit(cache::response_ptr response, std::string head, std::size_t skip, bool with_content);
    awaitable<void> send_own(std::string response);
    awaitable<cause> write(std::span<std::string_view> buffers);
    awaitable<cause> wait_taken();
    awaitable<void> linger();
    void after_response();
    void end();

    http::forwarded_client resolve_client() const;
    void append_connection_field(std::string& out) const;
    void record(const exchange_report& report, const route* via);

    worker& worker_;
    proxy::stream stream_;
    std::unique_ptr<request_context> context_;  // while there is a request
    asio::ip::address peer_;
    driver driver_ = driver::waiting;
    body_framing framing_ = body_framing::none;
    bool reading_head_ = true;   // the head deadline runs, not the idle one
    bool keep_alive_ = true;     // after the present response
    bool head_pending_ = false;  // context_->out is to be sent with the first content
    bool any_chunk_ = false;
    bool response_ended_ = false;  // every byte of it was taken by the kernel
    bool lingers_ = false;         // the client may be sending still
    std::uint32_t scanned_ = 0;    // bytes of the head that were looked at for its end
    content_decoder content_;      // of the request
    steady::time_point began_;     // when the first byte of the request was here
    std::uint64_t received_ = 0;   // of this request
    std::uint64_t sent_ = 0;       // of its response
    std::uint64_t content_sent_ = 0;
};

}  // namespace weir::proxy
