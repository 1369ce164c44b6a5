#include "proxy/admin.hpp"

#include "proxy/admin_response.hpp"
#include "proxy/asio_awaitable.hpp"
#include "proxy/purge_request.hpp"
#include "proxy/shortage.hpp"
#include "proxy/task_group.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/write.hpp>

namespace weir::proxy {

namespace {

namespace beast = boost::beast;
using boost::system::error_code;
using protocol = asio::generic::stream_protocol;
using socket_type = asio::basic_stream_socket<protocol, executor>;
using acceptor_type = asio::basic_socket_acceptor<protocol, executor>;
using stream_type = beast::basic_stream<protocol, executor>;
using head_parser = beast::http::request_parser<beast::http::empty_body>;
using content_parser = beast::http::request_parser<beast::http::string_body>;
using timer_type =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, executor>;

constexpr std::size_t max_connections = 64;
constexpr std::string_view too_much = "that is too much content: 1 MiB at most";
constexpr std::uint32_t max_head_bytes = 8 * 1024;
// For a head to come, for content to come, for an answer to be taken, between an answer and the next head.
constexpr auto deadline = std::chrono::seconds(10);

// A unix socket as the file system knows it, to remove our own and no other.
struct socket_file {
    std::string path;
    dev_t device = 0;
    ino_t inode = 0;

    static socket_file of(const std::string& path) {
        struct stat about {};
        if (::stat(path.c_str(), &about) != 0) return {};
        return {path, about.st_dev, about.st_ino};
    }
    void remove() const {
        const socket_file now = path.empty() ? socket_file{} : of(path);
        if (!now.path.empty() && now.device == device && now.inode == inode) ::unlink(path.c_str());
    }
};

// Removes a socket file that nobody listens on any more, as a crash leaves it.
void remove_if_stale(const std::string& path) {
    struct stat about {};
    if (::lstat(path.c_str(), &about) != 0 || !S_ISSOCK(about.st_mode)) return;
    asio::io_context context;
    asio::local::stream_protocol::socket probe(context);
    error_code failed;
    probe.connect(asio::local::stream_protocol::endpoint(path), failed);
    if (failed == asio::error::connection_refused) ::unlink(path.c_str());
}

std::string listen_fault(const conf::address& where, const error_code& failed) {
    std::string text = "cannot open the admin listener " + where.text + ": ";
    if (failed != asio::error::address_in_use) return text + failed.message();
    return text + (where.type == conf::address::kind::unix_path
                       ? "another program listens on that socket, or a file of that name is in the way"
                       : "another program uses that port");
}

// The endpoints that `where` may mean; the first that can be opened is taken. Blocks for a name.
std::vector<protocol::endpoint> endpoints_of(asio::io_context& context, const conf::address& where,
                                             error_code& failed) {
    if (where.type == conf::address::kind::unix_path) return {asio::local::stream_protocol::endpoint(where.path)};
    using asio::ip::tcp;
    if (where.host.empty()) return {tcp::endpoint(tcp::v6(), where.port), tcp::endpoint(tcp::v4(), where.port)};
    tcp::resolver resolver(context);
    const auto found = resolver.resolve(where.host, std::to_string(where.port),
                                        tcp::resolver::passive | tcp::resolver::numeric_service, failed);
    std::vector<protocol::endpoint> endpoints;
    // IPv4 first: "localhost" is 127.0.0.1 to most who ask.
    for (const bool v4 : {true, false})
        for (const auto& entry : found)
            if (entry.endpoint().address().is_v4() == v4) endpoints.emplace_back(entry.endpoint());
    return endpoints;
}

asio::ip::tcp::endpoint tcp_endpoint(const protocol::endpoint& from) {
    asio::ip::tcp::endpoint endpoint;
    endpoint.resize(from.size());
    std::memcpy(endpoint.data(), from.data(), from.size());
    return endpoint;
}

error_code listen_on(acceptor_type& acceptor, const protocol::endpoint& endpoint) {
    error_code failed;
    const auto done = [&] { return !failed; };
    acceptor.open(endpoint.protocol(), failed);
    if (done()) acceptor.set_option(asio::socket_base::reuse_address(true), failed);
    if (done() && endpoint.protocol().family() == AF_INET6 && tcp_endpoint(endpoint).address().is_unspecified())
        acceptor.set_option(asio::ip::v6_only(false), failed);
    if (done()) acceptor.bind(endpoint, failed);
    if (done()) acceptor.listen(asio::socket_base::max_listen_connections, failed);
    if (failed) {
        error_code ignored;
        acceptor.close(ignored);
    }
    return failed;
}

}  // namespace

// One open listener and its connections. Their coroutines share it, so it outlives its owner by a moment.
struct admin::state {
    state(asio::io_context& context, admin_calls c)
        : tasks(context), acceptor(context), pause(context), calls(std::move(c)) {}

    task_group tasks;
    acceptor_type acceptor;
    timer_type pause;
    conf::address configured;
    socket_file file;
    admin_calls calls;  // empty once closed
    bool open = true;
    std::vector<stream_type*> streams;

    std::optional<std::string> listen(asio::io_context& context, const conf::address& where);
    void close();
    static asio_awaitable<void> run_accept(std::shared_ptr<state> self);
    static asio_awaitable<void> run_connection(std::shared_ptr<state> self, socket_type socket);
    static asio_awaitable<bool> exchange(std::shared_ptr<state> self, stream_type& stream, beast::flat_buffer& buffer);
    static asio_awaitable<error_code> read_content(stream_type& stream, beast::flat_buffer& buffer,
                                                   content_parser& parser);
    static asio_awaitable<bool> send(stream_type& stream, admin_response response, bool keep_alive, bool head_only);
};

std::optional<std::string> admin::state::listen(asio::io_context& context, const conf::address& where) {
    configured = where;
    error_code failed;
    const auto endpoints = endpoints_of(context, where, failed);
    if (where.type == conf::address::kind::unix_path) remove_if_stale(where.path);
    for (const auto& endpoint : endpoints) {
        failed = listen_on(acceptor, endpoint);
        if (!failed) break;
    }
    if (failed) return listen_fault(where, failed);
    if (where.type == conf::address::kind::unix_path) file = socket_file::of(where.path);
    return std::nullopt;
}

void admin::state::close() {
    open = false;
    calls = {};
    error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
    for (stream_type* stream : streams) stream->close();
    file.remove();
}

asio_awaitable<void> admin::state::run_accept(std::shared_ptr<state> self) {
    while (self->open) {
        socket_type socket(self->acceptor.get_executor());
        const auto [failed] = co_await self->acceptor.async_accept(socket, as_values);
        if (!self->open) break;
        if (failed) {
            if (is_shortage(failed.value())) {
                static shortage_log said("the admin listener takes nobody");
                said.say(failed.value());
            }
            // To try again at once would only burn the processor.
            self->pause.expires_after(std::chrono::milliseconds(100));
            [[maybe_unused]] const auto [cancelled] = co_await self->pause.async_wait(as_values);
        } else if (self->streams.size() < max_connections) {
            self->tasks.spawn(run_connection(self, std::move(socket)), [self] {});
        }
    }
}

asio_awaitable<void> admin::state::run_connection(std::shared_ptr<state> self, socket_type socket) {
    stream_type stream(std::move(socket));
    beast::flat_buffer buffer(max_head_bytes);
    self->streams.push_back(&stream);
    while (self->open) {
        const bool again = co_await exchange(self, stream, buffer);
        if (!again) break;
    }
    std::erase(self->streams, &stream);
    error_code ignored;
    stream.socket().shutdown(asio::socket_base::shutdown_send, ignored);
}

// One request and its answer; true if another may follow.
asio_awaitable<bool> admin::state::exchange(std::shared_ptr<state> self, stream_type& stream,
                                            beast::flat_buffer& buffer) {
    head_parser parser;
    parser.header_limit(max_head_bytes);
    parser.body_limit(boost::none);  // of what is not read
    stream.expires_after(deadline);
    const auto [failed, bytes] = co_await beast::http::async_read_header(stream, buffer, parser, as_values);
    if (!self->open) co_return false;
    if (failed == beast::http::error::header_limit || failed == beast::http::error::buffer_overflow) {
        co_return co_await send(
            stream, refuse(beast::http::status::request_header_fields_too_large, "the request head is too long"), false,
            false);
    }
    if (failed == beast::http::error::end_of_stream || failed == beast::http::error::partial_message) co_return false;
    if (failed && failed.category() == beast::http::make_error_code(beast::http::error::bad_target).category()) {
        co_return co_await send(stream, refuse(beast::http::status::bad_request, "this is no HTTP request"), false,
                                false);
    }
    if (failed) co_return false;
    admin_content content{.announced = parser.chunked() || parser.content_length().value_or(0) > 0};
    admin_place place;
    error_code unknown;
    const auto local = stream.socket().local_endpoint(unknown);
    if (!unknown && local.protocol().family() != AF_UNIX)
        place = {tcp_endpoint(local).address(), self->configured.host};
    const bool reads = content.announced && takes_content(parser.get(), place, self->calls);
    const admin_request request = parser.get();
    if (reads) {
        content_parser with_content(std::move(parser));
        const error_code cut = co_await read_content(stream, buffer, with_content);
        if (!self->open) co_return false;
        if (cut == beast::http::error::body_limit)
            co_return co_await send(stream, refuse(beast::http::status::payload_too_large, too_much), false, false);
        if (cut) co_return false;
        content.read = std::move(with_content.get().body());
    }
    admin_response response = answer(request, content, place, self->calls);
    co_return co_await send(stream, std::move(response), request.keep_alive() && (reads || !content.announced),
                            request.method() == beast::http::verb::head);
}

asio_awaitable<error_code> admin::state::read_content(stream_type& stream, beast::flat_buffer& buffer,
                                                      content_parser& parser) {
    parser.body_limit(max_purge_content_bytes);
    if (parser.content_length().value_or(0) > max_purge_content_bytes) co_return beast::http::error::body_limit;
    stream.expires_after(deadline);
    if (beast::iequals(parser.get()[beast::http::field::expect], "100-continue")) {  // RFC 9110 section 10.1.1
        constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        const auto [failed, bytes] = co_await asio::async_write(stream, asio::buffer(go_on), as_values);
        if (failed) co_return failed;
    }
    const auto [failed, bytes] = co_await beast::http::async_read(stream, buffer, parser, as_values);
    co_return failed;
}

// True if the connection may be used again.
asio_awaitable<bool> admin::state::send(stream_type& stream, admin_response response, bool keep_alive, bool head_only) {
    response.keep_alive(keep_alive);
    beast::http::response_serializer<beast::http::string_body> serializer(response);
    stream.expires_after(deadline);
    error_code failed;
    if (head_only) {
        failed = std::get<0>(co_await beast::http::async_write_header(stream, serializer, as_values));
    } else {
        failed = std::get<0>(co_await beast::http::async_write(stream, serializer, as_values));
    }
    co_return !failed && keep_alive;
}

admin::admin(boost::asio::io_context& control, admin_calls calls) : control_(control), calls_(std::move(calls)) {}

admin::~admin() {
    close();
}

std::optional<std::string> admin::open(const conf::address& where) {
    if (state_ && state_->configured.text == where.text) return std::nullopt;
    auto fresh = std::make_shared<state>(control_, calls_);
    if (auto fault = fresh->listen(control_, where)) return fault;
    close();
    state_ = std::move(fresh);
    state_->tasks.spawn(state::run_accept(state_), [kept = state_] {});
    return std::nullopt;
}

void admin::close() {
    if (auto closing = std::exchange(state_, nullptr)) closing->close();
}

std::optional<conf::address> admin::bound() const {
    if (!state_) return std::nullopt;
    conf::address where = state_->configured;
    if (where.type == conf::address::kind::unix_path) return where;
    error_code failed;
    const auto local = state_->acceptor.local_endpoint(failed);
    if (failed) return std::nullopt;
    where.port = tcp_endpoint(local).port();
    const bool bracketed = where.host.find(':') != std::string::npos;
    where.text = (bracketed ? '[' + where.host + ']' : where.host) + ':' + std::to_string(where.port);
    return where;
}

}  // namespace weir::proxy
