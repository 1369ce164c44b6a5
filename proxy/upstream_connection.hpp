// One HTTP/1.1 connection to an endpoint: connects, sends a request, reads heads and content, and knows whether it may
// serve again.
//
// It may only when the response ended exactly where its framing said, no byte lies behind it, the request went out
// whole and nobody said close. Any doubt costs the connection. While idle it holds no buffer and has no pending
// operation.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "balancer/endpoint.hpp"
#include "proxy/awaitable.hpp"
#include "proxy/content_decoder.hpp"
#include "proxy/error.hpp"
#include "proxy/http/head_parser.hpp"
#include "proxy/read_buffer.hpp"
#include "proxy/stream.hpp"

namespace weir::proxy {

class upstream_connection {
  public:
    upstream_connection(asio::io_context& context, deadlines& lists, std::shared_ptr<balancer::endpoint> endpoint)
        : context_(context), stream_(context, lists), endpoint_(std::move(endpoint)) {}

    // To the first of the endpoint's addresses that takes it, each within `limit`.
    awaitable<cause> connect(std::chrono::milliseconds limit);

    // Nobody wants it any more: ends what is being waited for, and connect() goes on to no other address.
    void give_up() {
        given_up_ = true;
        stream_.close();
    }

    // A new request begins on it, with `buffer` to read into.
    void begin(std::unique_ptr<read_buffer> buffer);
    // All of `buffers`, which are used up on the way; none, send_failed, or send_timeout when it took nothing for
    // `limit`.
    awaitable<cause> send(std::span<std::string_view> buffers, std::chrono::milliseconds limit);
    // The next head, interim ones included; the views of `head` last until the next call or the end of the content.
    // Nothing may be waited for longer than `limit` from one byte to the next, nor in all.
    awaitable<cause> receive_head(http::verb request_method, http::response_head& head,
                                  std::chrono::milliseconds limit);
    // After a final head: its content.
    void expect_content(const http::response_head& head);
    content_result read_content(std::span<char> into);
    // All of it, if it came with the head; it stays in the buffer.
    std::optional<std::string_view> take_whole_content() { return content_.take_whole(*buffer_); }
    bool content_at_end() const { return content_.at_end(); }

    // True when it may go back to the pool. `request_sent`: whole.
    bool may_serve_again(const http::response_head& head, bool request_sent) const;
    bool has_buffer() const { return buffer_ != nullptr; }
    // For the pool: gives up the buffer.
    std::unique_ptr<read_buffer> end();

    proxy::stream& stream() { return stream_; }
    // What was read and belongs to nobody yet: after 101, the first bytes of the tunnel.
    std::string_view unread() const { return buffer_->unread(); }
    balancer::endpoint& endpoint() { return *endpoint_; }
    bool reused() const { return served_ > 0; }
    std::uint64_t bytes_sent() const { return sent_; }          // of this request
    std::uint64_t bytes_received() const { return received_; }  // of its response

    steady::time_point idle_since;  // the pool's

  private:
    awaitable<cause> connect_to(const boost::asio::generic::stream_protocol::endpoint& address,
                                std::chrono::milliseconds limit);

    asio::io_context& context_;
    proxy::stream stream_;
    std::shared_ptr<balancer::endpoint> endpoint_;
    std::unique_ptr<read_buffer> buffer_;
    content_decoder content_;
    std::uint64_t sent_ = 0;
    std::uint64_t received_ = 0;
    std::uint32_t served_ = 0;  // requests before this one
    bool given_up_ = false;
};

}  // namespace weir::proxy
