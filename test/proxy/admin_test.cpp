#include "proxy/admin.hpp"

#include "proxy/admin_response.hpp"
#include "test/support/temporary_folder.hpp"

#include <filesystem>
#include <future>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>

using namespace weir;
using namespace weir::proxy;
namespace asio = boost::asio;
using asio::ip::tcp;
using unix_socket = asio::local::stream_protocol;

namespace {

conf::address parse(const std::string& text) {
    std::string why;
    const auto address = conf::parse_address(text, conf::address_use::listen, why);
    INFO(why);
    REQUIRE(address);
    return *address;
}

// An admin listener on a control thread of its own.
class running_admin {
  public:
    running_admin() : thread_([this] { context_.run(); }) {}
    ~running_admin() {
        on_control([this] { admin_.close(); });
        work_.reset();
    }

    // What `action` returns when it is run by the control thread.
    template <class Action>
    auto on_control(Action action) -> decltype(action()) {
        const auto task = std::make_shared<std::packaged_task<decltype(action())()>>(std::move(action));
        auto result = task->get_future();
        asio::post(context_, [task] { (*task)(); });
        return result.get();
    }
    std::optional<std::string> open(const std::string& text) {
        return on_control([this, where = parse(text)] { return admin_.open(where); });
    }
    std::uint16_t open_somewhere(const std::string& text = "127.0.0.1:0") {
        const auto fault = open(text);
        INFO(fault.value_or(""));
        REQUIRE_FALSE(fault);
        return port();
    }
    std::uint16_t port() {
        return on_control([this] { return admin_.bound().value().port; });
    }
    void close() {
        on_control([this] { admin_.close(); });
    }
    void drain() {
        on_control([this] { draining_ = true; });
    }
    void ask_for_token(const std::string& token) {
        on_control([this, token] { token_ = token; });
    }
    // What was changed, such as "app 127.0.0.1:9001 drain; ".
    std::string changes() {
        return on_control([this] { return changes_; });
    }
    // The contents of what was to be purged.
    std::vector<std::string> purges() {
        return on_control([this] { return purges_; });
    }

  private:
    server_status gather() const {
        server_status status;
        status.version = "test";
        status.draining = draining_;
        return status;
    }

    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
    admin_calls::changed change(const hand_change& what) {
        if (what.upstream != "app") return {.json = {}, .why_not = "there is no upstream " + what.upstream};
        changes_ += what.upstream + ' ' + what.address + ' ' + std::string(to_text(what.action)) + "; ";
        return {.json = R"({"state":"draining"})", .why_not = {}};
    }

    admin_calls::changed purge(std::string_view content) {
        if (content.starts_with("nonsense")) return {.json = {}, .why_not = "the content is no JSON"};
        purges_.emplace_back(content);
        return {.json = R"({"number":1})", .why_not = {}};
    }

    admin admin_{context_,
                 {.gather = [this] { return gather(); },
                  .change = [this](const hand_change& what) { return change(what); },
                  .purge = [this](std::string_view content) { return purge(content); },
                  .token = [this] { return token_; }}};
    bool draining_ = false;
    std::optional<std::string> token_;
    std::string changes_;
    std::vector<std::string> purges_;
    std::jthread thread_;
};

template <class Endpoint>
class client {
  public:
    explicit client(const Endpoint& endpoint) : socket_(context_) { socket_.connect(endpoint); }
    void send(const std::string& bytes) { asio::write(socket_, asio::buffer(bytes)); }
    std::string rest() {
        std::string all;
        boost::system::error_code end;
        asio::read(socket_, asio::dynamic_buffer(all), end);
        return all;
    }

  private:
    asio::io_context context_;
    typename Endpoint::protocol_type::socket socket_;
};

tcp::endpoint loopback(std::uint16_t port) {
    return {asio::ip::address_v4::loopback(), port};
}

template <class Endpoint>
std::string ask(const Endpoint& endpoint, const std::string& head, const std::string& content = "") {
    client to(endpoint);
    to.send(head + "Connection: close\r\n\r\n" + content);
    return to.rest();
}

std::string get(std::uint16_t port, const std::string& target, const std::string& fields = "Host: localhost\r\n") {
    return ask(loopback(port), "GET " + target + " HTTP/1.1\r\n" + fields);
}

std::string content_of(const std::string& response) {
    return response.substr(response.find("\r\n\r\n") + 4);
}

}  // namespace

TEST_CASE("metrics, status and health are there", "[proxy][admin]") {
    running_admin admin;
    const std::uint16_t port = admin.open_somewhere();
    SECTION("metrics") {
        const std::string response = get(port, "/metrics?format=text");
        CHECK(response.starts_with("HTTP/1.1 200 OK\r\n"));
        CHECK(response.find("Content-Type: text/plain; version=0.0.4") != std::string::npos);
        CHECK(response.find("Cache-Control: no-store\r\n") != std::string::npos);
        CHECK(content_of(response).find("weir_build_info{version=\"test\"} 1\n") != std::string::npos);
    }
    SECTION("status") {
        const std::string response = get(port, "/status");
        CHECK(response.find("Content-Type: application/json\r\n") != std::string::npos);
        CHECK(content_of(response).starts_with("{\"version\":\"test\""));
    }
    SECTION("health, which changes when the server drains") {
        CHECK(get(port, "/healthz").ends_with("\r\n\r\nok\n"));
        admin.drain();
        const std::string response = get(port, "/healthz");
        CHECK(response.starts_with("HTTP/1.1 503 "));
        CHECK(response.ends_with("\r\n\r\ndraining\n"));
    }
    SECTION("HEAD has the fields of GET alone") {
        const std::string response = ask(loopback(port), "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n");
        CHECK(response.find("Content-Length: 3\r\n") != std::string::npos);
        CHECK(response.ends_with("\r\n\r\n"));
    }
    SECTION("one connection asks again and again") {
        client to(loopback(port));
        to.send(
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nHEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        const std::string all = to.rest();
        CHECK(all.starts_with("HTTP/1.1 200 OK\r\n"));
        CHECK(all.find("ok\nHTTP/1.1 200 OK\r\n") != std::string::npos);
        CHECK(all.find("\r\n\r\nHTTP/1.1 200 OK\r\n") != std::string::npos);
        CHECK(all.ends_with("ok\n"));
    }
}

TEST_CASE("what the admin listener does not serve is refused", "[proxy][admin]") {
    running_admin admin;
    const std::uint16_t port = admin.open_somewhere();
    const std::string own = "Host: localhost\r\n";
    const auto [request, status] = GENERATE_COPY(table<std::string, std::string>({
        {"GET / HTTP/1.1\r\n" + own, "404"},
        {"GET /status/ HTTP/1.1\r\n" + own, "404"},
        {"POST /status HTTP/1.1\r\n" + own, "405"},
        {"DELETE /metrics HTTP/1.1\r\n" + own, "405"},
        {"GET /status HTTP/1.1\r\nHost: evil.example\r\n", "421"},
        {"GET /status HTTP/1.1\r\nHost: 192.0.2.1\r\n", "421"},
        {"GET /status HTTP/1.1\r\nHost: localhost.evil.example\r\n", "421"},
        {"GET /status HTTP/1.1\r\nHost:\r\n", "421"},
        {"GET /status HTTP/1.1\r\n", "400"},
        {"GET /status HTTP/1.1\r\n" + own + own, "400"},
        {"GET /status HTTP/1.1\r\n" + own + "Origin: http://localhost\r\n", "403"},
        {"GET /status HTTP/1.1\r\n" + own + "Origin: null\r\n", "403"},
        {"POST /status HTTP/1.1\r\n" + own + "Content-Length: 2\r\n", "415"},
        {"POST /status HTTP/1.1\r\n" + own + "Content-Length: 9999999\r\n", "415"},
        {"POST /status HTTP/1.1\r\n" + own + "Content-Length: 2\r\nContent-Type: text/plain\r\n", "415"},
        {"POST /status HTTP/1.1\r\n" + own + "Transfer-Encoding: chunked\r\n", "415"},
        {"POST /status HTTP/1.1\r\n" + own + "Content-Length: 2\r\nContent-Type: application/json; charset=utf-8\r\n",
         "413"},
        {"nonsense\r\n", "400"},
        {"GET /status HTTP/1.1\r\n" + own + "X: " + std::string(9000, 'x') + "\r\n", "431"},
    }));
    CAPTURE(request);
    const std::string response = ask(loopback(port), request);
    CHECK(response.substr(0, 13) == "HTTP/1.1 " + status + ' ');
    CHECK((response.find("Allow: GET, HEAD\r\n") != std::string::npos) == (status == "405"));
}

TEST_CASE("a server's state is changed by POST", "[proxy][admin][control]") {
    running_admin admin;
    const std::uint16_t port = admin.open_somewhere();
    const std::string path = "/upstreams/app/servers/127.0.0.1:9001/drain";
    const auto post = [&](const std::string& target, const std::string& fields = "") {
        return ask(loopback(port), "POST " + target + " HTTP/1.1\r\nHost: localhost\r\n" + fields);
    };
    SECTION("and the answer is the new state") {
        const std::string response = post(path, "Content-Length: 0\r\n");
        CHECK(response.starts_with("HTTP/1.1 200 OK\r\n"));
        CHECK(response.find("Content-Type: application/json\r\n") != std::string::npos);
        CHECK(content_of(response) == R"({"state":"draining"})");
        CHECK(post("/upstreams/app/servers/unix:%2Frun%2Fa.sock/down?why=because").starts_with("HTTP/1.1 200 "));
        CHECK(admin.changes() == "app 127.0.0.1:9001 drain; app unix:/run/a.sock down; ");
    }
    SECTION("if it is known") {
        const std::string response = post("/upstreams/blog/servers/127.0.0.1:9001/drain");
        CHECK(response.starts_with("HTTP/1.1 404 "));
        CHECK(content_of(response) == "there is no upstream blog\n");
    }
    SECTION("and by nothing else") {
        const std::string response = get(port, path);
        CHECK(response.starts_with("HTTP/1.1 405 "));
        CHECK(response.find("Allow: POST\r\n") != std::string::npos);
        CHECK(ask(loopback(port), "PUT " + path + " HTTP/1.1\r\nHost: localhost\r\n").starts_with("HTTP/1.1 405 "));
        CHECK(post("/upstreams/app/servers/127.0.0.1:9001/kill").starts_with("HTTP/1.1 404 "));
        CHECK(post(path, "Origin: http://localhost\r\n").starts_with("HTTP/1.1 403 "));
        CHECK(post(path, "Content-Length: 2\r\n").starts_with("HTTP/1.1 415 "));
        CHECK(ask(loopback(port), "POST " + path + " HTTP/1.1\r\nHost: evil.example\r\n").starts_with("HTTP/1.1 421 "));
        CHECK(admin.changes().empty());
    }
}

TEST_CASE("what is to be purged is said by POST, in JSON", "[proxy][admin][purge][rfc9110-10.1.1]") {
    running_admin admin;
    const std::uint16_t port = admin.open_somewhere();
    const std::string head = "POST /cache/purge HTTP/1.1\r\nHost: localhost\r\n";
    const std::string json = "Content-Type: application/json\r\n";
    const std::string two_bytes = "Content-Length: 2\r\n";
    using all = std::vector<std::string>;
    SECTION("and the answer is what was done") {
        const std::string response = ask(loopback(port), head + json + two_bytes, "{}");
        CHECK(response.starts_with("HTTP/1.1 200 OK\r\n"));
        CHECK(response.find("Content-Type: application/json\r\n") != std::string::npos);
        CHECK(content_of(response) == R"({"number":1})");
        CHECK(admin.purges() == all{"{}"});
    }
    SECTION("of any framing, on a connection that is used again") {
        client to(loopback(port));
        to.send(head + json + two_bytes + "\r\n{}" + head +
                "content-type: Application/JSON; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{a\r\n1\r\n}"
                "\r\n0\r\n\r\n");
        to.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        CHECK(to.rest().ends_with("ok\n"));
        CHECK(admin.purges() == all{"{}", "{a}"});
    }
    SECTION("up to 1 MiB") {
        const std::size_t most = 1024 * 1024;
        const auto with_length = [&](std::size_t length) {
            return ask(loopback(port), head + json + "Content-Length: " + std::to_string(length) + "\r\n",
                       std::string(length <= most ? length : 1, 'x'));
        };
        CHECK(with_length(most).starts_with("HTTP/1.1 200 "));
        CHECK(with_length(most + 1).starts_with("HTTP/1.1 413 "));
        CHECK(with_length(10 * most).starts_with("HTTP/1.1 413 "));
        CHECK(ask(loopback(port), head + json + "Transfer-Encoding: chunked\r\n", "100001\r\n{}")
                  .starts_with("HTTP/1.1 413 "));
        CHECK(admin.purges() == all{std::string(most, 'x')});
    }
    SECTION("when the client has been told to go on") {
        const std::string response = ask(loopback(port), head + json + two_bytes + "Expect: 100-continue\r\n", "{}");
        CHECK(response.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
    }
    SECTION("and is refused with what is wrong") {
        const std::string response = ask(loopback(port), head + json + "Content-Length: 8\r\n", "nonsense");
        CHECK(response.starts_with("HTTP/1.1 400 "));
        CHECK(content_of(response) == "the content is no JSON\n");
    }
    SECTION("but not read from who may not purge, or purges in another way") {
        admin.ask_for_token("s3cret");
        const auto [fields, status] = GENERATE_COPY(table<std::string, std::string>({
            {json + two_bytes, "401"},
            {json + two_bytes + "Authorization: Bearer wrong\r\n", "401"},
            {json + two_bytes + "Expect: 100-continue\r\n", "401"},
            {two_bytes, "415"},
            {two_bytes + "Content-Type: application/x-www-form-urlencoded\r\n", "415"},
            {json + two_bytes + "Origin: http://localhost\r\n", "403"},
            {json + "Content-Length: 99999999\r\n", "401"},
        }));
        CAPTURE(fields);
        CHECK(ask(loopback(port), head + fields).substr(0, 13) == "HTTP/1.1 " + status + ' ');
        const std::string others = "Authorization: Bearer s3cret\r\nHost: localhost\r\n";
        CHECK(ask(loopback(port), "GET /cache/purge HTTP/1.1\r\n" + others).starts_with("HTTP/1.1 405 "));
        CHECK(ask(loopback(port), "PUT /cache/purge HTTP/1.1\r\n" + others + json + two_bytes, "{}")
                  .starts_with("HTTP/1.1 413 "));
        CHECK(ask(loopback(port), "POST /cache/purge/ HTTP/1.1\r\n" + others + json + two_bytes, "{}")
                  .starts_with("HTTP/1.1 413 "));
        CHECK(admin.purges().empty());
        CHECK(ask(loopback(port), "POST /cache/purge HTTP/1.1\r\n" + others + json + two_bytes, "{}")
                  .starts_with("HTTP/1.1 200 "));
        CHECK(admin.purges() == all{"{}"});
    }
}

TEST_CASE("what changes anything takes the token, where there is one", "[proxy][admin][control]") {
    running_admin admin;
    const std::uint16_t port = admin.open_somewhere();
    admin.ask_for_token("s3cret");
    const auto [fields, status] = GENERATE(table<std::string, std::string>({
        {"", "401"},
        {"Authorization: Bearer s3cret\r\n", "200"},
        {"authorization: bearer  s3cret\r\n", "200"},
        {"Authorization: Bearer s3cre\r\n", "401"},
        {"Authorization: Bearer s3crets\r\n", "401"},
        {"Authorization: Bearer s3crets3cret\r\n", "401"},
        {"Authorization: Bearer S3cret\r\n", "401"},
        {"Authorization: Bearer \r\n", "401"},
        {"Authorization: Bearer\r\n", "401"},
        {"Authorization: Basic s3cret\r\n", "401"},
        {"Authorization: s3cret\r\n", "401"},
        {"Authorization: Bearer s3cret\r\nAuthorization: Bearer s3cret\r\n", "401"},
    }));
    CAPTURE(fields);
    const std::string response = ask(
        loopback(port), "POST /upstreams/app/servers/127.0.0.1:9001/drain HTTP/1.1\r\nHost: localhost\r\n" + fields);
    CHECK(response.substr(0, 13) == "HTTP/1.1 " + status + ' ');
    CHECK((response.find("WWW-Authenticate: Bearer\r\n") != std::string::npos) == (status == "401"));
    CHECK(admin.changes().empty() == (status == "401"));
    // Reading does not.
    CHECK(get(port, "/status").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("the host of a request names this machine", "[proxy][admin]") {
    using asio::ip::make_address;
    const admin_place place{make_address("10.1.2.3"), "weir.internal"};
    const admin_place v6{make_address("fd00::1"), ""};
    const admin_place mapped{make_address("::ffff:10.1.2.3"), ""};
    for (const char* own : {"localhost", "LOCALHOST:8881", "127.0.0.1", "127.1.2.3:80", "[::1]:8881", "10.1.2.3",
                            "10.1.2.3:8881", "weir.internal:8881", "Weir.Internal"}) {
        CAPTURE(own);
        CHECK(is_own_host(own, place));
    }
    for (const char* foreign :
         {"", ":8881", "10.1.2.4", "evil.example", "evil.example:8881", "weir.internal.evil.example", "[fd00::1]",
          "[::1", "[]", "localhost.", "127.0.0.1.evil.example", "2130706433"}) {
        CAPTURE(foreign);
        CHECK_FALSE(is_own_host(foreign, place));
    }
    CHECK(is_own_host("[fd00::1]:8881", v6));
    CHECK(is_own_host("10.1.2.3:8881", mapped));
    CHECK(is_own_host("anything", {}));
}

TEST_CASE("a port in use is refused with a sentence", "[proxy][admin]") {
    running_admin admin;
    const std::uint16_t port = admin.open_somewhere();
    running_admin other;
    const std::string where = "127.0.0.1:" + std::to_string(port);
    CHECK(other.open(where) == "cannot open the admin listener " + where + ": another program uses that port");

    SECTION("and the listener before it goes on") {
        const std::uint16_t own = other.open_somewhere();
        CHECK(other.open(where));
        CHECK(get(own, "/healthz").ends_with("ok\n"));
    }
    SECTION("until it is closed") {
        admin.close();
        CHECK_FALSE(other.open(where));
        CHECK(get(port, "/healthz").ends_with("ok\n"));
    }
    SECTION("but the same one may be opened again") {
        CHECK_FALSE(admin.open("127.0.0.1:0"));
        CHECK(admin.port() == port);
    }
}

TEST_CASE("closing ends the connections that wait", "[proxy][admin]") {
    running_admin admin;
    const std::uint16_t port = admin.open_somewhere();
    client waiting(loopback(port));
    waiting.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea");
    // Answered on another connection: the first has been accepted by then.
    CHECK(get(port, "/healthz").ends_with("ok\n"));
    admin.close();
    CHECK(waiting.rest().size() < 1000);
    CHECK_THROWS(client(loopback(port)));
}

TEST_CASE("connections over the limit are closed and make room for others", "[proxy][admin]") {
    running_admin admin;
    const std::uint16_t port = admin.open_somewhere();
    {
        std::vector<std::unique_ptr<client<tcp::endpoint>>> many;
        for (int count = 0; count < 64; ++count)
            many.push_back(std::make_unique<client<tcp::endpoint>>(loopback(port)));
        client<tcp::endpoint> one_more(loopback(port));
        CHECK(one_more.rest().empty());
        many.front()->send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        CHECK(many.front()->rest().ends_with("ok\n"));
        CHECK(get(port, "/healthz").ends_with("ok\n"));
    }
}

TEST_CASE("every local address serves both families where both are there", "[proxy][admin]") {
    running_admin admin;
    const std::uint16_t port = admin.open_somewhere(":0");
    CHECK(get(port, "/healthz", "Host: 127.0.0.1\r\n").ends_with("ok\n"));
    CHECK(get(port, "/healthz", "Host: evil.example\r\n").starts_with("HTTP/1.1 421 "));
}

TEST_CASE("a name among the addresses is looked up", "[proxy][admin]") {
    running_admin admin;
    const std::uint16_t port = admin.open_somewhere("localhost:0");
    CHECK(get(port, "/healthz").ends_with("ok\n"));
    CHECK(admin.open("no-such-host.invalid:0"));
}

TEST_CASE("a unix socket is served and removed", "[proxy][admin]") {
    const test::temporary_folder folder;
    const std::string path = folder.path("admin.sock");
    running_admin admin;
    SECTION("for any host, since no browser reaches it") {
        REQUIRE_FALSE(admin.open("unix:" + path));
        CHECK(ask(unix_socket::endpoint(path), "GET /healthz HTTP/1.1\r\nHost: whatever\r\n").ends_with("ok\n"));
        admin.close();
        CHECK_FALSE(std::filesystem::exists(path));
    }
    SECTION("in the place of one that nobody listens on") {
        {
            asio::io_context context;
            const unix_socket::acceptor dead(context, unix_socket::endpoint(path));
        }
        REQUIRE(std::filesystem::exists(path));
        REQUIRE_FALSE(admin.open("unix:" + path));
        CHECK(ask(unix_socket::endpoint(path), "GET /healthz HTTP/1.1\r\nHost: localhost\r\n").ends_with("ok\n"));
    }
    SECTION("but not of one that somebody listens on") {
        asio::io_context context;
        const unix_socket::acceptor alive(context, unix_socket::endpoint(path));
        const auto fault = admin.open("unix:" + path);
        REQUIRE(fault);
        CHECK(fault->find("another program listens on that socket") != std::string::npos);
        CHECK(std::filesystem::exists(path));
    }
    SECTION("and never of what is no socket") {
        test::write_file(path, "precious");
        CHECK(admin.open("unix:" + path));
        CHECK(test::read_file(path) == "precious");
    }
    SECTION("unless another one has taken its place") {
        REQUIRE_FALSE(admin.open("unix:" + path));
        std::filesystem::remove(path);
        test::write_file(path, "of another");
        admin.close();
        CHECK(test::read_file(path) == "of another");
    }
}
