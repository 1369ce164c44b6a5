// Real CherryPy servers that die, and content too large to hold.
#include <signal.h>

#include <catch2/catch.hpp>
#include <string>

#include "test/support/json.hpp"
#include "test/support/load.hpp"
#include "test/support/python_server.hpp"
#include "test/support/weir_instance.hpp"

namespace weir::test {
namespace {

// The same bytes as cherrypy_app.py's pattern.
std::string pattern(std::size_t size) {
    std::string part;
    for (int number = 0; number < 8192; ++number) {
        const auto digits = std::to_string(number);
        part += std::string(7 - digits.size(), '0') + digits + '\n';
    }
    std::string bytes;
    bytes.reserve(size + part.size());
    while (bytes.size() < size) bytes += part;
    bytes.resize(size);
    return bytes;
}

constexpr std::size_t large = 100 * 1024 * 1024;

void check_memory(weir_instance& weir) {
    // Sanitizers keep shadows and quarantines, so the bound says nothing there.
    if (!sanitized) CHECK(weir.program().peak_resident_bytes() < 256 * 1024 * 1024);
}

}  // namespace

TEST_CASE("a server killed under load costs no GET", "[end_to_end][failure][cherrypy]") {
    cherrypy_server one({"--name", "one"});
    cherrypy_server two({"--name", "two"});
    weir_instance weir(configuration{.servers = {one.address(), two.address()}, .workers = 2});
    const auto content = pattern(65536);
    const auto request = [](unsigned client, std::size_t n) {
        return get((client + n) % 2 == 0 ? "/big?n=65536" : "/");
    };
    const auto check = [&](const response& got) -> std::string {
        if (got.status != 200) return got.raw.substr(0, 2000);
        return got.content == "one" || got.content == "two" || got.content == content ? "" : "not the page";
    };
    load clients(weir.port(), 8, request, check);
    clients.wait_for_answers(200);
    one.program().signal(SIGKILL);
    one.program().wait();
    clients.wait_for_answers(500);
    const auto result = clients.stop();
    CAPTURE(result.first_failure);
    CHECK(result.failures == 0);
}

TEST_CASE("a server that stops and one that starts under load cost no GET", "[end_to_end][failure][cherrypy]") {
    const temporary_folder folder;
    const std::string path = folder.path("two.socket");
    cherrypy_server one({"--name", "one"});
    auto two = std::make_unique<cherrypy_server>(std::vector<std::string>{"--name", "two", "--socket", path});
    weir_instance weir(configuration{.servers = {one.address(), two->address()}, .workers = 2});
    load clients(
        weir.port(), 4, [](unsigned, std::size_t) { return get("/"); }, expect_ok);
    clients.wait_for_answers(100);
    two->program().signal(SIGTERM);
    CHECK(two->program().wait() == 0);
    clients.wait_for_answers(100);
    two = std::make_unique<cherrypy_server>(std::vector<std::string>{"--name", "two again", "--socket", path});
    clients.wait_for_answers(100);
    const auto result = clients.stop();
    CAPTURE(result.first_failure);
    CHECK(result.failures == 0);
    CHECK(eventually([&] { return weir.ask_get("/").content == "two again"; }));
}

TEST_CASE("100 MB down through weir are the bytes that the application sent",
          "[end_to_end][failure][cherrypy][large]") {
    cherrypy_server server;
    const std::string stream = GENERATE(std::string(), std::string("&stream=1"));
    CAPTURE(stream);
    weir_instance weir(configuration{.servers = {server.address()}, .workers = 2});
    const auto digest = sha256(pattern(large));
    const auto got = weir.ask_get("/big?n=" + std::to_string(large) + stream);
    CHECK(got.content.size() == large);
    CHECK(sha256(got.content) == digest);
    check_memory(weir);
}

TEST_CASE("100 MB up through weir are the bytes that the application gets", "[end_to_end][failure][cherrypy][large]") {
    cherrypy_server server;
    const auto route = GENERATE(std::string(), std::string("    buffering: {request: off}\n"));
    const bool chunked = GENERATE(false, true);
    CAPTURE(route, chunked);
    weir_instance weir(configuration{.servers = {server.address()}, .route = route, .workers = 2});
    const auto content = pattern(large);
    auto client = weir.client();
    if (chunked) {
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (std::size_t at = 0; at < large; at += 1024 * 1024)
            client.send("100000\r\n" + content.substr(at, 1024 * 1024) + "\r\n");
        client.send("0\r\n\r\n");
    } else {
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(large) + "\r\n\r\n");
        client.send(content);
    }
    const auto got = client.read_response();
    REQUIRE(got.status == 200);
    const auto echo = parse_json(got.content).as_object();
    CHECK(echo.at("length").to_number<std::size_t>() == large);
    CHECK(std::string(echo.at("sha256").as_string().c_str()) == sha256(content));
    check_memory(weir);
}

TEST_CASE("clients that read nothing hold no more memory than they may", "[end_to_end][failure][cherrypy][large]") {
    cherrypy_server server;
    weir_instance weir(configuration{.servers = {server.address()}, .workers = 2, .admin = true});
    std::vector<raw_client> idle;
    for (int i = 0; i < 4; ++i) {
        idle.push_back(weir.client());
        idle.back().send(get("/big?n=" + std::to_string(large)));
        idle.back().stream().take_until("\r\n\r\n");
    }
    // The server's other threads go on serving.
    for (int i = 0; i < 20; ++i) CHECK(weir.ask_get("/").content == "one");
    const auto use = weir.status().as_object().at("buffering").as_object();
    CHECK(use.at("bytes").to_number<std::uint64_t>() <= use.at("limit_bytes").to_number<std::uint64_t>());
    check_memory(weir);
}

TEST_CASE("a page that dies in the middle is an error or visibly cut", "[end_to_end][failure][cherrypy]") {
    cherrypy_server server;
    const weir_instance weir(configuration{.servers = {server.address()}, .upstream = "    retry: off\n"});
    auto client = weir.client();
    client.send(get("/die?n=300000"));
    const auto got = read_broken_response(client.stream());
    // When its death is seen before anything was passed on, there is still time to say so.
    const bool cut = got.end == content_end::cut_by_close || got.end == content_end::cut_by_reset;
    CHECK(((got.status == 200 && cut) || got.status == 502));
    CHECK(got.content.size() < 1'000'000);
    CHECK(weir.ask_get("/").content == "one");
}

TEST_CASE("CherryPy gets a request as the client sent it", "[end_to_end][cherrypy]") {
    cherrypy_server server;
    const weir_instance weir(configuration{.servers = {server.address()}});
    const auto got = weir.ask_get("/echo?a=%2f&b=c%20d", "X-Own: value\r\nX_Under: no\r\nCookie: a=b\r\n");
    REQUIRE(got.status == 200);
    const auto echo = parse_json(got.content).as_object();
    CHECK(echo.at("query").as_string() == "a=%2f&b=c%20d");
    const auto& environment = echo.at("environ").as_object();
    CHECK(environment.at("HTTP_HOST").as_string() == "test.example");
    CHECK(environment.at("HTTP_X_OWN").as_string() == "value");
    CHECK(environment.at("HTTP_COOKIE").as_string() == "a=b");
    CHECK(environment.at("HTTP_X_FORWARDED_FOR").as_string() == "127.0.0.1");
    CHECK(!environment.contains("HTTP_X_UNDER"));
}

}  // namespace weir::test
