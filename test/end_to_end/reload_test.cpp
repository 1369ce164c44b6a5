// Changing the configuration and stopping while clients are at work.
#include <signal.h>

#include <catch2/catch.hpp>
#include <string>

#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/json.hpp"
#include "test/support/load.hpp"
#include "test/support/python_server.hpp"

namespace weir::test {
namespace {

bool refuses(std::uint16_t port) {
    try {
        raw_client client(port);
        return false;
    } catch (const std::system_error&) {
        return true;
    }
}

bool was_applied(const std::string& line) {
    return line.find("reloaded: generation ") != std::string::npos && line.find("not reloaded") == std::string::npos;
}

}  // namespace

TEST_CASE("twenty reloads under load, endpoints added and removed, and no request fails",
          "[end_to_end][reload][cherrypy]") {
    cherrypy_server one({"--name", "one"});
    cherrypy_server two({"--name", "two"});
    // CherryPy listens with room for five: a burst of new connections may need TCP's second try, which comes after a
    // second.
    configuration parts{.servers = {one.address(), two.address()},
                        .upstream = "    timeouts: {connect: 10s}\n",
                        .workers = 2,
                        .admin = true};
    weir_instance weir(parts);
    const auto request = [](unsigned client, std::size_t n) {
        if (n % 10 == 3) return post("/echo", noise(1000, client));
        if (n % 10 == 7) return get("/cached?n=" + std::to_string(n % 100));
        return get(n % 2 == 0 ? "/" : "/big?n=20000");
    };
    load clients(weir.port(), 8, request, expect_ok);
    const std::vector<std::vector<std::string>> rounds = {
        {one.address()}, {two.address(), one.address()}, {two.address()}, {one.address(), two.address()}};
    for (unsigned i = 0; i < 20; ++i) {
        parts.servers = rounds[i % rounds.size()];
        const auto line = weir.reload(parts);
        CAPTURE(line);
        CHECK(was_applied(line));
        CHECK(line.find("generation " + std::to_string(i + 2)) != std::string::npos);
        clients.wait_for_answers(20);
    }
    const auto result = clients.stop();
    CAPTURE(result.first_failure);
    CHECK(result.failures == 0);
    CHECK(result.answers >= 400);
    CHECK(weir.status().as_object().at("generation").to_number<int>() == 21);
}

TEST_CASE("an endpoint that is removed gets no further request, one that is added gets its share",
          "[end_to_end][reload]") {
    const scripted_origin a(scripted_origin::answering(ok("a")));
    const scripted_origin b(scripted_origin::answering(ok("b")));
    configuration parts{.servers = {a.address()}, .workers = 2};
    weir_instance weir(parts);
    auto client = weir.client();
    CHECK(client.ask_get("/").content == "a");
    parts.servers = {a.address(), b.address()};
    CHECK(was_applied(weir.reload(parts)));
    CHECK((client.ask_get("/").content != client.ask_get("/").content));
    parts.servers = {b.address()};
    CHECK(was_applied(weir.reload(parts)));
    for (int i = 0; i < 4; ++i) CHECK(client.ask_get("/").content == "b");
    // The connections that were kept to it are given up.
    a.wait_for_ended(a.connections());
}

TEST_CASE("a reload keeps what did not change", "[end_to_end][reload]") {
    origin_and_weir under_test(scripted_origin::answering([](const request& got) {
                                   return ok("answered",
                                             got.target == "/cached" ? "Cache-Control: max-age=60\r\n" : "");
                               }),
                               {.workers = 1, .admin = true});
    auto client = under_test.weir.client();
    client.ask_get("/");
    client.ask_get("/cached");
    const auto counted = [&] {
        return under_test.weir.status().as_object().at("clients").as_object().at("requests").to_number<int>();
    };
    CHECK(eventually([&] { return counted() == 2; }));
    CHECK(was_applied(under_test.weir.reload()));
    // The client's connection, the connection to the origin, what is stored, and the counters.
    CHECK(client.ask_get("/").content == "answered");
    CHECK(client.ask_get("/cached").text("Cache-Status").find("; hit") != std::string::npos);
    CHECK(under_test.origin.connections() == 1);
    CHECK(under_test.origin.requests() == 3);
    CHECK(eventually([&] { return counted() == 4; }));
    CHECK(under_test.weir.status().as_object().at("generation").to_number<int>() == 2);
}

TEST_CASE("a bad file changes nothing, and its faults are logged", "[end_to_end][reload]") {
    origin_and_weir under_test(scripted_origin::answering(ok("answered")), {.admin = true});
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/").content == "answered");
    const auto good = read_file(under_test.weir.file());
    const auto line = under_test.weir.reload("listen: 127.0.0.1:0\nupstreems: {}\nworkers: none\n");
    CHECK(line.find("not reloaded") != std::string::npos);
    const auto log = under_test.weir.log();
    CHECK(log.find("weir.yaml:2:1: ") != std::string::npos);
    CHECK(log.find("did you mean") != std::string::npos);
    CHECK(log.find("weir.yaml:3:") != std::string::npos);
    CHECK(client.ask_get("/").content == "answered");
    CHECK(under_test.weir.ask_get("/").content == "answered");
    CHECK(under_test.weir.status().as_object().at("generation").to_number<int>() == 1);
    CHECK(under_test.weir.status().as_object().at("last_reload_failed").as_bool());
    CHECK(was_applied(under_test.weir.reload(good)));
    CHECK(!under_test.weir.status().as_object().at("last_reload_failed").as_bool());
}

TEST_CASE("a file that is gone changes nothing", "[end_to_end][reload]") {
    origin_and_weir under_test(scripted_origin::answering(ok("answered")));
    std::filesystem::remove(under_test.weir.file());
    CHECK(under_test.weir.reload().find("not reloaded") != std::string::npos);
    CHECK(under_test.weir.ask_get("/").content == "answered");
}

TEST_CASE("listeners come and go", "[end_to_end][reload][listen]") {
    gate finish;
    origin_and_weir under_test(
        [&](origin_connection& one) {
            for (;;) {
                if (one.read_request().target == "/slow") finish.wait();
                one.send(ok("answered"));
            }
        },
        {.workers = 2});
    auto& weir = under_test.weir;
    configuration parts{
        .servers = {under_test.origin.address()}, .listen = {"127.0.0.1:0", "127.0.0.2:0"}, .workers = 2};
    const auto kept = weir.port();
    CHECK(was_applied(weir.reload(parts)));
    CHECK(weir.port() == kept);
    const auto added = weir.port_on("127.0.0.2");
    raw_client client(added, "127.0.0.2");
    CHECK(client.ask_get("/").content == "answered");
    client.send(get("/slow"));
    under_test.origin.wait_for_requests(2);

    parts.listen = {"127.0.0.1:0"};
    CHECK(was_applied(weir.reload(parts)));
    CHECK(eventually([&] {
        try {
            raw_client late(added, "127.0.0.2");
            return false;
        } catch (const std::system_error&) {
            return true;
        }
    }));
    // What was under way there ends well.
    finish.open();
    CHECK(client.read_response().content == "answered");
    CHECK(weir.ask_get("/").content == "answered");
}

TEST_CASE("a listener that cannot be opened refuses the whole reload", "[end_to_end][reload][listen]") {
    const scripted_origin busy(scripted_origin::answering(ok("")));
    origin_and_weir under_test(scripted_origin::answering(ok("answered")));
    const auto line =
        under_test.weir.reload(configuration{.servers = {busy.address()}, .listen = {"127.0.0.1:0", busy.address()}});
    CHECK(line.find("not reloaded") != std::string::npos);
    CHECK(line.find(busy.address()) != std::string::npos);
    CHECK(under_test.weir.ask_get("/").content == "answered");
}

TEST_CASE("a change of workers is said to take a restart", "[end_to_end][reload]") {
    origin_and_weir under_test(scripted_origin::answering(ok("answered")));
    CHECK(was_applied(under_test.weir.reload(configuration{.servers = {under_test.origin.address()}, .workers = 2})));
    CHECK(under_test.weir.program().wait_for_error_line("restart").find("workers") != std::string::npos);
    CHECK(under_test.weir.ask_get("/").content == "answered");
}

TEST_CASE("a request keeps the settings that it started with", "[end_to_end][reload]") {
    gate finish;
    origin_and_weir under_test(
        [&](origin_connection& one) {
            for (;;) {
                one.read_request();
                finish.wait();
                one.send(ok("answered"));
            }
        },
        {.route = "    response_headers: {X-Generation: \"1\"}\n"});
    auto client = under_test.weir.client();
    client.send(get("/"));
    under_test.origin.wait_for_requests(1);
    CHECK(was_applied(under_test.weir.reload(configuration{.servers = {under_test.origin.address()},
                                                           .route = "    response_headers: {X-Generation: \"2\"}\n"})));
    finish.open();
    CHECK(client.read_response().text("X-Generation") == "1");
    CHECK(client.ask_get("/").text("X-Generation") == "2");
}

TEST_CASE("SIGTERM and SIGINT let what is under way end, then weir exits with 0", "[end_to_end][drain]") {
    const int signal = GENERATE(SIGTERM, SIGINT);
    CAPTURE(signal);
    gate finish;
    origin_and_weir under_test(
        [&](origin_connection& one) {
            one.read_request();
            finish.wait();
            one.send(ok("at last"));
            one.wait_for_end();
        },
        {.workers = 2});
    auto idle = under_test.weir.client();
    auto busy = under_test.weir.client();
    busy.send(get("/"));
    under_test.origin.wait_for_requests(1);
    under_test.weir.program().signal(signal);
    const auto port = under_test.weir.port();
    CHECK(eventually([&] { return refuses(port); }));
    CHECK(idle.rest_until_closed().empty());
    CHECK(under_test.weir.program().is_running());
    finish.open();
    const auto got = busy.read_response();
    CHECK(got.content == "at last");
    CHECK(got.lists("Connection", "close"));
    CHECK(busy.rest_until_closed().empty());
    CHECK(under_test.weir.program().wait() == 0);
    CHECK(under_test.weir.log().find("stopped") != std::string::npos);
}

TEST_CASE("draining has a limit, and a second signal ends it at once", "[end_to_end][drain]") {
    const bool second_signal = GENERATE(false, true);
    CAPTURE(second_signal);
    origin_and_weir under_test([](origin_connection& one) {
        one.read_request();
        one.wait_for_end();
    });
    auto& weir = under_test.weir;
    auto yaml = configuration{.servers = {under_test.origin.address()}}.yaml();
    const auto drain = yaml.find("drain_timeout: 5s");
    yaml.replace(drain, 17, second_signal ? "drain_timeout: 1h" : "drain_timeout: 300ms");
    CHECK(was_applied(weir.reload(yaml)));
    auto busy = weir.client();
    busy.send(get("/"));
    under_test.origin.wait_for_requests(1);
    const auto port = weir.port();
    weir.program().signal(SIGTERM);
    CHECK(eventually([&] { return refuses(port); }));
    if (second_signal) {
        CHECK(weir.program().is_running());
        weir.program().signal(SIGTERM);
    }
    CHECK(weir.program().wait() == 0);
    busy.rest_until_closed();
}

TEST_CASE("an idle weir stops at once", "[end_to_end][drain]") {
    origin_and_weir under_test(scripted_origin::answering(ok("answered")),
                               {.workers = 2, .admin = true, .drain_timeout = "1h"});
    auto kept = under_test.weir.client();
    CHECK(kept.ask_get("/").content == "answered");
    // drain_timeout is for exchanges: it is longer than anybody waits here.
    CHECK(under_test.weir.stop() == 0);
    CHECK(kept.rest_until_closed().empty());
}

TEST_CASE("requests that came before SIGTERM are answered", "[end_to_end][drain]") {
    origin_and_weir under_test(scripted_origin::answering(ok("answered")), {.workers = 2});
    weir_instance& weir = under_test.weir;
    // All of this meets weir at once, in whatever order it looks.
    auto known = weir.client();
    CHECK(known.ask_get("/").content == "answered");
    weir.program().signal(SIGSTOP);
    known.send(get("/known"));
    std::vector<raw_client> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(weir.client());
        clients.back().send(get("/new"));
    }
    weir.program().signal(SIGTERM);
    weir.program().signal(SIGCONT);
    CHECK(known.read_response().content == "answered");
    for (raw_client& client : clients) CHECK(client.read_response().content == "answered");
    CHECK(weir.program().wait() == 0);
}

TEST_CASE("a port in use is a clear sentence and status 1", "[end_to_end][start]") {
    const scripted_origin busy(scripted_origin::answering(ok("")));
    const temporary_folder folder;
    write_file(folder.path("weir.yaml"), configuration{.servers = {busy.address()}, .listen = {busy.address()}}.yaml());
    const auto run = run_weir({"serve", folder.path("weir.yaml")});
    CHECK(run.status == 1);
    CHECK(run.errors.find(busy.address()) != std::string::npos);
    CHECK(lower(run.errors).find("in use") != std::string::npos);
    CHECK(run.errors.find("listening on") == std::string::npos);
}

TEST_CASE("SIGUSR1 lets logs be rotated", "[end_to_end][log]") {
    const temporary_folder folder;
    const auto path = folder.path("access.log");
    origin_and_weir under_test(scripted_origin::answering(ok("answered")), {.workers = 2, .access_log = path});
    auto client = under_test.weir.client();
    client.ask_get("/before");
    CHECK(eventually([&] { return read_file(path).find("GET /before ") != std::string::npos; }));
    std::filesystem::rename(path, path + ".1");
    under_test.weir.program().signal(SIGUSR1);
    CHECK(eventually([&] { return std::filesystem::exists(path); }));
    client.ask_get("/after");
    CHECK(eventually([&] { return read_file(path).find("GET /after ") != std::string::npos; }));
    CHECK(read_file(path).find("/before") == std::string::npos);
    CHECK(read_file(path + ".1").find("/after") == std::string::npos);
}

}  // namespace weir::test
