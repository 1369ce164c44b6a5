#include "cache/gzip.hpp"

#include <catch2/catch.hpp>

#include "test/cache/heads.hpp"
#include "test/support/gzipped.hpp"

namespace weir::cache {
namespace {

TEST_CASE("whether a client takes gzip", "[cache][gzip][rfc9110-12.5.3]") {
    const auto [field, takes] = GENERATE(table<std::string, bool>({
        {"", false},
        {"Accept-Encoding:", false},
        {"Accept-Encoding: gzip", true},
        {"Accept-Encoding: x-GZip", true},
        {"Accept-Encoding: br, gzip", true},
        {"Accept-Encoding: br\nAccept-Encoding: gzip", true},
        {"Accept-Encoding: br, deflate", false},
        {"Accept-Encoding: gzip;q=1.0, identity; q=0.5, *;q=0", true},
        {"Accept-Encoding: gzip;q=0", false},
        {"Accept-Encoding: gzip; Q=0.000", false},
        {"Accept-Encoding: gzip;q=0.001", true},
        {"Accept-Encoding: gzip;q=0, *", false},
        {"Accept-Encoding: *", true},
        {"Accept-Encoding: *;q=0", false},
        {"Accept-Encoding: *;q=0, gzip", true},
        {"Accept-Encoding: gzip;x=y;q=0", false},
        {"Accept-Encoding: gzipped", false},
        {"Accept-Encoding: identity", false},
    }));
    CAPTURE(field);
    const test::request asked(field);
    CHECK(takes_gzip(asked.fields()) == takes);
}

TEST_CASE("gzip is inflated up to a limit", "[cache][gzip]") {
    const std::string text = "hello, hello, hello, hello";
    const std::string coded = test::gzipped(text);
    CHECK(is_gzip(coded));
    CHECK_FALSE(is_gzip(text));
    CHECK(gunzip(coded, 1000) == text);
    CHECK(gunzip(test::gzipped(""), 1000) == "");

    const std::string large(1'000'000, 'x');
    const std::string bomb = test::gzipped(large);
    REQUIRE(bomb.size() < 5000);
    CHECK(gunzip(bomb, 2'000'000) == large);
    CHECK(gunzip(bomb, 1'000'000) == large);
    CHECK_FALSE(gunzip(bomb, 999'999));
}

TEST_CASE("damaged gzip is not taken", "[cache][gzip][faults]") {
    const std::string coded = test::gzipped("hello, hello, hello, hello");
    for (std::size_t size = 0; size < coded.size(); ++size) {
        CAPTURE(size);
        CHECK_FALSE(gunzip(coded.substr(0, size), 1000));
    }
    CHECK_FALSE(gunzip(coded + "x", 1000));
    std::string altered = coded;
    altered[altered.size() - 8] ^= 1;  // of the checksum
    CHECK_FALSE(gunzip(altered, 1000));
}

}  // namespace
}  // namespace weir::cache
