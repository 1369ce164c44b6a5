// Which endpoint gets a request: the sticky one, the one of its hash, the least busy, and not one that says it cannot.
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

// Origins that answer with their own number.
struct numbered_origins {
    explicit numbered_origins(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            all.push_back(std::make_unique<scripted_origin>(scripted_origin::answering(ok(std::to_string(i)))));
    }
    configuration parts(const std::string& upstream) const {
        configuration made;
        for (const auto& one : all) made.servers.push_back(one->address());
        made.upstream = upstream;
        made.route = no_cache;
        return made;
    }
    std::vector<std::unique_ptr<scripted_origin>> all;
};

// "NAME=value" of Set-Cookie.
std::string pair_of(const response& got) {
    const std::string field = got.text("Set-Cookie");
    return field.substr(0, field.find(';'));
}

}  // namespace

TEST_CASE("a sticky client stays with its server, over reload and restart", "[end_to_end][sticky]") {
    const numbered_origins origins(4);
    const configuration parts = origins.parts("    sticky: cookie:srv\n");
    std::map<std::string, std::string> server_by_cookie;
    {
        weir_instance weir(parts);
        for (int i = 0; i < 12; ++i) {
            const response first = weir.ask_get("/");
            const std::string cookie = pair_of(first);
            CAPTURE(cookie);
            CHECK(first.text("Set-Cookie").find("; Path=/; HttpOnly; SameSite=Lax") != std::string::npos);
            CHECK(cookie.size() == std::string("srv=").size() + 16);
            // Not the address: digits alone.
            CHECK(cookie.find_first_not_of("0123456789abcdef", 4) == std::string::npos);
            server_by_cookie[cookie] = first.content;
        }
        CHECK(server_by_cookie.size() == 4);
        weir.reload(parts);
        for (const auto& [cookie, server] : server_by_cookie) {
            const response got = weir.ask_get("/", "Cookie: a=b; " + cookie + "\r\n");
            CHECK(got.content == server);
            // What the client has already is not said again.
            CHECK_FALSE(got.has("Set-Cookie"));
        }
    }
    const weir_instance after_restart(parts);
    for (const auto& [cookie, server] : server_by_cookie)
        CHECK(after_restart.ask_get("/", "Cookie: " + cookie + "\r\n").content == server);
}

TEST_CASE("a sticky client falls over when its server is down, and an unknown cookie is ignored",
          "[end_to_end][sticky]") {
    const numbered_origins origins(2);
    const weir_instance weir(origins.parts("    sticky: cookie:srv\n"));
    const response first = weir.ask_get("/");
    const std::string cookie = "Cookie: " + pair_of(first) + "\r\n";
    origins.all[std::stoul(first.content)]->stop();
    const response second = weir.ask_get("/", cookie);
    CHECK(second.status == 200);
    CHECK(second.content != first.content);
    CHECK(pair_of(second) != pair_of(first));
    const std::string unknown = GENERATE("srv=0000000000000000", "srv=", "srv=127.0.0.1:80", "srv=\"x\"");
    const response other = weir.ask_get("/", "Cookie: " + unknown + "\r\n");
    CHECK(other.status == 200);
    CHECK(other.has("Set-Cookie"));
}

TEST_CASE("a stored response carries nobody's sticky cookie", "[end_to_end][sticky][cache]") {
    const scripted_origin origin(scripted_origin::answering(ok("page", "Cache-Control: max-age=60\r\n")));
    configuration parts;
    parts.servers = {origin.address()};
    parts.upstream = "    sticky: cookie:srv\n";
    const weir_instance weir(parts);
    CHECK(weir.ask_get("/").has("Set-Cookie"));
    const response hit = weir.ask_get("/");
    CHECK(hit.text("Cache-Status").starts_with("weir; hit"));
    CHECK_FALSE(hit.has("Set-Cookie"));
}

TEST_CASE("with balance: hash a target has its server", "[end_to_end][hash]") {
    const numbered_origins origins(4);
    const auto [source, vary] = GENERATE(table<std::string, std::string>({
        {"uri", "target"},
        {"header:X-Tenant", "X-Tenant: "},
        {"cookie:tenant", "Cookie: tenant="},
    }));
    CAPTURE(source);
    const weir_instance weir(origins.parts("    balance: hash\n    hash_on: " + source + "\n"));
    std::set<std::string> servers;
    for (int i = 0; i < 32; ++i) {
        const std::string name = std::to_string(i);
        const auto ask = [&, vary = vary](const std::string& noise) {
            return vary == "target" ? weir.ask_get("/" + name, "X-Noise: " + noise + "\r\n")
                                    : weir.ask_get("/" + noise, vary + name + "\r\n");
        };
        const std::string server = ask("a").content;
        CHECK(ask("b").content == server);
        CHECK(ask("c").content == server);
        servers.insert(server);
    }
    CHECK(servers.size() == 4);
}

TEST_CASE("with balance: least_requests a busy server gets fewer", "[end_to_end][least_requests]") {
    gate let_go;
    const scripted_origin slow([&](origin_connection& one) {
        one.read_request();
        let_go.wait();
        one.send(ok("slow"));
    });
    const scripted_origin quick(scripted_origin::answering(ok("quick")));
    configuration parts;
    parts.servers = {slow.address(), quick.address()};
    parts.upstream = "    balance: least_requests\n";
    parts.route = no_cache;
    const weir_instance weir(parts);
    auto held = weir.client();
    // Whom the first request gets is open: until one is at the slow server.
    for (;;) {
        held.send(get("/"));
        REQUIRE(eventually([&] { return slow.requests() == 1 || held.stream().readable(); }));
        if (slow.requests() == 1) break;
        held.read_response();
    }
    for (int i = 0; i < 8; ++i) CHECK(weir.ask_get("/").content == "quick");
    let_go.open();
    CHECK(held.read_response().content == "slow");
}

TEST_CASE("a server that answers 503 is left alone while there are others", "[end_to_end][balancing]") {
    const std::string retry_after = GENERATE("60", "Thu, 31 Dec 2099 23:59:59 GMT");
    CAPTURE(retry_after);
    const scripted_origin unavailable(scripted_origin::answering(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: " + retry_after + "\r\nContent-Length: 4\r\n\r\nbusy"));
    const scripted_origin fine(scripted_origin::answering(ok("fine")));
    configuration parts;
    parts.servers = {unavailable.address(), fine.address()};
    parts.route = no_cache;
    parts.admin = true;
    weir_instance weir(parts);
    unsigned refused = 0;
    for (int i = 0; i < 10; ++i) refused += weir.ask_get("/").status == 503;
    CHECK(refused == 1);
    CHECK(unavailable.requests() == 1);
    weir.program().wait_for_error_line("app: " + unavailable.address() + " rests: it answered 503");
    // It is up.
    CHECK(weir.ask_admin("/metrics")
              .content.find("weir_endpoint_up{upstream=\"app\",endpoint=\"" + unavailable.address() + "\"} 1\n") !=
          std::string::npos);
}

TEST_CASE("a server alone that answers 503 is still asked", "[end_to_end][balancing]") {
    const origin_and_weir under_test(
        scripted_origin::answering(
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\nContent-Length: 4\r\n\r\nbusy"),
        {.route = no_cache});
    for (int i = 0; i < 3; ++i) CHECK(under_test.weir.ask_get("/").content == "busy");
    CHECK(under_test.origin.requests() == 3);
}

TEST_CASE("a response that breaks after its head is a failure of its server", "[end_to_end][balancing][eject]") {
    gate begun;
    const origin_and_weir under_test(
        [&](origin_connection& one) {
            one.read_request();
            one.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegin");
            begun.wait();
            one.reset();
        },
        {.route = no_cache, .admin = true});
    auto client = under_test.weir.client();
    client.send(get("/"));
    client.stream().take_until("begin");
    begun.open();
    client.stream().take_to_end();
    const auto status = under_test.weir.status();
    const auto& endpoint = status.at("upstreams").at(0).at("endpoints").at(0);
    CHECK(endpoint.at("failures").to_number<int>() == 1);
}

TEST_CASE("one 503 does not move the server's sticky clients", "[end_to_end][sticky]") {
    const numbered_origins others(1);
    const scripted_origin busy(scripted_origin::answering([](const request& asked) {
        return asked.target == "/busy"
                   ? "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"
                   : ok("busy");
    }));
    configuration parts = others.parts("    sticky: cookie:srv\n");
    parts.servers.push_back(busy.address());
    const weir_instance weir(parts);
    response mine = weir.ask_get("/");
    while (mine.content != "busy") mine = weir.ask_get("/");
    const std::string cookie = "Cookie: " + pair_of(mine) + "\r\n";
    CHECK(weir.ask_get("/busy", cookie).status == 503);
    CHECK(weir.ask_get("/", cookie).content == "busy");
    for (int i = 0; i < 4; ++i) CHECK(weir.ask_get("/").content == "0");
}

TEST_CASE("sticky clients of a busy server do not keep others from a free one", "[end_to_end][sticky][queue]") {
    gate let_go;
    const numbered_origins others(1);
    const scripted_origin busy([&](origin_connection& one) {
        for (;;) {
            if (one.read_request().target == "/hold") let_go.wait();
            one.send(ok("busy"));
        }
    });
    configuration parts =
        others.parts("    sticky: cookie:srv\n    max_in_flight: 1\n    queue: {length: 1, timeout: 60s}\n");
    parts.servers.push_back(busy.address());
    parts.admin = true;
    const weir_instance weir(parts);
    response mine = weir.ask_get("/");
    while (mine.content != "busy") mine = weir.ask_get("/");
    const std::string cookie = "Cookie: " + pair_of(mine) + "\r\n";
    auto first = weir.client();
    first.send(get("/hold", cookie));
    REQUIRE(eventually([&] { return busy.last().target == "/hold"; }));
    auto second = weir.client();
    second.send(get("/", cookie));
    REQUIRE(eventually([&] {
        return weir.ask_admin("/metrics").content.find("weir_queue_length{upstream=\"app\"} 1\n") != std::string::npos;
    }));
    for (int i = 0; i < 3; ++i) CHECK(weir.ask_get("/").content == "0");
    CHECK(weir.ask_get("/", cookie).status == 503);
    let_go.open();
    CHECK(first.read_response().content == "busy");
    CHECK(second.read_response().content == "busy");
}

TEST_CASE("a WebSocket's client gets its sticky cookie", "[end_to_end][sticky][upgrade]") {
    const origin_and_weir under_test(
        [](origin_connection& one) {
            one.read_request();
            one.send(websocket_consent);
            one.wait_for_end();
        },
        {.upstream = "    sticky: cookie:srv\n"});
    const std::string handshake = websocket_handshake;
    const response first = under_test.weir.ask_get("/", handshake);
    REQUIRE(first.status == 101);
    REQUIRE(pair_of(first).starts_with("srv="));
    const response again = under_test.weir.ask_get("/", handshake + "Cookie: " + pair_of(first) + "\r\n");
    CHECK(again.status == 101);
    CHECK_FALSE(again.has("Set-Cookie"));
}

}  // namespace weir::test
