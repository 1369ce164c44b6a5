// One end of a stream socket in a test: blocking calls with a bound, and the bytes that came and were not taken yet.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "test/support/patience.hpp"

namespace weir::test {

// How the peer ended its direction.
enum class ending { closed, reset };

// The peer ended the connection where more was expected. `rest` is what had come of it.
struct connection_ended : std::runtime_error {
    connection_ended(ending how_, const std::string& rest_);
    ending how;
    std::string rest;
};

// Used by one thread, but for shut_down. Movable, closes its descriptor.
class connection {
  public:
    explicit connection(int descriptor) : descriptor_(descriptor) {}
    connection(connection&& other) noexcept;
    connection& operator=(connection&& other) noexcept;
    ~connection();

    // Throw std::system_error when nobody listens. `host` is a numeric IPv4 or IPv6 address.
    static connection to_tcp(const std::string& host, std::uint16_t port);
    static connection to_unix(const std::string& path);

    // Sends everything or throws: connection_ended when the peer is gone, timed_out when it takes nothing.
    void send(std::string_view bytes);
    // The same, but false where the peer has ended the connection.
    bool try_send(std::string_view bytes);

    // What comes up to and including `mark`, taken.
    std::string take_until(std::string_view mark);
    // Exactly `count` bytes, taken.
    std::string take(std::size_t count);
    // Whatever is there, at least one byte; empty once the peer has closed.
    std::string take_some();
    // All that still comes, until the peer ends the connection.
    struct last_bytes {
        std::string bytes;
        ending how;
    };
    last_bytes take_to_end();
    // True when bytes wait or the peer has ended the connection, without waiting.
    bool readable() const;
    // Waits for a byte or the end: true for a byte.
    bool wait_for_byte();

    void shut_down_write();
    // From any thread: ends both directions, so that a thread waiting in this object goes on.
    void shut_down();
    // Closes with RST.
    void reset();
    void close();
    bool is_open() const { return descriptor_ >= 0; }
    int descriptor() const { return descriptor_; }

    // Everything that was received so far, taken or not.
    const std::string& received() const { return received_; }
    // Lets reads wait for ever (an origin's idle connection); they end by shut_down.
    void wait_for_ever() { bounded_ = false; }

  private:
    // Appends what comes; false at the end of the stream. Throws connection_ended at a reset, timed_out.
    bool fill();
    std::string_view untaken() const { return std::string_view(received_).substr(taken_); }
    std::string take_now(std::size_t count);

    int descriptor_;
    std::string received_;
    std::size_t taken_ = 0;
    bool bounded_ = true;
};

}  // namespace weir::test
