// A client's connection as the accept loop hands it on.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>

namespace weir::proxy {

struct accepted_socket {
    int descriptor = -1;  // non-blocking, close-on-exec; who takes it closes it
    int family = 0;
    boost::asio::ip::address address;  // the peer's; unspecified on a unix socket
    std::uint16_t port = 0;
};

}  // namespace weir::proxy
