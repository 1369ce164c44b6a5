// Pages that an application put into memcached itself (memcached_pages), on a real memcached.
#include <signal.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "test/end_to_end/memcached_and_weir.hpp"
#include "test/support/gzipped.hpp"
#include "test/support/memcached_text.hpp"
#include "test/support/patience.hpp"
#include "test/support/python_server.hpp"

namespace weir::test {
namespace {

// Puts a value where weir looks, as a program would.
void put(const memcached_process& memcached, const std::string& key, const std::string& value, unsigned flags = 0) {
    memcached_text(memcached).set(key, value, flags);
}

// One route that looks for pages; the application answers with its number.
struct site {
    explicit site(const std::string& route = "", const std::string& key = "page:{host}{path}",
                  const std::string& timeout = "5s")
        : under_test(scripted_origin::answering([this](const request&) {
                         return ok("application " + std::to_string(++count), "Cache-Control: max-age=60\r\n");
                     }),
                     {.route = "    memcached_pages: {key: \"" + key + "\"}\n" + route,
                      .top = "cache: {purge: {allow: [127.0.0.0/8]}, memcached: {servers: [" + memcached.address() +
                             "], timeout: " + timeout + "}}\n",
                      .workers = 2}) {}

    response ask(const std::string& target, const std::string& fields = "") {
        return under_test.weir.ask_get(target, fields);
    }

    memcached_process memcached;
    std::atomic<unsigned> count{0};
    origin_and_weir under_test;
};

// The same with a real CherryPy, whose pages weir_pages.py keeps.
struct python_site {
    explicit python_site(bool has_cache_, const std::string& key = "page:{host}{path}")
        : has_cache(has_cache_),
          server("cherrypy_pages.py", {"--memcached", memcached.address(), "--template", key}),
          weir({.servers = {server.address()},
                .route = "    memcached_pages: {key: \"" + key + "\"}\n" + (has_cache ? "" : no_cache),
                .top = tier(memcached),
                .workers = 2}) {}

    response ask(const std::string& target) { return weir.ask_get(target); }
    // Whether it comes from memcached, where the tool has put it. Without a cache that does not say so; but then what
    // CherryPy is asked for is another run.
    bool is_kept(const std::string& target) {
        const response got = ask(target);
        if (has_cache) return cache_status(got).find("detail=memcached-page") != std::string::npos;
        return ask(target).content == got.content;
    }

    const bool has_cache;
    memcached_process memcached;
    python_server server;
    weir_instance weir;
};

}  // namespace

TEST_CASE("a page in memcached answers without the application", "[end_to_end][memcached][pages]") {
    site of("    cache: off\n");
    put(of.memcached, "page:test.example/news", "<p>news</p>");
    put(of.memcached, "page:test.example/site.css", "p {}");
    const response page = of.ask("/news");
    CHECK(page.status == 200);
    CHECK(page.content == "<p>news</p>");
    CHECK(page.text("Content-Type") == "text/html; charset=utf-8");
    CHECK(page.text("Content-Length") == "11");
    CHECK(page.text("Date") != "");
    CHECK(page.text("ETag").size() > 2);
    CHECK(page.value("Age") == std::nullopt);
    CHECK(of.ask("/site.css").text("Content-Type") == "text/css; charset=utf-8");
    // As the client spells it: its case in the host does not matter, its path does.
    CHECK(of.under_test.weir.ask("GET /news HTTP/1.1\r\nHost: TEST.example:80\r\n\r\n").content == "<p>news</p>");
    CHECK(of.count == 0);
    CHECK(of.ask("/n%65ws").content == "application 1");
    CHECK(of.ask("/other").content == "application 2");
    CHECK(of.ask("/news?page=2").content == "application 3");
    const std::string posted = "POST /news HTTP/1.1\r\nHost: test.example\r\nContent-Length: 0\r\n\r\n";
    CHECK(of.under_test.weir.ask(posted).content == "application 4");
}

TEST_CASE("conditions, ranges and HEAD are answered from a page", "[end_to_end][memcached][pages]") {
    site of;
    put(of.memcached, "page:test.example/news", "0123456789");
    const std::string etag = of.ask("/news").text("ETag");
    const response same = of.ask("/news", "If-None-Match: " + etag + "\r\n");
    CHECK(same.status == 304);
    CHECK(same.text("ETag") == etag);
    const response part = of.ask("/news", "Range: bytes=2-4\r\n");
    CHECK(part.status == 206);
    CHECK(part.content == "234");
    CHECK(part.text("Content-Range") == "bytes 2-4/10");
    CHECK(of.ask("/news", "Range: bytes=10-\r\n").status == 416);
    const response head = of.under_test.weir.ask("HEAD /news HTTP/1.1\r\nHost: test.example\r\n\r\n");
    CHECK(head.status == 200);
    CHECK(head.text("Content-Length") == "10");
    CHECK(of.count == 0);
}

TEST_CASE("a page goes before what the cache holds, and after it comes the cache", "[end_to_end][memcached][pages]") {
    site of;
    CHECK(of.ask("/news").content == "application 1");
    CHECK(of.ask("/news").content == "application 1");
    put(of.memcached, "page:test.example/news", "newer");
    CHECK(of.ask("/news").content == "newer");
    CHECK(of.count == 1);
}

TEST_CASE("a page may bring its status and fields", "[end_to_end][memcached][pages]") {
    site of;
    put(of.memcached, "page:test.example/gone",
        "WEIR/1 410\r\nContent-Type: text/plain\r\nX-Why: moved\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngone");
    const response gone = of.ask("/gone");
    CHECK(gone.status == 410);
    CHECK(gone.content == "gone");
    CHECK(gone.text("X-Why") == "moved");
    CHECK(gone.text("Content-Type") == "text/plain");
    CHECK_FALSE(gone.lists("Connection", "close"));
    // What is damaged is no page.
    const auto damaged = GENERATE(as<std::string>(), "WEIR/1 410\r\nContent-Type text/plain\r\n\r\ngone",
                                  "WEIR/1 410\r\nContent-Length: 3\r\n\r\ngone", "WEIR/2 200\r\n\r\nx",
                                  "WEIR/1 200\r\nX: a\rb\r\n\r\nx", "WEIR/1 200\r\n");
    CAPTURE(damaged);
    put(of.memcached, "page:test.example/damaged", damaged);
    CHECK(of.ask("/damaged").content == "application 1");
}

TEST_CASE("a page with tags is purged by them", "[end_to_end][memcached][pages][purge]") {
    site of("    cache: off\n");
    const std::string position = memcached_text(of.memcached).get("weir:purges").value();
    put(of.memcached, "page:test.example/user",
        "WEIR/1 200\r\nSurrogate-Key: user-7\r\nWeir-Purge-Position: " + position + "\r\n\r\nuser 7");
    put(of.memcached, "page:test.example/about", "about");
    const response page = of.ask("/user");
    CHECK(page.content == "user 7");
    CHECK(page.value("Weir-Purge-Position") == std::nullopt);
    const std::string purge = "PURGE / HTTP/1.1\r\nHost: test.example\r\nxkey: user-7\r\n\r\n";
    CHECK(of.under_test.weir.ask(purge).status == 200);
    CHECK(of.ask("/user").content == "application 1");
    CHECK(of.ask("/about").content == "about");
}

TEST_CASE("without its memcached the application is asked for every page", "[end_to_end][memcached][pages]") {
    site of("    cache: off\n", "page:{host}{path}", "50ms");
    put(of.memcached, "page:test.example/news", "news");
    CHECK(eventually([&] { return of.ask("/news").content == "news"; }));
    const unsigned before = of.count;
    const bool hangs = GENERATE(true, false);
    CAPTURE(hangs);
    if (hangs) {
        of.memcached.hang();
    } else {
        of.memcached.kill();
    }
    for (unsigned i = 1; i <= 10; ++i) CHECK(of.ask("/news").content == "application " + std::to_string(before + i));
    if (hangs) {
        of.memcached.go_on();
        CHECK(eventually([&] { return of.ask("/news").content == "news"; }));
    }
}

TEST_CASE("a key that memcached does not take is not looked up", "[end_to_end][memcached][pages]") {
    site of("    cache: off\n", "{scheme}:{host}{path}?{query}");
    put(of.memcached, "http:test.example/list?page=2", "page 2");
    put(of.memcached, "http:test.example/list?", "page 1");
    CHECK(of.ask("/list?page=2").content == "page 2");
    CHECK(of.ask("/list").content == "page 1");
    CHECK(of.ask("/list?" + std::string(300, 'x')).content == "application 1");
}

TEST_CASE("who is to be kept out of the cache does not get a page for all", "[end_to_end][memcached][pages]") {
    site of("    cache: {session_cookies: [sid], bypass: {cookies: [editor]}, client_directives: honour}\n");
    put(of.memcached, "page:test.example/news", "for all");
    const auto fields = GENERATE(as<std::string>(), "Cookie: sid=1\r\n", "Cookie: a=b; editor=1\r\n",
                                 "Cache-Control: no-cache\r\n", "If-Match: \"x\"\r\n");
    CAPTURE(fields);
    CHECK(of.ask("/news", fields).content == "application 1");
    CHECK(of.ask("/news", "Cookie: other=1\r\n").content == "for all");
}

TEST_CASE("a page in the gzip coding is for every client", "[end_to_end][memcached][pages]") {
    site of;
    constexpr unsigned gzip_flag = 2;
    const std::string page = "body { " + std::string(5'000, ' ') + '}';
    const std::string coded = gzipped(page);
    put(of.memcached, "page:test.example/site.css", coded, gzip_flag);
    const std::string takes = GENERATE(as<std::string>(), "gzip", "br, gzip;q=0.5", "*");
    const std::string takes_not = GENERATE(as<std::string>(), "", "Accept-Encoding: br, gzip;q=0\r\n");
    CAPTURE(takes, takes_not);
    const response small = of.ask("/site.css", "Accept-Encoding: " + takes + "\r\n");
    CHECK(small.text("Content-Encoding") == "gzip");
    CHECK(small.content == coded);
    const response plain = of.ask("/site.css", takes_not);
    CHECK_FALSE(plain.has("Content-Encoding"));
    CHECK(plain.content == page);
    for (const response* got : {&small, &plain}) {
        CHECK(got->status == 200);
        CHECK(got->text("Content-Type") == "text/css; charset=utf-8");
        CHECK(got->lists("Vary", "Accept-Encoding"));
    }
    // They are two representations, each with a tag of its own.
    CHECK(small.text("ETag") != plain.text("ETag"));
    CHECK(of.ask("/site.css", "If-None-Match: " + plain.text("ETag") + "\r\n" + takes_not).status == 304);
    CHECK(of.ask("/site.css", "If-None-Match: " + small.text("ETag") + "\r\n" + takes_not).status == 200);
    CHECK(of.ask("/site.css", "Range: bytes=-1\r\n" + takes_not).content == "}");
    CHECK(of.count == 0);
    // What says so and is not is no page.
    put(of.memcached, "page:test.example/site.css", coded.substr(0, coded.size() / 2), gzip_flag);
    CHECK(of.ask("/site.css", takes_not).content == "application 1");
}

TEST_CASE("a page that CherryPy keeps is answered without CherryPy", "[end_to_end][memcached][pages][python]") {
    const bool has_cache = GENERATE(true, false);
    CAPTURE(has_cache);
    python_site of(has_cache);
    const response first = of.ask("/news");
    CHECK(first.status == 200);
    CHECK(first.content == "news, run 1");
    // The client has it before CherryPy has put it there.
    CHECK(eventually([&] { return of.is_kept("/news"); }));
    const response kept = of.ask("/news");
    CHECK(kept.content.starts_with("news, run "));
    CHECK(kept.text("Content-Type") == first.text("Content-Type"));
    CHECK(kept.text("Surrogate-Key") == first.text("Surrogate-Key"));
    CHECK_FALSE(kept.has("Weir-Purge-Position"));
    of.server.program().signal(SIGKILL);
    of.server.program().wait();
    for (int i = 0; i < 5; ++i) {
        CHECK(of.ask("/news").content == kept.content);
        CHECK(of.is_kept("/news"));
    }
    CHECK(of.ask("/list").status >= 500);
}

TEST_CASE("a page that CherryPy deletes or purges is asked for again", "[end_to_end][memcached][pages][python]") {
    const bool has_cache = GENERATE(true, false);
    const std::string how = GENERATE(as<std::string>(), "/forget?path=/news", "/purge?tag=news");
    CAPTURE(has_cache, how);
    python_site of(has_cache);
    of.ask("/news");
    of.ask("/list");
    CHECK(eventually([&] { return of.is_kept("/news"); }));
    CHECK(eventually([&] { return of.is_kept("/list"); }));
    const std::string old = of.ask("/news").content;
    const std::string other = of.ask("/list").content;
    CHECK(of.weir.ask(post(how, "")).content == "True");
    // Deleted, it is gone at once; but what weir's own cache holds goes as what was purged goes.
    if (how.starts_with("/forget") && !has_cache) CHECK(of.ask("/news").content != old);
    CHECK(eventually([&] { return of.ask("/news").content != old; }));
    CHECK(of.ask("/list").content == other);
    CHECK(of.is_kept("/list"));
    // And the newer one is kept: here, or by the tool. The tool's counts as purged where it was begun between the purge
    // and the one that weir published for the POST (see purge_positions); what weir has stored answers then.
    std::string newer;
    CHECK(eventually([&] { return std::exchange(newer, of.ask("/news").content) == newer; }));
    CHECK(of.ask("/news").content == newer);
    CHECK(newer != old);
    if (!has_cache) CHECK(eventually([&] { return of.is_kept("/news"); }));
}

TEST_CASE("requests with a query have pages where the key has it", "[end_to_end][memcached][pages][python]") {
    SECTION("with {query}") {
        python_site of(false, "{scheme}:{host}{path}?{query}");
        for (const char* target : {"/list?page=1", "/list?page=2", "/list"}) {
            CAPTURE(target);
            of.ask(target);
            CHECK(eventually([&] { return of.is_kept(target); }));
        }
        CHECK(of.ask("/list?page=1").content.starts_with("page 1, "));
        CHECK(of.ask("/list?page=2").content.starts_with("page 2, "));
        CHECK(of.is_kept("/list"));
    }
    SECTION("without") {
        python_site of(false);
        of.ask("/list");
        CHECK(eventually([&] { return of.is_kept("/list"); }));
        const std::string once = of.ask("/list?page=2").content;
        CHECK(once.starts_with("page 2, "));
        CHECK(of.ask("/list?page=2").content != once);
        CHECK(of.is_kept("/list"));
        CHECK(of.ask("/list").content.starts_with("page 1, "));
    }
}

}  // namespace weir::test
