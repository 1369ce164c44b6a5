#include "test/conf/loading.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

using weir::test::configuration;
using namespace std::chrono_literals;

TEST_CASE("included files merge into one configuration", "[conf][include]") {
    configuration written(
        "include: [conf.d/*.yaml, more.yaml]\n"
        "listen: 127.0.0.1:1\n"
        "client: {max_fields: 10}\n"
        "upstreams: {main: {servers: [a:1]}}\n"
        "routes: [{match: {path: /main}, upstream: main}]\n");
    std::filesystem::create_directory(written.path("conf.d"));
    written.write("conf.d/2.yaml", "listen: [127.0.0.1:3]\nroutes: [{match: {path: /two}, upstream: two}]\n");
    written.write("conf.d/1.yaml",
                  "listen: {address: unix:/one, mode: 600}\n"
                  "client: {max_head: 8KiB}\n"
                  "upstreams:\n  one: {servers: [b:1]}\n  two: {servers: [c:1]}\n"
                  "routes: [{match: {path: /one}, upstream: one}]\n");
    written.write("more.yaml", "routes: [{upstream: main}]\n");

    const auto loaded = written.load();
    REQUIRE(loaded.value);
    const auto& value = *loaded.value;
    CHECK(value.client.max_fields == 10);
    CHECK(value.client.max_head_bytes == 8'192);
    CHECK(value.upstreams.size() == 3);
    std::vector<std::string> listen, routes;
    for (const auto& each : value.listen) listen.push_back(each.address.text);
    for (const auto& each : value.routes) routes.push_back(each.path);
    CHECK(listen == std::vector<std::string>{"127.0.0.1:1", "unix:/one", "127.0.0.1:3"});
    CHECK(routes == std::vector<std::string>{"/main", "/one", "/two", "/"});
    CHECK(value.listen[1].mode == 0600U);
    CHECK(loaded.warnings.empty());
}

TEST_CASE("a value given twice over files names both places", "[conf][include]") {
    configuration written("include: a.yaml\nworkers: 2\nupstreams:\n  app:\n    servers: [a:1]\n    host: server\n");
    const auto [included, fault] = GENERATE(table<std::string, std::string>({
        {"workers: 3\n",
         "a.yaml:1:1: workers is given twice over the included files; the first is at weir.yaml:2:1, remove one of "
         "them"},
        {"upstreams: {app: {host: preserve}}\n",
         "a.yaml:1:19: upstreams.app.host is given twice over the included files; the first is at weir.yaml:6:5, "
         "remove one of them"},
        {"upstreams: {app: {servers: [b:1]}}\n",
         "a.yaml:1:19: upstreams.app.servers is given twice over the included files; the first is at weir.yaml:5:5, "
         "remove one of them"},
    }));
    written.write("a.yaml", included);
    CHECK(written.faults() == std::vector<std::string>{fault});
}

TEST_CASE("faults in an included file have its name and come after those of the main file", "[conf][include]") {
    configuration written("include: a.yaml\nwrokers: 2\nupstreams: {app: {servers: [a:1]}}\n");
    written.write("a.yaml", "client: {max_haed: 1KiB}\n");
    const auto faults = written.faults();
    REQUIRE(faults.size() == 2);
    CHECK_THAT(faults[0], Catch::StartsWith("weir.yaml:2:1: "));
    CHECK_THAT(faults[1], Catch::StartsWith("a.yaml:1:10: "));
}

TEST_CASE("includes that cannot be followed are faults at the include", "[conf][include]") {
    const auto [main, other, says] = GENERATE(table<std::string, std::string, std::string>({
        {"include: [b.yaml]\n", "", "weir.yaml:1:11: cannot read \"b.yaml\": No such file or directory"},
        {"include: [weir.yaml]\n", "", "weir.yaml:1:11: include: this goes in a circle: weir.yaml -> weir.yaml"},
        {"include: [a.yaml]\n", "include: weir.yaml\n",
         "a.yaml:1:10: include: this goes in a circle: weir.yaml -> a.yaml -> weir.yaml"},
        {"include: [a.yaml, a.yaml]\n", "",
         "weir.yaml:1:19: include: \"a.yaml\" is included already at weir.yaml:1:11"},
        {"include: [\".\"]\n", "", "weir.yaml:1:11: cannot read"},
        {"include: {a: b}\n", "", "weir.yaml:1:10: include: this has to be a list of file names"},
        {"include: [[a]]\n", "", "weir.yaml:1:11: include: this has to be a file name or a pattern"},
        {"include: [a.yaml]\n", "a: [\n", "a.yaml:2:1: this is not YAML"},
        {"include: [a.yaml]\n", "- a\n", "a.yaml:1:1: a configuration is a mapping of keys"},
    }));
    configuration written(main);
    written.write("a.yaml", other);
    const auto faults = written.faults();
    CAPTURE(main, faults);
    REQUIRE(faults.size() == 1);
    if (main.find("\".\"") != std::string::npos)
        CHECK_THAT(faults[0], Catch::Contains("is a directory, not a file"));
    else
        CHECK_THAT(faults[0], Catch::StartsWith(says));
}

TEST_CASE("what an unreadable file may hold is not missed as well", "[conf][include]") {
    configuration written("include: none.yaml\nupstreams: {a: {servers: [a:1]}}\nroutes: [{upstream: b}]\n");
    CHECK(written.faults().size() == 1);
}

TEST_CASE("a pattern that matches nothing is a warning", "[conf][include]") {
    const configuration written("include: conf.d/*.yaml\nupstreams: {app: {servers: [a:1]}}\n");
    CHECK(written.load().value);
    CHECK(written.warnings() == std::vector<std::string>{"weir.yaml:1:10: include: \"conf.d/*.yaml\" matches no file"});
}

TEST_CASE("names are relative to the file that has them", "[conf][include]") {
    configuration written("include: sites/*.yaml\n");
    std::filesystem::create_directory(written.path("sites"));
    written.write("sites/a.yaml", "include: deep/b.yaml\nupstreams: {app: {servers_file: servers}}\n");
    std::filesystem::create_directory(written.path("sites/deep"));
    written.write("sites/deep/b.yaml", "workers: 3\n");
    written.write("sites/servers", "- a:1\n- {address: b:1, weight: 2}\n");
    const auto loaded = written.load();
    CAPTURE(written.faults());
    REQUIRE(loaded.value);
    CHECK(loaded.value->workers == 3U);
    REQUIRE(loaded.value->upstreams.at("app").servers.size() == 2);
    CHECK(loaded.value->upstreams.at("app").servers[1].weight == 2);
}

TEST_CASE("a servers file is checked like the list itself", "[conf][include]") {
    const auto [content, says] = GENERATE(table<std::string, std::string>({
        {"- b:1\n- nowhere\n", "servers:2:3: upstreams.app.servers: \"nowhere\" has no port"},
        {"- a:1\n", "servers:1:3: upstreams.app.servers: a:1 is there already at weir.yaml:3:15"},
        {"servers: [b:1]\n", "servers:1:1: upstreams.app.servers_file: this file has to be a list of servers"},
        {"[\n", "servers:2:1: this is not YAML"},
    }));
    configuration written("upstreams:\n  app:\n    servers: [a:1]\n    servers_file: servers\n");
    written.write("servers", content);
    const auto faults = written.faults();
    CAPTURE(content, faults);
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0], Catch::StartsWith(says));
}

TEST_CASE("an empty servers file leaves the others", "[conf][include]") {
    configuration written("upstreams: {app: {servers: [a:1], servers_file: servers}}\n");
    written.write("servers", "");
    REQUIRE(written.load().value);
    CHECK(written.load().value->upstreams.at("app").servers.size() == 1);
}
