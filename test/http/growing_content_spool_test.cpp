#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "test/http/spooled_content.hpp"

using namespace weir::http;
using namespace weir::test;
using time_point = std::chrono::steady_clock::time_point;

TEST_CASE("content beyond the window goes to the spool and is read from there", "[http][content][spool]") {
    rig r;
    const std::size_t size =
        GENERATE(as<std::size_t>(), 3 * one_block, 3 * one_block + 1, 16 * one_block, 40 * one_block - 1, 1'000'000);
    const bool known = GENERATE(false, true);
    const std::string text = some_text(size);
    growing_content::options options{.window_bytes = 2 * one_block};
    if (known) options.expected_bytes = size;
    auto content = r.make(options);
    write_all(*content, text);
    content->complete();
    pass_through(r.disk);
    CHECK(content->size() == size);
    CHECK(content->unread() == size);
    content_reader reader(content);
    const read_result got = read_to_end(reader);
    CHECK(got.text == text);
    CHECK(got.state == content_state::complete);
    CHECK(r.disk.bytes_written() > 0);
    CHECK_FALSE(r.disk.take_fault(time_point()));
    r.check_all_given_back();
}

TEST_CASE("the writer goes on while blocks are on their way to the disk", "[http][content][spool]") {
    rig r;
    const auto content = r.make({.window_bytes = 2 * one_block});
    const std::string text = some_text(100 * one_block);
    std::size_t written = 0;
    {
        const hold_up held(r.disk);
        written = content->append(text);
        CHECK(written == (256 * 1024 / one_block + 2) * one_block);  // what may be on its way, and the window
        CHECK(content->prepare().empty());
        CHECK_FALSE(content->stalled());
        bell room;
        CHECK(content->wait_for_room(room));
        content->cancel_writer_wait();
    }
    write_all(*content, std::string_view(text).substr(written));
    settle(r.disk, 97 * one_block);
    CHECK(r.budget.used() <= 3 * charge);
    content_reader reader(content);
    content->complete();
    CHECK(read_to_end(reader).text == text);
    r.check_all_given_back();
}

TEST_CASE("what was farthest from the reader leaves first", "[http][content][spool]") {
    rig r;
    const auto content = r.make({.window_bytes = 8 * one_block});
    const std::string text = some_text(20 * one_block);
    write_all(*content, text);
    settle(r.disk, 12 * one_block);
    content_reader reader(content);
    std::array<std::string_view, 16> views;
    // The first seven are there, four at a time; the eighth in memory is the last.
    for (const std::uint64_t blocks : {4u, 3u, 0u}) {
        const auto view = reader.peek(views);
        CHECK(view.bytes == blocks * one_block);
        reader.consume(view.bytes);
    }
}

TEST_CASE("many slow transfers hold a block or two each", "[http][content][spool][budget]") {
    constexpr std::size_t transfers = 60;
    rig r(64 * charge);
    std::vector<std::shared_ptr<growing_content>> contents;
    std::vector<std::unique_ptr<content_reader>> readers;
    for (unsigned i = 0; i < transfers; ++i) {
        contents.push_back(r.make({}));
        readers.push_back(std::make_unique<content_reader>(contents.back()));
    }
    const auto text_of = [](std::size_t i) { return some_text(200'000 + i * 1000, static_cast<unsigned>(i)); };
    // The endpoint's side is done before any client has read more than what it looks at.
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < transfers; ++i) {
        write_all(*contents[i], std::string_view(text_of(i)).substr(0, one_block));
        std::array<std::string_view, 16> views;
        CHECK(readers[i]->peek(views).bytes == one_block);
        write_all(*contents[i], std::string_view(text_of(i)).substr(one_block));
        contents[i]->complete();
        all += contents[i]->size();
        CHECK(r.budget.used() <= (64 + i + 2) * charge);
    }
    settle(r.disk, all - r.budget.used());
    CHECK(r.budget.used() <= 2 * transfers * charge);
    for (std::size_t i = 0; i < transfers; ++i) CHECK(read_to_end(*readers[i]).text == text_of(i));
    r.check_all_given_back();
}

TEST_CASE("without any budget all transfers go on", "[http][content][spool][budget]") {
    rig r(0);
    const std::string text = some_text(30 * one_block + 5);
    const auto content = r.make({.keep = GENERATE(retention::until_read, retention::replay)});
    write_all(*content, text);
    CHECK(r.budget.used() <= 2 * charge);
    content->complete();
    // The rest of the last block goes too.
    settle(r.disk, text.size() - one_block);
    CHECK(r.budget.used() == charge);
    content_reader reader(content);
    CHECK(read_to_end(reader).text == text);
}

TEST_CASE("a slow reader gives memory up when others need it", "[http][content][spool][budget]") {
    rig r(200 * charge);
    const auto content = r.make({.window_bytes = 4 * one_block});
    content_reader reader(content);
    const std::string text = some_text(4 * one_block);
    content->append(text);
    content->complete();
    CHECK(r.disk.extents_in_use() == 0);
    r.budget.take(199 * charge);
    reader.consume(1);
    settle(r.disk, 3 * one_block);
    CHECK(r.budget.used() == 200 * charge);
    CHECK("x" + read_to_end(reader).text == "x" + text.substr(1));
    r.budget.give_back(199 * charge);
    r.check_all_given_back();
}

TEST_CASE("what is read before its turn is not written", "[http][content][spool]") {
    rig r;
    const auto content = r.make({.window_bytes = 2 * one_block});
    content_reader reader(content);
    const std::string text = some_text(10 * one_block);
    {
        const hold_up held(r.disk);
        CHECK(content->append(text) == text.size());
        CHECK(r.disk.extents_in_use() == 1);
        content->complete();
        CHECK(read_to_end(reader).text == text);
        CHECK(r.disk.extents_in_use() == 0);
    }
    pass_through(r.disk);
    CHECK(r.disk.bytes_written() == 0);
    r.check_all_given_back();
}

TEST_CASE("views stay valid while blocks leave memory", "[http][content][spool]") {
    rig r;
    const auto content = r.make({.window_bytes = 4 * one_block});
    content_reader reader(content);
    const std::string text = some_text(10 * one_block);
    std::array<std::string_view, 16> views;
    content_reader::view view;
    {
        const hold_up held(r.disk);
        CHECK(content->append(text) == text.size());
        reader.consume(4 * one_block);
        // What comes next was chosen to be written.
        view = reader.peek(views);
        REQUIRE(view.buffers == 4);
    }
    settle(r.disk, 2 * one_block);
    std::string seen;
    for (std::size_t i = 0; i < view.buffers; ++i) seen += views[i];
    CHECK(seen == text.substr(4 * one_block, 4 * one_block));
    reader.consume(view.bytes);
    content->complete();
    CHECK(read_to_end(reader).text == text.substr(8 * one_block));
    r.check_all_given_back();
}

TEST_CASE("a replay is read again from the beginning", "[http][content][spool][replay]") {
    rig r;
    const std::uint64_t window = GENERATE(1, 3 * one_block, 1'000'000);
    const std::string text = some_text(500'000);
    {
        const auto content = r.make({.keep = retention::replay, .window_bytes = window});
        write_all(*content, text);
        content->complete();
        for (int attempt = 0; attempt < 3; ++attempt) {
            content_reader reader(content);
            if (attempt == 0) {
                std::array<std::string_view, 1> views;
                reader.consume(reader.peek(views).bytes);  // this attempt fails
                continue;
            }
            const read_result got = read_to_end(reader);
            CHECK(got.text == text);
            CHECK(got.state == content_state::complete);
        }
        pass_through(r.disk);
        // What the disk has need not be in memory once it was passed.
        CHECK(r.budget.used() + r.disk.bytes_in_use() >= text.size());
        if (window == 1) CHECK(r.budget.used() <= 2 * charge);
    }
    r.check_all_given_back();
}

TEST_CASE("a replay for which there is no room at all can go on as ordinary content",
          "[http][content][spool][replay]") {
    rig r(0, 0);
    const auto content = r.make({.keep = retention::replay});
    const std::string text = some_text(10 * one_block);
    content_reader reader(content);
    std::size_t written = content->append(text);
    CHECK(written == 2 * one_block);
    std::string seen;
    for (int turn = 0; turn < 2; ++turn) {
        std::array<std::string_view, 1> views;
        reader.consume(reader.peek(views).bytes);
        seen += text.substr(seen.size(), one_block);
    }
    CHECK(content->stalled());
    content->stop_keeping();
    CHECK_FALSE(content->stalled());
    while (written < text.size()) {
        written += content->append(std::string_view(text).substr(written));
        std::array<std::string_view, 1> views;
        const auto view = reader.peek(views);
        seen += views[0].substr(0, view.bytes);
        reader.consume(view.bytes);
    }
    content->complete();
    CHECK(seen + read_to_end(reader).text == text);
    r.check_all_given_back();
}

TEST_CASE("what is to be stored is not spooled until it is kept no longer", "[http][content][spool][store]") {
    rig r;
    const auto content = r.make({.keep = retention::store, .window_bytes = 2 * one_block});
    const std::string text = some_text(50 * one_block);
    content_reader reader(content);
    CHECK(content->append(text) == text.size());
    pass_through(r.disk);
    CHECK(r.disk.bytes_written() == 0);
    CHECK(r.budget.used() == 50 * charge);
    SECTION("and then may be spooled") {
        content->stop_keeping();
        settle(r.disk, 48 * one_block);
        CHECK(r.budget.used() == 2 * charge);
        write_all(*content, "and more");
        content->complete();
        CHECK(read_to_end(reader).text == text + "and more");
        r.check_all_given_back();
    }
    SECTION("and is the cache's in the end") {
        content->complete();
        CHECK(content->take_blocks().size() == 50);
        CHECK(read_to_end(reader).text == text);
        CHECK(r.disk.bytes_written() == 0);
    }
}

TEST_CASE("a budget that refuses what is to be stored makes it ordinary content", "[http][content][spool][store]") {
    rig r(10 * charge);
    const auto content = r.make({.keep = retention::store});
    const std::string text = some_text(30 * one_block);
    content_reader reader(content);
    CHECK(content->append(text) == 10 * one_block);
    CHECK(content->stalled());
    content->stop_keeping();
    write_all(*content, std::string_view(text).substr(10 * one_block));
    content->complete();
    CHECK(read_to_end(reader).text == text);
    r.check_all_given_back();
}

TEST_CASE("several readers follow spooled content", "[http][content][spool]") {
    rig r;
    const auto content = r.make({.window_bytes = 2 * one_block});
    content_reader quick(content);
    auto slow = std::make_unique<content_reader>(content);
    const std::string text = some_text(40 * one_block + 77);
    write_all(*content, text);
    content->complete();
    CHECK(read_to_end(quick).text == text);
    CHECK(content->unread() == text.size());
    SECTION("the last one keeps it there") {
        CHECK(read_to_end(*slow).text == text);
    }
    SECTION("the last one goes") {
        slow.reset();
        CHECK(content->unread() == 0);
    }
    r.check_all_given_back();
    content_reader late(content);
    std::array<std::string_view, 1> views;
    CHECK(late.peek(views).state == content_state::broken);
}

TEST_CASE("a reader that stopped waiting for the disk is not woken", "[http][content][spool]") {
    rig r;
    const auto content = r.make({.window_bytes = one_block});
    content_reader reader(content);
    const std::string text = some_text(8 * one_block);
    write_all(*content, text);
    settle(r.disk, 6 * one_block);
    reader.consume(one_block);
    bell more;
    {
        const hold_up held(r.disk);
        REQUIRE(reader.wait(more));
        SECTION("after it stopped") {
            reader.cancel_wait();
        }
        SECTION("by what is written behind") {
            content->append("and more");
            content->complete();
            CHECK_FALSE(more.rung.try_acquire());
            reader.cancel_wait();
        }
    }
    pass_through(r.disk);
    CHECK_FALSE(more.rung.try_acquire());
}
