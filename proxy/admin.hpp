// The listener for metrics, status and control: GET or HEAD of /metrics, /status and /healthz, and POST of changes by
// hand (control.hpp) and of what is to be purged (purge_request.hpp), which alone brings content.
//
// It lives on the control thread, away from the path of a request, so Beast's stock server code does. Connections, the
// size of heads and content and the time for everything are bounded. A page that a browser loaded from elsewhere must
// not reach it: a Host that is not this machine (DNS rebinding), any Origin and any content that is not JSON are
// refused.
#pragma once

#include "conf/address.hpp"
#include "proxy/admin_response.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

namespace weir::proxy {

// All of it on the thread that runs `control`.
class admin {
  public:
    // `calls` are called while the listener is open.
    admin(boost::asio::io_context& control, admin_calls calls);
    ~admin();  // close()
    admin(const admin&) = delete;
    admin& operator=(const admin&) = delete;

    // Listens on `where` instead of what was open before. What went wrong, as a sentence, or nothing; after a failure
    // the listener before it is still open.
    std::optional<std::string> open(const conf::address& where);
    // Stops listening, ends all connections and removes the unix socket. They let go of `calls` at once.
    void close();

    // The address in use, with the port that the system chose; empty while closed.
    std::optional<conf::address> bound() const;

  private:
    struct state;
    boost::asio::io_context& control_;
    admin_calls calls_;
    std::shared_ptr<state> state_;
};

}  // namespace weir::proxy
