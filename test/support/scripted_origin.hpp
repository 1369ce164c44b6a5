// An origin that does exactly what a test says, byte by byte, and remembers exactly what it got.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "test/support/connection.hpp"
#include "test/support/message.hpp"

namespace weir::test {

class scripted_origin;

// One accepted connection, in the script's thread. Reads wait until the peer ends the connection or the origin is
// destroyed, and then throw connection_ended, which ends the script quietly.
class origin_connection {
  public:
    unsigned number() const { return number_; }

    // One whole request, which is also recorded at the origin.
    request read_request();
    // A head alone (recorded too), then its content.
    request read_request_head();
    void read_content(request& of) { read_request_content(stream_, of); }

    void send(std::string_view bytes) { stream_.send(bytes); }
    // Waits until the peer has ended the connection; what it still sent.
    std::string wait_for_end() { return stream_.take_to_end().bytes; }
    void shut_down_write() { stream_.shut_down_write(); }
    void reset();
    void close();
    connection& stream() { return stream_; }

  private:
    friend class scripted_origin;
    origin_connection(scripted_origin& origin, unsigned number, int descriptor);

    scripted_origin& origin_;
    unsigned number_;
    std::mutex closing_;  // keeps the descriptor alive while the origin's destructor shuts it down
    connection stream_;
    std::thread thread_;
};

// Listens on a port of the system's choice (or a unix socket) and runs the script once for each connection, each in a
// thread of its own; the connection closes when the script returns. Its counters may be asked from any thread.
class scripted_origin {
  public:
    using script = std::function<void(origin_connection&)>;
    // Answers one request; the connection is kept.
    using answer = std::function<std::string(const request&)>;

    explicit scripted_origin(script run, const std::string& unix_path = "");
    ~scripted_origin();
    scripted_origin(const scripted_origin&) = delete;
    scripted_origin& operator=(const scripted_origin&) = delete;

    // A script that answers every request of a connection.
    static script answering(answer with);
    static script answering(std::string bytes);

    std::uint16_t port() const { return port_; }
    // As `servers` wants it: 127.0.0.1:PORT or unix:/path.
    const std::string& address() const { return address_; }
    // From now on connections are refused, and those that are there are closed.
    void stop();

    unsigned connections() const;
    std::size_t requests() const;
    // Copies: in the order in which their heads were read.
    std::vector<request> seen() const;
    request last() const;
    // Waits until so many connections were ended by the peer or the script.
    void wait_for_ended(unsigned count) const;
    void wait_for_requests(std::size_t count) const;
    void wait_for_connections(unsigned count) const;
    unsigned ended() const;
    // What scripts threw but for the quiet end; empty when all went well.
    std::string faults() const;

  private:
    friend class origin_connection;
    void end();
    void accept_all();
    void run(origin_connection& one);
    void wait_for(const std::function<bool()>& condition, const char* what) const;

    script script_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::string address_;
    std::string unix_path_;
    std::atomic<bool> stopping_{false};

    mutable std::mutex lock_;
    mutable std::condition_variable changed_;
    std::list<std::unique_ptr<origin_connection>> connections_;  // guarded by lock_, like all below
    std::vector<request> seen_;
    unsigned ended_ = 0;
    std::string faults_;

    std::thread acceptor_;
};

// A port on which nobody listens, kept reserved while this object lives: connections to it are refused.
class refusing_port {
  public:
    refusing_port();
    ~refusing_port();
    refusing_port(const refusing_port&) = delete;
    refusing_port& operator=(const refusing_port&) = delete;
    std::uint16_t port() const { return port_; }
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  private:
    std::uint16_t port_ = 0;  // set while descriptor_ is made
    int descriptor_;
};

// A listener that accepts nobody, with a full queue: who connects gets no answer at all, as from a host that is gone.
class deaf_port {
  public:
    deaf_port();
    ~deaf_port();
    deaf_port(const deaf_port&) = delete;
    deaf_port& operator=(const deaf_port&) = delete;
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  private:
    std::uint16_t port_ = 0;  // set while descriptor_ is made
    int descriptor_;
    std::vector<connection> waiting_;
};

}  // namespace weir::test
