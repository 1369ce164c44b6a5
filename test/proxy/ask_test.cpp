#include "proxy/ask.hpp"

#include <errno.h>
#include <sys/resource.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "test/support/temporary_folder.hpp"

using namespace weir;
using namespace weir::proxy;
using asio::ip::tcp;
using unix_socket = asio::local::stream_protocol;

namespace {

constexpr std::chrono::milliseconds long_limit{30'000};
const std::string request = "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

// Takes one connection, reads a head, sends `bytes`, and closes; if it is `silent`, only when the peer has.
template <class Protocol>
class one_answer {
  public:
    one_answer(const typename Protocol::endpoint& where, std::string bytes, bool silent = false)
        : acceptor_(context_, where), thread_([this, bytes, silent] {
              typename Protocol::socket peer(context_);
              acceptor_.accept(peer);
              boost::system::error_code ignored;
              asio::read_until(peer, asio::dynamic_buffer(seen_), "\r\n\r\n", ignored);
              asio::write(peer, asio::buffer(bytes), ignored);
              char more;
              if (silent) asio::read(peer, asio::buffer(&more, 1), ignored);
          }) {}
    typename Protocol::endpoint where() const { return acceptor_.local_endpoint(); }
    std::string seen() {
        thread_.join();
        return seen_;
    }

  private:
    asio::io_context context_;
    typename Protocol::acceptor acceptor_;
    std::string seen_;
    std::jthread thread_;
};

const tcp::endpoint anywhere{asio::ip::address_v4::loopback(), 0};

// Bound and never listened on.
class refusing {
  public:
    refusing() : socket_(context_, anywhere) {}
    tcp::endpoint where() const { return socket_.local_endpoint(); }

  private:
    asio::io_context context_;
    tcp::socket socket_;
};

// A unix socket whose queue is full, since nobody accepts.
class crowded {
  public:
    crowded() : acceptor_(context_, unix_socket::endpoint(folder_.path("a.sock")).protocol()) {
        acceptor_.bind(unix_socket::endpoint(folder_.path("a.sock")));
        acceptor_.listen(1);
        for (int outcome = 0; outcome == 0;) {
            unix_socket::socket next(context_, unix_socket());
            next.native_non_blocking(true);
            const auto to = acceptor_.local_endpoint();
            outcome = ::connect(next.native_handle(), to.data(), static_cast<socklen_t>(to.size()));
            if (outcome == 0) waiting_.push_back(std::move(next));
        }
        REQUIRE(errno == EAGAIN);
    }
    asio::io_context& context() { return context_; }
    unix_socket::endpoint where() const { return acceptor_.local_endpoint(); }
    // Takes all that wait, and answers the one that comes then.
    void make_room() {
        for (std::size_t i = 0; i < waiting_.size(); ++i) acceptor_.accept();
        acceptor_.async_accept(peer_, [this](boost::system::error_code failed) {
            if (!failed) asio::write(peer_, asio::buffer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38));
        });
    }

  private:
    asio::io_context context_;
    const test::temporary_folder folder_;
    unix_socket::acceptor acceptor_;
    unix_socket::socket peer_{context_};
    std::vector<unix_socket::socket> waiting_;
};

// No descriptor can be had while it lives.
class no_descriptors {
  public:
    no_descriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit none{0, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("an answer is told by its final head", "[proxy][ask]") {
    const auto [bytes, status, fault] = GENERATE(table<std::string, unsigned, std::string>({
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, ""},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
        {"HTTP/1.0 503 Busy\r\n\r\nlong story", 503, ""},
        {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000\r\n\r\nand so on", 200, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nless than that", 200, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk", 200, ""},
        {"HTTP/1.1 200 OK\r\n\r\n" + std::string(300'000, 'x'), 200, ""},
        {"", 0, "closed without a whole answer"},
        {"HTTP/1.1 200 OK\r\nContent-", 0, "closed without a whole answer"},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", 0, "the answer is no HTTP response"},
        {"HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", 0, "the answer's head is too long"},
    }));
    CAPTURE(bytes.substr(0, 100));
    one_answer<tcp> peer(anywhere, bytes);
    const reply got = ask_and_wait({.to = {peer.where()}, .request = request, .timeout = long_limit});
    CHECK(got.fault == fault);
    if (fault.empty()) CHECK(got.status == status);
    CHECK(got.content.empty());
    CHECK(peer.seen() == request);
}

TEST_CASE("interim responses without end are a fault", "[proxy][ask]") {
    std::string bytes;
    for (int i = 0; i < 1000; ++i) bytes += "HTTP/1.1 100 Continue\r\n\r\n";
    one_answer<tcp> peer(anywhere, bytes);
    CHECK_FALSE(ask_and_wait({.to = {peer.where()}, .request = request, .timeout = long_limit}).fault.empty());
}

TEST_CASE("content comes whole or not at all", "[proxy][ask]") {
    const auto [bytes, content, fault] = GENERATE(table<std::string, std::string, std::string>({
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole", "whole", ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwh\r\n3\r\nole\r\n0\r\n\r\n", "whole", ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nnot whole", "", "closed without a whole answer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'x'), "", "the answer is too long"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000\r\n\r\n", "", "the answer is too long"},
        {"HTTP/1.1 200 OK\r\n\r\n" + std::string(5000, 'x'), "", "the answer is too long"},
    }));
    CAPTURE(bytes.substr(0, 100));
    one_answer<tcp> peer(anywhere, bytes);
    const reply got =
        ask_and_wait({.to = {peer.where()}, .request = request, .timeout = long_limit, .max_content_bytes = 1000});
    CHECK(got.fault == fault);
    if (fault.empty()) CHECK(got.content == content);
}

TEST_CASE("addresses are tried in order until one takes the connection", "[proxy][ask]") {
    const refusing nobody;
    SECTION("the last of them") {
        one_answer<tcp> peer(anywhere, "HTTP/1.1 200 OK\r\n\r\n");
        const reply got =
            ask_and_wait({.to = {nobody.where(), peer.where()}, .request = request, .timeout = long_limit});
        CHECK(got.fault.empty());
        CHECK(got.status == 200);
    }
    SECTION("or none") {
        CHECK(ask_and_wait({.to = {nobody.where()}, .request = request, .timeout = long_limit}).fault ==
              "connection refused");
        CHECK(connect_and_wait({nobody.where()}, long_limit) == "connection refused");
    }
    SECTION("or there is none") {
        CHECK_FALSE(connect_and_wait({}, long_limit).empty());
    }
}

TEST_CASE("who says nothing is given up", "[proxy][ask]") {
    one_answer<tcp> peer(anywhere, "HTTP/1.1 200 O", true);
    const reply got =
        ask_and_wait({.to = {peer.where()}, .request = request, .timeout = std::chrono::milliseconds(10)});
    CHECK(got.fault == "no answer within 10ms");
}

TEST_CASE("a peer that does not close after its answer is not waited for", "[proxy][ask]") {
    one_answer<tcp> peer(anywhere, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole", true);
    CHECK(ask_and_wait({.to = {peer.where()}, .request = request, .timeout = std::chrono::hours(1)}).status == 200);
}

TEST_CASE("a unix socket is asked too", "[proxy][ask]") {
    const test::temporary_folder folder;
    one_answer<unix_socket> peer(unix_socket::endpoint(folder.path("a.sock")), "HTTP/1.1 200 OK\r\n\r\n");
    CHECK(ask_and_wait({.to = {peer.where()}, .request = request, .timeout = long_limit}).status == 200);
    CHECK(peer.seen() == request);
}

TEST_CASE("a unix socket with a full queue is tried again", "[proxy][ask]") {
    crowded server;
    SECTION("until there is room") {
        reply got;
        asio::co_spawn(server.context(), ask({.to = {server.where()}, .request = request, .timeout = long_limit}),
                       [&](std::exception_ptr, reply value) { got = std::move(value); });
        // It meets the full queue first: what is begun first runs first.
        asio::post(server.context(), [&] { server.make_room(); });
        server.context().run();
        CHECK(got.fault.empty());
        CHECK(got.status == 200);
        CHECK(got.shortage == 0);
    }
    SECTION("or the time is over") {
        CHECK(connect_and_wait({server.where()}, std::chrono::milliseconds(10)) == "no answer within 10ms");
    }
}

TEST_CASE("want of descriptors is told from a fault of the peer", "[proxy][ask][shortage]") {
    const test::temporary_folder folder;
    const balancer::address_list addresses[] = {{tcp::endpoint(anywhere)},
                                                {unix_socket::endpoint(folder.path("a.sock"))}};
    for (const auto& to : addresses) {
        asio::io_context context;
        const asio::steady_timer own_descriptors(context);  // those of the loop itself
        reply got;
        {
            const no_descriptors now;
            asio::co_spawn(context, ask({.to = to, .request = request, .timeout = long_limit}),
                           [&](std::exception_ptr, reply value) { got = std::move(value); });
            context.run();
        }
        CHECK(got.shortage == EMFILE);
        CHECK(got.fault == "too many open files");
    }
    const refusing nobody;
    CHECK(ask_and_wait({.to = {nobody.where()}, .request = request, .timeout = long_limit}).shortage == 0);
}
