// Coroutines made of Asio's and Beast's own operations, away from the path of a request: health checks, the admin
// listener, `weir ctl`.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "proxy/awaitable.hpp"

namespace weir::proxy {

template <class T = void>
using asio_awaitable = asio::awaitable<T, executor>;
// Completes with a tuple that starts with the error code: nothing throws for what a peer did.
inline constexpr auto as_values = asio::as_tuple(asio::use_awaitable_t<executor>{});

}  // namespace weir::proxy
