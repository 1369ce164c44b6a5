#include "proxy/ask.hpp"

#include <errno.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cctype>
#include <exception>
#include <utility>

#include "proxy/shortage.hpp"
#include "proxy/time_text.hpp"

namespace weir::proxy {

namespace {

namespace beast = boost::beast;
using balancer::clock;
using boost::system::error_code;
using stream_type = beast::basic_stream<asio::generic::stream_protocol, executor>;
using response_parser = beast::http::response_parser<beast::http::string_body>;

constexpr std::chrono::milliseconds full_queue_pause{10};
constexpr std::uint32_t max_head_bytes = 16 * 1024;
constexpr int max_heads = 8;  // interim ones and the final one
// Read and dropped, so that the peer's last write meets no reset.
constexpr std::size_t max_dropped_bytes = 64 * 1024;

std::string words_for(const error_code& failed, std::chrono::milliseconds timeout) {
    if (failed == beast::error::timeout) return "no answer within " + duration_text(timeout);
    if (failed == beast::http::error::end_of_stream || failed == beast::http::error::partial_message)
        return "closed without a whole answer";
    if (failed == beast::http::error::header_limit || failed == beast::http::error::buffer_overflow)
        return "the answer's head is too long";
    if (failed == beast::http::error::body_limit) return "the answer is too long";
    if (failed.category() == beast::http::make_error_code(beast::http::error::bad_target).category())
        return "the answer is no HTTP response";
    std::string text = failed.message();
    if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

int shortage_of(const error_code& failed) {
    return failed.category() == boost::system::system_category() && is_shortage(failed.value()) ? failed.value() : 0;
}

// A unix socket takes a connection at once or not at all: when its queue is full (EAGAIN) nothing is under way, as Asio
// would have it, and nothing tells when there is room.
asio_awaitable<error_code> connect_unix(stream_type& stream, const asio::generic::stream_protocol::endpoint& address,
                                        clock::time_point end) {
    for (;;) {
        error_code failed;
        stream.socket().close(failed);
        stream.socket().open(address.protocol(), failed);
        if (!failed) stream.socket().native_non_blocking(true, failed);
        if (failed) co_return failed;
        const auto size = static_cast<socklen_t>(address.size());
        if (::connect(stream.socket().native_handle(), address.data(), size) == 0) co_return error_code();
        if (errno != EAGAIN) co_return error_code(errno, boost::system::system_category());
        if (clock::now() >= end) co_return beast::error::timeout;
        asio::basic_waitable_timer<clock, asio::wait_traits<clock>, executor> pause(stream.get_executor(),
                                                                                    full_queue_pause);
        co_await pause.async_wait(as_values);
    }
}

asio_awaitable<error_code> connect(stream_type& stream, const balancer::address_list& to,
                                   std::chrono::milliseconds limit) {
    const clock::time_point end = clock::now() + limit;
    stream.expires_at(end);
    error_code failed = asio::error::host_not_found;
    for (const auto& address : to) {
        if (address.protocol().family() == AF_UNIX) {
            failed = co_await connect_unix(stream, address, end);
        } else {
            error_code ignored;
            stream.socket().close(ignored);
            failed = std::get<0>(co_await stream.async_connect(address, as_values));
        }
        if (!failed || failed == beast::error::timeout || shortage_of(failed) != 0) break;
    }
    co_return failed;
}

// The final head, and the content if it is wanted.
asio_awaitable<error_code> read_reply(stream_type& stream, std::size_t max_content_bytes, reply& into) {
    beast::flat_buffer buffer(max_head_bytes + max_content_bytes);
    for (int heads = 0; heads < max_heads; ++heads) {
        response_parser parser;
        parser.header_limit(max_head_bytes);
        parser.body_limit(boost::none);
        error_code failed = std::get<0>(co_await beast::http::async_read_header(stream, buffer, parser, as_values));
        if (failed) co_return failed;
        into.status = parser.get().result_int();
        if (into.status < 200) continue;
        const bool wanted = max_content_bytes != 0;
        const std::size_t most = wanted ? max_content_bytes : max_dropped_bytes;
        // The parser takes memory for an announced length before it looks at its limit.
        if (parser.content_length().value_or(0) > most)
            co_return wanted ? error_code(beast::http::error::body_limit) : error_code();
        parser.body_limit(most);
        failed = std::get<0>(co_await beast::http::async_read(stream, buffer, parser, as_values));
        if (!wanted) co_return error_code();
        into.content = std::move(parser.get().body());
        co_return failed;
    }
    co_return beast::http::error::bad_status;
}

// What `task` came to, on a loop of its own.
template <class Result>
Result wait_for(asio_awaitable<Result> task) {
    asio::io_context context(1);
    std::exception_ptr failure;
    Result result;
    asio::co_spawn(context, std::move(task), [&](std::exception_ptr thrown, Result value) {
        failure = thrown;
        result = std::move(value);
    });
    context.run();
    if (failure) std::rethrow_exception(failure);
    return result;
}

asio_awaitable<std::string> connect_once(balancer::address_list to, std::chrono::milliseconds timeout) {
    stream_type stream(co_await asio::this_coro::executor);
    const error_code failed = co_await connect(stream, to, timeout);
    co_return failed ? words_for(failed, timeout) : std::string();
}

}  // namespace

asio_awaitable<reply> ask(question what) {
    reply out;
    stream_type stream(co_await asio::this_coro::executor);
    error_code failed = co_await connect(stream, what.to, what.timeout);
    if (!failed) failed = std::get<0>(co_await asio::async_write(stream, asio::buffer(what.request), as_values));
    if (!failed) failed = co_await read_reply(stream, what.max_content_bytes, out);
    if (failed) out.fault = words_for(failed, what.timeout);
    out.shortage = shortage_of(failed);
    co_return out;
}

reply ask_and_wait(question what) {
    return wait_for(ask(std::move(what)));
}

std::string connect_and_wait(balancer::address_list to, std::chrono::milliseconds timeout) {
    return wait_for(connect_once(std::move(to), timeout));
}

}  // namespace weir::proxy
