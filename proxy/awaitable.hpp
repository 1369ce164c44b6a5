// The one executor type of the data path: a worker's io_context, named in full so that Asio erases nothing.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace weir::proxy {

namespace asio = boost::asio;

using executor = asio::io_context::executor_type;
template <class T = void>
using awaitable = asio::awaitable<T, executor>;
// Completes with a tuple that starts with the error code; nothing on the data path throws for what a peer did.
inline constexpr auto as_values = asio::as_tuple(asio::use_awaitable_t<executor>{});

// A loop whose operations never have to wait gives way to others each time it has taken this many turns.
inline constexpr unsigned turns_at_once = 64;
template <class Worker>
auto let_others_run(Worker& on) {
    return asio::post(on.context(), asio::use_awaitable_t<executor>{});
}

}  // namespace weir::proxy
