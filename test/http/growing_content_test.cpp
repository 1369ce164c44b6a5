#include "proxy/http/growing_content.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <numeric>
#include <string>

using namespace weir::http;

namespace {

struct counter final : wakeable {
    void wake() noexcept override { ++woken; }
    int woken = 0;
};

std::string some(std::size_t size, unsigned seed = 0) {
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251 + seed) % 26);
    return text;
}

// Everything that is there for `reader`, consumed.
std::string read_all(content_reader& reader) {
    std::string text;
    for (;;) {
        std::array<std::string_view, 4> views;
        const auto view = reader.peek(views);
        if (view.bytes == 0) return text;
        for (std::size_t i = 0; i < view.buffers; ++i) text += views[i];
        reader.consume(view.bytes);
    }
}

std::shared_ptr<growing_content> make(memory_budget& budget, growing_content::options options = {}) {
    return std::make_shared<growing_content>(budget, options);
}

}  // namespace

TEST_CASE("what is written is read", "[http][content]") {
    memory_budget budget;
    const auto content = make(budget);
    content_reader reader(content);
    const std::size_t size =
        GENERATE(0, 1, 100, block::usual_capacity - 1, block::usual_capacity, block::usual_capacity + 1, 200'000);
    const std::string text = some(size);
    CHECK(content->append(text) == size);
    CHECK(content->size() == size);
    CHECK(content->unread() == size);
    CHECK(read_all(reader) == text);
    CHECK(content->unread() == 0);
    CHECK(reader.position() == size);
    CHECK(content->state() == content_state::open);
    content->complete();
    std::array<std::string_view, 1> views;
    const auto end = reader.peek(views);
    CHECK(end.end);
    CHECK(end.state == content_state::complete);
    CHECK(end.bytes == 0);
}

TEST_CASE("reading goes on in the middle of blocks", "[http][content]") {
    memory_budget budget;
    const auto content = make(budget);
    content_reader reader(content);
    const std::string text = some(50'000);
    content->append(text);
    std::string seen;
    for (const std::size_t step : {1u, 7u, 16'351u, 16'352u, 5'000u}) {
        std::array<std::string_view, 8> views;
        const auto view = reader.peek(views);
        std::string there;
        for (std::size_t i = 0; i < view.buffers; ++i) there += views[i];
        seen += there.substr(0, step);
        reader.consume(step);
    }
    seen += read_all(reader);
    CHECK(seen == text);
}

TEST_CASE("the end is seen only with the last bytes", "[http][content]") {
    memory_budget budget;
    const auto content = make(budget);
    content_reader reader(content);
    content->append(some(2 * block::usual_capacity + 10));
    content->complete();
    std::array<std::string_view, 2> two;
    CHECK_FALSE(reader.peek(two).end);
    std::array<std::string_view, 3> three;
    CHECK(reader.peek(three).end);
    reader.consume(2 * block::usual_capacity);
    CHECK(reader.peek(two).end);
}

TEST_CASE("content that breaks says so after the bytes that came", "[http][content]") {
    memory_budget budget;
    const auto content = make(budget);
    content_reader reader(content);
    content->append("abc");
    content->fail();
    std::array<std::string_view, 1> views;
    const auto view = reader.peek(views);
    CHECK(views[0] == "abc");
    CHECK(view.state == content_state::broken);
    CHECK(view.end);
    SECTION("and stays broken") {
        content->complete();
        CHECK(content->state() == content_state::broken);
    }
}

TEST_CASE("complete content does not break", "[http][content]") {
    memory_budget budget;
    const auto content = make(budget);
    content->complete();
    content->fail();
    CHECK(content->state() == content_state::complete);
}

TEST_CASE("room that was not filled is offered again", "[http][content]") {
    memory_budget budget;
    const auto content = make(budget);
    content_reader reader(content);
    const auto room = content->prepare();
    REQUIRE(room.size() == block::usual_capacity);
    room[0] = 'a';
    content->commit(1);
    const auto rest = content->prepare();
    CHECK(rest.data() == room.data() + 1);
    CHECK(rest.size() == room.size() - 1);
    content->commit(0);
    CHECK(content->prepare().data() == rest.data());
    CHECK(read_all(reader) == "a");
}

TEST_CASE("a known length takes just the memory it needs", "[http][content]") {
    memory_budget budget;
    const auto content = make(budget, {.keep = retention::store, .expected_bytes = 20'000});
    content_reader reader(content);
    CHECK(content->prepare().size() == block::usual_capacity);
    CHECK(content->append(some(20'000)) == 20'000);
    CHECK(budget.used() == 20'000 + 2 * sizeof(block));
}

TEST_CASE("a writer waits while its reader is a window behind", "[http][content][back-pressure]") {
    memory_budget budget;
    const auto content = make(budget, {.window_bytes = 2 * block::usual_capacity});
    content_reader reader(content);
    counter writer;
    const std::string text = some(100'000);
    const std::size_t written = content->append(text);
    CHECK(written == 2 * block::usual_capacity);
    CHECK(content->prepare().empty());
    REQUIRE(content->wait_for_room(writer));
    SECTION("and is woken once when the reader has gone on") {
        reader.consume(1);
        CHECK(writer.woken == 1);
        reader.consume(1);
        CHECK(writer.woken == 1);
        CHECK_FALSE(content->prepare().empty());
    }
    SECTION("and is woken when the reader goes away") {
        { const content_reader other(content); }
        CHECK(writer.woken == 1);
    }
    SECTION("and is not woken after it stopped waiting") {
        content->cancel_writer_wait();
        reader.consume(10);
        CHECK(writer.woken == 0);
    }
}

TEST_CASE("room that was made before the wait is not waited for", "[http][content][back-pressure]") {
    memory_budget budget;
    const auto content = make(budget, {.window_bytes = 2 * block::usual_capacity});
    content_reader reader(content);
    content->append(some(100'000));
    REQUIRE(content->prepare().empty());
    // The reader is on another worker and goes on just here.
    reader.consume(block::usual_capacity + 5);
    counter writer;
    CHECK_FALSE(content->wait_for_room(writer));
    CHECK_FALSE(content->prepare().empty());
}

TEST_CASE("a reader that has everything leaves room, however small the window", "[http][content][back-pressure]") {
    memory_budget budget;
    const auto content = make(budget, {.window_bytes = 0});
    content_reader reader(content);
    CHECK(content->append("abc") == 3);
    CHECK(read_all(reader) == "abc");
    CHECK_FALSE(content->prepare().empty());
}

TEST_CASE("the slowest of several readers decides", "[http][content][back-pressure]") {
    memory_budget budget;
    const auto content = make(budget, {.window_bytes = 2 * block::usual_capacity});
    content_reader fast(content);
    auto slow = std::make_unique<content_reader>(content);
    const std::string text = some(2 * block::usual_capacity);
    CHECK(content->append(text) == text.size());
    CHECK(read_all(fast) == text);
    counter writer;
    CHECK(content->unread() == text.size());
    REQUIRE(content->wait_for_room(writer));
    SECTION("until it reads") {
        CHECK(read_all(*slow) == text);
        CHECK(writer.woken == 1);
    }
    SECTION("until it goes") {
        slow.reset();
        CHECK(writer.woken == 1);
        CHECK(content->unread() == 0);
    }
    CHECK(budget.used() == 0);
}

TEST_CASE("what all readers have passed is freed", "[http][content]") {
    memory_budget budget;
    const auto content = make(budget, {.window_bytes = 64 * block::usual_capacity});
    content_reader reader(content);
    content->append(some(10 * block::usual_capacity));
    CHECK(budget.used() == 10 * (block::usual_capacity + sizeof(block)));
    reader.consume(4 * block::usual_capacity + 1);
    CHECK(budget.used() == 6 * (block::usual_capacity + sizeof(block)));
    read_all(reader);
    CHECK(budget.used() == 0);
}

TEST_CASE("one block is every transfer's, whatever the budget says", "[http][content][budget]") {
    memory_budget budget(0);
    const auto content = make(budget);
    content_reader reader(content);
    const std::string text = some(50'000);
    counter writer;
    std::size_t written = 0;
    std::string seen;
    while (written < text.size()) {
        const std::size_t n = content->append(std::string_view(text).substr(written));
        REQUIRE(n > 0);
        written += n;
        if (written < text.size()) CHECK(content->wait_for_room(writer));
        seen += read_all(reader);
    }
    CHECK(seen == text);
    CHECK(writer.woken > 0);
}

TEST_CASE("a used-up budget makes the writer wait", "[http][content][budget]") {
    memory_budget budget(3 * (block::usual_capacity + sizeof(block)));
    const auto first = make(budget, {.window_bytes = 1 << 20});
    const auto second = make(budget, {.window_bytes = 1 << 20});
    content_reader reads_first(first), reads_second(second);
    counter writer;
    CHECK(first->append(some(10 * block::usual_capacity)) == 3 * block::usual_capacity);
    CHECK(second->append(some(10 * block::usual_capacity)) == block::usual_capacity);
    CHECK(second->wait_for_room(writer));
    SECTION("for its own reader, which may free memory") {
        read_all(reads_second);
        CHECK(writer.woken == 1);
        CHECK_FALSE(second->prepare().empty());
    }
    SECTION("or until it asks again after others gave back") {
        second->cancel_writer_wait();
        read_all(reads_first);
        CHECK(writer.woken == 0);
        CHECK_FALSE(second->wait_for_room(writer));
        CHECK_FALSE(second->prepare().empty());
    }
    SECTION("and asking does not spend any") {
        const auto used = budget.used();
        CHECK(second->wait_for_room(writer));
        CHECK(budget.used() == used);
    }
}

TEST_CASE("content that is kept does not wait for readers", "[http][content][keeping]") {
    memory_budget budget;
    const auto content = make(budget, {.keep = retention::store, .window_bytes = 1000});
    const std::string text = some(100'000);
    auto early = std::make_unique<content_reader>(content);
    CHECK(content->append(text) == text.size());
    CHECK(read_all(*early) == text);
    SECTION("and is there for who comes late") {
        content_reader late(content);
        CHECK(read_all(late) == text);
    }
    SECTION("and goes on without readers") {
        early.reset();
        CHECK(content->abandoned());
        CHECK(content->append("more") == 4);
        content_reader late(content);
        CHECK(read_all(late) == text + "more");
    }
    SECTION("and is freed as it is read when it is kept no longer") {
        content->stop_keeping();
        CHECK(budget.used() == block::usual_capacity + sizeof(block));
        content_reader late(content);
        std::array<std::string_view, 1> views;
        const auto view = late.peek(views);
        CHECK(view.state == content_state::broken);
        CHECK(view.end);
        CHECK(view.bytes == 0);
        counter waiter;
        CHECK_FALSE(late.wait(waiter));
    }
}

TEST_CASE("kept content without readers waits when the budget is used up", "[http][content][keeping][budget]") {
    memory_budget budget(block::usual_capacity + sizeof(block));
    const auto content = make(budget, {.keep = retention::store});
    { const content_reader gone(content); }
    CHECK(content->append(some(2 * block::usual_capacity)) == block::usual_capacity);
    counter writer;
    // False here would make the writer ask again and again.
    CHECK(content->wait_for_room(writer));
}

TEST_CASE("readers that have all gone are no reason to write on", "[http][content]") {
    memory_budget budget;
    const auto content = make(budget);
    CHECK_FALSE(content->abandoned());
    counter writer;
    { const content_reader reader(content); }
    CHECK(content->abandoned());
    CHECK_FALSE(content->wait_for_room(writer));
}

TEST_CASE("a reader that waits is woken once", "[http][content]") {
    memory_budget budget;
    const auto content = make(budget);
    content_reader reader(content);
    counter waiter;
    REQUIRE(reader.wait(waiter));
    SECTION("by more bytes") {
        content->append("abc");
        content->append("def");
        CHECK(waiter.woken == 1);
        CHECK_FALSE(reader.wait(waiter));
        CHECK(read_all(reader) == "abcdef");
        CHECK(reader.wait(waiter));
    }
    SECTION("by the end") {
        content->complete();
        CHECK(waiter.woken == 1);
        CHECK_FALSE(reader.wait(waiter));
    }
    SECTION("by a failure") {
        content->fail();
        CHECK(waiter.woken == 1);
    }
    SECTION("not after it stopped waiting") {
        reader.cancel_wait();
        content->append("abc");
        CHECK(waiter.woken == 0);
    }
    SECTION("not by an empty commit") {
        content->prepare();
        content->commit(0);
        CHECK(waiter.woken == 0);
    }
}

TEST_CASE("the cache takes the blocks, exactly sized and no longer charged", "[http][content][keeping]") {
    memory_budget budget;
    const std::size_t size = GENERATE(0, 1, block::usual_capacity, 40'000);
    const std::string text = some(size);
    std::vector<block_ptr> blocks;
    {
        const auto content = make(budget, {.keep = retention::store});
        content_reader reader(content);
        content->append(text);
        content->complete();
        blocks = content->take_blocks();
        CHECK(read_all(reader) == text);
    }
    CHECK(budget.used() == 0);
    std::string stored;
    std::size_t memory = 0;
    for (const block_ptr& b : blocks) {
        CHECK(b->size() == b->capacity());
        stored += b->view();
        memory += b->memory_bytes();
    }
    CHECK(stored == text);
    CHECK(memory == text.size() + blocks.size() * sizeof(block));
}
