// Addresses of the endpoints: at once for numbers and unix sockets, by DNS for names, and again from time to time.
//
// A name that does not resolve is an endpoint that is down; one that resolved once keeps its last addresses while DNS
// fails. All on the control thread; getaddrinfo itself runs on a thread of Asio's.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "balancer/endpoint.hpp"

namespace weir::proxy {

class resolver {
  public:
    explicit resolver(boost::asio::io_context& control)
        : resolver_(control), refresh_timer_(control), first_timer_(control) {}

    // From now on these are kept resolved, names every `refresh` (nothing: only now). `ready` is called once: when each
    // of them that has no addresses yet has been looked up, or after `patience`. A call replaces the one before it,
    // whose `ready` is dropped.
    void watch(std::vector<std::shared_ptr<balancer::endpoint>> endpoints,
               std::optional<std::chrono::milliseconds> refresh, std::chrono::milliseconds patience,
               std::function<void()> ready);
    void stop();
    // Lookups under way: destroying the resolver would wait for them.
    bool busy() const { return !pending_.empty(); }

  private:
    void look_up(const std::string& host);
    void found(const std::string& host, boost::system::error_code error,
               const boost::asio::ip::tcp::resolver::results_type& results);
    void schedule_refresh();
    void be_ready();

    boost::asio::ip::tcp::resolver resolver_;
    boost::asio::steady_timer refresh_timer_;
    boost::asio::steady_timer first_timer_;
    std::vector<std::shared_ptr<balancer::endpoint>> named_;
    std::map<std::string, bool> pending_;  // names under way
    std::map<std::string, bool> failing_;  // names that did not resolve the last time
    std::set<std::string> awaited_;        // names whose first lookup ready_ waits for
    std::optional<std::chrono::milliseconds> refresh_;
    std::function<void()> ready_;
};

}  // namespace weir::proxy
