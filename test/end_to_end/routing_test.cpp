// Where a request goes, and over which kinds of address.
#include <catch2/catch.hpp>
#include <string>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

scripted_origin::script named(const std::string& name) {
    return scripted_origin::answering(ok(name));
}

std::string upstream(const std::string& name, const scripted_origin& origin) {
    return "  " + name + ": {servers: [" + origin.address() + "]}\n";
}

}  // namespace

TEST_CASE("the first route whose host and path match takes the request", "[end_to_end][routing]") {
    const scripted_origin admin(named("admin"));
    const scripted_origin exact(named("exact"));
    const scripted_origin host(named("host"));
    const scripted_origin suffix(named("suffix"));
    const scripted_origin rest(named("rest"));
    const weir_instance weir("workers: 1\nlisten: 127.0.0.1:0\nlog: {access: off}\nupstreams:\n" +
                             upstream("admin", admin) + upstream("exact", exact) + upstream("host", host) +
                             upstream("suffix", suffix) + upstream("rest", rest) +
                             "routes:\n"
                             "  - {match: {path: /admin}, upstream: admin}\n"
                             "  - {match: {path: = /exact}, upstream: exact}\n"
                             "  - {match: {host: one.example}, upstream: host}\n"
                             "  - {match: {host: \"*.two.example\"}, upstream: suffix}\n"
                             "  - {match: {host: \"*\", path: /rest}, upstream: rest}\n");
    struct row {
        std::string host, target, answer;
    };
    const std::vector<row> rows = {
        {"x", "/admin", "admin"},
        {"x", "/admin/", "admin"},
        {"x", "/admin/users?x=1", "admin"},
        {"x", "/%61dmin", "admin"},
        {"x", "/rest/../admin", "admin"},
        {"x", "/rest/%2e%2e/admin/x", "admin"},
        {"one.example", "/admin?x", "admin"},
        {"x", "/exact", "exact"},
        {"x", "/exact?q", "exact"},
        {"one.example", "/exact/more", "host"},
        {"one.example", "/adminx", "host"},
        {"ONE.example", "/", "host"},
        {"one.example:8080", "/", "host"},
        {"one.example.", "/", "host"},
        {"a.two.example", "/", "suffix"},
        {"a.b.two.example", "/", "suffix"},
        {"x", "/rest", "rest"},
        {"x", "/rest/a", "rest"},
    };
    for (const auto& one : rows) {
        CAPTURE(one.host, one.target);
        CHECK(weir.ask("GET " + one.target + " HTTP/1.1\r\nHost: " + one.host + "\r\n\r\n").content == one.answer);
    }
    for (const auto& [name, target] :
         {std::pair("x", "/"), {"x", "/restx"}, {"x", "/exact/more"}, {"other.example", "/x"}, {"x", "/a/../b"}}) {
        CAPTURE(name, target);
        auto client = weir.client();
        CHECK(client.ask("GET " + std::string(target) + " HTTP/1.1\r\nHost: " + name + "\r\n\r\n").status == 404);
        // No route is an answer, not a fault of the connection.
        CHECK(client.ask("GET /rest HTTP/1.1\r\nHost: x\r\n\r\n").content == "rest");
    }
    for (const std::string target :
         {"/rest/..%2fadmin", "/rest%2f..%2fadmin", "/rest/%2e%2e%2fadmin", "/rest%5c..%5cadmin"}) {
        CAPTURE(target);
        CHECK(weir.ask("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n").status == 400);
    }
}

TEST_CASE("weir listens on several addresses, IPv6 among them", "[end_to_end][listen]") {
    const origin_and_weir under_test(named("answered"), {.listen = {"127.0.0.1:0", "127.0.0.2:0", "[::1]:0"}});
    const auto port = [&](const std::string& host) { return under_test.weir.port_on(host); };
    CHECK(raw_client(port("127.0.0.1")).ask_get("/").content == "answered");
    CHECK(raw_client(port("127.0.0.2"), "127.0.0.2").ask_get("/").content == "answered");
    raw_client v6(port("[::1]"), "::1");
    CHECK(v6.ask("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n").content == "answered");
    CHECK(under_test.origin.last().text("X-Forwarded-For") == "::1");
    CHECK(under_test.origin.last().text("Forwarded").find("for=\"[::1]\"") != std::string::npos);
}

TEST_CASE("weir listens on a unix socket, which is gone when it stops", "[end_to_end][listen]") {
    const temporary_folder folder;
    const auto path = folder.path("weir.socket");
    {
        const origin_and_weir under_test(named("answered"), {.listen = {"unix:" + path}});
        CHECK(raw_client::to_unix(path).ask_get("/").content == "answered");
    }
    CHECK(!std::filesystem::exists(path));
}

TEST_CASE("a unix socket that a dead weir left behind is taken over", "[end_to_end][listen]") {
    const temporary_folder folder;
    const auto path = folder.path("weir.socket");
    {
        origin_and_weir killed(named("first"), {.listen = {"unix:" + path}});
        killed.weir.expect_any_end();
        killed.weir.program().signal(9);
        killed.weir.program().wait();
    }
    REQUIRE(std::filesystem::exists(path));
    const origin_and_weir under_test(named("second"), {.listen = {"unix:" + path}});
    CHECK(raw_client::to_unix(path).ask_get("/").content == "second");
}

TEST_CASE("a unix socket has the mode that is asked for", "[end_to_end][listen]") {
    const temporary_folder folder;
    const auto path = folder.path("weir.socket");
    const origin_and_weir under_test(named("answered"), {.listen = {"{address: \"unix:" + path + "\", mode: 0620}"}});
    CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms(0620));
}

TEST_CASE("an endpoint may be a unix socket", "[end_to_end][upstream]") {
    const temporary_folder folder;
    const scripted_origin origin(named("over unix"), folder.path("origin.socket"));
    const weir_instance weir(configuration{.servers = {origin.address()}});
    CHECK(weir.ask_get("/").content == "over unix");
    CHECK(weir.ask_get("/").content == "over unix");
    CHECK(origin.connections() == 1);
    CHECK(origin.last().text("Host") == "test.example");
}

}  // namespace weir::test
