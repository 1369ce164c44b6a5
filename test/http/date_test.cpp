#include "proxy/http/date.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace weir::http;
using namespace std::chrono;

namespace {

constexpr sys_seconds example = sys_days(year(1994) / 11 / 6) + 8h + 49min + 37s;
constexpr sys_seconds now = sys_days(year(2024) / 5 / 1) + 12h;

std::string formatted(sys_seconds time) {
    char text[date_size];
    char* end = format_date(time, text);
    return {text, end};
}

}  // namespace

TEST_CASE("the three forms of a date", "[http][date][rfc9110-5.6.7]") {
    const std::string text =
        GENERATE("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
                 "sun, 06 nov 1994 08:49:37 gmt", "SUNDAY, 06-NOV-94 08:49:37 GMT", "Mon, 06 Nov 1994 08:49:37 GMT");
    CAPTURE(text);
    REQUIRE(parse_date(text, now));
    CHECK(*parse_date(text, now) == example);
}

TEST_CASE("asctime with a day of two digits", "[http][date]") {
    CHECK(parse_date("Wed Nov 16 08:49:37 1994", now) == example + days(10));
}

TEST_CASE("what is no date", "[http][date]") {
    const std::string text = GENERATE(
        as<std::string>(), "", "0", "-1", "now", "Sun", "Sun,", "784111777", "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 ", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 EST",
        "Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMTx", "Sun 06 Nov 1994 08:49:37 GMT", "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT", "Sun, 06 Nov 1994 08.49.37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 2023 08:49:37 GMT", "Sun, 06 Nvo 1994 08:49:37 GMT", "Xun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 11 1994 08:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 UTC", "Sunday, 31-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994", "Sun Nov 06 08:49:37 94", "Sun Nov  6 08:49:37 1994 GMT", "1994-11-06T08:49:37Z");
    CAPTURE(text);
    CHECK_FALSE(parse_date(text, now));
}

TEST_CASE("a leap second is the next minute", "[http][date]") {
    CHECK(parse_date("Sat, 31 Dec 2016 23:59:60 GMT", now) == sys_seconds(sys_days(year(2017) / 1 / 1)));
}

TEST_CASE("a year of two digits is at most 50 years ahead", "[http][date][rfc9110-5.6.7]") {
    const auto [text, expected] = GENERATE(table<std::string, int>({
        {"Sunday, 06-Nov-94 08:49:37 GMT", 1994},
        {"Sunday, 06-Nov-23 08:49:37 GMT", 2023},
        {"Sunday, 06-Nov-24 08:49:37 GMT", 2024},
        {"Sunday, 06-Nov-73 08:49:37 GMT", 2073},
        {"Sunday, 06-Nov-74 08:49:37 GMT", 1974},
        {"Sunday, 01-May-74 12:00:00 GMT", 2074},
        {"Sunday, 01-May-74 12:00:01 GMT", 1974},
        {"Sunday, 01-Jan-00 00:00:00 GMT", 2000},
    }));
    CAPTURE(text);
    const auto parsed = parse_date(text, now);
    REQUIRE(parsed);
    CHECK(static_cast<int>(year_month_day(floor<days>(*parsed)).year()) == expected);
}

TEST_CASE("29 February of a year of two digits is looked for where it exists", "[http][date]") {
    CHECK(parse_date("Thursday, 29-Feb-96 00:00:00 GMT", now) == sys_seconds(sys_days(year(1996) / 2 / 29)));
    CHECK(parse_date("Tuesday, 29-Feb-00 00:00:00 GMT", now) == sys_seconds(sys_days(year(2000) / 2 / 29)));
}

TEST_CASE("dates far away", "[http][date]") {
    CHECK(parse_date("Fri, 31 Dec 9999 23:59:59 GMT", now) == sys_days(year(10000) / 1 / 1) - 1s);
    CHECK(parse_date("Thu, 01 Jan 1970 00:00:00 GMT", now) == sys_seconds{});
    CHECK(parse_date("Wed, 31 Dec 1969 23:59:59 GMT", now) == sys_seconds(-1s));
    CHECK(parse_date("Tue, 19 Jan 2038 03:14:08 GMT", now) == sys_seconds(2147483648s));
}

TEST_CASE("a date is written as IMF-fixdate", "[http][date][rfc9110-5.6.7]") {
    CHECK(formatted(example) == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(formatted(sys_seconds{}) == "Thu, 01 Jan 1970 00:00:00 GMT");
    CHECK(formatted(sys_days(year(2024) / 2 / 29) + 23h + 59min + 59s) == "Thu, 29 Feb 2024 23:59:59 GMT");
    CHECK(formatted(sys_days(year(10000) / 1 / 1) - 1s) == "Fri, 31 Dec 9999 23:59:59 GMT");
}

TEST_CASE("what is written is read back", "[http][date]") {
    for (sys_seconds time{}; time < sys_days(year(2200) / 1 / 1); time += 1234567s) {
        CHECK(parse_date(formatted(time), now) == time);
    }
}
