// What one weir does and the others, which share its memcached, get to know: refreshes and purges.
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "test/end_to_end/memcached_and_weir.hpp"
#include "test/support/patience.hpp"

namespace weir::test {
namespace {

// A second is what we promise; a busy machine gets more.
constexpr std::chrono::seconds soon{15};

// A page of two tags and a group, and what invalidates it.
std::string answer_grouped(unsigned number, const request& got) {
    if (got.method == "POST" && got.target == "/group") {
        return "HTTP/1.1 200 OK\r\nCache-Group-Invalidation: \"news\"\r\nContent-Length: 0\r\n\r\n";
    }
    const std::string group = got.target.starts_with("/news/") ? "news" : "other";
    return ok("answer " + std::to_string(number),
              for_a_minute + "Surrogate-Key: all " + group + "\r\nCache-Groups: \"" + group + "\"\r\n");
}

bool is_asked_about(const weir_instance& weir, std::int64_t adds) {
    return eventually([&] { return memcached_count(weir, "adds") >= adds; });
}

// What makes a page at the first weir invalid, for all.
struct invalidation {
    std::string name;
    std::function<unsigned(const weir_instance&)> run;  // the status of the answer
    bool is_for_all = false;
};

std::vector<invalidation> invalidations() {
    const auto purge = [](const std::string& order) {
        return [order](const weir_instance& weir) { return post_purge(weir, order).status; };
    };
    const auto ask = [](const std::string& message) {
        return [message](const weir_instance& weir) { return weir.ask(message).status; };
    };
    return {
        {"by URL", purge(R"({"url": "http://test.example/news/a"})")},
        {"by tag", purge(R"({"tag": "news"})")},
        {"by prefix", purge(R"({"prefix": "http://test.example/news/"})")},
        {"all", purge(R"({"all": true})"), true},
        {"by PURGE", ask("PURGE /news/a HTTP/1.1\r\nHost: test.example\r\n\r\n")},
        {"by PURGE with a tag", ask("PURGE / HTTP/1.1\r\nHost: test.example\r\nSurrogate-Key: news\r\n\r\n")},
        {"by group, of an unsafe method's response", ask(post("/group", "x"))},
        {"by an unsafe method", ask(post("/news/a", "x"))},
    };
}

}  // namespace

TEST_CASE("what is invalid at one weir is so at the others a moment later", "[end_to_end][memcached][purge]") {
    const auto how = GENERATE(range(0, 8));
    const invalidation invalid = invalidations().at(static_cast<std::size_t>(how));
    CAPTURE(invalid.name);
    const memcached_process memcached;
    std::atomic<unsigned> count{0};
    const scripted_origin origin(
        scripted_origin::answering([&](const request& got) { return answer_grouped(++count, got); }));
    const configuration parts{.servers = {origin.address()}, .top = tier(memcached), .workers = 2, .admin = true};
    const weir_instance first(parts);
    const weir_instance second(parts);
    CHECK(first.ask_get("/news/a").content == "answer 1");
    CHECK(first.ask_get("/shop/b").content == "answer 2");
    // The second has them from memcached, or where that took too long from the origin, and then in memory.
    const std::string old = second.ask_get("/news/a").content;
    const std::string other = second.ask_get("/shop/b").content;
    CHECK(eventually([&] { return is_memory_hit(second.ask_get("/news/a")); }));
    CHECK(eventually([&] { return is_memory_hit(second.ask_get("/shop/b")); }));

    CHECK(invalid.run(first) == 200);
    const auto newer = first.ask_get("/news/a");
    CHECK_FALSE(is_hit(newer));
    CHECK(eventually([&] { return second.ask_get("/news/a").content != old; }, soon));
    CHECK(is_memory_hit(second.ask_get("/shop/b")) == !invalid.is_for_all);
    CHECK((second.ask_get("/shop/b").content == other) == !invalid.is_for_all);
}

TEST_CASE("what is purged softly at one weir is answered by another while it refreshes it",
          "[end_to_end][memcached][purge][rfc5861-3]") {
    const memcached_process memcached;
    counting_origin origin;
    const configuration parts = of(origin, tier(memcached));
    const weir_instance first(parts);
    const weir_instance second(parts);
    CHECK(first.ask_get("/").content == "answer 1 to /");
    CHECK(eventually([&] { return is_memory_hit(second.ask_get("/")); }));
    REQUIRE(second.ask_get("/").content == "answer 1 to /");
    const unsigned before = origin.count;
    CHECK(first.ask("PURGE / HTTP/1.1\r\nHost: test.example\r\nFastly-Soft-Purge: 1\r\n\r\n").status == 200);
    bool always_hits = true;
    bool was_soft = false;
    const std::string newer = "answer " + std::to_string(before + 1) + " to /";
    CHECK(eventually([&] {
        const response got = second.ask_get("/");
        always_hits = always_hits && is_hit(got);
        was_soft = was_soft || cache_status(got).find("detail=soft-purge") != std::string::npos;
        return got.content == newer;
    }));
    CHECK(always_hits);
    CHECK(was_soft);
    // The first has it from memcached, behind a last answer with the old one.
    CHECK(eventually([&] {
        const response got = first.ask_get("/");
        always_hits = always_hits && is_hit(got);
        return got.content == newer;
    }));
    CHECK(always_hits);
    CHECK(origin.count == before + 1);
}

TEST_CASE("of three weirs with a stale response one refreshes it", "[end_to_end][memcached][rfc5861-3]") {
    const memcached_process memcached;
    gate finish;
    std::atomic<unsigned> count{0};
    const scripted_origin origin(scripted_origin::answering([&](const request&) {
        const unsigned number = ++count;
        if (number == 1) return ok("old", "Cache-Control: max-age=1, stale-while-revalidate=600\r\n");
        finish.wait();
        return ok("new", "Cache-Control: max-age=600\r\n");
    }));
    // Nobody is to give up waiting here because the machine is slow.
    const configuration parts{
        .servers = {origin.address()},
        .top = tier(memcached, patient + ", fill_lock: 1m", "collapse_timeout: 1m"),
        .workers = 2,
        .admin = true,
    };
    const weir_instance first(parts);
    const weir_instance second(parts);
    const weir_instance third(parts);
    const auto all = {&first, &second, &third};
    CHECK(first.ask_get("/").content == "old");
    // It is in memcached, so that the others need no fetch of their own.
    REQUIRE(eventually([&] { return memcached_count(first, "stores") == 1; }));
    std::vector<std::int64_t> adds;
    for (const weir_instance* weir : all) adds.push_back(memcached_count(*weir, "adds"));
    bool only_old = true;
    auto before = adds.begin();
    for (const weir_instance* weir : all) {
        // Until it tries to be the one that refreshes.
        CHECK(eventually([&] {
            only_old = only_old && weir->ask_get("/").content == "old";
            return memcached_count(*weir, "adds") > *before;
        }));
        ++before;
    }
    // They try again and again; none of them goes to the origin.
    before = adds.begin();
    for (const weir_instance* weir : all) {
        if (weir != &first) CHECK(is_asked_about(*weir, *before + 3));
        ++before;
    }
    for (const weir_instance* weir : all) {
        for (int i = 0; i < 10; ++i) only_old = only_old && weir->ask_get("/").content == "old";
    }
    CHECK(only_old);
    CHECK(count == 2);
    finish.open();
    for (const weir_instance* weir : all) CHECK(eventually([&] { return weir->ask_get("/").content == "new"; }));
    CHECK(count == 2);
}

}  // namespace weir::test
