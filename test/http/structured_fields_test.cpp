#include "proxy/http/structured_fields.hpp"

#include "test/http/parsed.hpp"

using namespace weir::http;

namespace {

// A dictionary as text, each value in a notation that names its type; "invalid" for none.
std::string described(std::string_view text) {
    const auto dictionary = parse_dictionary(text);
    if (!dictionary) return "invalid";
    std::string out;
    for (const sf_member& member : *dictionary) {
        if (!out.empty()) out += " ";
        out += member.key + "=";
        switch (member.value.type) {
            case sf_type::integer:
                out += std::to_string(member.value.integer);
                break;
            case sf_type::boolean:
                out += member.value.boolean ? "true" : "false";
                break;
            case sf_type::string:
                out += "'" + member.value.text + "'";
                break;
            case sf_type::token:
                out += "<" + member.value.text + ">";
                break;
            case sf_type::date:
                out += "@" + std::to_string(member.value.integer);
                break;
            case sf_type::decimal:
                out += "decimal";
                break;
            case sf_type::byte_sequence:
                out += "bytes";
                break;
            case sf_type::display_string:
                out += "display";
                break;
            case sf_type::inner_list:
                out += "list";
                break;
        }
    }
    return out;
}

std::string joined(std::string_view text) {
    const auto strings = parse_string_list(text);
    if (!strings) return "invalid";
    std::string out;
    for (const std::string& s : *strings) out += "[" + s + "]";
    return out;
}

}  // namespace

TEST_CASE("dictionaries are read", "[http][structured_fields][rfc9651-3.2]") {
    const auto [text, expected] = GENERATE(table<std::string, std::string>({
        {"", ""},
        {"  ", ""},
        {"max-age=60", "max-age=60"},
        {"max-age=60, no-store", "max-age=60 no-store=true"},
        {"max-age=60 \t,\t no-store  ", "max-age=60 no-store=true"},
        {"  a=1", "a=1"},
        {"a=?0, b=?1, c", "a=false b=true c=true"},
        {"a=\"x, y\", b=tok/en:*", "a='x, y' b=<tok/en:*>"},
        {"a=\"q\\\"b\\\\\"", "a='q\"b\\'"},
        {"a=:aGVsbG8=:, b=1.5, c=-7, d=@1659578233", "a=bytes b=decimal c=-7 d=@1659578233"},
        {"a=%\"f%c3%bc\"", "a=display"},
        {"a=(1 \"x\" y;p=1), b=()", "a=list b=list"},
        {"a=(  1  ) ;q", "invalid"},  // no space before a parameter
        {"a=(  1  );q;r=2", "a=list"},
        {"a=1;p;q=\"x\"; r=?0, b", "a=1 b=true"},
        {"a;p=1, b", "a=true b=true"},
        {"a=1, b=2, a=3", "a=3 b=2"},
        {"a=1, a", "a=true"},
        {"*k_-.*9=1", "*k_-.*9=1"},
        {"a=999999999999999", "a=999999999999999"},
        {"a=-0", "a=0"},
        {"a=007", "a=7"},
    }));
    CAPTURE(text);
    CHECK(described(text) == expected);
}

TEST_CASE("what breaks the grammar anywhere is invalid as a whole", "[http][structured_fields][rfc9651-4.2]") {
    const std::string text =
        GENERATE(as<std::string>(), ",", "a,", "a=1,", "a=1,,b", ",a", "a b", "a=1 b=2", "a=", "a =1", "a= 1",
                 "Max-Age=60", "1=a", "-a", "=1", "a=1;", "a=1;P", "a=1; =2", "a=1;b=", "a=1000000000000000", "a=-",
                 "a=1.", "a=.5", "a=1.2345", "a=1234567890123.1", "a=--1", "a=+1", "a=\"", "a=\"x", "a=\"\\x\"",
                 "a=\"\\", "a=\"\t\"", "a=\"\x7f\"", "a=\"\xc3\xbc\"", "a='x'", "a=?2", "a=?", "a=?true", "a=:x",
                 "a=:x y:", "a=@1.5", "a=@", "a=%x", "a=%\"%C3%BC\"", "a=%\"%c3\"", "a=%\"%ed%a0%80\"",
                 "a=%\"%f4%90%80%80\"", "a=%\"%c0%80\"", "a=%\"%4\"", "a=%\"x", "a=(1", "a=(1,2)", "a=(1\"x\")",
                 "a=((1))", "a=(1\t2)", "a;b=(1)", "\ta", "a=1; \tb", "\xc3\xbc", "a=1\n");
    CAPTURE(text);
    CHECK(described(text) == "invalid");
}

TEST_CASE("a dictionary has room for 1,024 keys", "[http][structured_fields][rfc9651-3.2]") {
    std::string text = "a";
    for (int i = 1; i < 1024; ++i) text += ", k" + std::to_string(i);
    REQUIRE(parse_dictionary(text));
    CHECK(parse_dictionary(text + ", a=1")->size() == 1024);
    CHECK_FALSE(parse_dictionary(text + ", one-more"));
}

TEST_CASE("a display string holds any well-formed UTF-8", "[http][structured_fields][rfc9651-4.2.10]") {
    CHECK(described("a=%\"%e2%82%ac %f0%9f%98%80 %00 %e0%a0%80\"") == "a=display");
    CHECK(described("a=%\"%e0%80%80\"") == "invalid");
    CHECK(described("a=%\"%f0%80%80%80\"") == "invalid");
    CHECK(described("a=%\"%80\"") == "invalid");
    CHECK(described("a=%\"%f5%80%80%80\"") == "invalid");
}

TEST_CASE("lists of strings are read", "[http][structured_fields][rfc9651-3.1]") {
    const auto [text, expected] = GENERATE(table<std::string, std::string>({
        {"", ""},
        {"\"a\"", "[a]"},
        {"\"a\", \"b c\"", "[a][b c]"},
        {"\"a\",\"b,c\"", "[a][b,c]"},
        {"\"\"", "[]"},
        {"\"a\";p=1, \"b\";q", "[a][b]"},
        {"\"a\", \"a\"", "[a][a]"},
        {"\"a\\\\b\\\"\"", "[a\\b\"]"},
        {"a", "invalid"},
        {"\"a\", b", "invalid"},
        {"\"a\", 1", "invalid"},
        {"(\"a\" \"b\")", "invalid"},
        {"\"a\",", "invalid"},
        {"\"a\" \"b\"", "invalid"},
        {"\"a", "invalid"},
    }));
    CAPTURE(text);
    CHECK(joined(text) == expected);
}

TEST_CASE("several lines are one field", "[http][structured_fields][rfc9651-4.2][rfc9110-5.2]") {
    const auto r = test::request(
        "GET / HTTP/1.1\r\nHost: x\r\nCache-Groups: \"a\", \"b\"\r\nA: b\r\ncache-groups: \"c\"\r\nEmpty:\r\n\r\n");
    REQUIRE(r.error == head_error::none);
    CHECK(combined_value(r.head.fields, "Cache-Groups") == "\"a\", \"b\", \"c\"");
    CHECK(combined_value(r.head.fields, "Empty") == "");
    CHECK_FALSE(combined_value(r.head.fields, "Absent"));
}
