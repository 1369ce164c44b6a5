#include "proxy/read_buffer.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace weir;
using namespace weir::proxy;

namespace {

// As if `bytes` had been read from a socket.
void receive(read_buffer& buffer, std::string_view bytes) {
    const std::span<char> room = buffer.room();
    REQUIRE(room.size() >= bytes.size());
    std::memcpy(room.data(), bytes.data(), bytes.size());
    buffer.read(bytes.size());
}

constexpr std::uint32_t usual = read_buffer::usual_capacity;

}  // namespace

TEST_CASE("a read buffer gives what was read and not consumed", "[proxy][read_buffer]") {
    read_buffer buffer;
    CHECK(buffer.unread().empty());
    CHECK(buffer.room().size() == usual);
    receive(buffer, "one ");
    receive(buffer, "two");
    CHECK(buffer.unread() == "one two");
    buffer.consume(4);
    CHECK(buffer.unread() == "two");
    CHECK(buffer.room().size() == usual - 7);
    buffer.consume(3);
    CHECK(buffer.unread().empty());
    CHECK(buffer.room().size() == usual);
}

TEST_CASE("a full read buffer has no room until it is compacted", "[proxy][read_buffer]") {
    read_buffer buffer;
    receive(buffer, std::string(usual - 4, '.') + "tail");
    CHECK(buffer.room().empty());
    buffer.consume(usual - 4);
    CHECK(buffer.room().empty());

    SECTION("in place") {
        buffer.compact(usual);
        CHECK(buffer.capacity() == usual);
        CHECK(buffer.unread() == "tail");
        CHECK(buffer.unread().data() == buffer.start());
        CHECK(buffer.room().size() == usual - 4);
    }
    SECTION("into more memory") {
        buffer.compact(2 * usual);
        CHECK(buffer.capacity() == 2 * usual);
        CHECK(buffer.unread() == "tail");
        CHECK(buffer.unread().data() == buffer.start());
        CHECK(buffer.room().size() == 2 * usual - 4);
    }
    SECTION("never into less") {
        buffer.compact(1);
        CHECK(buffer.capacity() == usual);
        CHECK(buffer.unread() == "tail");
    }
}

TEST_CASE("a head that is kept stays while content comes and goes behind it", "[proxy][read_buffer]") {
    read_buffer buffer;
    receive(buffer, "old head");
    buffer.consume(4);
    buffer.compact(usual);
    const char* const head = buffer.start();
    buffer.keep(4);
    CHECK(buffer.unread().empty());
    for (const std::string content : {"first", "second"}) {
        CHECK(buffer.room().size() == usual - 4);
        receive(buffer, content);
        CHECK(buffer.unread() == content);
        CHECK(std::string_view(head, 4) == "head");
        buffer.consume(content.size());
    }
    buffer.release_kept();
    CHECK(buffer.room().size() == usual);
    CHECK(buffer.room().data() == buffer.start());
}

TEST_CASE("what lies behind a kept head is not lost", "[proxy][read_buffer]") {
    read_buffer buffer;
    receive(buffer, "head content");
    buffer.compact(usual);
    buffer.keep(5);
    CHECK(buffer.unread() == "content");
    CHECK(buffer.room().size() == usual - 12);
    buffer.consume(7);
    CHECK(buffer.room().size() == usual - 5);
}

TEST_CASE("a free list keeps what has its usual size", "[proxy][read_buffer]") {
    free_list<read_buffer> list;
    auto first = list.take();
    read_buffer* const address = first.get();
    receive(*first, "secret");
    first->consume(2);
    list.give_back(std::move(first));

    auto again = list.take();
    CHECK(again.get() == address);
    CHECK(again->unread().empty());
    CHECK(again->room().size() == usual);

    again->compact(2 * usual);
    CHECK_FALSE(again->clear_for_reuse());
    list.give_back(std::move(again));
    CHECK(list.take()->capacity() == usual);
}
