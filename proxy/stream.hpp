// One non-blocking stream descriptor, TCP or unix. Reads and writes are tried at once, as plain system calls; only what
// would block is waited for. One wait a direction at a time; the two directions may wait side by side.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/awaitable.hpp"
#include "proxy/deadlines.hpp"

namespace weir::proxy {

enum class io_status : std::uint8_t {
    ok,
    again,  // nothing could be done without waiting
    end,    // the peer has said its last byte (reads only)
    error   // reset, closed, or worse
};
struct io_result {
    std::size_t bytes = 0;
    io_status status = io_status::ok;
};

enum class wait_status : std::uint8_t { ready, late, cancelled };

class stream {
  public:
    using socket_type = asio::basic_stream_socket<asio::generic::stream_protocol, executor>;

    stream(asio::io_context& context, deadlines& lists)
        : socket_(context), deadlines_(lists), reading_(*this), writing_(*this) {}
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    // Takes over a connected or connecting, non-blocking descriptor of `family`; closes it and says false on failure.
    bool assign(int family, int descriptor);
    bool is_open() const { return socket_.is_open(); }
    int descriptor() { return socket_.native_handle(); }

    io_result try_read(std::span<char> into);
    io_result try_write(std::span<const std::string_view> buffers);
    // Nothing to read and not closed by the peer: what an idle connection must be.
    bool is_quiet();

    awaitable<wait_status> wait_readable(std::chrono::milliseconds limit) {
        return wait(reading_, socket_type::wait_read, limit);
    }
    awaitable<wait_status> wait_writable(std::chrono::milliseconds limit) {
        return wait(writing_, socket_type::wait_write, limit);
    }
    // The same by a handler and with the caller's own deadline, for the loop in which idle connections live.
    template <class Handler>
    void on_readable(Handler handler) {
        socket_.async_wait(socket_type::wait_read, std::move(handler));
    }

    // The pending wait for reading, and every later one until resume_reading(), ends as cancelled.
    void cancel_reading();
    void resume_reading() { reading_.cancelled = false; }
    // All pending waits end as cancelled.
    void close();
    // What the peer has not been sent is thrown away and it is told so (RST): a response that was cut short must not
    // look whole.
    void close_with_reset();
    // No more from us; the peer may go on (half-close).
    void shutdown_sending();

  private:
    class pending final : public deadline {
      public:
        explicit pending(stream& s) : stream_(s) {}
        bool was_late = false;
        bool cancelled = false;

      private:
        void late() noexcept override;
        stream& stream_;
    };
    awaitable<wait_status> wait(pending& p, socket_type::wait_type what, std::chrono::milliseconds limit);

    socket_type socket_;
    deadlines& deadlines_;
    pending reading_;
    pending writing_;
};

}  // namespace weir::proxy
