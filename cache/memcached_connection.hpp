// A connection to one memcached server in its text protocol: lines and data, and one deadline for all that a call does.
//
// Ours, since Debian's libmemcached does not survive every server. It ends the process where a storing command is
// answered by another command's success; "VERSION" alone, a key that is too long and some lengths of values have it
// write where it must not; a length that is announced is allocated; and its time limit is for each wait, not for a
// call. Here nothing is believed that is not exactly an answer, memory is taken for what has come, and whatever a
// server does the call ends by its deadline, but for the look-up of a name, which takes its own time.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "conf/settings.hpp"

struct sockaddr;

namespace weir::cache {

// Why a call did not do all that it should.
enum class memcached_fault : std::uint8_t {
    none,
    refused,      // the server is well, but does not take this: too large, or no memory; no doubt about anything
    unreachable,  // nothing that greets like a memcached could be connected to
    timed_out,    // the time of the call ran out
    broken        // an answer that is none, or the connection ended
};

// Used by one thread at a time. What returns false has set fault() and error(), and leaves a connection of which only
// close() and open() are of use. Nothing throws but bad_alloc; after that too the connection is of no use.
class memcached_connection {
  public:
    using clock = std::chrono::steady_clock;

    // A value's line has at most 310 bytes; an error may be longer.
    static constexpr std::size_t longest_line = 2048;

    // Does not connect.
    explicit memcached_connection(const conf::memcached_server_address& server) : server_(server) {}
    ~memcached_connection() { close(); }
    memcached_connection(const memcached_connection&) = delete;
    memcached_connection& operator=(const memcached_connection&) = delete;

    // What follows is a new call: it has no fault yet, and is over by `deadline`.
    void begin_call(clock::time_point deadline);
    // Connects, to any address of the name, and has the server greet.
    bool open();
    bool is_open() const { return descriptor_ >= 0; }
    void close();

    // Whether nothing of the latest exchange is left to be sent or read.
    bool is_in_step() const { return !is_cut_ && begin_ == end_; }
    // Whether the server has neither closed the connection meanwhile nor sent what nobody asked for.
    bool is_quiet() const;
    // Ends early where an answer comes before all is sent, unless the server reads on after it, as memcached does after
    // a SERVER_ERROR.
    bool write(std::span<const std::string_view> parts);
    // Without its line end; valid until the next read.
    bool read_line(std::string_view& line);
    // A value of `size` bytes and the line end after it. Takes not much more memory than what came.
    bool read_data(std::string& data, std::uint64_t size);

    // Ends the call with what its caller found out.
    bool fail(memcached_fault what, std::string_view why);
    memcached_fault fault() const { return fault_; }
    // Whether that fault is that the connection ended: a server may close one that was idle.
    bool has_ended() const { return has_ended_; }
    // Of the latest fault, for the log: printable, and not long.
    const std::string& error() const { return error_; }

  private:
    bool connect_to_unix();
    bool connect_to_host();
    bool connect(const sockaddr* address, unsigned length, clock::time_point limit);
    bool greet();
    short wait(short events, clock::time_point limit);
    bool has_time();
    bool fail_connection(int code);
    std::size_t receive(char* to, std::size_t size);
    bool fill();
    bool was_answered();
    std::string_view has_come() const { return {buffer_.data() + begin_, end_ - begin_}; }
    bool has_line() const { return has_come().find('\n') != std::string_view::npos; }

    const conf::memcached_server_address server_;
    int descriptor_ = -1;
    clock::time_point deadline_{};
    memcached_fault fault_ = memcached_fault::none;
    bool has_ended_ = false;
    std::string error_;
    bool is_cut_ = false;    // a request was
    std::size_t begin_ = 0;  // of what has come and is not read
    std::size_t end_ = 0;
    std::array<char, 65536> buffer_;
};

}  // namespace weir::cache
