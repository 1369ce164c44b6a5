// One non-blocking stream descriptor, TCP or unix. Reads and writes are tried at once, as plain system calls; only what
// would block is waited for (see readiness). One wait a direction at a time; the two directions may wait side by side.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "proxy/awaitable.hpp"
#include "proxy/deadlines.hpp"
#include "proxy/http/wakeable.hpp"
#include "proxy/readiness.hpp"
#include "proxy/wait_handler.hpp"

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

// Takes `bytes` off the front of `buffers`, after a write that took so many. Returns what they do not cover.
inline std::size_t drop_written(std::span<std::string_view> buffers, std::size_t bytes) {
    for (std::string_view& buffer : buffers) {
        const std::size_t n = std::min(bytes, buffer.size());
        buffer.remove_prefix(n);
        bytes -= n;
    }
    return bytes;
}

class stream final : readiness::watched {
  public:
    stream(asio::io_context& context, deadlines& lists)
        : context_(context),
          ready_(asio::use_service<readiness>(context)),
          deadlines_(lists),
          reading_(*this),
          writing_(*this) {}
    ~stream() { close(); }
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    // Takes over a connected or connecting, non-blocking descriptor; closes it and says false on failure.
    bool assign(int descriptor);
    bool is_open() const { return descriptor_ >= 0; }
    int descriptor() { return descriptor_; }
    // Of what there is to read or to write, the latest was known then, at most as long ago as the batch of events
    // takes.
    steady::time_point last_told() const { return ready_.last_told(); }

    io_result try_read(std::span<char> into);
    io_result try_write(std::span<const std::string_view> buffers);
    io_result try_write(std::span<const iovec> vectors);  // at least one, at most 1,024
    // Nothing to read and not closed by the peer: what an idle connection must be.
    bool is_quiet();

    // To be awaited, once and at once; throws bad_alloc.
    class wait;
    wait wait_readable(std::chrono::milliseconds limit);
    wait wait_writable(std::chrono::milliseconds limit);
    // Writable, or late when the peer has taken no byte of what the kernel holds for it for `limit`: a peer may be slow
    // without being stalled, and the kernel says writable only when much has gone.
    awaitable<wait_status> wait_taken(std::chrono::milliseconds limit);
    // Bytes that were written and that the peer has not acknowledged.
    std::uint64_t untaken_bytes() const;
    // The same by a handler and with the caller's own deadline, for the loop in which idle connections live.
    template <class Handler>
    void on_readable(Handler handler) {
        start(reading_, wait_handler([handler = std::move(handler)](wait_status status) mutable {
                  handler(status == wait_status::ready ? boost::system::error_code()
                                                       : boost::system::error_code(asio::error::operation_aborted));
              }));
    }

    // Wakes `on_end` once the peer has said its last byte or the connection broke, at once if it has; null: nobody any
    // more. What it wakes must not run by itself.
    void watch_end(http::wakeable* on_end);

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
        wait_handler handler;
        bool ready = false;  // an edge came, and nothing has said since that there is no more
        bool cancelled = false;

      private:
        void late() noexcept override;
        stream& stream_;
    };
    // What the wait came to, if it need not begin.
    std::optional<wait_status> known(const pending& p) const;
    void start(pending& p, wait_handler handler);
    void finish(pending& p, wait_status status);  // at once
    void finish_later(pending& p, wait_status status);
    void on_events(std::uint32_t events) override;
    void set_watcher(http::wakeable* who);
    void tell_end();

    asio::io_context& context_;
    readiness& ready_;
    deadlines& deadlines_;
    pending reading_;
    pending writing_;
    int descriptor_ = -1;
    bool ended_ = false;  // the peer has said its last byte: no further edge will come
    http::wakeable* on_end_ = nullptr;
};

class [[nodiscard]] stream::wait {
  public:
    wait(const wait&) = delete;
    wait& operator=(const wait&) = delete;

    bool await_ready() {
        if (const auto status = on_.known(which_)) {
            status_ = *status;
            return true;
        }
        on_.deadlines_.arm(which_, limit_);
        return false;
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> by) {
        on_.start(which_, wait_handler([this, go_on = continuation(by.promise())](wait_status status) mutable {
                      status_ = status;
                      go_on();
                  }));
        by.promise().wait_began();
    }
    wait_status await_resume() const { return status_; }

  private:
    friend stream;
    wait(stream& on, pending& which, std::chrono::milliseconds limit) : on_(on), which_(which), limit_(limit) {}

    stream& on_;
    pending& which_;
    const std::chrono::milliseconds limit_;
    wait_status status_ = wait_status::cancelled;
};

inline stream::wait stream::wait_readable(std::chrono::milliseconds limit) {
    return {*this, reading_, limit};
}
inline stream::wait stream::wait_writable(std::chrono::milliseconds limit) {
    return {*this, writing_, limit};
}

}  // namespace weir::proxy
