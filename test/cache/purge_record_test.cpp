#include "cache/purge_record.hpp"

#include <catch2/catch.hpp>

namespace weir::cache {
namespace {

const std::string start = "weir-purges 1 00f3c0de5eed1e57\n";

TEST_CASE("each purge is a line, which is read as the same purge", "[cache][purge_record]") {
    const auto [what, line] = GENERATE(table<purge, const char*>({
        {{purge_kind::url, purge_mode::hard, "example.org/a?x=1%20#"}, "hard url example.org/a?x=1%20#\n"},
        {{purge_kind::url, purge_mode::soft, "example.org/"}, "soft url example.org/\n"},
        {{purge_kind::prefix, purge_mode::soft, "example.org/n"}, "soft prefix example.org/n\n"},
        {{purge_kind::tag, purge_mode::hard, "\xc3\xa9t\xc3\xa9"}, "hard tag \xc3\xa9t\xc3\xa9\n"},
        {{purge_kind::tag, purge_mode::hard, "all"}, "hard tag all\n"},
        {{purge_kind::group, purge_mode::hard, "my scripts ", "https://example.org"},
         "hard group https://example.org my scripts \n"},
        {{purge_kind::group, purge_mode::hard, "", "https://example.org"}, "hard group https://example.org \n"},
        {{purge_kind::all, purge_mode::soft}, "soft all\n"},
        {{purge_kind::all, purge_mode::hard}, "hard all\n"},
    }));
    CHECK(purge_line(what) == line);
    const std::string text = start + line;
    const auto record = parse_purge_record(text);
    REQUIRE(record);
    CHECK(record->node == 0x00f3c0de5eed1e57);
    CHECK(record->purges == std::vector<purge>{what});
}

TEST_CASE("what no line can have is what nothing stored has", "[cache][purge_record]") {
    const purge nothing = GENERATE(values<purge>({{purge_kind::url, purge_mode::hard, ""},
                                                  {purge_kind::url, purge_mode::hard, "example.org/a b"},
                                                  {purge_kind::prefix, purge_mode::hard, "example.org/\nhard all"},
                                                  {purge_kind::tag, purge_mode::hard, ""},
                                                  {purge_kind::tag, purge_mode::hard, "a\nhard all"},
                                                  {purge_kind::tag, purge_mode::hard, std::string_view("a\0b", 3)},
                                                  {purge_kind::group, purge_mode::hard, "a\nb", "https://example.org"},
                                                  {purge_kind::group, purge_mode::hard, "a", "https://example.org /"},
                                                  {purge_kind::group, purge_mode::hard, "a", ""}}));
    CHECK(purge_line(nothing).empty());
}

TEST_CASE("what a line cannot say is a purge of all, in the same mode", "[cache][purge_record][limits]") {
    const purge_mode mode = GENERATE(purge_mode::hard, purge_mode::soft);
    const std::string all = purge_line({purge_kind::all, mode});
    CHECK(purge_line({purge_kind::prefix, mode, ""}) == all);
    const std::string overhead = start + "hard prefix \n";
    const std::string longest(max_purge_record_bytes - overhead.size(), 'a');
    CHECK(parse_purge_record(start + purge_line({purge_kind::prefix, mode, longest}))->purges.front().text == longest);
    CHECK(purge_line({purge_kind::prefix, mode, longest + "a"}) == all);
    CHECK(purge_line({purge_kind::tag, mode, longest + "aaaa"}) == all);
    CHECK(purge_line({purge_kind::group, mode, longest, "https://example.org"}) == "hard all\n");
}

TEST_CASE("a record may have any number of lines", "[cache][purge_record]") {
    const auto [lines, count] = GENERATE(table<std::string, std::size_t>({
        {"", 0},
        {"hard all", 1},
        {"hard all\n", 1},
        {"hard all\nsoft tag a\nhard url example.org/", 3},
    }));
    const std::string text = start + lines;
    const auto record = parse_purge_record(text);
    REQUIRE(record);
    CHECK(record->purges.size() == count);
}

TEST_CASE("a record that is not understood as a whole is none", "[cache][purge_record]") {
    const std::string text = GENERATE_REF(values<std::string>({
        "",
        "weir-purges 1 00f3c0de5eed1e57",
        "weir-purges 2 00f3c0de5eed1e57\nhard all\n",
        "weir-purges 1 0f3c0de5eed1e57\nhard all\n",
        "weir-purges 1 00f3c0de5eed1e5g\nhard all\n",
        "weir-purges 1 -0f3c0de5eed1e57\nhard all\n",
        "weir-purges 1 00f3c0de5eed1e57 \nhard all\n",
        start + "\n",
        start + "hard all\n\nhard all\n",
        start + "hard\n",
        start + "hard \n",
        start + "Hard all\n",
        start + " hard all\n",
        start + "hard all \n",
        start + "hard all\r\n",
        start + "firm all\n",
        start + "hard everything\n",
        start + "hard url\n",
        start + "hard url \n",
        start + "hard url a b\n",
        start + "hard prefix \n",
        start + "hard tag \n",
        start + "hard tag a b\n",
        start + "hard tag a\r\n",
        start + std::string("hard tag a\0", 11) + "\n",
        start + "hard group https://example.org\n",
        start + "hard group  a\n",
        start + "soft group https://example.org a\n",
        start + "hard tag a\nhard tag",
        start + "hard tag " + std::string(max_purge_record_bytes, 'a'),
    }));
    CAPTURE(text.substr(0, 200));
    CHECK_FALSE(parse_purge_record(text));
}

TEST_CASE("the head of the log is an epoch and a number", "[cache][purge_record]") {
    const std::string largest = std::to_string(max_purge_number);
    CHECK(parse_purge_head("00f3c0de5eed1e57 42") == purge_position{0x00f3c0de5eed1e57, 42});
    CHECK(parse_purge_head(text(purge_position{1, 0})) == purge_position{1, 0});
    CHECK(parse_purge_head("00f3c0de5eed1e57 " + largest) == purge_position{0x00f3c0de5eed1e57, max_purge_number});
    for (const std::string& wrong :
         {std::string(), std::string("0000000000000000 1"), "00f3c0de5eed1e57 " + std::to_string(max_purge_number + 1),
          std::string("00f3c0de5eed1e57 18446744073709551616"), std::string("00f3c0de5eed1e57"),
          std::string("00f3c0de5eed1e57 -1"), std::string("00f3c0de5eed1e57 1 ")}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_purge_head(wrong));
    }
}

TEST_CASE("keys of the log fit into memcached's limit", "[cache][purge_record]") {
    CHECK(purge_head_key("weir") == "weir:purges");
    CHECK(purge_record_key("weir", {0x00f3c0de5eed1e57, 42}) == "weir:purges:00f3c0de5eed1e57:42");
    CHECK(purge_record_key(std::string(32, 'a'), {UINT64_MAX, UINT64_MAX}).size() <= 250);
}

}  // namespace
}  // namespace weir::cache
