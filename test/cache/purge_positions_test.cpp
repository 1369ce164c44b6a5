#include "cache/purge_positions.hpp"

#include <catch2/catch.hpp>

namespace weir::cache {
namespace {

using position = std::optional<purge_position>;
using number = std::optional<std::uint64_t>;
constexpr std::uint64_t epoch = 7;

// A record of another node, with this many lines. `local`: the node's last number, which they go on from.
void take(purge_positions& p, std::uint64_t& local, std::uint64_t lines = 1) {
    p.begin(local);
    local += lines;
    p.end(local);
}

TEST_CASE("before the log was joined nothing is known", "[cache][purge_positions]") {
    purge_positions p;
    CHECK_FALSE(p.position_of(0));
    CHECK_FALSE(p.fill_number_of({0, 0}, 5));
    CHECK_FALSE(p.is_in_step());
    p.note_own(1);
    CHECK_FALSE(p.position_of(1));
}

TEST_CASE("fills from before the log was joined have no position", "[cache][purge_positions]") {
    purge_positions p;
    p.join(epoch, 0, 0, 4);
    CHECK(p.is_in_step());
    CHECK_FALSE(p.position_of(4));
    CHECK(p.position_of(5) == position({epoch, 0}));
    CHECK(p.fill_number_of({epoch, 0}, 5) == number(5));
    CHECK_FALSE(p.fill_number_of({epoch + 1, 0}, 5));
}

TEST_CASE("a fill is behind the records that were applied whole when it began", "[cache][purge_positions]") {
    purge_positions p;
    p.join(epoch, 10, 10, 0);
    std::uint64_t local = 1;  // of the doubt
    take(p, local, 3);        // 11: 2 to 4
    take(p, local);           // 12: 5
    p.begin(local);           // 13: 6 and 7, under way
    const auto [fill, behind] = GENERATE(
        table<std::uint64_t, std::uint64_t>({{1, 10}, {2, 10}, {3, 10}, {4, 11}, {5, 12}, {6, 12}, {7, 12}, {8, 12}}));
    CAPTURE(fill);
    CHECK(p.position_of(fill) == position({epoch, behind}));
    p.end(7);
    CHECK(p.position_of(fill) == position({epoch, fill >= 7 ? 13 : behind}));
}

TEST_CASE("what comes from memcached is held against all records above its position", "[cache][purge_positions]") {
    purge_positions p;
    p.join(epoch, 10, 10, 0);
    std::uint64_t local = 1;
    take(p, local, 3);  // 11: 2 to 4
    take(p, local);     // 12: 5
    CHECK_FALSE(p.fill_number_of({epoch, 9}, local));
    CHECK(p.fill_number_of({epoch, 10}, local) == number(1));
    CHECK(p.fill_number_of({epoch, 11}, local) == number(4));
    CHECK(p.fill_number_of({epoch, 12}, local) == number(5));
    CHECK(p.fill_number_of({epoch, 99}, local) == number(5));  // of a node that is ahead
    // Asked for before a record's first line, or after, and used later.
    p.begin(local);
    CHECK(p.fill_number_of({epoch, 12}, local + 2) == number(5));
    CHECK(p.fill_number_of({epoch, 13}, local + 2) == number(7));
    CHECK(p.fill_number_of({epoch, 12}, local - 1) == number(4));
    p.end(local + 2);
    CHECK(p.fill_number_of({epoch, 12}, local + 2) == number(5));
    CHECK(p.fill_number_of({epoch, 13}, local + 2) == number(7));
}

TEST_CASE("a purge of our own counts from where it was called, not from where it lies in the log",
          "[cache][purge_positions]") {
    purge_positions p;
    p.join(epoch, 0, 0, 0);
    std::uint64_t local = 1;
    take(p, local);         // 1: 2
    p.note_own(local = 3);  // will be 3
    take(p, local);         // 2: 4
    // Not known where it will be: everybody's responses may be from before.
    CHECK(p.fill_number_of({epoch, 2}, local) == number(2));
    CHECK(p.fill_number_of({epoch, 99}, local) == number(2));
    p.published(3, 3);
    CHECK(p.fill_number_of({epoch, 2}, local) == number(2));
    CHECK(p.fill_number_of({epoch, 3}, local) == number(4));
    CHECK(p.pass_own());
    CHECK_FALSE(p.pass_own());
    CHECK(p.applied() == 3);
    CHECK(p.fill_number_of({epoch, 0}, local) == number(1));
    CHECK(p.fill_number_of({epoch, 1}, local) == number(2));
    CHECK(p.fill_number_of({epoch, 2}, local) == number(2));
    CHECK(p.fill_number_of({epoch, 3}, local) == number(4));
    CHECK(p.position_of(2) == position({epoch, 1}));
    CHECK(p.position_of(3) == position({epoch, 1}));
    CHECK(p.position_of(4) == position({epoch, 3}));
}

TEST_CASE("a fill is behind a record only with all before it", "[cache][purge_positions]") {
    purge_positions p;
    p.join(epoch, 0, 0, 0);
    std::uint64_t local = 1;
    take(p, local);  // 1: 2
    p.note_own(local = 3);
    p.published(3, 3);
    take(p, local, 3);  // 2: 4 to 6
    REQUIRE(p.pass_own());
    take(p, local);  // 4: 7
    const auto [fill, behind] = GENERATE(table<std::uint64_t, std::uint64_t>({{2, 1}, {3, 1}, {5, 1}, {6, 3}, {7, 4}}));
    CAPTURE(fill);
    CHECK(p.position_of(fill) == position({epoch, behind}));
}

TEST_CASE("one of our own that lies further on waits for its turn", "[cache][purge_positions]") {
    purge_positions p;
    p.join(epoch, 0, 0, 0);
    std::uint64_t local = 1;
    p.note_own(local = 2);
    p.published(2, 2);
    CHECK_FALSE(p.pass_own());
    CHECK(p.position_of(2) == position({epoch, 0}));
    CHECK(p.fill_number_of({epoch, 1}, local) == number(1));
    CHECK(p.fill_number_of({epoch, 2}, local) == number(2));
    take(p, local);  // 1: 3
    CHECK(p.pass_own());
    CHECK(p.position_of(2) == position({epoch, 0}));
    CHECK(p.position_of(3) == position({epoch, 2}));
    CHECK(p.fill_number_of({epoch, 1}, local) == number(1));
}

TEST_CASE("those that were not published with others wait on", "[cache][purge_positions]") {
    purge_positions p;
    p.join(epoch, 0, 0, 0);
    p.note_own(2);
    p.note_own(4);
    p.note_own(6);
    p.published(1, 4);
    CHECK(p.pass_own());
    CHECK(p.position_of(4) == position({epoch, 1}));
    CHECK(p.fill_number_of({epoch, 0}, 9) == number(1));
    CHECK(p.fill_number_of({epoch, 1}, 9) == number(4));  // below the one at 6
    p.published(2, 6);
    CHECK(p.fill_number_of({epoch, 1}, 9) == number(4));
    CHECK(p.pass_own());
    CHECK(p.fill_number_of({epoch, 2}, 9) == number(9));
    p.note_own(10);
    CHECK(p.fill_number_of({epoch, 2}, 12) == number(9));
}

TEST_CASE("history has to be applied before anything is known, and new fills are behind it",
          "[cache][purge_positions]") {
    purge_positions p;
    p.join(epoch, 10, 12, 3);
    std::uint64_t local = 4;
    CHECK_FALSE(p.is_in_step());
    CHECK_FALSE(p.fill_number_of({epoch, 12}, local));
    take(p, local);  // 11: 5
    CHECK_FALSE(p.fill_number_of({epoch, 12}, local));
    take(p, local);  // 12: 6
    CHECK(p.is_in_step());
    CHECK(p.fill_number_of({epoch, 10}, local) == number(4));
    CHECK(p.fill_number_of({epoch, 11}, local) == number(5));
    CHECK(p.fill_number_of({epoch, 12}, local) == number(6));
    CHECK_FALSE(p.position_of(3));
    CHECK(p.position_of(4) == position({epoch, 12}));
    take(p, local);  // 13: 7
    CHECK(p.position_of(6) == position({epoch, 12}));
    CHECK(p.position_of(7) == position({epoch, 13}));
}

TEST_CASE("across a lost record nothing is known", "[cache][purge_positions]") {
    purge_positions p;
    p.join(epoch, 0, 0, 0);
    std::uint64_t local = 1;
    take(p, local);  // 1: 2
    p.note_own(local = 3);
    p.published(2, 3);
    CHECK(p.lose(4, local));
    local = 4;  // of the doubt
    CHECK(p.applied() == 4);
    CHECK_FALSE(p.pass_own());
    CHECK_FALSE(p.position_of(3));
    CHECK(p.position_of(4) == position({epoch, 4}));
    CHECK_FALSE(p.fill_number_of({epoch, 3}, local));
    CHECK(p.fill_number_of({epoch, 4}, local) == number(4));
    take(p, local);  // 5: 5
    CHECK(p.fill_number_of({epoch, 4}, local) == number(4));
    CHECK(p.position_of(5) == position({epoch, 5}));
}

TEST_CASE("what was lost before the log was joined concerns nothing that is there", "[cache][purge_positions]") {
    purge_positions p;
    p.join(epoch, 0, 3, 0);
    std::uint64_t local = 1;
    take(p, local);  // 1: 2
    CHECK_FALSE(p.lose(2, local));
    CHECK_FALSE(p.is_in_step());
    take(p, local);  // 3: 3
    CHECK_FALSE(p.fill_number_of({epoch, 1}, local));
    CHECK(p.fill_number_of({epoch, 2}, local) == number(2));
    CHECK(p.position_of(1) == position({epoch, 3}));
}

TEST_CASE("another log begins anew, and what waits is for it", "[cache][purge_positions]") {
    purge_positions p;
    p.join(epoch, 0, 0, 0);
    std::uint64_t local = 1;
    take(p, local);  // 1: 2
    p.note_own(3);
    p.published(2, 3);
    p.note_own(local = 4);
    p.join(epoch + 1, 0, 0, local);
    local = 5;
    CHECK(p.epoch() == epoch + 1);
    CHECK(p.applied() == 0);
    CHECK_FALSE(p.fill_number_of({epoch, 1}, local));
    CHECK_FALSE(p.position_of(4));
    CHECK(p.position_of(5) == position({epoch + 1, 0}));
    CHECK(p.fill_number_of({epoch + 1, 0}, local) == number(3));
    p.published(1, 4);
    CHECK(p.fill_number_of({epoch + 1, 0}, local) == number(3));
    CHECK(p.fill_number_of({epoch + 1, 1}, local) == number(5));
}

TEST_CASE("what is known is bounded", "[cache][purge_positions][limits]") {
    purge_positions p;
    p.join(epoch, 0, 0, 0);
    std::uint64_t local = 1;
    constexpr std::uint64_t more = 10;
    for (std::uint64_t i = 0; i < purge_positions::max_entries + more; ++i) take(p, local);
    CHECK(p.applied() == purge_positions::max_entries + more);
    CHECK_FALSE(p.fill_number_of({epoch, more - 1}, local));
    CHECK(p.fill_number_of({epoch, more}, local) == number(1 + more));
    CHECK_FALSE(p.position_of(more));
    CHECK(p.position_of(1 + more) == position({epoch, more}));
    CHECK(p.position_of(local) == position({epoch, p.applied()}));
}

TEST_CASE("without a shared log a node judges its own responses exactly, and others by all it purged",
          "[cache][purge_positions]") {
    const lone_purge_positions p(5);
    CHECK(p.position_of(42) == purge_position{5, 42});
    CHECK(p.fill_number_of({5, 42}) == 42);
    CHECK(p.fill_number_of({6, 42}) == 0);
    CHECK(p.fill_number_of({}) == 0);
}

}  // namespace
}  // namespace weir::cache
