#include "cache/purge.hpp"

#include <catch2/catch.hpp>

#include "cache/tags.hpp"
#include "test/cache/allocation_count.hpp"

namespace weir::cache {
namespace {

using verdict = purge_log::verdict;

struct subject {
    std::string key = "http://example.org/news/1";
    std::vector<std::string> tags{};
    std::uint64_t fill_number = 0;
    std::vector<std::uint64_t> hashes{};  // of tags, beside `tags`
};

new_response_ptr response_of(const subject& parts) {
    std::vector<std::uint64_t> hashes = parts.hashes;
    for (const std::string& tag : parts.tags) hashes.push_back(hash_tag(tag));
    return make_response({.key = parts.key, .fill_number = parts.fill_number, .tags = hashes});
}

TEST_CASE("a purge of a URL hits every variant and both schemes, and no other URL", "[cache][purge]") {
    const auto [key, is_hit] = GENERATE(table<const char*, bool>({
        {"http://example.org/a?x=1", true},
        {"https://example.org/a?x=1", true},
        {"http://example.org/a?x=1\nx-theme=dark", true},
        {"http://example.org/a?x=2", false},
        {"http://example.org/a", false},
        {"http://example.org/a?x=11", false},
        {"http://example.com/a?x=1", false},
        {"http://example.org/b\n://example.org/a?x=1", false},
    }));
    CAPTURE(key);
    const purge_mode mode = GENERATE(purge_mode::hard, purge_mode::soft);
    purge_log log;
    const auto response = response_of({.key = key});
    CHECK(log.judge(*response) == verdict::alive);
    log.purge_url("example.org/a?x=1", mode);
    const verdict hit = mode == purge_mode::hard ? verdict::dead : verdict::soft;
    CHECK(log.judge(*response) == (is_hit ? hit : verdict::alive));
    CHECK(log.judge(*response) == (is_hit ? hit : verdict::alive));
    CHECK(response->use.soft_purged == (is_hit && mode == purge_mode::soft));
}

TEST_CASE("a purge of a prefix hits what begins so", "[cache][purge]") {
    const auto [key, is_hit] = GENERATE(table<const char*, bool>({
        {"http://example.org/news/1", true},
        {"https://example.org/news/", true},
        {"https://example.org/newspaper", false},
        {"http://example.org/news", false},
        {"http://www.example.org/news/1", false},
    }));
    CAPTURE(key);
    purge_log log;
    const auto response = response_of({.key = key});
    log.purge_prefix("example.org/news/", purge_mode::hard);
    CHECK(log.judge(*response) == (is_hit ? verdict::dead : verdict::alive));
}

TEST_CASE("a purge of a tag hits what has it", "[cache][purge]") {
    purge_log log;
    const auto both = response_of({.tags = {"one", "two"}});
    const auto other = response_of({.tags = {"three"}});
    const auto none = response_of({});
    log.purge_tag("two", purge_mode::hard);
    CHECK(log.judge(*both) == verdict::dead);
    CHECK(log.judge(*other) == verdict::alive);
    CHECK(log.judge(*none) == verdict::alive);
}

TEST_CASE("what has too many tags is hit by any", "[cache][purge][limits]") {
    purge_log log;
    const auto response = response_of({.hashes = {any_tag}});
    log.purge_url("example.org/elsewhere", purge_mode::hard);
    CHECK(log.judge(*response) == verdict::alive);
    log.purge_tag("whatever", purge_mode::hard);
    CHECK(log.judge(*response) == verdict::dead);
}

TEST_CASE("a purge of a group hits its members at that origin", "[cache][purge][rfc9875-3]") {
    purge_log log;
    const auto member = response_of({.hashes = {hash_group("http://example.org", "scripts")}});
    const auto tagged = response_of({.tags = {"scripts"}});
    log.purge_group("http://example.com", "scripts");
    CHECK(log.judge(*member) == verdict::alive);
    log.purge_group("http://example.org", "scripts");
    CHECK(log.judge(*member) == verdict::dead);
    CHECK(log.judge(*tagged) == verdict::alive);
}

TEST_CASE("a purge of all hits all that was there", "[cache][purge]") {
    purge_log log;
    const auto response = response_of({});
    log.purge_all(purge_mode::soft);
    CHECK(log.judge(*response) == verdict::soft);
    log.purge_all(purge_mode::hard);
    CHECK(log.judge(*response) == verdict::dead);
    CHECK(log.judge(*response_of({.fill_number = log.now()})) == verdict::alive);
}

TEST_CASE("a fill that began before a purge is hit by it, a later one is not", "[cache][purge]") {
    purge_log log;
    log.purge_tag("other", purge_mode::hard);
    const auto before = response_of({.tags = {"one"}, .fill_number = log.now()});
    log.purge_tag("one", purge_mode::hard);
    const auto after = response_of({.tags = {"one"}, .fill_number = log.now()});
    CHECK(log.judge(*before) == verdict::dead);
    CHECK(log.judge(*after) == verdict::alive);
    log.purge_tag("one", purge_mode::hard);
    CHECK(log.judge(*after) == verdict::dead);
}

TEST_CASE("a soft purge stays, and a hard one goes further", "[cache][purge]") {
    purge_log log;
    const auto response = response_of({.tags = {"one"}});
    log.purge_tag("one", purge_mode::soft);
    CHECK(log.judge(*response) == verdict::soft);
    log.purge_tag("other", purge_mode::hard);
    CHECK(log.judge(*response) == verdict::soft);
    log.purge_url("example.org/news/1", purge_mode::hard);
    CHECK(log.judge(*response) == verdict::dead);
    // The hard one is not forgotten over a later soft one.
    const auto unjudged = response_of({});
    log.purge_url("example.org/news/1", purge_mode::soft);
    CHECK(log.judge(*unjudged) == verdict::dead);
}

TEST_CASE("the same prefix again is one record, and as new as its last purge", "[cache][purge]") {
    purge_log log;
    log.purge_prefix("example.org/", purge_mode::soft);
    const auto bytes = log.memory_bytes();
    const auto response = response_of({.fill_number = log.now()});
    for (int i = 0; i < 100; ++i) log.purge_prefix("example.org/", purge_mode::hard);
    CHECK(log.memory_bytes() == bytes);
    CHECK(log.judge(*response) == verdict::dead);
}

TEST_CASE("after a whole pass its records are forgotten", "[cache][purge][memory]") {
    purge_log log;
    const auto judged = response_of({.tags = {"kept"}});
    const auto forgotten_by_the_pass = response_of({.tags = {"one"}});
    const auto unrelated = response_of({.key = "http://example.org/other"});
    const auto later = response_of({.tags = {"late"}});
    log.purge_tag("one", purge_mode::soft);
    log.purge_url("example.org/news/2", purge_mode::hard);
    const std::uint64_t pass = log.begin_pass();
    CHECK(pass == log.now());
    CHECK(log.judge(*judged) == verdict::alive);
    CHECK(log.judge(*later) == verdict::alive);
    log.purge_tag("late", purge_mode::hard);
    log.end_pass(pass);

    CHECK(log.judge(*judged) == verdict::alive);
    CHECK(log.judge(*later) == verdict::dead);
    // It may have been hit, and nobody knows any more: a fill that was under way all the time.
    CHECK(log.judge(*forgotten_by_the_pass) == verdict::dead);
    CHECK(log.judge(*unrelated) == verdict::alive);
    log.end_pass(log.begin_pass());
    CHECK(log.memory_bytes() == 0);
}

TEST_CASE("records are bounded, and what is lost counts as purged", "[cache][purge][limits]") {
    purge_log log(100);
    const auto judged = response_of({.tags = {"0"}, .fill_number = 1});
    const auto unjudged = response_of({.tags = {"0"}});
    const auto untouched = response_of({.tags = {"none of these"}});
    log.purge_tag("0", purge_mode::hard);
    CHECK(log.judge(*judged) == verdict::alive);
    for (int i = 1; i < 150; ++i) log.purge_url("example.org/" + std::to_string(i), purge_mode::soft);
    CHECK(log.judge(*judged) == verdict::alive);
    const auto bytes = log.memory_bytes();
    for (int i = 150; i < 2000; ++i) log.purge_url("example.org/" + std::to_string(i), purge_mode::soft);
    CHECK(log.memory_bytes() <= 2 * bytes);
    CHECK(log.judge(*unjudged) == verdict::dead);
    CHECK(log.judge(*untouched) == verdict::alive);
}

TEST_CASE("prefixes are bounded likewise", "[cache][purge][limits]") {
    purge_log log;
    const auto first = response_of({.key = "http://example.org/0/"});
    const auto last = response_of({.key = "http://example.org/4999/"});
    for (int i = 0; i < 5000; ++i) log.purge_prefix("example.org/" + std::to_string(i) + "/", purge_mode::hard);
    CHECK(log.judge(*first) == verdict::dead);
    CHECK(log.judge(*last) == verdict::dead);
    CHECK(log.memory_bytes() < 1024 * 1024);
}

TEST_CASE("what is doubted says so until a newer one takes its place", "[cache][purge][doubt]") {
    purge_log log;
    const auto before = response_of({.tags = {"one"}});
    log.purge_tag("one", purge_mode::soft);
    CHECK(log.judge(*before) == verdict::soft);
    log.doubt();
    const auto after = response_of({.tags = {"one"}, .fill_number = log.now()});
    CHECK(log.judge(*before) == verdict::doubted);
    CHECK(log.judge(*before) == verdict::doubted);
    CHECK(log.judge(*after) == verdict::alive);
    log.purge_tag("one", purge_mode::hard);
    CHECK(log.judge(*before) == verdict::dead);
    CHECK(log.judge(*after) == verdict::dead);
}

TEST_CASE("a listener hears of each purge before it counts, and of none that others made", "[cache][purge][listener]") {
    struct heard {
        purge_kind kind;
        purge_mode mode;
        std::string text;
        std::string origin;
        std::uint64_t number;
        std::uint64_t now;  // when it was heard of
        bool operator==(const heard&) const = default;
    };
    std::vector<heard> all;
    purge_log log;
    log.listen(
        [&](const purge& what, std::uint64_t number) {
            all.push_back({what.kind, what.mode, std::string(what.text), std::string(what.origin), number, log.now()});
        },
        &log);
    log.purge_url("example.org/", purge_mode::hard);
    log.apply({purge_kind::all, purge_mode::hard});
    log.purge_prefix("example.org/a", purge_mode::soft);
    log.doubt();
    log.purge_tag("one", purge_mode::hard);
    log.purge_group("https://example.org", "scripts");
    log.purge_all(purge_mode::soft);
    log.stop_listening(&log);
    log.purge_all(purge_mode::hard);
    CHECK(all == std::vector<heard>{
                     {purge_kind::url, purge_mode::hard, "example.org/", "", 1, 0},
                     {purge_kind::prefix, purge_mode::soft, "example.org/a", "", 3, 2},
                     {purge_kind::tag, purge_mode::hard, "one", "", 5, 4},
                     {purge_kind::group, purge_mode::hard, "scripts", "https://example.org", 6, 5},
                     {purge_kind::all, purge_mode::soft, "", "", 7, 6},
                 });
    CHECK(log.now() == 8);
}

TEST_CASE("a purge that others made hits as one of our own", "[cache][purge]") {
    const auto [what, is_hit] = GENERATE(table<purge, bool>({
        {{purge_kind::url, purge_mode::hard, "example.org/news/1"}, true},
        {{purge_kind::url, purge_mode::hard, "example.org/news/2"}, false},
        {{purge_kind::prefix, purge_mode::hard, "example.org/news/"}, true},
        {{purge_kind::tag, purge_mode::hard, "one"}, true},
        {{purge_kind::tag, purge_mode::hard, "two"}, false},
        {{purge_kind::group, purge_mode::hard, "scripts", "http://example.org"}, true},
        {{purge_kind::group, purge_mode::soft, "scripts", "http://example.org"}, true},
        {{purge_kind::group, purge_mode::hard, "scripts", "http://example.com"}, false},
        {{purge_kind::all, purge_mode::hard}, true},
    }));
    purge_log log;
    const auto response = response_of({.tags = {"one"}, .hashes = {hash_group("http://example.org", "scripts")}});
    log.apply(what);
    CHECK(log.judge(*response) == (is_hit ? verdict::dead : verdict::alive));
}

TEST_CASE("a log that keeps its records judges what comes in after a pass", "[cache][purge][memory]") {
    purge_log log(100);
    log.keep_records();
    log.purge_tag("one", purge_mode::soft);
    log.end_pass(log.begin_pass());
    CHECK(log.judge(*response_of({.tags = {"one"}})) == verdict::soft);
    CHECK(log.judge(*response_of({.key = "http://example.org/other"})) == verdict::alive);
    for (int i = 0; i < 2000; ++i) log.purge_url("example.org/" + std::to_string(i), purge_mode::soft);
    const auto bytes = log.memory_bytes();
    for (int i = 0; i < 2000; ++i) log.purge_url("example.org/" + std::to_string(i), purge_mode::soft);
    CHECK(log.memory_bytes() <= 2 * bytes);
    // Nobody knows any more.
    CHECK(log.judge(*response_of({.tags = {"one"}})) == verdict::dead);
}

TEST_CASE("judging allocates nothing", "[cache][purge][allocations]") {
    purge_log log;
    const auto response = response_of({.tags = {"one", "two"}});
    log.purge_tag("one", purge_mode::soft);
    log.purge_prefix("example.org/", purge_mode::soft);
    const auto before = test::allocations();
    const verdict first = log.judge(*response);
    const verdict second = log.judge(*response);
    CHECK(test::allocations() == before);
    CHECK(first == verdict::soft);
    CHECK(second == verdict::soft);
}

}  // namespace
}  // namespace weir::cache
