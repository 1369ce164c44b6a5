#include "proxy/page_key.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <string>

#include "conf/memcached.hpp"
#include "proxy/http/target.hpp"

namespace weir::proxy {
namespace {

using piece = conf::page_settings::piece;

conf::page_settings usual() {
    return {.key = {{piece::kind::literal, "page:"}, {piece::kind::host, ""}, {piece::kind::path, ""}}};
}

std::optional<std::string> key_of(const std::string& target) {
    return page_key(usual(), "http", "example.org", target);
}

}  // namespace

TEST_CASE("the key of a page is its template with what the client spelt", "[proxy][memcached]") {
    CHECK(key_of("/") == "page:example.org/");
    CHECK(key_of("/a%2Fb/../c") == "page:example.org/a%2Fb/../c");
    const conf::page_settings all{.key = {{piece::kind::scheme, ""},
                                          {piece::kind::literal, "|"},
                                          {piece::kind::host, ""},
                                          {piece::kind::literal, "|"},
                                          {piece::kind::path, ""},
                                          {piece::kind::literal, "|"},
                                          {piece::kind::query, ""}}};
    CHECK(page_key(all, "https", "example.org:8443", "/p?a=b?c") == "https|example.org:8443|/p|a=b?c");
    CHECK(page_key(all, "http", "example.org", "/p?") == "http|example.org|/p|");
    CHECK(page_key(all, "http", "example.org", "/p") == "http|example.org|/p|");
}

TEST_CASE("a query that the key does not name is another page", "[proxy][memcached]") {
    CHECK(key_of("/?") == "page:example.org/");
    CHECK_FALSE(key_of("/?x"));
    CHECK_FALSE(key_of("/a?x=1&y"));
}

TEST_CASE("weir and weir_pages.py have the same keys", "[proxy][memcached]") {
    std::ifstream table(WEIR_PAGE_KEYS);
    REQUIRE(table);
    std::string line;
    int rows = 0;
    while (std::getline(table, line)) {
        if (line.starts_with('#')) continue;
        std::istringstream words(line);
        std::string text, scheme, host, target, expected, why;
        words >> text >> scheme >> host >> target >> expected;
        CAPTURE(line);
        const auto key = conf::parse_page_key(text, why);
        REQUIRE(key);
        std::optional<std::string> found;
        // What is neither of both is refused before anything is looked up.
        if (http::valid_host(host) && http::valid_origin_form(target)) {
            std::string normalised;
            http::append_normalised_host(host, scheme, normalised);
            found = page_key({.key = *key, .content_type = {}}, scheme, normalised, target);
        }
        CHECK(found.value_or("-") == expected);
        ++rows;
    }
    CHECK(rows > 30);
}

TEST_CASE("what memcached takes for no key is not looked up", "[proxy][memcached]") {
    const std::string begin = "page:example.org/";
    CHECK(key_of('/' + std::string(250 - begin.size(), 'x')));
    CHECK_FALSE(key_of('/' + std::string(251 - begin.size(), 'x')));
    CHECK_FALSE(key_of("/a b"));
    CHECK_FALSE(key_of("/a\x7F"));
    CHECK_FALSE(key_of(std::string("/a\0b", 4)));
    CHECK(key_of("/\xC3\xA9") == begin + "\xC3\xA9");
}

}  // namespace weir::proxy
