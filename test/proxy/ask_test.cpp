#include "proxy/ask.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <string>
#include <thread>

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
