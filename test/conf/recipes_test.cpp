// Every file of conf/recipes that is for weir. What its servers make of it is test/recipes.
#include "test/conf/loading.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

TEST_CASE("every recipe loads as it is", "[conf][load][recipes]") {
    std::vector<std::string> recipes;
    for (const auto& file : std::filesystem::directory_iterator(WEIR_RECIPES))
        if (file.path().extension() == ".yaml") recipes.push_back(file.path());
    CHECK(recipes.size() >= 4);  // or this looks in the wrong folder
    for (const auto& recipe : recipes) {
        const auto loaded = weir::conf::load_file(recipe);
        CAPTURE(recipe);
        for (const auto& each : loaded.faults) UNSCOPED_INFO(weir::conf::text(each));
        CHECK(loaded.value);
        CHECK(loaded.warnings.empty());
    }
}
