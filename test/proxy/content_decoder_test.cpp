#include "proxy/content_decoder.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "test/proxy/support.hpp"

using namespace weir;
using namespace weir::proxy;
using http::body_kind;
using test::event_loop;
using test::stream_pair;

namespace weir::proxy {

static std::ostream& operator<<(std::ostream& out, content_status status) {
    constexpr const char* words[] = {"some", "again", "end", "cut", "malformed", "late"};
    return out << words[static_cast<std::size_t>(status)];
}

}  // namespace weir::proxy

namespace {

enum class ending { stays_open, last_byte, reset };

// How the bytes of a message reach the decoder.
struct feeding {
    std::size_t buffered = 0;               // were read together with the head
    std::size_t piece = std::string::npos;  // the others, so many at a time
    std::size_t room = 4096;                // content bytes taken at a time
    ending then = ending::stays_open;
};

struct decoded {
    std::string content;
    content_status status;
    std::string left;        // what the decoder did not consume
    std::uint64_t received;  // what it counted
    bool at_end;
};

// Drives a decoder until it gives something else than content, or has nothing more to come.
decoded decode(body_kind kind, std::uint64_t length, std::string_view wire, const feeding& how) {
    event_loop loop;
    stream_pair pair(loop);
    read_buffer buffer;
    const std::size_t buffered = std::min(how.buffered, wire.size());
    std::copy_n(wire.begin(), buffered, buffer.room().begin());
    buffer.read(buffered);
    wire.remove_prefix(buffered);

    content_decoder decoder(kind, length);
    decoded result{{}, content_status::some, {}, 0, false};
    std::string room(how.room, '\0');
    bool ended = false;
    for (;;) {
        const content_result got = decoder.read(room, buffer, pair.ours, result.received);
        result.status = got.status;
        if (got.status == content_status::some) {
            REQUIRE(got.bytes > 0);
            REQUIRE(got.bytes <= room.size());
            result.content.append(room, 0, got.bytes);
            continue;
        }
        CHECK(got.bytes == 0);
        if (got.status != content_status::again) break;
        if (!wire.empty()) {
            const std::string_view next = wire.substr(0, std::min({how.piece, wire.size(), std::size_t{8192}}));
            test::put(pair.theirs, next);
            wire.remove_prefix(next.size());
        } else if (how.then == ending::stays_open || std::exchange(ended, true)) {
            break;
        } else if (how.then == ending::last_byte) {
            pair.theirs.shutdown_sending();
        } else {
            test::put(pair.ours, "never read, so closing resets");
            pair.theirs.close();
        }
    }
    result.at_end = decoder.at_end();
    result.left = std::string(buffer.unread());
    if (!ended) result.left += test::take(pair.ours);
    result.left += wire;
    return result;
}

struct message {
    const char* name;
    body_kind kind;
    std::uint64_t length;
    std::string wire;
    std::string content;
};

const std::vector<message> messages = {
    {"a length", body_kind::length, 11, "hello world", "hello world"},
    {"no content", body_kind::none, 0, "", ""},
    {"a length of zero", body_kind::length, 0, "", ""},
    {"one chunk", body_kind::chunked, 0, "b\r\nhello world\r\n0\r\n\r\n", "hello world"},
    {"chunks with extensions, zeros and a trailer", body_kind::chunked, 0,
     "5;a=b;c=\"d\\\"\"\r\nhello\r\n0006\r\n world\r\n000\r\nX-Sum: 1\r\nY: 2\r\n\r\n", "hello world"},
    {"no chunk", body_kind::chunked, 0, "0\r\n\r\n", ""},
    {"content that looks like framing", body_kind::chunked, 0, "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n"},
};

std::vector<feeding> feedings(std::size_t size) {
    std::vector<feeding> all;
    for (const std::size_t buffered : {std::size_t{0}, std::size_t{1}, size / 2, size, size + 8}) {
        for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::string::npos}) {
            for (const std::size_t room : {std::size_t{1}, std::size_t{5}, std::size_t{4096}}) {
                all.push_back({buffered, piece, room});
            }
        }
    }
    return all;
}

}  // namespace

TEST_CASE("content ends where its framing says and not a byte behind it", "[proxy][content_decoder][rfc9112-6.3]") {
    const std::string next = "GET / HTTP/1.1\r\n";
    for (const message& m : messages) {
        for (const feeding& how : feedings(m.wire.size())) {
            CAPTURE(m.name, how.buffered, how.piece, how.room);
            const decoded got = decode(m.kind, m.length, m.wire + next, how);
            CHECK(got.status == content_status::end);
            CHECK(got.content == m.content);
            CHECK(got.left == next);
            CHECK(got.at_end);
        }
    }
}

TEST_CASE("content up to the end of the connection is whole with it", "[proxy][content_decoder][rfc9112-6.3]") {
    for (const std::string content : {"", "hello world"}) {
        for (feeding how : feedings(content.size())) {
            CAPTURE(content, how.buffered, how.piece, how.room);
            CHECK(decode(body_kind::until_close, 0, content, how).status == content_status::again);
            how.then = ending::last_byte;
            const decoded got = decode(body_kind::until_close, 0, content, how);
            CHECK(got.status == content_status::end);
            CHECK(got.content == content);
            CHECK(got.at_end);
            how.then = ending::reset;
            const decoded broken = decode(body_kind::until_close, 0, content, how);
            CHECK(broken.status == content_status::cut);
            CHECK(broken.content == content);
            CHECK_FALSE(broken.at_end);
        }
    }
}

TEST_CASE("content that ends too early is cut, wherever it ends", "[proxy][content_decoder][rfc9112-8]") {
    for (const message& m : messages) {
        for (std::size_t size = 0; size < m.wire.size(); ++size) {
            for (const ending then : {ending::last_byte, ending::reset}) {
                for (const std::size_t piece : {std::size_t{1}, std::string::npos}) {
                    CAPTURE(m.name, size, then == ending::reset, piece);
                    const decoded got =
                        decode(m.kind, m.length, m.wire.substr(0, size), {.piece = piece, .then = then});
                    CHECK(got.status == content_status::cut);
                    CHECK(m.content.starts_with(got.content));
                    CHECK_FALSE(got.at_end);
                }
            }
            const decoded waiting = decode(m.kind, m.length, m.wire.substr(0, size), {.buffered = size / 2});
            CHECK(waiting.status == content_status::again);
        }
    }
}

TEST_CASE("chunks that are not RFC 9112's are malformed", "[proxy][content_decoder][rfc9112-7.1][security]") {
    const auto [wire, content] = GENERATE(table<std::string, std::string>({
        {"\r\n", ""},
        {"x\r\n", ""},
        {"-1\r\n", ""},
        {"+5\r\nhello\r\n", ""},
        {" 5\r\nhello\r\n", ""},
        {"5 \r\nhello\r\n", ""},
        {"0x5\r\nhello\r\n", ""},
        {"5\nhello\n", ""},
        {"5\rhello", ""},
        {"5;\r\nhello\r\n", ""},
        {"5; a=b\r\nhello\r\n", ""},
        {"5;a=\"\n\"\r\nhello\r\n", ""},
        {"8000000000000000\r\n", ""},
        {"10000000000000005\r\nhello\r\n", ""},
        {"5\r\nhello0\r\n\r\n", "hello"},
        {"5\r\nhello!\r\n0\r\n\r\n", "hello"},
        {"5\r\nhello\n0\r\n\r\n", "hello"},
        {"5\r\nhello\r\n\r\n", "hello"},
        {"5\r\nhello\r\n0\r\nno trailer\r\n\r\n", "hello"},
        {"5\r\nhello\r\n0\r\nA: b\n\r\n", "hello"},
        {"5\r\nhello\r\n0\r\n A: b\r\n\r\n", "hello"},
        {"5\r\nhello\r\n0\r\n\rX", "hello"},
    }));
    CAPTURE(wire);
    for (const feeding& how : feedings(wire.size())) {
        CAPTURE(how.buffered, how.piece, how.room);
        const decoded got = decode(body_kind::chunked, 0, wire, how);
        CHECK(got.status == content_status::malformed);
        CHECK(got.content == content);
        CHECK_FALSE(got.at_end);
    }
}

TEST_CASE("content that is all there is taken where it lies", "[proxy][content_decoder]") {
    read_buffer buffer;
    const std::string_view wire = "content and more";
    std::copy(wire.begin(), wire.end(), buffer.room().begin());
    buffer.read(wire.size());
    const char* const start = buffer.unread().data();

    SECTION("with a length, and no byte behind it") {
        content_decoder decoder(body_kind::length, 7);
        const auto whole = decoder.take_whole(buffer);
        REQUIRE(whole);
        CHECK(*whole == "content");
        CHECK(static_cast<const void*>(whole->data()) == start);
        CHECK(decoder.at_end());
        CHECK(buffer.unread() == " and more");
    }
    SECTION("all that was read") {
        content_decoder decoder(body_kind::length, wire.size());
        CHECK(decoder.take_whole(buffer) == wire);
        CHECK(buffer.unread().empty());
    }
    SECTION("none, where there is none") {
        const auto kind = GENERATE(body_kind::none, body_kind::length);
        content_decoder decoder(kind, 0);
        CHECK(decoder.take_whole(buffer) == "");
        CHECK(buffer.unread() == wire);
    }
    SECTION("not a part of it, nor what has to be decoded or ends with the connection") {
        const auto kind = GENERATE(body_kind::length, body_kind::chunked, body_kind::until_close);
        content_decoder decoder(kind, kind == body_kind::length ? wire.size() + 1 : 0);
        CHECK_FALSE(decoder.take_whole(buffer));
        CHECK_FALSE(decoder.at_end());
        CHECK(buffer.unread() == wire);
    }
}

TEST_CASE("what is received is counted off the stream, framing included", "[proxy][content_decoder]") {
    for (const message& m : messages) {
        for (feeding how : feedings(m.wire.size())) {
            CAPTURE(m.name, how.buffered, how.piece, how.room);
            how.buffered = std::min(how.buffered, m.wire.size());
            CHECK(decode(m.kind, m.length, m.wire, how).received == m.wire.size() - how.buffered);
        }
    }
}

TEST_CASE("large chunks go straight to where they are wanted", "[proxy][content_decoder]") {
    std::string content;
    for (int i = 0; i < 200'000; ++i) content += static_cast<char>('a' + i % 23);
    const std::string next = "the next response";
    const std::size_t room = GENERATE(1024, 16 * 1024, 64 * 1024);
    const std::size_t buffered = GENERATE(0, 9, 5000);
    CAPTURE(room, buffered);
    // 0x30d40 is 200,000.
    const decoded got = decode(body_kind::chunked, 0, "30d40\r\n" + content + "\r\n0\r\n\r\n" + next,
                               {.buffered = buffered, .room = room});
    CHECK(got.status == content_status::end);
    CHECK((got.content == content));
    CHECK(got.left == next);
    const decoded counted =
        decode(body_kind::length, content.size(), content + next, {.buffered = buffered, .room = room});
    CHECK(counted.status == content_status::end);
    CHECK((counted.content == content));
    CHECK(counted.left == next);
}
