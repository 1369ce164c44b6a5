#include "cache/purge_replica.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cache/purge_record.hpp"
#include "cache/tags.hpp"
#include "test/cache/memcached_support.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using outcome = memcached_value::outcome;
using verdict = purge_log::verdict;
using where = test::memcached_process::where;

const std::string head_key = purge_head_key("weir");

struct node {
    explicit node(const test::memcached_process& server)
        : replica(log, test::settings_for({test::address_of(server)}),
                  {.say = [this](const std::string& text) { said.push_back(text); }}) {}

    // As a lookup that begins a fill does.
    new_response_ptr fill(const std::string& url = "example.org/", const std::string& tag = "one") {
        return fill_tagged(url, hash_tag(tag));
    }
    new_response_ptr fill_tagged(const std::string& url, std::uint64_t tag) {
        const std::string key = "http://" + url;
        return make_response({.key = key, .fill_number = log.now(), .tags = {&tag, 1}});
    }
    // What `response` of another node is here, by way of memcached. Nothing: a miss.
    std::optional<verdict> judge_shared(const node& other, const stored_response& response) {
        const auto at = other.replica.position_of(response.fill_number);
        REQUIRE(at);
        return judge_at(*at, response);
    }
    std::optional<verdict> judge_at(const purge_position& at, const stored_response& response) {
        const auto number = replica.fill_number_of(at);
        if (!number) return std::nullopt;
        const auto here = make_response(
            {.key = response.key, .fill_number = *number, .tags = {response.tags.data(), response.tags.size()}});
        return log.judge(*here);
    }
    std::size_t times_said(const std::string& part) const {
        std::size_t times = 0;
        for (const std::string& text : said) times += text.find(part) != text.npos ? 1 : 0;
        return times;
    }

    std::vector<std::string> said;
    purge_log log;
    purge_replica replica;
};

// Another program that writes into the log.
class writer {
  public:
    explicit writer(const test::memcached_process& server) : handle_(test::address_of(server), test::ample) {}

    memcached_value head() { return handle_.get({&head_key, 1}, true).front(); }
    purge_position at() { return parse_purge_head(head().bytes).value(); }
    void append(const std::string& record) {
        purge_position next = at();
        ++next.number;
        REQUIRE(handle_.add(purge_record_key("weir", next), record, 0, 0s) == outcome::found);
        REQUIRE(handle_.cas(head_key, text(next), 0, 0s, head().cas) == outcome::found);
    }
    memcached_handle& handle() { return handle_; }

  private:
    memcached_handle handle_;
};

TEST_CASE("what is purged on one node is purged on the other", "[cache][memcached][purge_replica]") {
    const test::memcached_process server(GENERATE(where::loopback, where::unix_socket));
    node a(server), b(server);
    REQUIRE(a.replica.round());
    REQUIRE(b.replica.round());
    const auto page = b.fill("example.org/a", "one");
    const auto other = b.fill("example.org/b", "two");
    const purge_mode mode = GENERATE(purge_mode::hard, purge_mode::soft);
    const int way = GENERATE(range(0, 3));
    if (way == 0) a.log.purge_url("example.org/a", mode);
    if (way == 1) a.log.purge_prefix("example.org/a", mode);
    if (way == 2) a.log.purge_tag("one", mode);
    CHECK(b.log.judge(*page) == verdict::alive);
    CHECK(a.replica.now().waiting == 1);
    REQUIRE(a.replica.round());
    CHECK(a.replica.now().waiting == 0);
    REQUIRE(b.replica.round());
    CHECK(b.log.judge(*page) == (mode == purge_mode::hard ? verdict::dead : verdict::soft));
    CHECK(b.log.judge(*other) == verdict::alive);
    CHECK(b.replica.now().applied == a.replica.now().applied);
    CHECK(b.replica.now().taken == 1);
    CHECK(b.replica.now().last_read > std::chrono::system_clock::time_point{});

    // Its own comes back to nobody.
    const std::uint64_t now = a.log.now();
    REQUIRE(a.replica.round());
    CHECK(a.log.now() == now);
    REQUIRE(b.replica.round());
    CHECK(b.replica.now().appended == 0);
    CHECK(a.said.empty());
    CHECK(b.said.empty());
}

TEST_CASE("groups and all reach the others too", "[cache][memcached][purge_replica]") {
    const test::memcached_process server;
    node a(server), b(server);
    REQUIRE(a.replica.round());
    REQUIRE(b.replica.round());
    const auto member = b.fill_tagged("example.org/", hash_group("http://example.org", "my scripts"));
    const auto other = b.fill();
    a.log.purge_group("http://example.org", "my scripts");
    REQUIRE(a.replica.round());
    REQUIRE(b.replica.round());
    CHECK(b.log.judge(*member) == verdict::dead);
    CHECK(b.log.judge(*other) == verdict::alive);
    a.log.purge_all(purge_mode::hard);
    REQUIRE(a.replica.round());
    REQUIRE(b.replica.round());
    CHECK(b.log.judge(*other) == verdict::dead);
}

TEST_CASE("what one node stored is judged on the other by the purges since", "[cache][memcached][purge_replica]") {
    const test::memcached_process server;
    node a(server), b(server);
    const auto early = a.fill();
    REQUIRE(a.replica.round());
    CHECK_FALSE(a.replica.position_of(early->fill_number));
    const auto page = a.fill();
    const purge_position at = a.replica.position_of(page->fill_number).value();
    CHECK_FALSE(b.judge_at(at, *page));
    REQUIRE(b.replica.round());
    CHECK(b.judge_at(at, *page) == verdict::alive);

    b.log.purge_tag("one", purge_mode::hard);
    CHECK(b.judge_at(at, *page) == verdict::dead);
    REQUIRE(b.replica.round());
    CHECK(b.judge_at(at, *page) == verdict::dead);
    CHECK(a.judge_at(at, *page) == verdict::alive);
    REQUIRE(a.replica.round());
    CHECK(a.judge_at(at, *page) == verdict::dead);

    const auto newer = a.fill();
    CHECK(b.judge_shared(a, *newer) == verdict::alive);
    b.log.purge_url("example.org/", purge_mode::soft);
    REQUIRE(b.replica.round());
    CHECK(b.judge_shared(a, *newer) == verdict::soft);
    // Of a node that knows less it is known that it is from before.
    const auto behind = a.fill();
    CHECK(b.judge_shared(a, *behind) == verdict::soft);
    REQUIRE(a.replica.round());
    CHECK(b.judge_shared(a, *a.fill()) == verdict::alive);
}

TEST_CASE("a node that comes, or comes back, reads what it missed", "[cache][memcached][purge_replica]") {
    const test::memcached_process server;
    node a(server);
    auto b = std::make_unique<node>(server);
    REQUIRE(a.replica.round());
    REQUIRE(b->replica.round());
    std::vector<new_response_ptr> pages;
    std::vector<purge_position> at;
    for (int i = 0; i < 200; ++i) {
        pages.push_back(a.fill("example.org/" + std::to_string(i)));
        at.push_back(a.replica.position_of(pages.back()->fill_number).value());
        if (i % 2 == 0) a.log.purge_url("example.org/" + std::to_string(i), purge_mode::hard);
        REQUIRE(a.replica.round());
    }
    if (GENERATE(false, true)) b = std::make_unique<node>(server);
    REQUIRE(b->replica.round());
    CHECK(b->replica.now().applied == a.replica.now().applied);
    CHECK(b->replica.now().taken == 100);
    for (std::size_t i = 0; i < pages.size(); ++i) {
        CAPTURE(i);
        CHECK(b->judge_at(at[i], *pages[i]) == (i % 2 == 0 ? verdict::dead : verdict::alive));
    }
    CHECK(b->judge_shared(a, *a.fill("example.org/0")) == verdict::alive);
}

TEST_CASE("purges wait while memcached is away, and what it forgot is doubted", "[cache][memcached][purge_replica]") {
    test::memcached_process server;
    node a(server), b(server);
    REQUIRE(a.replica.round());
    REQUIRE(b.replica.round());
    const auto page = b.fill("example.org/a", "one");
    const purge_position at = b.replica.position_of(page->fill_number).value();
    const auto unrelated = b.fill("example.org/b", "two");
    server.kill();
    a.log.purge_tag("one", purge_mode::hard);
    CHECK_FALSE(a.replica.round());
    CHECK_FALSE(a.replica.round());
    CHECK_FALSE(b.replica.round());
    CHECK(a.replica.now().waiting == 1);
    CHECK_FALSE(a.replica.now().is_in_step);
    CHECK(a.times_said("cannot be reached") == 1);
    CHECK(b.log.judge(*page) == verdict::alive);

    server.start();
    REQUIRE(b.replica.round());
    CHECK(b.times_said("is there again") == 1);
    CHECK(b.times_said("is gone") == 1);
    CHECK(b.replica.now().times_lost == 1);
    CHECK(b.log.judge(*page) == verdict::doubted);
    CHECK(b.log.judge(*unrelated) == verdict::doubted);
    CHECK_FALSE(b.judge_at(at, *page));
    const auto anew = b.fill("example.org/b", "two");
    CHECK(b.log.judge(*anew) == verdict::alive);

    REQUIRE(a.replica.round());
    CHECK(a.replica.now().waiting == 0);
    REQUIRE(b.replica.round());
    CHECK(b.log.judge(*page) == verdict::dead);
    CHECK(b.log.judge(*anew) == verdict::alive);
    CHECK(b.replica.now().applied == a.replica.now().applied);
    CHECK(a.judge_shared(b, *b.fill("example.org/b", "two")) == verdict::alive);
}

TEST_CASE("a log without a head that can be is begun anew", "[cache][memcached][purge_replica]") {
    const test::memcached_process server;
    node a(server), b(server);
    writer by_hand(server);
    REQUIRE(a.replica.round());
    a.log.purge_tag("some", purge_mode::hard);
    REQUIRE(a.replica.round());
    REQUIRE(b.replica.round());
    const purge_position before = by_hand.at();
    const auto page = b.fill();

    const std::string left = text({before.epoch, before.number});
    const auto head = GENERATE_REF(values<std::string>({"", "nonsense", text({before.epoch, before.number - 1}),
                                                        text({0, 9}), text({before.epoch, max_purge_number + 1})}));
    CAPTURE(head);
    if (head.empty()) {
        REQUIRE(by_hand.handle().remove(head_key) == outcome::found);
    } else {
        REQUIRE(by_hand.handle().set(head_key, head, 0, 0s) == outcome::found);
    }
    REQUIRE(b.replica.round());
    REQUIRE(a.replica.round());
    CHECK(by_hand.at().epoch != before.epoch);
    CHECK(by_hand.at().number == 0);
    CHECK(b.log.judge(*page) == verdict::doubted);
    CHECK(b.times_said("is gone") == 1);
    CHECK(a.judge_shared(b, *b.fill()) == verdict::alive);

    // The old one is there again: its numbers would mean two things.
    REQUIRE(by_hand.handle().set(head_key, left, 0, 0s) == outcome::found);
    REQUIRE(b.replica.round());
    CHECK(by_hand.at().epoch != before.epoch);
    CHECK(b.replica.now().times_lost == 2);
}

TEST_CASE("lost records have what is stored doubted, and what came before them missed",
          "[cache][memcached][purge_replica]") {
    const test::memcached_process server;
    node a(server), b(server);
    writer by_hand(server);
    REQUIRE(a.replica.round());
    REQUIRE(b.replica.round());
    const auto page = b.fill("example.org/a", "one");
    const auto other = a.fill("example.org/b", "two");
    const purge_position at = a.replica.position_of(other->fill_number).value();
    for (const char* tag : {"gone", "gone-too", "one"}) {
        a.log.purge_tag(tag, purge_mode::hard);
        REQUIRE(a.replica.round());
    }
    purge_position lost = by_hand.at();
    lost.number -= 2;
    REQUIRE(by_hand.handle().remove(purge_record_key("weir", lost)) == outcome::found);
    const auto later = a.fill("example.org/b", "two");
    const purge_position at_later = a.replica.position_of(later->fill_number).value();

    SECTION("on a node that was there") {
        REQUIRE(b.replica.round());
        CHECK(b.times_said("records of the purge log in memcached are gone") == 1);
        CHECK(b.replica.now().times_lost == 1);
        CHECK(b.log.judge(*page) == verdict::dead);  // the last of the three is not lost
        const auto kept = b.fill("example.org/c", "two");
        CHECK(b.log.judge(*kept) == verdict::alive);
        CHECK_FALSE(b.judge_at(at, *other));
        CHECK(b.judge_at(at_later, *later) == verdict::alive);
    }
    SECTION("on a node that comes after that") {
        node c(server);
        REQUIRE(c.replica.round());
        CHECK(c.said.empty());
        CHECK_FALSE(c.judge_at(at, *other));
        CHECK(c.judge_at(at_later, *later) == verdict::alive);
        CHECK(c.judge_shared(a, *later) == verdict::alive);
    }
    SECTION("too many at once") {
        lost.number += purge_replica::max_history + 100;
        REQUIRE(by_hand.handle().set(head_key, text(lost), 0, 0s) == outcome::found);
        const auto kept = b.fill("example.org/c", "two");
        REQUIRE(b.replica.round());
        CHECK(b.replica.now().applied == lost);
        CHECK(b.log.judge(*kept) == verdict::doubted);
        CHECK(b.times_said("are gone") == 1);
        CHECK_FALSE(b.judge_at(at_later, *later));
        CHECK(b.judge_at(b.replica.position_of(b.log.now()).value(), *kept) == verdict::alive);
    }
}

TEST_CASE("other programs write records too", "[cache][memcached][purge_replica]") {
    const test::memcached_process server;
    node a(server);
    writer by_hand(server);
    REQUIRE(a.replica.round());
    const auto one = a.fill("example.org/a", "one");
    const auto two = a.fill("example.org/b", "two");
    by_hand.append("weir-purges 1 00000000000000aa\nhard tag one\nsoft url example.org/b\n");
    REQUIRE(a.replica.round());
    CHECK(a.log.judge(*one) == verdict::dead);
    CHECK(a.log.judge(*two) == verdict::soft);
    CHECK(a.said.empty());

    by_hand.append("weir-purges 1 00000000000000aa\nhard tag one\nhard everything\n");
    REQUIRE(a.replica.round());
    CHECK(a.log.judge(*two) == verdict::dead);
    CHECK(a.times_said("cannot be read") == 1);
    CHECK(a.log.judge(*a.fill()) == verdict::alive);
}

TEST_CASE("records that nobody has counted yet are counted along", "[cache][memcached][purge_replica]") {
    const test::memcached_process server;
    node a(server), b(server);
    writer by_hand(server);
    REQUIRE(a.replica.round());
    REQUIRE(b.replica.round());
    const auto one = b.fill("example.org/a", "one");
    const auto two = b.fill("example.org/b", "two");
    const std::uint64_t many = GENERATE(1u, 40u);
    purge_position next = by_hand.at();
    for (std::uint64_t i = 0; i < many; ++i) {
        ++next.number;
        REQUIRE(by_hand.handle().add(purge_record_key("weir", next), "weir-purges 1 00000000000000aa\nhard tag two\n",
                                     0, 0s) == outcome::found);
    }
    REQUIRE(b.replica.round());
    CHECK(b.log.judge(*two) == verdict::alive);
    a.log.purge_tag("one", purge_mode::hard);
    REQUIRE(a.replica.round());
    REQUIRE(b.replica.round());
    CHECK(by_hand.at().number == many + 1);
    CHECK(b.log.judge(*one) == verdict::dead);
    CHECK(b.log.judge(*two) == verdict::dead);
}

TEST_CASE("ten thousand purges that waited become one", "[cache][memcached][purge_replica][limits]") {
    const test::memcached_process server;
    node a(server), b(server);
    REQUIRE(b.replica.round());
    const auto page = b.fill();
    for (std::size_t i = 0; i <= purge_outbox::max_purges; ++i) {
        a.log.purge_url("example.org/" + std::to_string(i), purge_mode::soft);
    }
    REQUIRE(a.replica.round());
    CHECK(a.replica.now().appended == 1);
    CHECK(a.times_said("too many purges waited") == 1);
    REQUIRE(b.replica.round());
    CHECK(b.log.judge(*page) == verdict::dead);
}

TEST_CASE("many purges at once are few records", "[cache][memcached][purge_replica]") {
    const test::memcached_process server;
    node a(server), b(server);
    REQUIRE(b.replica.round());
    std::vector<new_response_ptr> pages;
    for (int i = 0; i < 5'000; ++i) {
        pages.push_back(b.fill("example.org/" + std::to_string(i)));
        a.log.purge_url("example.org/" + std::to_string(i), purge_mode::hard);
    }
    const auto unrelated = b.fill("example.org/other");
    REQUIRE(a.replica.round());
    CHECK(a.replica.now().appended <= 2);
    REQUIRE(b.replica.round());
    std::size_t dead = 0;
    for (const auto& page : pages) dead += b.log.judge(*page) == verdict::dead ? 1 : 0;
    CHECK(dead == pages.size());
    CHECK(b.log.judge(*unrelated) == verdict::alive);
}

}  // namespace
}  // namespace weir::cache
