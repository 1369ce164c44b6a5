// From an exchange that has ended to its line in the access log.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstdint>

#include "proxy/exchange.hpp"
#include "proxy/request_context.hpp"
#include "proxy/snapshot.hpp"

namespace weir::proxy {

struct bytes_moved {
    std::uint64_t sent = 0;
    std::uint64_t content_sent = 0;
    std::uint64_t received = 0;
};

// `via` is null for a request that no route took. The worker's thread; allocates nothing.
void write_access_line(worker& on, const request_context& context, const boost::asio::ip::address& peer,
                       const exchange_report& report, const route* via, std::chrono::microseconds duration,
                       const bytes_moved& bytes);

}  // namespace weir::proxy
