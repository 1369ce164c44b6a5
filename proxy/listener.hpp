// The accept loop of one address: takes connections in batches and deals them to the workers in turn.
//
// One listener on one worker and exact turns rather than SO_REUSEPORT, which splits few connections badly (24 to 40 of
// 64 was seen) and resets what is queued on a socket of the group that closes.
#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "conf/settings.hpp"
#include "proxy/accepted_socket.hpp"
#include "proxy/awaitable.hpp"
#include "proxy/deadlines.hpp"

namespace weir::proxy {

class worker;

// A bound socket that listens; owned by a listener as soon as there is one.
struct listening_socket {
    int descriptor = -1;
    int family = 0;
};

// Binds and listens. On failure `descriptor` is -1 and `why` says what is wrong and what to do. A unix socket that
// nobody listens on any more is replaced. Port 0: the system chooses; bound_text tells.
listening_socket open_listening_socket(const conf::listen_address& where, std::string& why);
// "127.0.0.1:8880" or "unix:/path", as bound.
std::string bound_text(const listening_socket& socket, const conf::listen_address& where);

class listener {
  public:
    // On the worker's thread. `next` chooses the worker for each connection.
    // `id` is the server's name for it. Takes the socket over.
    listener(worker& on, std::uint32_t id, listening_socket socket, std::function<worker&()> next);
    ~listener();
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;

    void start();
    // Takes who waits in the queue, who would be reset otherwise, and then nobody any more.
    void close();
    // Where there was no memory to wait for clients, tries again. To be called now and then.
    void wait_again();
    std::uint32_t id() const { return id_; }

  private:
    void wait();
    void accept_batch();
    bool accept_some(int most);
    void out_of_descriptors(int error);

    worker& worker_;
    const std::uint32_t id_;
    listening_socket socket_;
    std::function<worker&()> next_;
    asio::posix::basic_stream_descriptor<executor> waiting_;
    asio::basic_waitable_timer<steady, asio::wait_traits<steady>, executor> pause_;
    bool forlorn_ = false;  // waits for nothing, for want of memory
    int spare_ = -1;        // given up for a moment when no descriptor is left, to refuse who waits
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace weir::proxy
