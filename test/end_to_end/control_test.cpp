// Changes by hand: over the admin listener, and by `weir ctl`.
#include <signal.h>

#include <catch2/catch.hpp>
#include <string>

#include "test/end_to_end/endpoint_states.hpp"
#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/json.hpp"

namespace weir::test {
namespace {

std::string change_path(const std::string& address, const std::string& action) {
    return "/upstreams/app/servers/" + address + '/' + action;
}

response post_admin(const weir_instance& weir, const std::string& path, const std::string& fields = "") {
    raw_client admin(weir.admin_port());
    return admin.ask("POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n" + fields + "\r\n");
}

std::string answers(const weir_instance& weir, int count) {
    auto client = weir.client();
    std::string all;
    for (int i = 0; i < count; ++i) all += client.ask_get("/").content;
    return all;
}

std::vector<std::string> ctl(const weir_instance& weir, std::vector<std::string> arguments) {
    std::vector<std::string> all{"ctl", "--admin", "127.0.0.1:" + std::to_string(weir.admin_port())};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
}

}  // namespace

TEST_CASE("a server is drained: what is under way ends there, what comes goes elsewhere", "[end_to_end][control]") {
    gate finish;
    const scripted_origin a([&](origin_connection& one) {
        for (;;) {
            if (one.read_request().target == "/slow") finish.wait();
            one.send(ok("a"));
        }
    });
    const scripted_origin b(scripted_origin::answering(ok("b")));
    weir_instance weir(configuration{.servers = {a.address(), b.address()}, .workers = 2, .admin = true});
    CHECK(post_admin(weir, change_path(b.address(), "down")).status == 200);
    auto slow = weir.client();
    slow.send(get("/slow"));
    a.wait_for_requests(1);

    CHECK(post_admin(weir, change_path(b.address(), "ready")).status == 200);
    const auto drained = post_admin(weir, change_path(a.address(), "drain"));
    CHECK(drained.status == 200);
    CHECK(drained.text("Content-Type") == "application/json");
    const auto now = parse_json(drained.content);
    CHECK(now.at("upstream") == "app");
    CHECK(now.at("address").as_string() == a.address().c_str());
    CHECK(now.at("state") == "draining");
    CHECK(now.at("in_flight") == 1);
    CHECK(answers(weir, 6) == "bbbbbb");

    finish.open();
    CHECK(slow.read_response().content == "a");
    CHECK(eventually([&] { return endpoint_of(weir, a.address()).at("in_flight") == 0; }));
    CHECK(state_of(weir, a.address()) == "draining");

    const auto ready = post_admin(weir, change_path(a.address(), "ready"));
    CHECK(parse_json(ready.content).at("state") == "up");
    CHECK(occurrences(answers(weir, 10), "a") > 0);
    for (const std::string& line :
         {b.address() + " is held down, by hand", a.address() + " is draining, by hand; requests under way: 1",
          a.address() + " is ready, by hand"}) {
        CAPTURE(line);
        CHECK(weir.log().find("info app: " + line) != std::string::npos);
    }
}

TEST_CASE("a tunnel outlives the drain of its server", "[end_to_end][control][tunnel]") {
    origin_and_weir under_test(
        [](origin_connection& one) {
            one.read_request();
            one.send(websocket_consent);
            for (;;) one.send(one.stream().take(1));
        },
        {.admin = true});
    auto& weir = under_test.weir;
    auto client = weir.client();
    REQUIRE(client.ask_get("/", websocket_handshake).status == 101);
    const auto drained = post_admin(weir, change_path(under_test.origin.address(), "drain"));
    CHECK(parse_json(drained.content).at("in_flight") == 1);
    client.send("x");
    CHECK(client.stream().take(1) == "x");
    client.stream().close();
    CHECK(eventually([&] { return endpoint_of(weir, under_test.origin.address()).at("in_flight") == 0; }));
}

TEST_CASE("a server that nobody may use is not tried at all", "[end_to_end][control]") {
    origin_and_weir under_test(scripted_origin::answering(ok("a")), {.admin = true});
    const auto action = GENERATE("drain", "down");
    CHECK(post_admin(under_test.weir, change_path(under_test.origin.address(), action)).status == 200);
    CHECK(under_test.weir.ask_get("/").status == 503);
    CHECK(under_test.origin.requests() == 0);
    CHECK(post_admin(under_test.weir, change_path(under_test.origin.address(), "ready")).status == 200);
    CHECK(under_test.weir.ask_get("/").content == "a");
}

TEST_CASE("what a person said survives a reload", "[end_to_end][control][reload]") {
    const scripted_origin a(scripted_origin::answering(ok("a")));
    const scripted_origin b(scripted_origin::answering(ok("b")));
    configuration parts{.servers = {a.address(), b.address()}, .workers = 2, .admin = true};
    weir_instance weir(parts);
    post_admin(weir, change_path(a.address(), "drain"));
    parts.upstream = "    slow_start: 1h\n";
    CHECK(weir.reload(parts).find("reloaded: generation 2") != std::string::npos);
    CHECK(state_of(weir, a.address()) == "draining");
    CHECK(answers(weir, 6) == "bbbbbb");
    CHECK(parse_json(post_admin(weir, change_path(a.address(), "ready")).content).at("state") == "slow start");
}

TEST_CASE("the token of the configuration is asked for, and of the next one after a reload",
          "[end_to_end][control][reload]") {
    const scripted_origin a(scripted_origin::answering(ok("a")));
    configuration parts{.servers = {a.address()}, .top = "admin: {listen: 127.0.0.1:0, token: first}\n"};
    weir_instance weir(parts);
    const auto path = change_path(a.address(), "drain");
    CHECK(post_admin(weir, path).status == 401);
    CHECK(state_of(weir, a.address()) == "up");
    CHECK(post_admin(weir, path, "Authorization: Bearer first\r\n").status == 200);
    parts.top = "admin: {listen: 127.0.0.1:0, token: second}\n";
    weir.reload(parts);
    CHECK(post_admin(weir, path, "Authorization: Bearer first\r\n").status == 401);
    CHECK(post_admin(weir, path, "Authorization: Bearer second\r\n").status == 200);

    SECTION("ctl has it from its arguments or the environment") {
        const std::vector<std::string> drain{"drain", "app", a.address()};
        const auto without = run_weir(ctl(weir, drain));
        CHECK(without.status == 1);
        CHECK(without.errors.find("WEIR_TOKEN") != std::string::npos);
        CHECK(run_weir(ctl(weir, drain), {"WEIR_TOKEN=second"}).status == 0);
        CHECK(run_weir(ctl(weir, {"drain", "app", a.address(), "--token", "second"}), {"WEIR_TOKEN=first"}).status ==
              0);
    }
}

TEST_CASE("ctl does what POST does, and prints the state", "[end_to_end][control][ctl]") {
    const scripted_origin a(scripted_origin::answering(ok("a")));
    const scripted_origin b(scripted_origin::answering(ok("b")));
    const weir_instance weir(configuration{.servers = {a.address(), b.address()}, .admin = true});
    const auto down = run_weir(ctl(weir, {"down", "app", a.address()}));
    CHECK(down.status == 0);
    CHECK(down.output == "app: " + a.address() + " is held down (by hand); requests under way: 0\n");
    CHECK(answers(weir, 4) == "bbbb");
    const auto status = run_weir(ctl(weir, {"status"}));
    CHECK(status.status == 0);
    CHECK(status.output.starts_with("app: 0 waiting\n  "));
    CHECK(status.output.find(a.address() + "  held down ") != std::string::npos);
    CHECK(status.output.find(b.address() + "  up ") != std::string::npos);
    CHECK(run_weir(ctl(weir, {"ready", "app", a.address()})).output ==
          "app: " + a.address() + " is up; requests under way: 0\n");

    const auto unknown = run_weir(ctl(weir, {"drain", "app", "127.0.0.1:1"}));
    CHECK(unknown.status == 1);
    CHECK(unknown.errors ==
          "weir ctl: app has no server 127.0.0.1:1; it has: " + a.address() + ", " + b.address() + "\n");
    const refusing_port nobody;
    const auto refused = run_weir({"ctl", "--admin", nobody.address(), "status"});
    CHECK(refused.status == 1);
    CHECK(refused.errors ==
          "weir ctl: cannot ask the admin listener at " + nobody.address() + ": connection refused\n");
    // Whatever the address says to others, the listener is localhost to itself.
    const scripted_origin admin(scripted_origin::answering(ok("{}")));
    run_weir({"ctl", "--admin", admin.address(), "status"});
    REQUIRE(admin.seen().size() == 1);
    CHECK(admin.seen()[0].text("Host") == "localhost");
    CHECK(run_weir({"ctl"}).status > 1);
    CHECK(run_weir({"ctl", "drain", "app"}).status > 1);
}

TEST_CASE("ctl finds the admin listener in the configuration", "[end_to_end][control][ctl]") {
    const scripted_origin a(scripted_origin::answering(ok("a")));
    const temporary_folder folder;
    const weir_instance weir(
        configuration{.servers = {a.address()},
                      .top = "admin: {listen: \"unix:" + folder.path("admin.sock") + "\", token: s3cret}\n"});
    const auto drained = run_weir({"ctl", "--config", weir.file(), "drain", "app", a.address()});
    CAPTURE(drained.errors);
    CHECK(drained.status == 0);
    const auto status = run_weir({"ctl", "--admin", "unix:" + folder.path("admin.sock"), "status"});
    CHECK(status.output.find("draining") != std::string::npos);

    const auto none = folder.path("none.yaml");
    write_file(none, configuration{.servers = {a.address()}}.yaml());
    const auto off = run_weir({"ctl", "--config", none, "status"});
    CHECK(off.status == 1);
    CHECK(off.errors == "weir ctl: " + none + " has no admin.listen\n");
}

}  // namespace weir::test
