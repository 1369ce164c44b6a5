// Which descriptors of one io_context are ready: an epoll set of its own, edge-triggered, in which a descriptor is
// entered once. Asio's async_wait re-arms a descriptor with epoll_ctl at every wait, which is one system call a
// request; here the io_context waits for the whole set, once per batch of events.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <chrono>
#include <cstdint>
#include <optional>

#include "proxy/awaitable.hpp"

namespace weir::proxy {

class readiness final : public asio::execution_context::service {
  public:
    inline static asio::execution_context::id id;
    using key_type = readiness;

    class watched {
      public:
        virtual void on_events(std::uint32_t events) = 0;

      protected:
        ~watched() = default;
    };

    explicit readiness(asio::io_context& context);
    ~readiness() override = default;

    bool add(int descriptor, watched& by);
    // Before its descriptor is closed.
    void forget(const watched& by);
    // How many waits there are: run() of the io_context goes on while there is one. Where there is no memory to wait
    // for the set, that is done when the next wait begins.
    void wait_began();
    void wait_ended();
    // When the kernel last said what is ready: who is told of it then need not ask for the time.
    std::chrono::steady_clock::time_point last_told() const { return last_told_; }

  private:
    void shutdown() override;
    void arm();
    void dispatch();

    std::optional<asio::posix::basic_stream_descriptor<executor>> set_;
    std::array<epoll_event, 256> batch_;
    int next_ = 0;
    int count_ = 0;
    std::uint64_t waits_ = 0;
    std::chrono::steady_clock::time_point last_told_;
    bool armed_ = false;
    bool dispatching_ = false;
};

}  // namespace weir::proxy
