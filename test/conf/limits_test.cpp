// Files that are made to take long. Whether they do is for the time limit of the test; here it counts that they end
// with the right fault.
#include "test/conf/loading.hpp"

#include <catch2/catch.hpp>

using weir::test::configuration;

namespace {

std::string repeat(std::string_view piece, std::size_t times) {
    std::string out;
    out.reserve(piece.size() * times);
    for (std::size_t i = 0; i < times; ++i) out += piece;
    return out;
}

}  // namespace

TEST_CASE("a file of more than 4 MiB is refused unread", "[conf][limits]") {
    const configuration written(repeat("garbage: [x, y]\n", 655'360));
    const auto faults = written.faults();
    REQUIRE(faults.size() == 1);
    CHECK(faults[0] == "weir.yaml:1:1: \"weir.yaml\" is larger than 4 MiB; that is no configuration");
}

TEST_CASE("an alias bomb is refused where it goes off", "[conf][limits]") {
    std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
    for (char name = 'b'; name < 'k'; ++name) {
        bomb += std::string(1, name) + ": &" + name + " [";
        for (int i = 0; i < 10; ++i) bomb += std::string(i > 0 ? "," : "") + "*" + static_cast<char>(name - 1);
        bomb += "]\n";
    }
    const configuration written(bomb);
    const auto faults = written.faults();
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0], Catch::StartsWith("weir.yaml:5:") && Catch::Contains("more than 100000 values"));
}

TEST_CASE("deep nesting is refused", "[conf][limits]") {
    const auto open = GENERATE(as<std::string>{}, "[", "{", "- ", "{a: ", "[[],");
    CAPTURE(open);
    const configuration written(repeat(open, 100'000));
    const auto faults = written.faults();
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0], Catch::Contains("nested too deeply"));
}

TEST_CASE("too many values are refused, over all files", "[conf][limits]") {
    const configuration written("include: [a.yaml, b.yaml]\n");
    const_cast<configuration&>(written)
        .write("a.yaml", "a: [" + repeat("x,", 60'000) + "]\n")
        .write("b.yaml", "b: [" + repeat("x,", 60'000) + "]\n");
    const auto faults = written.faults();
    REQUIRE_FALSE(faults.empty());
    CHECK_THAT(faults.back(), Catch::StartsWith("b.yaml:1:") && Catch::Contains("more than 100000 values"));
}

TEST_CASE("endless faults are cut short", "[conf][limits]") {
    const configuration written(repeat("x: 1\n", 5'000));
    const auto faults = written.faults();
    CHECK(faults.size() == 1'001);
    CHECK(faults.back() == "weir.yaml:1001:1: and more faults from here on");
}

TEST_CASE("long words and lines do not make long messages", "[conf][limits]") {
    const configuration written(std::string(1'000'000, 'x') + ": 1\nworkers: " + std::string(1'000'000, 'y') + "\n");
    for (const std::string& fault : written.faults()) CHECK(fault.size() < 300);
}
