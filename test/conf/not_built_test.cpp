// The keys of the contract that do nothing yet: refused at their place, except with the value that says so.
#include "test/conf/loading.hpp"

#include <catch2/catch.hpp>

using weir::test::configuration;
using weir::test::one_upstream;

namespace {

// `line` in the section `where`, at a known place: line 2, column 11.
std::string with(const std::string& section, const std::string& line) {
    const std::string one(one_upstream.substr(0, one_upstream.size() - 1));
    std::string before;
    if (section == "route")
        before = "routes: [{upstream: app,";
    else if (section == "listen")
        before = "listen: [{address: :1,";
    else
        before = section + ": {";
    const std::string after = section == "route" || section == "listen" ? "}]" : "}";
    return "{" + before + "\n          " + line + after + ", " + one + "}\n";
}

}  // namespace

TEST_CASE("what is not built yet is refused, never ignored", "[conf][not built]") {
    const auto [section, line, name] = GENERATE(table<std::string, std::string, std::string>({
        {"listen", "proxy_protocol: require", "listen.proxy_protocol"},
        {"client", "proxy_protocol: require", "client.proxy_protocol"},
    }));
    const configuration written(with(section, line));
    CAPTURE(section, line);
    const auto faults = written.faults();
    CAPTURE(faults);
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0],
               Catch::StartsWith("weir.yaml:2:11: " + name + " is not built yet; leave it out or write off"));
}

TEST_CASE("values that say what happens today are accepted", "[conf][not built]") {
    const auto [section, line] = GENERATE(table<std::string, std::string>({
        {"listen", "proxy_protocol: off"},
        {"client", "proxy_protocol: off"},
        {"cache", "memcached: off"},
        {"route", "memcached_pages: off"},
    }));
    const configuration written(with(section, line));
    CAPTURE(section, line);
    CHECK(written.faults().empty());
}
