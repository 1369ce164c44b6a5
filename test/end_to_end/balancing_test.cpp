// Which endpoint gets a request, and what happens to it when that endpoint is not there.
#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

scripted_origin::script named(const std::string& name) {
    return scripted_origin::answering(ok(name));
}

// The answers to so many requests on one connection, one letter each.
std::string answers(const weir_instance& weir, int count) {
    std::string all;
    auto client = weir.client();
    for (int i = 0; i < count; ++i) all += client.ask_get("/").content;
    return all;
}

std::string weighted(const scripted_origin& origin, int weight) {
    return "{address: " + origin.address() + ", weight: " + std::to_string(weight) + "}";
}

std::string backup(const scripted_origin& origin) {
    return "{address: " + origin.address() + ", backup: true}";
}

}  // namespace

TEST_CASE("endpoints take turns", "[end_to_end][balancing]") {
    const scripted_origin a(named("a"));
    const scripted_origin b(named("b"));
    const scripted_origin c(named("c"));
    const weir_instance weir(configuration{.servers = {a.address(), b.address(), c.address()}});
    const auto got = answers(weir, 12);
    CHECK(got.substr(0, 9) == got.substr(3));
    for (const char* name : {"a", "b", "c"}) CHECK(occurrences(got, name) == 4);
    // Each keeps the connection that it got with its first request.
    CHECK(a.connections() + b.connections() + c.connections() == 3);
}

TEST_CASE("weights are kept smoothly", "[end_to_end][balancing]") {
    const scripted_origin a(named("a"));
    const scripted_origin b(named("b"));
    const weir_instance weir(configuration{.servers = {weighted(a, 3), weighted(b, 1)}});
    const auto got = answers(weir, 16);
    for (int i = 0; i < 16; i += 4) {
        CAPTURE(got, i);
        CHECK(occurrences(got.substr(i, 4), "b") == 1);
    }
}

TEST_CASE("a backup serves only while no other endpoint is up", "[end_to_end][balancing]") {
    scripted_origin a(named("a"));
    const scripted_origin b(named("b"));
    const weir_instance weir(configuration{.servers = {a.address(), backup(b)}});
    CHECK(answers(weir, 4) == "aaaa");
    a.stop();
    CHECK(answers(weir, 4) == "bbbb");
    CHECK(a.requests() == 4);
}

TEST_CASE("an endpoint that refuses is passed over, whatever the method", "[end_to_end][balancing][retry]") {
    const refusing_port down;
    const scripted_origin a(named("a"));
    const weir_instance weir(configuration{.servers = {down.address(), a.address()}, .upstream = no_retry});
    for (int i = 0; i < 4; ++i) {
        CHECK(weir.ask_get("/").content == "a");
        CHECK(weir.ask(post("/", "content")).content == "a");
    }
    CHECK(a.requests() == 8);
}

TEST_CASE("where no endpoint is there, the client hears so at once", "[end_to_end][balancing]") {
    const refusing_port one;
    const refusing_port two;
    const weir_instance weir(configuration{.servers = {one.address(), two.address()}});
    auto client = weir.client();
    for (int i = 0; i < 3; ++i) {
        const auto got = client.ask_get("/");
        CHECK((got.status == 502 || got.status == 503));
        CHECK(!got.content.empty());
        CHECK(got.has("Proxy-Status"));
    }
}

TEST_CASE("an endpoint that came back is used again", "[end_to_end][balancing]") {
    const temporary_folder folder;
    const auto path = folder.path("origin.socket");
    const weir_instance weir(configuration{.servers = {"unix:" + path}});
    CHECK(weir.ask_get("/").status >= 502);
    const scripted_origin back(named("back"), path);
    // It is passed over for a second at most.
    CHECK(eventually([&] { return weir.ask_get("/").content == "back"; }));
}

TEST_CASE("a POST is never sent twice", "[end_to_end][balancing][retry][rfc9110-9.2.2]") {
    const auto ends = GENERATE(std::string("close"), std::string("reset"), std::string("half a head"),
                               std::string("half a response"));
    CAPTURE(ends);
    const scripted_origin::script dying = [ends](origin_connection& one) {
        one.read_request();
        if (ends == "half a head") one.send("HTTP/1.1 200 OK\r\nContent-");
        if (ends == "half a response") one.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        if (ends == "reset") one.reset();
    };
    const scripted_origin a(dying);
    const scripted_origin b(dying);
    const weir_instance weir(configuration{.servers = {a.address(), b.address()}});
    std::size_t sent = 0;
    for (const std::string method : {"POST", "PATCH"}) {
        CAPTURE(method);
        auto client = weir.client();
        client.send(method + " / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\npay");
        const auto got = read_broken_response(client.stream());
        // What had begun to come may have been passed on by then.
        CHECK((got.status == 502 || (ends == "half a response" && got.end != content_end::by_length)));
        CHECK(a.requests() + b.requests() == ++sent);
    }
}

TEST_CASE("an idempotent request goes on to the next endpoint", "[end_to_end][balancing][retry][rfc9110-9.2.2]") {
    const scripted_origin::script dying = [](origin_connection& one) { one.read_request(); };
    const scripted_origin good(named("good"));
    const auto question = GENERATE(get("/"), std::string("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n"),
                                   std::string("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\ncontent"));
    CAPTURE(question);
    const scripted_origin bad(dying);
    const weir_instance weir(configuration{.servers = {bad.address(), good.address()}});
    for (int i = 0; i < 4; ++i) {
        CHECK(weir.ask(question).content == "good");
        if (question.starts_with("PUT")) CHECK(good.last().content == "content");
    }
    CHECK(bad.requests() >= 1);
    CHECK(good.requests() == 4);
}

TEST_CASE("a short response that breaks is asked for again", "[end_to_end][balancing][retry]") {
    const std::string begun = GENERATE("Content-Length: 65536\r\n\r\n" + std::string(65535, 'x'),
                                       "Transfer-Encoding: chunked\r\n\r\n1000\r\n" + std::string(0x1000, 'x') + "\r\n",
                                       std::string("Transfer-Encoding: chunked\r\n\r\n"));
    const scripted_origin bad([&](origin_connection& one) {
        one.read_request();
        one.send("HTTP/1.1 200 OK\r\n" + begun);
    });
    const scripted_origin good(named("good"));
    const weir_instance weir(configuration{.servers = {bad.address(), good.address()}});
    for (int i = 0; i < 4; ++i) CHECK(weir.ask_get("/").content == "good");
    CHECK(bad.requests() >= 1);
}

TEST_CASE("a page without a length is held for a moment only", "[end_to_end][balancing][streaming]") {
    gate seen;
    const origin_and_weir under_test([&](origin_connection& one) {
        one.read_request();
        one.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n");
        seen.wait();
        one.send("3\r\nend\r\n0\r\n\r\n");
    });
    auto client = under_test.weir.client();
    client.send(get("/"));
    CHECK(client.stream().take_until("begin").find("Transfer-Encoding: chunked") != std::string::npos);
    seen.open();
    CHECK(client.stream().take_until("0\r\n\r\n").find("end") != std::string::npos);
}

TEST_CASE("retries: off means one attempt", "[end_to_end][balancing][retry]") {
    const scripted_origin bad([](origin_connection& one) { one.read_request(); });
    const scripted_origin other([](origin_connection& one) { one.read_request(); });
    const weir_instance weir(configuration{.servers = {bad.address(), other.address()}, .upstream = no_retry});
    CHECK(weir.ask_get("/").status == 502);
    CHECK(bad.requests() + other.requests() == 1);
}

TEST_CASE("a name that does not resolve is an endpoint that is down", "[end_to_end][balancing][dns]") {
    const scripted_origin a(named("a"));
    const weir_instance with_another(configuration{.servers = {"name.invalid:80", a.address()}});
    CHECK(answers(with_another, 4) == "aaaa");
    const weir_instance alone(configuration{.servers = {"name.invalid:80"}});
    const auto status = alone.ask_get("/").status;
    CHECK((status == 502 || status == 503));
}

TEST_CASE("the addresses of a name are tried in order", "[end_to_end][balancing][dns]") {
    const scripted_origin a(named("a"));
    // localhost may be ::1 first, where nobody listens.
    const weir_instance weir(configuration{.servers = {"localhost:" + std::to_string(a.port())}});
    CHECK(answers(weir, 4) == "aaaa");
}

TEST_CASE("servers come from a file that a deployment tool keeps", "[end_to_end][balancing][servers_file]") {
    const scripted_origin a(named("a"));
    const scripted_origin b(named("b"));
    const temporary_folder folder;
    write_file(folder.path("servers.yaml"), "- " + a.address() + "\n");
    const std::string yaml =
        "workers: 1\nlisten: 127.0.0.1:0\nlog: {access: off}\nupstreams:\n  app:\n    servers_file: " +
        folder.path("servers.yaml") + "\nroutes: [{match: {path: /}, upstream: app}]\n";
    weir_instance weir(yaml);
    CHECK(answers(weir, 3) == "aaa");
    write_file(folder.path("servers.yaml"), "- {address: " + b.address() + ", weight: 2}\n");
    CHECK(weir.reload().find("not reloaded") == std::string::npos);
    CHECK(answers(weir, 3) == "bbb");
    write_file(folder.path("servers.yaml"), "- {address: " + a.address() + ", wieght: 2}\n");
    CHECK(weir.reload().find("not reloaded") != std::string::npos);
    CHECK(answers(weir, 3) == "bbb");
}

}  // namespace weir::test
