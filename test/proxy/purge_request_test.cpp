#include "proxy/purge_request.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "cache/key.hpp"
#include "cache/tags.hpp"
#include "proxy/upstream_registry.hpp"
#include "test/proxy/settings.hpp"

using namespace weir;
using namespace weir::proxy;
using cache::purge_log;
using cache::purge_mode;
using words = std::vector<std::string>;

namespace {

// www.example.org keeps of a query what is neither utm_... nor fbclid, plain.example.org nothing of it.
std::shared_ptr<const snapshot> make_config() {
    auto settings = test::make_settings({{"app", {"127.0.0.1:9001"}}});
    conf::route_settings plain{.host = "plain.example.org", .upstream = "app"};
    plain.cache->key.query = conf::key_settings::query_parts::none;
    conf::route_settings uncached{.host = "*", .path = "/uncached", .upstream = "app", .cache = std::nullopt};
    conf::route_settings rest{.host = "www.example.org", .upstream = "app"};
    rest.cache->key.ignore_query = {"fbclid", "utm_*"};
    settings.routes = {uncached, plain, rest};
    upstream_registry registry(1);
    auto upstreams = registry.make(settings);
    return make_snapshot(1, std::move(settings), std::move(upstreams));
}

std::optional<purge_order> parse(const std::string& content, std::string& why) {
    static const auto config = make_config();
    return parse_purge(content, *config, why);
}

purge_order parsed(const std::string& content) {
    std::string why;
    const auto order = parse(content, why);
    CAPTURE(content, why);
    REQUIRE(order);
    return *order;
}

std::string fault_of(const std::string& content) {
    std::string why;
    CAPTURE(content);
    CHECK_FALSE(parse(content, why));
    return why;
}

http::request_head head_of(const std::string& text) {
    http::request_head head;
    REQUIRE(http::parse_request_head(text, {}, head) == http::head_error::none);
    return head;
}

purge_order ordered_by(const std::string& text, std::string_view host = "www.example.org") {
    const auto config = make_config();
    return order_of(head_of(text), host, *config);
}

cache::response_ptr stored(const std::string& key, const std::vector<std::uint64_t>& tags = {}) {
    return cache::make_response({.key = key, .tags = tags});
}

}  // namespace

TEST_CASE("a URL to purge becomes that of a key", "[proxy][purge]") {
    const auto [url, stored_under] = GENERATE(table<std::string, std::string>({
        {"http://www.example.org/page", "www.example.org/page"},
        {"https://www.example.org/page", "www.example.org/page"},
        {"HTTPS://WWW.Example.ORG./Page", "www.example.org/Page"},
        {"www.example.org/page", "www.example.org/page"},
        {"http://www.example.org", "www.example.org/"},
        {"www.example.org", "www.example.org/"},
        {"http://www.example.org?a=1", "www.example.org/?a=1"},
        {"http://www.example.org:80/", "www.example.org/"},
        {"https://www.example.org:443/", "www.example.org/"},
        {"http://www.example.org:8880/", "www.example.org:8880/"},
        {"[::1]:8080/a", "[::1]:8080/a"},
        // The parameters that the route leaves out of its keys.
        {"http://www.example.org/a?utm_source=x", "www.example.org/a"},
        {"http://www.example.org/a?b=1&utm_source=x&fbclid=2", "www.example.org/a?b=1"},
        {"http://plain.example.org/a?b=1", "plain.example.org/a"},
        {"http://www.example.org/uncached?utm_source=x", "www.example.org/uncached?utm_source=x"},
        {"http://other.example.org/a?utm_source=x", "other.example.org/a?utm_source=x"},
        // What a URL holds is no scheme of it.
        {"http://www.example.org/?to=http://else.example.org/", "www.example.org/?to=http://else.example.org/"},
        {"www.example.org/?to=ftp://else.example.org/", "www.example.org/?to=ftp://else.example.org/"},
        {"http://www.example.org/a%2Fb/%c3%a9", "www.example.org/a%2Fb/%c3%a9"},
    }));
    const purge_order order = parsed(boost::json::serialize(boost::json::object{{"url", url}}));
    CHECK(order.urls == words{stored_under});
    CHECK(order.size() == 1);
    CHECK(order.mode == purge_mode::hard);
}

TEST_CASE("a purged URL is that of the key of a request for it", "[proxy][purge]") {
    const auto config = make_config();
    const std::string target = "/a?utm_source=x&b=1";
    const auto request = head_of("GET " + target + " HTTP/1.1\r\nHost: www.example.org\r\n\r\n");
    std::string key;
    cache::make_key("https", "www.example.org", target, config->find("www.example.org", "/a")->settings->cache->key,
                    request.fields, key);
    const words expected{std::string(cache::url_of(key))};
    CHECK(parsed(R"({"url":"http://www.example.org/a?b=1&fbclid=7"})").urls == expected);
    CHECK(ordered_by("PURGE /a?b=1 HTTP/1.1\r\nHost: www.example.org\r\n\r\n").urls == expected);
}

TEST_CASE("a purge names one thing or several of each kind", "[proxy][purge]") {
    const purge_order order = parsed(R"({
        "url": "/one", "urls": ["/two?a=1", "http://else.example.org/"], "host": "WWW.example.org:80",
        "prefix": "http://www.example.org/news", "prefixes": ["www.example.org", "/shop/?page="],
        "tag": "a", "tags": ["b", "c"], "all": false, "mode": "soft"})");
    CHECK(order.urls == words{"www.example.org/one", "www.example.org/two?a=1", "else.example.org/"});
    // With its slash a host is not the beginning of another host.
    CHECK(order.prefixes == words{"www.example.org/news", "www.example.org/", "www.example.org/shop/?page="});
    CHECK(order.tags == words{"a", "b", "c"});
    CHECK_FALSE(order.all);
    CHECK(order.mode == purge_mode::soft);
    CHECK(order.size() == 9);

    const purge_order all = parsed(R"({"all": true, "mode": "hard"})");
    CHECK(all.all);
    CHECK(all.size() == 1);
    // A program that had nothing to purge.
    CHECK(parsed(R"({"tags": []})").size() == 0);
}

TEST_CASE("a group is one of an origin", "[proxy][purge][rfc9875-2]") {
    const purge_order order = parsed(R"({"groups": ["a b", "c"], "group": "d", "origin": "HTTPS://Example.org:443"})");
    CHECK(order.groups == words{"a b", "c", "d"});
    CHECK(order.origin == "https://example.org");
    CHECK(parsed(R"({"group": "a", "origin": "http://example.org:8080/"})").origin == "http://example.org:8080");
    purge_log log;
    const auto response = stored("https://example.org/", {cache::hash_group("https://example.org", "c")});
    const auto elsewhere = stored("http://example.org/", {cache::hash_group("http://example.org", "c")});
    carry_out(order, log);
    CHECK(log.judge(*response) == purge_log::verdict::dead);
    CHECK(log.judge(*elsewhere) == purge_log::verdict::alive);
}

TEST_CASE("what is wrong with a purge is said with its place", "[proxy][purge]") {
    const auto [content, why] = GENERATE(table<std::string, std::string>({
        {"", "the content is no JSON"},
        {"url=http://www.example.org/", "the content is no JSON"},
        {R"({"all": true} {"all": true})", "the content is no JSON"},
        {R"(["http://www.example.org/"])", "the content has to be an object"},
        {"{}", "nothing to purge is named"},
        {R"({"all": false})", "nothing to purge is named"},
        {R"({"mode": "soft", "host": "www.example.org"})", "nothing to purge is named"},
        {R"({"keys": ["a"]})", "there is no \"keys\"; there are url, urls, host, prefix"},
        {R"({"all": "yes"})", "all: takes true or false"},
        {R"({"all": true, "mode": "gentle"})", "mode: takes \"hard\" or \"soft\""},
        {R"({"all": true, "mode": 1})", "mode: takes \"hard\" or \"soft\""},
        {R"({"url": ["/"]})", "url: takes a string; a list goes to \"urls\""},
        {R"({"tag": 7})", "tag: takes a string; a list goes to \"tags\""},
        {R"({"urls": "http://www.example.org/"})", "urls: takes a list of strings"},
        {R"({"tags": ["a", 7]})", "tags[1]: takes a string"},
        {R"({"url": "/page"})", "url: \"/page\" has no host: put http://HOST before it, or say it in \"host\""},
        {R"({"prefixes": ["www.example.org/", "/page"]})", "prefixes[1]: \"/page\" has no host"},
        {R"({"url": "/", "host": "http://www.example.org"})", "host: takes a host, with its port"},
        {R"({"url": "/", "host": 1})", "host: takes a host"},
        {R"({"url": ""})", "url: \"\" has no host that could be one"},
        {R"({"url": "http:///page"})", "url: \"http:///page\" has no host that could be one"},
        {R"({"url": "http://me@www.example.org/"})", "has no host that could be one"},
        {R"({"url": "ftp://www.example.org/"})", "url: \"ftp://www.example.org/\" is neither of http nor of https"},
        {R"({"url": "http://www.example.org/\u00e9"})", "percent-encoded"},
        {R"({"url": "http://www.example.org/a b"})", "percent-encoded"},
        {R"({"url": "http://www.example.org/a#b"})", "percent-encoded"},
        {R"({"url": "http://www.example.org/a\nb"})", "url: \"http://www.example.org/a\\nb\" has characters"},
        {R"({"url": "http://www.example.org/a%2f../b"})", "can be read in two ways"},
        {R"({"tag": ""})", "tag: is empty"},
        {R"({"tag": "a b"})", "tag: \"a b\" is more than one tag: list them in \"tags\""},
        {R"({"tags": ["a,b"]})", "tags[0]: \"a,b\" is more than one tag"},
        {R"({"group": "a"})", "a group is one of an origin"},
        {R"({"group": "a", "origin": "example.org"})", "origin: takes http://HOST or https://HOST"},
        {R"({"group": "a", "origin": "https://example.org/path"})", "origin: takes http://HOST or https://HOST"},
        {R"({"group": "a", "origin": 7})", "origin: takes http://HOST or https://HOST"},
        {R"({"group": "a", "origin": "https://example.org", "mode": "soft"})", "a group is purged hard"},
    }));
    CHECK_THAT(fault_of(content), Catch::Contains(why));
}

TEST_CASE("a call purges a thousand things at most", "[proxy][purge]") {
    boost::json::array tags(1000, "tag");
    CHECK(parsed(boost::json::serialize(boost::json::object{{"tags", tags}})).size() == 1000);
    CHECK(fault_of(boost::json::serialize(boost::json::object{{"tags", tags}, {"tag", "one more"}})) ==
          "tag: \"one more\" is more than one tag: list them in \"tags\"");
    CHECK(fault_of(boost::json::serialize(boost::json::object{{"tags", tags}, {"tag", "other"}})) ==
          "more than 1000 things: purge them in several calls");
}

TEST_CASE("a long name is cut where it is wrong", "[proxy][purge]") {
    CHECK(fault_of(R"({"tag": "a )" + std::string(100'000, 'x') + "\"}").size() < 200);
}

TEST_CASE("PURGE purges its URL", "[proxy][purge]") {
    SECTION("hard, in both forms of a target") {
        for (const char* target : {"/a?utm_source=x&b=1", "http://www.example.org/a?utm_source=x&b=1"}) {
            const auto order =
                ordered_by(std::string("PURGE ") + target + " HTTP/1.1\r\nHost: www.example.org\r\n\r\n");
            CHECK(order.urls == words{"www.example.org/a?b=1"});
            CHECK(order.tags.empty());
            CHECK(order.mode == purge_mode::hard);
        }
    }
    SECTION("soft, as Fastly's clients say it") {
        CHECK(ordered_by("PURGE / HTTP/1.1\r\nHost: a\r\nfastly-soft-purge: 1\r\n\r\n").mode == purge_mode::soft);
        CHECK(ordered_by("PURGE / HTTP/1.1\r\nHost: a\r\nFastly-Soft-Purge: 0\r\n\r\n").mode == purge_mode::hard);
    }
    SECTION("or by tags") {
        const auto field = GENERATE(as<std::string>(), "Surrogate-Key", "xkey", "XKEY", "Cache-Tag");
        const auto order =
            ordered_by("PURGE / HTTP/1.1\r\nHost: a\r\n" + field + ": one, two\tthree \r\n" + field + ": four\r\n\r\n");
        CHECK(order.tags == words{"one", "two", "three", "four"});
        CHECK(order.urls.empty());
    }
    SECTION("but not the URL where the list of tags is empty") {
        CHECK(ordered_by("PURGE / HTTP/1.1\r\nHost: a\r\nxkey: \r\n\r\n").size() == 0);
    }
}

TEST_CASE("PURGE of a path for Zope purges the URL that clients use", "[proxy][purge]") {
    const auto [target, url] = GENERATE(table<std::string, std::string>({
        {"/VirtualHostBase/http/www.example.org:80/Plone/VirtualHostRoot/news?utm_source=x", "www.example.org/news"},
        {"/VirtualHostBase/https/WWW.example.org:443/a/b/VirtualHostRoot/news", "www.example.org/news"},
        {"/VirtualHostBase/http/www.example.org:8080/VirtualHostRoot/", "www.example.org:8080/"},
        {"/VirtualHostBase/http/www.example.org/Plone/VirtualHostRoot", "www.example.org/"},
        {"/VirtualHostBase/http/www.example.org/Plone/VirtualHostRoot/_vh_a/_vh_b/news", "www.example.org/a/b/news"},
        {"/VirtualHostBase/http/www.example.org/Plone/VirtualHostRoot/_vh_a", "www.example.org/a"},
        {"/VirtualHostBase/http/www.example.org/Plone/news", ""},
        {"/VirtualHostBase/http/VirtualHostRoot/news", ""},
        {"/VirtualHostBase/VirtualHostRoot/news", ""},
        {"/VirtualHostBase/ftp/www.example.org/VirtualHostRoot/news", ""},
        {"/news/VirtualHostBase/http/www.example.org/VirtualHostRoot/news", ""},
    }));
    CAPTURE(target);
    // Its own URL too: it may be what is stored, behind one who rewrites.
    words expected{"10.0.0.1:8880" + target};
    if (!url.empty()) expected.push_back(url);
    CHECK(ordered_by("PURGE " + target + " HTTP/1.1\r\nHost: 10.0.0.1:8880\r\n\r\n", "10.0.0.1:8880").urls == expected);
}

TEST_CASE("what is carried out hits what it names", "[proxy][purge]") {
    purge_log log;
    const auto page = stored("https://www.example.org/page?a=1\nx-lang: de", {cache::hash_tag("blue")});
    const auto longer = stored("http://www.example.org/page?a=12");
    const auto news = stored("http://www.example.org/news/1");
    const auto answer = [&](const char* content) { return boost::json::parse(carry_out(parsed(content), log)); };
    SECTION("a URL, and no other that begins with it") {
        const auto said = answer(R"({"url": "http://www.example.org/page?a=1"})");
        CHECK(log.judge(*page) == purge_log::verdict::dead);
        CHECK(log.judge(*longer) == purge_log::verdict::alive);
        CHECK(said.at("purged").at("urls") == 1);
        CHECK(said.at("purged").at("tags") == 0);
        CHECK(said.at("mode") == "hard");
        CHECK(said.at("number") == 1);
    }
    SECTION("a prefix and a tag, softly") {
        const auto said = answer(R"({"prefix": "www.example.org/news/", "tag": "blue", "mode": "soft"})");
        CHECK(log.judge(*page) == purge_log::verdict::soft);
        CHECK(log.judge(*news) == purge_log::verdict::soft);
        CHECK(log.judge(*longer) == purge_log::verdict::alive);
        CHECK(said.at("mode") == "soft");
        CHECK(said.at("number") == 2);
    }
    SECTION("all") {
        const auto said = answer(R"({"all": true})");
        for (const auto* each : {&page, &longer, &news}) CHECK(log.judge(**each) == purge_log::verdict::dead);
        CHECK(said.at("purged").at("all") == true);
    }
}
