// cache.memcached and memcached_pages of a route.
#include "conf/memcached.hpp"

#include <catch2/catch.hpp>

#include "test/conf/loading.hpp"

using namespace weir::conf;
using namespace std::chrono_literals;
using weir::test::configuration;
using weir::test::one_upstream;

namespace {

using kind = page_settings::piece::kind;
using pieces = std::vector<page_settings::piece>;

std::string with_cache(const std::string& memcached) {
    return std::string(one_upstream) + "cache:\n  memcached: " + memcached + "\n";
}

std::string with_pages(const std::string& pages) {
    return std::string(one_upstream) +
           "cache: {memcached: {servers: [a:1]}}\nroutes:\n  - upstream: app\n    memcached_pages: " + pages + "\n";
}

settings loaded(const std::string& yaml) {
    const configuration written(yaml);
    CAPTURE(yaml, written.faults());
    auto out = written.load();
    REQUIRE(out.value);
    CHECK(configuration(effective_yaml(*out.value)).load().value == out.value);
    return std::move(*out.value);
}

void check_fault(const std::string& yaml, const std::string& where, const std::string& says) {
    const auto faults = configuration(yaml).faults();
    CAPTURE(yaml, says, faults);
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0], Catch::StartsWith("weir.yaml:" + where + ": "));
    CHECK_THAT(faults[0], Catch::Contains(says));
}

}  // namespace

TEST_CASE("memcached is off unless it is asked for", "[conf][memcached]") {
    const auto memcached = GENERATE(as<std::string>{}, "off", "");
    CHECK_FALSE(loaded(with_cache(memcached)).cache.memcached);
}

TEST_CASE("servers alone are a second tier with the defaults", "[conf][memcached]") {
    const auto value = loaded(with_cache("{servers: 127.0.0.1:11211}"));
    memcached_settings expected;
    expected.servers = {{"127.0.0.1:11211", "127.0.0.1", 11211, ""}};
    CHECK(value.cache.memcached == expected);
    CHECK(expected.timeout == 50ms);
    CHECK(expected.fill_lock == 5s);
    CHECK(expected.prefix == "weir");
    CHECK(expected.purge_log);
}

TEST_CASE("every setting of memcached can be set", "[conf][memcached]") {
    const auto value =
        loaded(with_cache("{servers: [Cache.Example, \"[2001:DB8::1]:11212\", \"[::1]\", \"unix:/run/a b.sock\", "
                          "a:011213], prefix: a.b-C_9,"
                          " timeout: 10s, max_response: 1KiB, fill_lock: off, purge_log: false}"));
    memcached_settings expected;
    expected.servers = {{"Cache.Example", "Cache.Example", 11211, ""},
                        {"[2001:DB8::1]:11212", "2001:DB8::1", 11212, ""},
                        {"[::1]", "::1", 11211, ""},
                        {"unix:/run/a b.sock", "", 11211, "/run/a b.sock"},
                        {"a:011213", "a", 11213, ""}};
    expected.prefix = "a.b-C_9";
    expected.timeout = 10s;
    expected.max_response_bytes = 1024;
    expected.fill_lock.reset();
    expected.purge_log = false;
    CHECK(value.cache.memcached == expected);
}

TEST_CASE("faults of memcached are named with the cure", "[conf][memcached][faults]") {
    const auto [memcached, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"{}", "3:14", "cache.memcached.servers is missing; add it, such as [127.0.0.1:11211]"},
        {"{prefix: a}", "3:14", "cache.memcached.servers is missing"},
        {"{servers:}", "3:14", "cache.memcached.servers is missing"},
        {"{servers: []}", "3:24", "this lists no server; add one"},
        {"{servers: off}", "3:24", "write \"memcached: off\""},
        {"{servers: [a:1, b:1, A:1]}", "3:35", "A:1 is given twice; the first is at weir.yaml:3:25, remove one"},
        {"{servers: [a, a:11211]}", "3:28", "a:11211 is given twice"},
        {"{servers: [\"[::1]:1\", \"[0::1]:1\"]}", "3:36", "[0::1]:1 is given twice"},
        {"{servers: [unix:/a, unix:/a]}", "3:34", "unix:/a is given twice"},
        {"{servers: [/run/memcached.sock]}", "3:25", "a unix socket is written as unix:/run/memcached.sock"},
        {"{servers: [unix:a]}", "3:25", "a unix socket needs an absolute path"},
        {"{servers: [a:0]}", "3:25", "a server cannot have port 0"},
        {"{servers: [a:x]}", "3:25", "the port is \"x\""},
        {"{servers: [a:1:2]}", "3:25", "cache.memcached.servers: "},
        {"{servers: [\":1\"]}", "3:25", "a server needs a host before the port"},
        {"{servers: [\"[x]\"]}", "3:25", "has no IPv6 address between [ and ]"},
        {"{servers: [\"a:1 2\"]}", "3:25",
         "\"a:1 2\" is more than one server; write a list, such as [127.0.0.1:11211, "},
        {"{servers: \"a:1,b:1\"}", "3:24", "is more than one server; write a list"},
        {"{servers: [\"udp:a:1\"]}", "3:25", "memcached is asked over TCP or a unix socket; write a:1"},
        {"{servers: [10.0.0.1:11211:2]}", "3:25", "servers have no weight here, write it as 10.0.0.1:11211"},
        {"{servers: [\"http://a.b:1\"]}", "3:25", "is a URL; give host:port only"},
        {"{servers: [{address: a, weight: 2}]}", "3:25", "a server is written as"},
        {"{servers: [[a]]}", "3:25", "a server is written as"},
        {"{servers: [\"\"]}", "3:25", "a server is written as"},
        {"{servers: [a:1], prefix: \"a b\"}", "3:39", "\"a b\" is no prefix; it may be 1 to 32 letters"},
        {"{servers: [a:1], prefix: \"a:b\"}", "3:39", "is no prefix"},
        {"{servers: [a:1], prefix: \"größe\"}", "3:39", "is no prefix"},
        {"{servers: [a:1], prefix: \"\"}", "3:31", "cache.memcached.prefix has no value"},
        {"{servers: [a:1], prefix: abcdefghijklmnopqrstuvwxyz-0123456}", "3:39", "is no prefix"},
        {"{servers: [a:1], prefix: off}", "3:39", "this cannot be off; give one, or leave the key out"},
        {"{servers: [a:1], timeout: off}", "3:40", "this cannot be off; it may be 1ms to 10s"},
        {"{servers: [a:1], timeout: 0ms}", "3:40", "out of range; it may be 1ms to 10s"},
        {"{servers: [a:1], timeout: 11s}", "3:40", "out of range; it may be 1ms to 10s"},
        {"{servers: [a:1], max_response: 1000B}", "3:45", "out of range; it may be 1KiB"},
        {"{servers: [a:1], fill_lock: 999ms}", "3:42", "out of range; it may be 1s to 10m"},
        {"{servers: [a:1], purge_log: maybe}", "3:42", "neither true nor false"},
        {"{servers: [a:1], max_respones: 1MiB}", "3:31", "did you mean \"max_response\"?"},
        {"[a:1]", "3:14", "cache.memcached has to be a mapping of keys, not a list"},
        {"a:1", "3:14", "cache.memcached has to be a mapping of keys, not a single value"},
    }));
    // What is no mapping has no servers either, and both are said.
    if (memcached.front() != '{') {
        const auto faults = configuration(with_cache(memcached)).faults();
        CAPTURE(memcached, faults);
        CHECK(std::any_of(faults.begin(), faults.end(), [&, &text = says](const std::string& fault) {
            return fault.find(text) != std::string::npos;
        }));
        return;
    }
    check_fault(with_cache(memcached), where, says);
}

TEST_CASE("the key of pages is cut into its pieces", "[conf][memcached][pages]") {
    const auto [text, expected] = GENERATE(table<std::string, pieces>({
        {"{path}", {{kind::path, ""}}},
        {"page:{host}{path}", {{kind::literal, "page:"}, {kind::host, ""}, {kind::path, ""}}},
        {"{scheme}{path}?{query}", {{kind::scheme, ""}, {kind::path, ""}, {kind::literal, "?"}, {kind::query, ""}}},
        {"{path}?{host}", {{kind::path, ""}, {kind::literal, "?"}, {kind::host, ""}}},
        {"{scheme}://{host}{path}!",
         {{kind::scheme, ""}, {kind::literal, "://"}, {kind::host, ""}, {kind::path, ""}, {kind::literal, "!"}}},
    }));
    CAPTURE(text);
    std::string why;
    const auto key = parse_page_key(text, why);
    CAPTURE(why);
    REQUIRE(key);
    CHECK(*key == expected);
    CHECK(template_text(*key) == text);
}

TEST_CASE("pages take a key and a content type", "[conf][memcached][pages]") {
    const auto [yaml, type] = GENERATE(table<std::string, std::optional<std::string>>({
        {"{key: \"page:{host}{path}\"}", std::nullopt},
        {"{key: \"page:{host}{path}\", content_type: auto}", std::nullopt},
        {"{key: \"page:{host}{path}\", content_type: text/html}", "text/html"},
        {"{key: \"page:{host}{path}\", content_type: \"application/atom+xml; charset=utf-8\"}",
         "application/atom+xml; charset=utf-8"},
    }));
    const auto pages = loaded(with_pages(yaml)).routes[0].memcached_pages;
    REQUIRE(pages);
    CHECK(pages->key == pieces{{kind::literal, "page:"}, {kind::host, ""}, {kind::path, ""}});
    CHECK(pages->content_type == type);
}

TEST_CASE("pages are off unless they are asked for", "[conf][memcached][pages]") {
    const auto pages = GENERATE(as<std::string>{}, "off", "");
    CHECK_FALSE(loaded(with_pages(pages)).routes[0].memcached_pages);
}

TEST_CASE("faults of pages are named with the cure", "[conf][memcached][pages][faults]") {
    const auto [pages, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"{}", "5:22", "route.memcached_pages.key is missing; add it, such as \"page:{host}{path}\""},
        {"{key:}", "5:23", "route.memcached_pages.key has no value"},
        {"{key: \"page:{host}\"}", "5:28", "has no {path}, so all pages would have one key"},
        {"{key: \"page:{uri}\"}", "5:28", "\"{uri}\" is not known; it may be {scheme}, {host}, {path} or {query}"},
        {"{key: \"{path}{\"}", "5:28", "\"{\" is not known"},
        {"{key: \"{path\"}", "5:28", "\"{path\" is not known"},
        {"{key: \"{path}}\"}", "5:28", "has a } without its {"},
        {"{key: \"{path} x\"}", "5:28", "has a byte that a key of memcached may not have"},
        {"{key: \"seite-ü:{path}\"}", "5:28", "has a byte that a key of memcached may not have"},
        {"{key: \"{path}:{path}\"}", "5:28", "{path} stands twice in it"},
        {"{key: \"{path}{query}\"}", "5:28", "need something between them, such as {path}?{query}"},
        {"{key: \"{scheme}{host}{path}\"}", "5:28", "such as {scheme}:{host}"},
        {"{key: \"{query}{path}\"}", "5:28", "such as {query}:{path}"},
        {"{key: \"{path}:{query}\"}", "5:28", "does not show where the query begins"},
        {"{key: \"{query}?{path}\"}", "5:28", "does not show where the query begins"},
        {"{key: \"{path}?{query}:{host}\"}", "5:28", "does not show where the query begins"},
        {"{key: \"{path}:{host}\"}", "5:28", "write {host} before {path}, such as \"page:{host}{path}\""},
        {"{key: \"{path}:{host}?{query}\"}", "5:28", "write {host} before {path}"},
        {"{key: \"{path}\", content_type: html}", "5:52", "\"html\" is no media type; it may be auto or one such as"},
        {"{key: \"{path}\", content_type: /html}", "5:52", "is no media type"},
        {"{key: \"{path}\", content_type: \"text/; x=y\"}", "5:52", "is no media type"},
        {"{key: \"{path}\", typ: a}", "5:38", "unknown key \"typ\" in route.memcached_pages"},
    }));
    check_fault(with_pages(pages), where, says);
}

TEST_CASE("a key longer than memcached takes is refused", "[conf][memcached][pages][faults]") {
    check_fault(with_pages("{key: \"" + std::string(245, 'a') + "{path}\"}"), "5:28",
                "at most 250 bytes, this alone has 251");
    CHECK(loaded(with_pages("{key: \"" + std::string(244, 'a') + "{path}\"}")).routes[0].memcached_pages);
}

TEST_CASE("pages need servers to look at", "[conf][memcached][pages][faults]") {
    check_fault(std::string(one_upstream) + "routes:\n  - upstream: app\n    memcached_pages: {key: \"{path}\"}\n",
                "4:22", "this needs memcached; add \"cache: {memcached: {servers: [127.0.0.1:11211]}}\"");
}
