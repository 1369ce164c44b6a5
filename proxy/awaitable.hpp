// The one executor type of the data path: a worker's io_context, named in full so that Asio erases nothing.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace weir::proxy {

namespace asio = boost::asio;

using executor = asio::io_context::executor_type;
template <class T = void>
using awaitable = asio::awaitable<T, executor>;
// Completes with a tuple that starts with the error code; nothing on the data path throws for what a peer did.
inline constexpr auto as_values = asio::as_tuple(asio::use_awaitable_t<executor>{});

}  // namespace weir::proxy
