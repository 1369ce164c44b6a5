#include "cache/purge_outbox.hpp"

#include <catch2/catch.hpp>

#include "cache/purge_record.hpp"

namespace weir::cache {
namespace {

std::vector<std::string> lines_of(const std::string& record) {
    std::vector<std::string> lines;
    const auto read = parse_purge_record(record);
    REQUIRE(read);
    for (const purge& p : read->purges) lines.push_back(purge_line(p));
    return lines;
}

TEST_CASE("what waits is told in one record", "[cache][purge_outbox]") {
    purge_outbox outbox;
    CHECK_FALSE(outbox.front(7));
    outbox.add("hard tag a\n", 3);
    outbox.add("soft tag b\n", 5);
    const auto first = outbox.front(7);
    REQUIRE(first);
    CHECK(parse_purge_record(first->record)->node == 7);
    CHECK(lines_of(first->record) == std::vector<std::string>{"hard tag a\n", "soft tag b\n"});
    CHECK(first->last == 5);

    outbox.add("hard tag c\n", 6);
    outbox.pop(first->last);
    const auto second = outbox.front(7);
    REQUIRE(second);
    CHECK(lines_of(second->record) == std::vector<std::string>{"hard tag c\n"});
    outbox.pop(second->last);
    CHECK_FALSE(outbox.front(7));
    CHECK(outbox.size() == 0);
}

TEST_CASE("a record has no more than it may have", "[cache][purge_outbox][limits]") {
    purge_outbox outbox;
    const std::string line = purge_line({purge_kind::url, purge_mode::hard, std::string(30'000, 'u')});
    for (std::uint64_t n = 1; n <= 10; ++n) outbox.add(line, n);
    std::size_t told = 0;
    while (const auto next = outbox.front(7)) {
        CHECK(next->record.size() <= max_purge_record_bytes);
        CHECK(lines_of(next->record).size() == std::min<std::size_t>(3, 10 - told));
        told += lines_of(next->record).size();
        CHECK(next->last == told);
        outbox.pop(next->last);
    }
    CHECK(told == 10);
}

TEST_CASE("too many become one of everything", "[cache][purge_outbox][limits]") {
    const bool by_bytes = GENERATE(false, true);
    const std::string line = purge_line({purge_kind::url, purge_mode::soft, std::string(by_bytes ? 60'000 : 10, 'u')});
    const std::uint64_t room = by_bytes ? purge_outbox::max_bytes / line.size() : purge_outbox::max_purges;
    purge_outbox outbox;
    for (std::uint64_t n = 1; n <= room; ++n) outbox.add(line, n);
    CHECK(outbox.size() == room);
    CHECK(outbox.overflows() == 0);
    const auto on_its_way = outbox.front(7);
    REQUIRE(on_its_way);

    outbox.add(line, room + 1);
    CHECK(outbox.overflows() == 1);
    outbox.add("hard tag a\n", room + 2);
    // It stands for what was not told before, so it does not go with that.
    outbox.pop(on_its_way->last);
    const auto next = outbox.front(7);
    REQUIRE(next);
    CHECK(lines_of(next->record) == std::vector<std::string>{"hard all\n", "hard tag a\n"});
    CHECK(next->last == room + 2);
}

}  // namespace
}  // namespace weir::cache
