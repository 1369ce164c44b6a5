// The program's word on a configuration: weir check, its exit status, and what it prints.
#include <catch2/catch.hpp>
#include <regex>
#include <string>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

const std::string ten_lines =
    "listen: 127.0.0.1:0\n"
    "upstreams:\n"
    "  app:\n"
    "    servers:\n"
    "      - 127.0.0.1:9001\n"
    "      - 127.0.0.1:9002\n"
    "routes:\n"
    "  - match: {path: /}\n"
    "    upstream: app\n";

struct checked {
    int status;
    std::string said;  // on both streams
    std::string output;
};

checked check(const std::string& yaml, const std::vector<std::string>& environment = {}) {
    const temporary_folder folder;
    write_file(folder.path("weir.yaml"), yaml);
    const auto run = run_weir({"check", folder.path("weir.yaml")}, environment);
    return {run.status, run.output + run.errors, run.output};
}

// The faults, each as "line:column: what".
std::vector<std::string> faults(const std::string& said) {
    std::vector<std::string> all;
    const std::regex line("weir\\.yaml:([0-9]+:[0-9]+: .*)");
    for (std::sregex_iterator one(said.begin(), said.end(), line), end; one != end; ++one) all.push_back((*one)[1]);
    return all;
}

}  // namespace

TEST_CASE("ten lines are a whole configuration", "[end_to_end][config]") {
    const auto got = check(ten_lines);
    CHECK(got.status == 0);
    CHECK(got.output == "OK\n");
    CHECK(got.said == "OK\n");
    // And it serves.
    const scripted_origin a(scripted_origin::answering(ok("a")));
    const scripted_origin b(scripted_origin::answering(ok("b")));
    auto yaml = ten_lines;
    yaml.replace(yaml.find("127.0.0.1:9001"), 14, a.address());
    yaml.replace(yaml.find("127.0.0.1:9002"), 14, b.address());
    const weir_instance weir(yaml);
    CHECK(weir.ask_get("/").status == 200);
    CHECK(weir.ask_get("/").status == 200);
}

TEST_CASE("each fault of a configuration is refused at its place", "[end_to_end][config][faults]") {
    struct row {
        std::string what;
        std::string yaml;
        std::string place;  // "line:column" or "line:"
        std::string said;   // part of the message
    };
    const std::vector<row> rows = {
        {"an unknown key", ten_lines + "wrokers: 2\n", "10:1", "workers"},
        {"an unknown key deep down", ten_lines + "client: {max_contents: 1MiB}\n", "10:10", "max_content"},
        {"a key given twice", ten_lines + "workers: 2\nworkers: 3\n", "11:1", "workers"},
        {"a number that is none", ten_lines + "workers: many\n", "10:10", ""},
        {"a number out of range", ten_lines + "workers: 0\n", "10:10", ""},
        {"a duration without a unit", ten_lines + "drain_timeout: 30\n", "10:16", ""},
        {"a duration with a bad unit", ten_lines + "drain_timeout: 30q\n", "10:16", ""},
        {"a size with a bad unit", ten_lines + "client: {max_head: 32XB}\n", "10:20", ""},
        {"a list where a map belongs", ten_lines + "client: [1]\n", "10:9", ""},
        {"a map where a word belongs", ten_lines + "workers: {a: b}\n", "10:10", ""},
        {"a route to no upstream", ten_lines + "  - {match: {path: /x}, upstream: apq}\n", "10:", "app"},
        {"a bad network", ten_lines + "client: {trusted_proxies: [10.0.0.0/99]}\n", "10:", "prefix"},
        {"a word that is no choice", ten_lines + "log: {format: xml}\n", "10:15", "json"},
        {"an address without a port", "listen: nowhere\n" + ten_lines.substr(20), "1:9", ""},
        {"broken YAML", ten_lines + "client: {\n", "1", ""},
    };
    for (const auto& one : rows) {
        CAPTURE(one.what);
        const auto got = check(one.yaml);
        CAPTURE(got.said);
        CHECK(got.status == 1);
        CHECK(got.output.find("OK") == std::string::npos);
        const auto found = faults(got.said);
        REQUIRE(found.size() == 1);
        CHECK(found[0].starts_with(one.place));
        CHECK(found[0].find(one.said) != std::string::npos);
    }
}

TEST_CASE("all faults are told at once, in the order of the file", "[end_to_end][config][faults]") {
    const auto got = check(
        "workers: none\nlisten: 127.0.0.1:0\nupstreams:\n  app:\n    servers: [127.0.0.1:99999]\n    balence: "
        "round_robin\nroutes:\n"
        "  - {match: {path: nowhere}, upstream: other}\n");
    CAPTURE(got.said);
    CHECK(got.status == 1);
    const auto found = faults(got.said);
    REQUIRE(found.size() == 5);
    for (const auto& [index, place] : {std::pair(0, "1:10"), {1, "5:"}, {2, "6:5"}, {3, "8:"}, {4, "8:"}})
        CHECK(found[index].starts_with(place));
    CHECK(got.said.find("did you mean") != std::string::npos);
}

TEST_CASE("what is not built yet is refused as such, and never ignored", "[end_to_end][config][unbuilt]") {
    const auto got = check(ten_lines + "client: {proxy_protocol: require}\n");
    CAPTURE(got.said);
    CHECK(got.status == 1);
    CHECK(got.said.find("not built yet") != std::string::npos);
}

TEST_CASE("check --effective prints a whole configuration that means the same", "[end_to_end][config][effective]") {
    const temporary_folder folder;
    write_file(folder.path("weir.yaml"),
               ten_lines + "client: {max_content: 1GiB, trusted_proxies: [10.0.0.0/8, \"fd00::/8\"]}\n");
    const auto first = run_weir({"check", "--effective", folder.path("weir.yaml")});
    REQUIRE(first.status == 0);
    for (const char* key :
         {"workers:", "drain_timeout:", "admin:", "log:", "idle_timeout:", "buffering:", "keepalive:", "max_response:",
          "freshness:", "spool_dir:", "balance:", "queue:", "health:", "eject:", "priority:"}) {
        CAPTURE(key);
        CHECK(first.output.find(key) != std::string::npos);
    }
    CHECK(first.output.find("10.0.0.0/8") != std::string::npos);
    write_file(folder.path("effective.yaml"), first.output);
    CHECK(run_weir({"check", folder.path("effective.yaml")}).output == "OK\n");
    const auto second = run_weir({"check", "--effective", folder.path("effective.yaml")});
    CHECK(second.status == 0);
    CHECK(second.output == first.output);
}

TEST_CASE("values come from the environment, and only values", "[end_to_end][config][environment]") {
    const auto yaml = ten_lines + "drain_timeout: ${DRAIN:-7s}\n";
    const temporary_folder folder;
    write_file(folder.path("weir.yaml"), yaml);
    const auto effective = [&](const std::vector<std::string>& environment) {
        return run_weir({"check", "--effective", folder.path("weir.yaml")}, environment).output;
    };
    CHECK(effective({}).find("drain_timeout: 7s") != std::string::npos);
    CHECK(effective({"DRAIN=9s"}).find("drain_timeout: 9s") != std::string::npos);
    CHECK(check(yaml, {"DRAIN=9s\nworkers: 1"}).status == 1);
    const auto missing = check(ten_lines + "drain_timeout: ${NOT_SET_ANYWHERE}\n");
    CHECK(missing.status == 1);
    CHECK(missing.said.find("NOT_SET_ANYWHERE") != std::string::npos);
}

TEST_CASE("included files are part of the configuration", "[end_to_end][config][include]") {
    const temporary_folder folder;
    std::filesystem::create_directory(folder.path("conf.d"));
    write_file(folder.path("weir.yaml"), "include: [\"conf.d/*.yaml\"]\n" + ten_lines);
    write_file(folder.path("conf.d/a.yaml"),
               "client: {max_head: 16KiB}\nupstreams: {other: {servers: [127.0.0.1:9003]}}\n");
    const auto effective = run_weir({"check", "--effective", folder.path("weir.yaml")});
    CHECK(effective.status == 0);
    CHECK(effective.output.find("16KiB") != std::string::npos);
    CHECK(effective.output.find("127.0.0.1:9003") != std::string::npos);
    write_file(folder.path("conf.d/b.yaml"), "client: {max_head: 8KiB}\n");
    const auto twice = run_weir({"check", folder.path("weir.yaml")});
    CHECK(twice.status == 1);
    CHECK((twice.output + twice.errors).find("a.yaml") != std::string::npos);
    CHECK((twice.output + twice.errors).find("b.yaml") != std::string::npos);
}

TEST_CASE("garbage, bombs and files that are not there are refused", "[end_to_end][config][faults]") {
    std::string garbage = noise(10 * 1024 * 1024);
    CHECK(check(garbage).status == 1);
    CHECK(check(std::string(10 * 1024 * 1024, '[')).status == 1);
    std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
    for (char level = 'b'; level < 'k'; ++level) {
        const std::string before = "*" + std::string(1, static_cast<char>(level - 1));
        bomb += std::string(1, level) + ": &" + level + " [" + before;
        for (int i = 0; i < 8; ++i) bomb += ", " + before;
        bomb += "]\n";
    }
    CHECK(check(bomb + "listen: *j\n").status == 1);
    CHECK(check("").status == 1);
    const auto missing = run_weir({"check", "/nowhere/weir.yaml"});
    CHECK(missing.status == 1);
    CHECK((missing.output + missing.errors).find("/nowhere/weir.yaml") != std::string::npos);
    CHECK(run_weir({"serve", "/nowhere/weir.yaml"}).status == 1);
    CHECK(run_weir({"serve", "--to", "no address"}).status == 1);
    CHECK(run_weir({"serve"}).status != 0);
    CHECK(run_weir({}).status != 0);
}

TEST_CASE("serve refuses a bad file with the same words as check", "[end_to_end][config][faults]") {
    const temporary_folder folder;
    write_file(folder.path("weir.yaml"), ten_lines + "wrokers: 2\n");
    const auto checked = run_weir({"check", folder.path("weir.yaml")});
    const auto served = run_weir({"serve", folder.path("weir.yaml")});
    CHECK(served.status == 1);
    CHECK(checked.status == 1);
    CHECK(served.errors.find(faults(checked.output + checked.errors).at(0)) != std::string::npos);
}

TEST_CASE("the shipped example is a good configuration", "[end_to_end][config]") {
    const auto run = run_weir({"check", WEIR_EXAMPLE_CONFIGURATION});
    CAPTURE(run.errors);
    CHECK(run.status == 0);
}

}  // namespace weir::test
