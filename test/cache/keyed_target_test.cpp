#include <catch2/catch.hpp>

#include "cache/key.hpp"
#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using parts = conf::key_settings::query_parts;
using names = std::vector<std::string>;

std::string keyed(std::string_view target, const conf::key_settings& settings) {
    std::string out = "before ";
    append_keyed_target(target, settings, out);
    return out.substr(7);
}

TEST_CASE("a target has the query that counts", "[cache][key][rfc9111-2]") {
    const auto [target, query, listed, ignored, expected] =
        GENERATE(table<std::string, parts, names, names, std::string>({
            {"/a", parts::all, {}, {}, "/a"},
            {"/a?", parts::all, {}, {}, "/a?"},
            {"/a?&&b=1&", parts::all, {}, {}, "/a?&&b=1&"},
            {"*", parts::none, {}, {}, "*"},
            // None.
            {"/a", parts::none, {}, {}, "/a"},
            {"/a?", parts::none, {}, {}, "/a"},
            {"/a?b=1&c", parts::none, {}, {}, "/a"},
            {"/a?b=/?c", parts::none, {}, {}, "/a"},
            // Listed, in the order they came.
            {"/?b=1&a=2", parts::listed, {"a", "b"}, {}, "/?b=1&a=2"},
            {"/?b=1&x=3&a=2", parts::listed, {"a", "b"}, {}, "/?b=1&a=2"},
            {"/?a=1&a=2", parts::listed, {"a"}, {}, "/?a=1&a=2"},
            {"/?aa=1&A=2&a", parts::listed, {"a"}, {}, "/?a"},
            {"/?a=", parts::listed, {"a"}, {}, "/?a="},
            {"/?x=1", parts::listed, {"a"}, {}, "/"},
            {"/?a=1?b=2", parts::listed, {"a"}, {}, "/?a=1?b=2"},
            {"/?a=1;b=2", parts::listed, {"a"}, {}, "/?a=1;b=2"},
            {"/?a;b=2", parts::listed, {"a"}, {}, "/"},
            {"/?b=2;a=1", parts::listed, {"a"}, {}, "/"},
            {"/?b=a=1", parts::listed, {"a"}, {}, "/"},
            {"/?a%3D1", parts::listed, {"a"}, {}, "/"},
            {"/?b%26a=1", parts::listed, {"a"}, {}, "/"},
            // Ignored.
            {"/?utm_source=x&id=1", parts::all, {}, {"utm_*"}, "/?id=1"},
            {"/?id=1&utm_source=x", parts::all, {}, {"utm_*"}, "/?id=1"},
            {"/?utm_=x&utm=1", parts::all, {}, {"utm_*"}, "/?utm=1"},
            {"/?utm_source", parts::all, {}, {"utm_*"}, "/"},
            {"/?%75tm_source=x&id=1", parts::all, {}, {"utm_*"}, "/?id=1"},
            {"/?%75%74%6D%5f=x", parts::all, {}, {"utm_*"}, "/"},
            {"/?utm%5Fsource=x", parts::all, {}, {"utm_source"}, "/"},
            {"/?fbclid=1&FBCLID=2", parts::all, {}, {"fbclid"}, "/?FBCLID=2"},
            {"/?fbclid2=1", parts::all, {}, {"fbclid"}, "/?fbclid2=1"},
            {"/?a=1&fbclid=2&utm_x=3&b=4", parts::all, {}, {"fbclid", "utm_*"}, "/?a=1&b=4"},
            {"/?gr%C3%B6%C3%9Fe=1", parts::all, {}, {"größe"}, "/"},
            // Listed and ignored alike.
            {"/?a_1=1&a_2=2", parts::listed, {"a_1", "a_2"}, {"a_*"}, "/"},
            // Values, and names that stay, are as they came.
            {"/?%69d=%75tm_&utm_a=1", parts::all, {}, {"utm_*"}, "/?%69d=%75tm_"},
            {"/?id=1&q=a+b%20c%2f", parts::listed, {"q"}, {}, "/?q=a+b%20c%2f"},
            // Broken escapes stand for themselves.
            {"/?%=1&%7=2&%zz=3", parts::all, {}, {"%", "%7"}, "/?%zz=3"},
            {"/?%2575tm_=1", parts::all, {}, {"utm_*"}, "/?%2575tm_=1"},
            // Empty parameters count for nothing.
            {"/?&&a=1&&b=2&", parts::all, {}, {"x"}, "/?a=1&b=2"},
            {"/?", parts::all, {}, {"x"}, "/"},
            {"/?&", parts::all, {}, {"x"}, "/"},
            {"/?=1", parts::all, {}, {"x"}, "/?=1"},
        }));
    CAPTURE(target, ignored, listed);
    CHECK(keyed(target, {.query = query, .query_names = listed, .ignore_query = ignored}) == expected);
}

std::string key_of(const conf::key_settings& settings, const std::string& fields, std::string_view target = "/") {
    std::string key;
    make_key("http", "example.org", target, settings, test::request(fields).fields(), key);
    return key;
}

TEST_CASE("keyed fields and cookies follow the target", "[cache][key][rfc9111-2]") {
    const conf::key_settings settings{
        .query = parts::none, .headers = {"accept-language", "x-site"}, .cookies = {"lang"}};
    const auto [fields, expected] = GENERATE(table<std::string, std::string>({
        {"", "\naccept-language:\nx-site:\nlang="},
        {"X-Site:", "\naccept-language:\nx-site: \nlang="},
        {"x-site: a", "\naccept-language:\nx-site: a\nlang="},
        {"X-Site: a\nX-SITE: b", "\naccept-language:\nx-site: a, b\nlang="},
        {"X-Site: A\\n", "\naccept-language:\nx-site: A\\\\n\nlang="},
        {"Accept-Language: de, en;q=0.5", "\naccept-language: de, en;q=0.5\nx-site:\nlang="},
        {"Cookie: lang=de", "\naccept-language:\nx-site:\nlang= de"},
        {"Cookie: a=b; lang=; c=d", "\naccept-language:\nx-site:\nlang= "},
        {"Cookie: Lang=de; xlang=de; langx=de; lang", "\naccept-language:\nx-site:\nlang="},
        {"Cookie: a=1\nCookie: lang=de", "\naccept-language:\nx-site:\nlang= de"},
        {"lang: de", "\naccept-language:\nx-site:\nlang="},
    }));
    CAPTURE(fields);
    CHECK(key_of(settings, fields, "/a?b") == "http://example.org/a" + expected);
}

TEST_CASE("of several cookies with one name all count", "[cache][key]") {
    // Which of them an application believes is its own affair.
    const conf::key_settings settings{.cookies = {"lang"}};
    CHECK(key_of(settings, "Cookie: lang=de; lang=en") == "http://example.org/\nlang= de; en");
    CHECK(key_of(settings, "Cookie: lang=de\nCookie: lang=en") == key_of(settings, "Cookie: lang=de; lang=en"));
    CHECK(key_of(settings, "Cookie: lang=de; lang=en") != key_of(settings, "Cookie: lang=en; lang=de"));
}

TEST_CASE("no value writes the key of another request", "[cache][key]") {
    // A head cannot bring these bytes; what is made without one could.
    const auto key_with = [](std::initializer_list<std::string_view> values) {
        std::string text = "a";
        for (const auto value : values) text += value;
        http::field_list fields;
        fields.set_base(text.data());
        std::size_t at = 1;
        for (const auto value : values) {
            fields.add(http::field_id::unknown, std::string_view(text).substr(0, 1),
                       std::string_view(text).substr(at, value.size()));
            at += value.size();
        }
        std::string key;
        make_key("http", "h", "/", {.headers = {"a", "b"}, .cookies = {"c"}}, fields, key);
        return key;
    };
    CHECK(key_with({"x\nb: y"}) == "http://h/\na: x\\nb: y\nb:\nc=");
    CHECK(key_with({"x\\nb: y"}) == "http://h/\na: x\\\\nb: y\nb:\nc=");
    CHECK(key_with({"\n"}) != key_with({"\\n"}));
    CHECK(key_with({"\\\n"}) != key_with({"\n\\"}));
    CHECK(key_with({"\nb:"}) != key_with({""}));
}

TEST_CASE("keys of other settings are other keys", "[cache][key]") {
    // After a reload what was stored under the old rule may still be there.
    CHECK(key_of({.headers = {"a"}}, "") != key_of({.cookies = {"a"}}, ""));
    CHECK(key_of({.headers = {"a"}}, "") != key_of({}, ""));
    CHECK(key_of({.headers = {"a"}}, "a: x") != key_of({.cookies = {"a"}}, "Cookie: a=x"));
}

TEST_CASE("the URL of a key is its host and target", "[cache][key]") {
    CHECK(url_of("http://example.org/a?b=http://c") == "example.org/a?b=http://c");
    CHECK(url_of("https://example.org:8443/\na: b\nc= http://x") == "example.org:8443/");
    const conf::key_settings settings{.ignore_query = {"b"}, .headers = {"x-site"}};
    const std::string key = key_of(settings, "X-Site: a", "/p?a=1&b=2");
    CHECK(url_of(key) == "example.org/p?a=1");
    CHECK(url_of("http:///") == "/");
}

}  // namespace
}  // namespace weir::cache
