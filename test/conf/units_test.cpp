#include "conf/units.hpp"
#include "conf/environment.hpp"
#include "conf/words.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>

using namespace weir::conf;
using namespace std::chrono_literals;

TEST_CASE("a duration is a whole number and its unit", "[conf][units]") {
    const auto [text, value] = GENERATE(table<std::string, std::chrono::milliseconds>({
        {"0ms", 0ms},
        {"250ms", 250ms},
        {"5s", 5s},
        {"90s", 90s},
        {"2m", 2min},
        {"1h", 1h},
        {"720h", 720h},
        {"9223372036854775807ms", std::chrono::milliseconds::max()},
    }));
    CAPTURE(text);
    std::string why;
    CHECK(parse_duration(text, why) == value);
    CHECK(why.empty());
}

TEST_CASE("what is no duration is refused with the cure", "[conf][units]") {
    const auto [text, says] = GENERATE(table<std::string, std::string>({
        {"", "no duration; write 250ms, 5s, 2m or 1h"},
        {"s", "no duration"},
        {"10", "has no unit; write 250ms"},
        {"-1s", "no duration"},
        {"+1s", "no duration"},
        {"1.5s", "has to be whole; take a smaller unit"},
        {"10 s", "its unit is not one of ms, s, m, h"},
        {"10S", "its unit is not one of"},
        {"10sec", "its unit is not one of"},
        {"1d", "its unit is not one of"},
        {"1h30m", "its unit is not one of"},
        {"9223372036854775808ms", "too large"},
        {"99999999999999999999s", "too large"},
        {"2562047788015216h", "too large"},
    }));
    CAPTURE(text);
    std::string why;
    CHECK_FALSE(parse_duration(text, why));
    CHECK_THAT(why, Catch::Contains(says));
}

TEST_CASE("a size is a whole number and its unit", "[conf][units]") {
    const auto [text, value] = GENERATE(table<std::string, std::uint64_t>({
        {"0B", 0},
        {"512B", 512},
        {"64KiB", 65'536},
        {"256MiB", 268'435'456},
        {"1GiB", 1'073'741'824},
        {"64KB", 64'000},
        {"5MB", 5'000'000},
        {"2GB", 2'000'000'000},
        {"18446744073709551615B", 18'446'744'073'709'551'615ULL},
    }));
    CAPTURE(text);
    std::string why;
    CHECK(parse_size(text, why) == value);
    CHECK(why.empty());
}

TEST_CASE("rates are sizes a second", "[conf][units]") {
    std::string why;
    CHECK(parse_rate("1KiB/s", why) == 1'024U);
    CHECK(parse_rate("1500B/s", why) == 1'500U);
    CHECK(why.empty());
    CHECK(rate_text(1'024) == "1KiB/s");
    CHECK(rate_text(1'500) == "1500B/s");
    const auto text = GENERATE(as<std::string>{}, "", "/s", "1KiB", "1KiB/m", "1/s", "1KiB/s ", "1KiB /s", "-1B/s");
    CAPTURE(text);
    CHECK_FALSE(parse_rate(text, why));
    CHECK_THAT(why, Catch::EndsWith(" is no rate; write a size a second, such as 1KiB/s"));
}

TEST_CASE("statuses are final ones", "[conf][units]") {
    std::string why;
    CHECK(parse_status("200", why) == 200U);
    CHECK(parse_status("599", why) == 599U);
    CHECK(why.empty());
    const auto text = GENERATE(as<std::string>{}, "", "199", "600", "100", "2xx", "+200", "0200", " 200");
    CAPTURE(text);
    CHECK_FALSE(parse_status(text, why));
    CHECK_THAT(why, Catch::Contains("is no status from 200 to 599"));
}

TEST_CASE("what is no size is refused with the cure", "[conf][units]") {
    const auto [text, says] = GENERATE(table<std::string, std::string>({
        {"", "no size; write 512B, 64KiB, 256MiB or 1GiB"},
        {"1024", "has no unit"},
        {"64K", "its unit is not one of B, KiB, MiB, GiB, KB, MB, GB"},
        {"64kib", "its unit is not one of"},
        {"1.5GiB", "take a smaller unit"},
        {"-1KiB", "no size"},
        {"17179869184GiB", "too large"},
    }));
    CAPTURE(text);
    std::string why;
    CHECK_FALSE(parse_size(text, why));
    CHECK_THAT(why, Catch::Contains(says));
}

TEST_CASE("whole numbers and shares have one spelling", "[conf][units]") {
    std::string why;
    CHECK(parse_whole("0", why) == 0U);
    CHECK(parse_whole("18446744073709551615", why) == 18'446'744'073'709'551'615ULL);
    for (const auto* text : {"", "-1", "+1", "1.0", "0x10", "1e3", "18446744073709551616", " 1"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_whole(text, why));
    }
    CHECK_FALSE(parse_whole("017", why));
    CHECK(why == "\"017\" begins with 0; write 17");

    CHECK(parse_percent("0%", why) == 0U);
    CHECK(parse_percent("100%", why) == 100U);
    for (const auto* text : {"", "%", "20", "101%", "-1%", "1.5%", "20 %", "0.2"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_percent(text, why));
    }
}

TEST_CASE("durations and sizes are written so that they read back the same", "[conf][units]") {
    std::string why;
    for (const auto value : {0ms, 1ms, 999ms, 1'000ms, 1'500ms, 60'000ms, 61'000ms, 3'600'000ms, 5'400'000ms})
        CHECK(parse_duration(duration_text(value), why) == value);
    for (const std::uint64_t value : {0ULL, 1ULL, 1'000ULL, 1'024ULL, 1'025ULL, 1ULL << 20, 3ULL << 30, 5'000'000ULL})
        CHECK(parse_size(size_text(value), why) == value);
    CHECK(duration_text(5'400'000ms) == "90m");
    CHECK(size_text(268'435'456) == "256MiB");
}

TEST_CASE("the nearest word is offered if it is near", "[conf][words]") {
    const std::vector<std::string_view> words{"head_timeout", "idle_timeout", "max_head", "read"};
    CHECK(did_you_mean("head_timout", words) == ", did you mean \"head_timeout\"?");
    CHECK(did_you_mean("max_haed", words) == ", did you mean \"max_head\"?");
    CHECK(did_you_mean("Read", words) == ", did you mean \"read\"?");
    CHECK(did_you_mean("colour", words).empty());
    CHECK(did_you_mean("", words).empty());
    CHECK(did_you_mean(std::string(1'000'000, 'x'), words).empty());
}

TEST_CASE("what a message quotes stays on one line and short", "[conf][words]") {
    CHECK(in_quotes("a") == "\"a\"");
    CHECK(in_quotes("a\nb\x01") == "\"a\\nb\\x01\"");
    CHECK(in_quotes(std::string(100, 'x')) == "\"" + std::string(80, 'x') + "...\"");
    // Not in the middle of a character.
    CHECK(in_quotes(std::string(79, 'x') + "\u00e9") == "\"" + std::string(79, 'x') + "...\"");
}

TEST_CASE("values are filled in from the environment", "[conf][environment]") {
    ::setenv("WEIR_TEST_PORT", "9001", 1);
    ::setenv("WEIR_TEST_EMPTY", "", 1);
    ::setenv("WEIR_TEST_NESTED", "${WEIR_TEST_PORT}", 1);
    ::unsetenv("WEIR_TEST_UNSET");
    const auto [text, expected] = GENERATE(table<std::string, std::string>({
        {"plain $ and {} and $$", "plain $ and {} and $$"},
        {"127.0.0.1:${WEIR_TEST_PORT}", "127.0.0.1:9001"},
        {"${WEIR_TEST_PORT}${WEIR_TEST_PORT}", "90019001"},
        {"${WEIR_TEST_EMPTY}", ""},
        {"${WEIR_TEST_EMPTY:-x}", "x"},
        {"${WEIR_TEST_UNSET:-http://a:-b}", "http://a:-b"},
        {"${WEIR_TEST_UNSET:-}", ""},
        {"${WEIR_TEST_NESTED}", "${WEIR_TEST_PORT}"},
        {"$${WEIR_TEST_PORT}", "${WEIR_TEST_PORT}"},
        {"a$${", "a${"},
    }));
    CAPTURE(text);
    std::string value = text;
    std::string why;
    CHECK(expand_environment(value, why));
    CHECK(value == expected);
    CHECK(expand_environment(value = escape_environment(expected), why));
    CHECK(value == expected);
}

TEST_CASE("a variable that is missing or misspelt is refused with the cure", "[conf][environment]") {
    ::unsetenv("WEIR_TEST_UNSET");
    const auto [text, says] = GENERATE(table<std::string, std::string>({
        {"${WEIR_TEST_UNSET}",
         "the environment variable WEIR_TEST_UNSET is not set; set it or write ${WEIR_TEST_UNSET:-default}"},
        {"${", "without }"},
        {"${}", "names no environment variable"},
        {"${1A}", "names no environment variable"},
        {"${A B}", "names no environment variable"},
        {"${A-b}", "write ${NAME}, ${NAME:-default}"},
    }));
    CAPTURE(text);
    std::string value = text;
    std::string why;
    CHECK_FALSE(expand_environment(value, why));
    CHECK_THAT(why, Catch::Contains(says));
    CHECK(value == text);
}
