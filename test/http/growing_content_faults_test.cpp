// Growing content when the spool is full or fails, or when its exchange breaks off.
#include <array>
#include <catch2/catch.hpp>
#include <string>

#include "test/http/spooled_content.hpp"

using namespace weir::http;
using namespace weir::test;
using time_point = std::chrono::steady_clock::time_point;

TEST_CASE("a spool without space slows the writer down", "[http][content][spool][back-pressure]") {
    rig r(std::numeric_limits<std::uint64_t>::max(), spool::extent_bytes);
    auto first = r.make({.window_bytes = one_block});
    write_all(*first, some_text(3 * one_block));
    REQUIRE(r.disk.extents_in_use() == 1);
    const auto content = r.make({.window_bytes = 2 * one_block});
    content_reader reader(content);
    const std::string text = some_text(100'000);
    const std::size_t written = content->append(text);
    CHECK(written == 2 * one_block);
    CHECK(content->stalled());
    bell room;
    REQUIRE(content->wait_for_room(room));
    const auto fault = r.disk.take_fault(time_point());
    REQUIRE(fault);
    CHECK_THAT(*fault, Catch::Contains("buffering.spool_max"));
    std::string seen;
    SECTION("until its reader goes on") {
        std::array<std::string_view, 1> views;
        reader.consume(reader.peek(views).bytes);
        seen = text.substr(0, one_block);
        CHECK(room.rung.try_acquire());
        CHECK_FALSE(content->stalled());
        first.reset();
    }
    SECTION("until another transfer gives space back") {
        first.reset();
        content->cancel_writer_wait();
        CHECK_FALSE(content->prepare().empty());
    }
    write_all(*content, std::string_view(text).substr(written));
    content->complete();
    CHECK(seen + read_to_end(reader).text == text);
    r.check_all_given_back();
}

TEST_CASE("a folder that is not there costs speed and nothing else", "[http][content][spool][fault]") {
    rig r;
    r.disk.configure(r.folder.path() + "/missing");
    const auto content = r.make({.window_bytes = 2 * one_block});
    content_reader reader(content);
    const std::string text = some_text(40 * one_block);
    std::size_t written = content->append(text);
    CHECK(written >= 2 * one_block);
    pass_through(r.disk);
    pass_through(r.disk);
    CHECK(r.disk.extents_in_use() == 0);
    written += content->append(std::string_view(text).substr(written));
    CHECK(written < text.size());
    CHECK(content->stalled());
    const auto fault = r.disk.take_fault(time_point());
    REQUIRE(fault);
    CHECK_THAT(*fault, Catch::Contains(r.folder.path() + "/missing"));
    std::string seen;
    SECTION("while it is missing") {
        while (written < text.size()) {
            std::array<std::string_view, 1> views;
            const auto view = reader.peek(views);
            seen += views[0];
            reader.consume(view.bytes);
            written += content->append(std::string_view(text).substr(written));
        }
        CHECK(r.disk.bytes_written() == 0);
    }
    SECTION("until it is there") {
        r.disk.configure(r.folder.path());
        write_all(*content, std::string_view(text).substr(written));
        CHECK(r.disk.bytes_written() > 0);
    }
    content->complete();
    const read_result rest = read_to_end(reader);
    CHECK(rest.state == content_state::complete);
    CHECK(seen + rest.text == text);
    r.check_all_given_back();
}

TEST_CASE("content that cannot be read from the disk is broken", "[http][content][spool][fault]") {
    rig r;
    const auto content = r.make({.window_bytes = one_block});
    content_reader reader(content);
    const std::string text = some_text(10 * one_block);
    write_all(*content, text);
    content->complete();
    settle(r.disk, 9 * one_block);
    const auto file = nameless_file_in(r.folder.path());
    REQUIRE(file);
    // The file loses its end behind weir's back.
    REQUIRE(::ftruncate(*file, 5 * (spool::extent_bytes / 16) + 10) == 0);
    const read_result got = read_to_end(reader);
    CHECK(got.state == content_state::broken);
    CHECK(got.text == text.substr(0, 5 * one_block));
    bell more;
    CHECK_FALSE(reader.wait(more));
    CHECK(r.disk.take_fault(time_point()));
}

TEST_CASE("content that its exchange drops gives everything back", "[http][content][spool]") {
    rig r;
    auto content = r.make({.window_bytes = one_block});
    const std::string text = some_text(40 * one_block);
    SECTION("while it waits for its turn") {
        const hold_up held(r.disk);
        content->append(text);
        CHECK(r.disk.extents_in_use() > 0);
        content.reset();
        CHECK(r.budget.used() == 0);
        CHECK(r.disk.extents_in_use() == 0);
    }
    SECTION("when it is on disk") {
        write_all(*content, text);
        content.reset();
    }
    r.check_all_given_back();
    CHECK(file_size(nameless_file_in(r.folder.path()).value_or(-1)) == 0);
}
