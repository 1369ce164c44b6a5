// Purging what is stored: by PURGE on a listener, by POST on the admin listener, and by `weir ctl`.
#include <atomic>
#include <catch2/catch.hpp>
#include <string>

#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/json.hpp"

namespace weir::test {
namespace {

constexpr const char* from_here = "cache: {purge: {allow: [127.0.0.0/8]}}\n";

// Answers every request with its number; a page is tagged "all" and with the last segment of its path.
scripted_origin::script counting() {
    auto count = std::make_shared<std::atomic<unsigned>>(0);
    return scripted_origin::answering([count](const request& got) {
        const std::string path = got.target.substr(0, got.target.find('?'));
        return ok(std::to_string(++*count),
                  "Cache-Control: max-age=60\r\nVary: Accept-Language\r\nSurrogate-Key: all " +
                      path.substr(path.rfind('/') + 1) + "\r\n");
    });
}

response purge(raw_client& client, const std::string& target, const std::string& fields = "") {
    return client.ask("PURGE " + target + " HTTP/1.1\r\nHost: test.example\r\n" + fields + "\r\n");
}

response post_purge(const weir_instance& weir, const std::string& content, const std::string& fields = "") {
    raw_client admin(weir.admin_port());
    return admin.ask("POST /cache/purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + fields +
                     "Content-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content);
}

std::string answers(raw_client& client, std::initializer_list<const char*> targets) {
    std::string all;
    for (const char* target : targets) all += client.ask_get(target).content;
    return all;
}

}  // namespace

TEST_CASE("PURGE drops every variant of its URL, under either scheme", "[end_to_end][caching][purge]") {
    const origin_and_weir under_test(counting(),
                                     {.top = std::string(from_here) + "client: {trusted_proxies: [127.0.0.0/8]}\n"});
    auto client = under_test.weir.client();
    const auto german = "Accept-Language: de\r\n";
    const auto secure = "X-Forwarded-Proto: https\r\n";
    const auto ask_all = [&] {
        std::string all;
        for (const char* fields : {"", german, secure}) all += client.ask_get("/page?a=1", fields).content;
        return all + client.ask_get("/page?a=12").content;
    };
    CHECK(ask_all() == "1234");
    CHECK(ask_all() == "1234");
    const auto target =
        GENERATE(as<std::string>(), "/page?a=1", "http://test.example/page?a=1", "http://TEST.example:80/page?a=1");
    CAPTURE(target);
    const auto done = purge(client, target);
    CHECK(done.status == 200);
    CHECK(done.text("Content-Type") == "application/json");
    CHECK(done.text("Cache-Control") == "no-store");
    CHECK(parse_json(done.content).at("purged").at("urls") == 1);
    CHECK(ask_all() == "5674");
    CHECK(ask_all() == "5674");
}

TEST_CASE("PURGE with tags drops what has one of them", "[end_to_end][caching][purge]") {
    const origin_and_weir under_test(counting(), {.top = from_here, .workers = 4});
    auto client = under_test.weir.client();
    const auto ask_all = [&] { return answers(client, {"/a", "/b", "/c"}); };
    CHECK(ask_all() == "123");
    CHECK(parse_json(purge(client, "/c", "xkey: a, b\r\n").content).at("purged").at("tags") == 2);
    CHECK(ask_all() == "453");
    CHECK(purge(client, "/", "Surrogate-Key: all\r\n").status == 200);
    CHECK(ask_all() == "678");
}

TEST_CASE("a soft PURGE keeps the response in use while it is asked for anew", "[end_to_end][caching][purge]") {
    const origin_and_weir under_test(counting(), {.top = from_here, .workers = 4});
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/").content == "1");
    CHECK(parse_json(purge(client, "/", "Fastly-Soft-Purge: 1\r\n").content).at("mode") == "soft");
    CHECK(client.ask_get("/").content == "1");
    CHECK(eventually([&] { return client.ask_get("/").content == "2"; }));
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("who may PURGE is asked of the client's address", "[end_to_end][caching][purge]") {
    const origin_and_weir under_test(counting(), {.top = "cache: {purge: {allow: [192.0.2.0/24]}}\n"
                                                         "client: {trusted_proxies: [127.0.0.0/8]}\n"});
    auto client = under_test.weir.client();
    CHECK(client.ask_get("/").content == "1");
    for (const char* other : {"", "X-Forwarded-For: 192.0.3.1\r\n", "X-Forwarded-For: 192.0.2.1, 198.51.100.1\r\n"}) {
        CAPTURE(other);
        CHECK(purge(client, "/", other).status == 403);
    }
    CHECK(client.ask_get("/").content == "1");
    CHECK(purge(client, "/", "X-Forwarded-For: 192.0.2.1\r\n").status == 200);
    CHECK(client.ask_get("/").content == "2");
    CHECK(under_test.origin.requests() == 2);
}

TEST_CASE("PURGE is a method like any other where nobody may purge", "[end_to_end][caching][purge]") {
    const origin_and_weir under_test(counting());
    auto client = under_test.weir.client();
    CHECK(purge(client, "/").content == "1");
    REQUIRE(under_test.origin.requests() == 1);
    CHECK(under_test.origin.seen()[0].method == "PURGE");
}

TEST_CASE("content of a PURGE does not become the next request", "[end_to_end][caching][purge]") {
    const origin_and_weir under_test(counting(), {.top = from_here, .workers = 4});
    auto client = under_test.weir.client();
    const auto done = purge(client, "/", "Content-Length: 20\r\n");
    CHECK(done.status == 200);
    CHECK(done.lists("Connection", "close"));
    client.send("GET /other HTTP/1.1\r\n");
    CHECK(client.rest_until_closed().empty());
    CHECK(under_test.origin.requests() == 0);
}

TEST_CASE("POST on the admin listener purges by URL, tag, prefix, and all", "[end_to_end][caching][purge]") {
    const origin_and_weir under_test(counting(),
                                     {.route = "    cache: {key: {ignore_query: [utm_*]}}\n", .admin = true});
    const weir_instance& weir = under_test.weir;
    auto client = weir.client();
    const auto ask_all = [&] { return answers(client, {"/", "/news/a?utm_source=x", "/news/b", "/shop/c"}); };
    CHECK(ask_all() == "1234");
    const auto [content, after] = GENERATE(table<std::string, std::string>({
        {R"({"url": "https://test.example/news/a?utm_source=y"})", "1534"},
        {R"({"url": "/shop/c", "host": "Test.Example"})", "1235"},
        {R"({"tag": "b"})", "1254"},
        {R"({"prefix": "http://test.example/news/"})", "1564"},
        {R"({"tags": ["a", "c"], "urls": ["http://test.example"]})", "5637"},
        {R"({"all": true})", "5678"},
        {R"({"url": "http://else.example/"})", "1234"},
    }));
    CAPTURE(content);
    const auto done = post_purge(weir, content);
    CHECK(done.status == 200);
    CHECK(parse_json(done.content).at("mode") == "hard");
    CHECK(ask_all() == after);
    const auto number = parse_json(done.content).at("number").to_number<unsigned>();
    CHECK(weir.ask_admin("/metrics").content.find("weir_cache_purges_total " + std::to_string(number) + '\n') !=
          std::string::npos);

    const auto wrong = post_purge(weir, R"({"url": "/"})");
    CHECK(wrong.status == 400);
    CHECK(wrong.content.find("url: \"/\" has no host") == 0);
    CHECK(ask_all() == after);
}

TEST_CASE("a response that was asked for before a purge is not stored after it", "[end_to_end][caching][purge]") {
    gate finish;
    std::atomic<unsigned> count{0};
    const origin_and_weir under_test(scripted_origin::answering([&](const request&) {
                                         const auto number = ++count;
                                         if (number == 1) finish.wait();
                                         return ok(std::to_string(number), "Cache-Control: max-age=60\r\n");
                                     }),
                                     {.admin = true});
    auto slow = under_test.weir.client();
    slow.send(get("/"));
    under_test.origin.wait_for_requests(1);
    CHECK(post_purge(under_test.weir, R"({"url": "http://test.example/"})").status == 200);
    finish.open();
    CHECK(slow.read_response().content == "1");
    CHECK(under_test.weir.ask_get("/").content == "2");
    CHECK(under_test.weir.ask_get("/").content == "2");
}

TEST_CASE("ctl purges as POST does", "[end_to_end][control][ctl][purge]") {
    const origin_and_weir under_test(counting(), {.admin = true});
    const weir_instance& weir = under_test.weir;
    auto client = weir.client();
    const auto ctl = [&](std::vector<std::string> arguments) {
        std::vector<std::string> all{"ctl", "--admin", "127.0.0.1:" + std::to_string(weir.admin_port()), "purge"};
        all.insert(all.end(), arguments.begin(), arguments.end());
        return run_weir(all);
    };
    const auto ask_all = [&] { return answers(client, {"/a", "/b"}); };
    CHECK(ask_all() == "12");
    const auto one = ctl({"--url", "http://test.example/a", "--url", "http://test.example/x", "--tag", "y"});
    CHECK(one.status == 0);
    CHECK(parse_json(one.output).at("purged").at("urls") == 2);
    CHECK(ask_all() == "32");
    CHECK(ctl({"--prefix", "test.example/b"}).status == 0);
    CHECK(ask_all() == "34");
    CHECK(ctl({"--all"}).status == 0);
    CHECK(ask_all() == "56");
    CHECK(parse_json(ctl({"--tag", "none", "--soft"}).output).at("mode") == "soft");
    CHECK(ask_all() == "56");

    const auto wrong = ctl({"--url", "/a"});
    CHECK(wrong.status == 1);
    CHECK(wrong.errors.find("weir ctl: urls[0]: \"/a\" has no host") == 0);
    CHECK(ctl({}).status > 1);
    CHECK(ctl({"--soft"}).status > 1);
}

}  // namespace weir::test
