#include "proxy/http/chunked.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace weir::http;
using namespace std::string_literals;

namespace {

struct outcome {
    std::string content;
    std::string state;  // done, failed or open
    std::size_t consumed = 0;
    bool operator==(const outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const outcome& o) {
    return out << o.state << " after " << o.consumed << ": " << o.content;
}

// Feeds `pieces` one after the other, each until nothing more of it is consumed.
outcome decode(const std::vector<std::string_view>& pieces, chunked_decoder::limits limits = {}) {
    chunked_decoder decoder(limits);
    outcome result;
    for (std::string_view piece : pieces) {
        while (!piece.empty() && !decoder.done() && !decoder.failed()) {
            const auto step = decoder.decode(piece);
            if (step.consumed == 0) FAIL("the decoder stands still");
            result.content += step.content;
            result.consumed += step.consumed;
            piece.remove_prefix(step.consumed);
        }
    }
    result.state = decoder.done() ? "done" : decoder.failed() ? "failed" : "open";
    return result;
}

outcome decode_at_every_cut(std::string_view bytes, chunked_decoder::limits limits = {}) {
    const outcome whole = decode({bytes}, limits);
    std::vector<std::string_view> single;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        single.push_back(bytes.substr(i, 1));
        CHECK(decode({bytes.substr(0, i), bytes.substr(i)}, limits) == whole);
    }
    CHECK(decode(single, limits) == whole);
    return whole;
}

}  // namespace

TEST_CASE("legal chunked bodies are decoded however they are cut", "[http][chunked][rfc9112-7.1]") {
    const auto [bytes, content] = GENERATE(table<std::string, std::string>({
        {"0\r\n\r\n", ""},
        {"5\r\nhello\r\n0\r\n\r\n", "hello"},
        {"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n", "hello, world"},
        {"a\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
        {"A\r\n0\r\n\r\n5678\n\r\n0\r\n\r\n", "0\r\n\r\n5678\n"},
        {"0000005\r\nhello\r\n000\r\n\r\n", "hello"},
        {"00000000000000000000000000000005\r\nhello\r\n0\r\n\r\n", "hello"},
        {"5;a\r\nhello\r\n0;b\r\n\r\n", "hello"},
        {"5;a=b;c=\"d\"\r\nhello\r\n0\r\n\r\n", "hello"},
        {"5;a=\"; \\\"x\\\\ \t\xc3\xa9\"\r\nhello\r\n0\r\n\r\n", "hello"},
        {"5;a=\"\"\r\nhello\r\n0\r\n\r\n", "hello"},
        {"5;a=\"b\";c\r\nhello\r\n0\r\n\r\n", "hello"},
        {"5\r\nhello\r\n0\r\nA: b\r\nContent-MD5:x\r\nEmpty:\r\n\r\n", "hello"},
        {"5\r\nhello\r\n0\r\nHost: evil\r\nContent-Length: 3\r\n\r\n", "hello"},
        {"5\r\nhello\r\n0\r\nA: caf\xc3\xa9\tb: c\r\n\r\n", "hello"},
    }));
    CAPTURE(bytes);
    const outcome result = decode_at_every_cut(bytes);
    CHECK(result.state == "done");
    CHECK(result.content == content);
    CHECK(result.consumed == bytes.size());
}

TEST_CASE("what follows the last chunk is left alone", "[http][chunked]") {
    const outcome result = decode_at_every_cut("3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
    CHECK(result.state == "done");
    CHECK(result.consumed == 13);
}

TEST_CASE("broken framing fails however it is cut", "[http][chunked][smuggling]") {
    const std::string bytes = GENERATE(
        as<std::string>(),
        // chunk sizes
        "\r\n", "-3\r\nabc\r\n", "+3\r\nabc\r\n", "0x3\r\nabc\r\n", " 3\r\nabc\r\n", "3 \r\nabc\r\n", "\t3\r\n",
        "3\t\r\n", "g\r\n", "3g\r\n", ";a\r\n", "\"3\"\r\n", "3,3\r\n", "3.\r\n", "3\xc2\xa0\r\n",
        "\xef\xbb\xbf"
        "3\r\n",
        "8000000000000000\r\n", "ffffffffffffffff\r\n", "10000000000000003\r\n", "fffffffffffffffff\r\n",
        // line ends
        "3\nabc\r\n", "3\rabc\r\n", "3\r\rabc\r\n", "3\r\r\nabc", "3\0\r\nabc"s, "0\r\n\n", "0\r\n\r\r", "0\n\r\n",
        // data not followed by CRLF
        "3\r\nabcd\r\n", "3\r\nabc\n0\r\n\r\n", "3\r\nabc0\r\n\r\n", "3\r\nabc\r0\r\n\r\n", "3\r\nabc\r\r\n",
        "3\r\nabc\n\r\n",
        // extensions: white space around them, no name, no value, controls
        "3 ;a\r\nabc\r\n", "3\t;a\r\nabc\r\n", "3; a\r\nabc\r\n", "3;a \r\nabc\r\n", "3;a =b\r\nabc\r\n",
        "3;a= b\r\nabc\r\n", "3;a=b \r\nabc\r\n", "3;\r\nabc\r\n", "3;;a\r\nabc\r\n", "3;=b\r\nabc\r\n",
        "3;a=\r\nabc\r\n", "3;a=;b\r\nabc\r\n", "3;a=b=c\r\nabc\r\n", "3;a=\"b\"c\r\nabc\r\n", "3;a=b\"c\"\r\nabc\r\n",
        "3;a(b\r\nabc\r\n", "3;a\nabc\r\n", "3;a=\"\n\"\r\nabc\r\n", "3;a=\"\r\n\"\r\nabc\r\n",
        "3;a=\"\\\n\"\r\nabc\r\n", "3;a=\"\\\r\"\r\nabc\r\n", "3;a=\"\0\"\r\nabc\r\n"s, "3;a=\"\x7f\"\r\nabc\r\n",
        "3;a\0\r\nabc\r\n"s, "3;\xc3\xa9\r\nabc\r\n",
        // trailers
        "0\r\n A: b\r\n\r\n", "0\r\nA: b\r\n c\r\n\r\n", "0\r\nA : b\r\n\r\n", "0\r\n: b\r\n\r\n", "0\r\nA\r\n\r\n",
        "0\r\nA: b\n\r\n", "0\r\nA: b\rc\r\n\r\n", "0\r\nA: b\0\r\n\r\n"s, "0\r\nA: b\x7f\r\n\r\n",
        "0\r\nA: b\x01\r\n\r\n", "0\r\nA\xc3\xa9: b\r\n\r\n", "0\r\nGET / HTTP/1.1\r\n\r\n", "0\r\nA: b\r\n\n");
    CAPTURE(bytes);
    CHECK(decode_at_every_cut(bytes).state == "failed");
}

TEST_CASE("a failed decoder consumes nothing more", "[http][chunked]") {
    chunked_decoder decoder;
    decoder.decode("x");
    REQUIRE(decoder.failed());
    CHECK(decoder.decode("3\r\nabc").consumed == 0);
}

TEST_CASE("a body that stops is neither done nor failed", "[http][chunked]") {
    const std::string whole = "5;a=\"b\"\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        CHECK(decode({std::string_view(whole).substr(0, size)}).state == "open");
    }
}

TEST_CASE("the largest chunk is 2^63-1 bytes", "[http][chunked]") {
    chunked_decoder decoder;
    CHECK(decoder.decode("7fffffffffffffff\r\n").consumed == 18);
    CHECK(decoder.chunk_remaining() == 0x7fffffffffffffffu);
}

TEST_CASE("extensions, zeros and trailers have limits", "[http][chunked][limits]") {
    const chunked_decoder::limits tight{.max_extension = 8, .max_trailer = 16};
    CHECK(decode_at_every_cut("1;234567\r\nx\r\n0\r\n\r\n", tight).state == "done");
    CHECK(decode_at_every_cut("1;2345678\r\nx\r\n0\r\n\r\n", tight).state == "done");
    CHECK(decode_at_every_cut("1;234567890\r\nx\r\n0\r\n\r\n", tight).state == "failed");
    CHECK(decode_at_every_cut("1;2=\"34567890\"\r\nx\r\n0\r\n\r\n", tight).state == "failed");
    // The allowance is one chunk's.
    CHECK(decode_at_every_cut("1;234567\r\nx\r\n1;234567\r\nx\r\n0;234567\r\n\r\n", tight).state == "done");
    CHECK(decode_at_every_cut("000000001\r\nx\r\n0\r\n\r\n", tight).state == "done");
    CHECK(decode_at_every_cut("0000000000001\r\nx\r\n0\r\n\r\n", tight).state == "failed");
    CHECK(decode_at_every_cut(std::string(30, '0') + "\r\n\r\n", tight).state == "failed");
    CHECK(decode_at_every_cut("0\r\nA: 34567890123\r\n\r\n", tight).state == "done");
    CHECK(decode_at_every_cut("0\r\nA: 345678901234567\r\n\r\n", tight).state == "failed");
    // And all trailer fields share theirs.
    CHECK(decode_at_every_cut("0\r\nA: 56\r\nB: 56\r\n\r\n", tight).state == "done");
    CHECK(decode_at_every_cut("0\r\nA: 56\r\nB: 56\r\nC: 56\r\n\r\n", tight).state == "failed");
    CHECK(decode({"5;" + std::string(100'000, 'a')}).state == "failed");
    CHECK(decode({"0\r\nA: " + std::string(20'000, 'a')}).state == "failed");
}

TEST_CASE("content may be read past the decoder", "[http][chunked]") {
    chunked_decoder decoder;
    CHECK(decoder.chunk_remaining() == 0);
    decoder.decode("a\r\n");
    CHECK(decoder.chunk_remaining() == 10);
    decoder.skip_content(4);
    CHECK(decoder.chunk_remaining() == 6);
    CHECK(decoder.decode("45").content == "45");
    decoder.skip_content(4);
    CHECK(decoder.chunk_remaining() == 0);
    CHECK(decoder.decode("\r\n0\r\n\r\n").consumed == 7);
    CHECK(decoder.done());
}

TEST_CASE("content is a view into the bytes given", "[http][chunked]") {
    const std::string bytes = "5\r\nhello\r\n";
    chunked_decoder decoder;
    const auto step = decoder.decode(bytes);
    CHECK(step.content.data() == bytes.data() + 3);
    CHECK(step.consumed == 8);
}

TEST_CASE("what is written as chunks is read back", "[http][chunked]") {
    std::string bytes, content;
    bool first = true;
    for (const std::size_t size : {1u, 9u, 10u, 15u, 16u, 255u, 4096u, 70'000u}) {
        std::array<char, 20> line;
        bytes += chunk_start(size, first, line);
        const std::string run(size, static_cast<char>('a' + size % 26));
        bytes += run;
        content += run;
        first = false;
    }
    bytes += last_chunk(true);
    const outcome result = decode({bytes});
    CHECK(result.state == "done");
    CHECK(result.consumed == bytes.size());
    CHECK(result.content == content);
}

TEST_CASE("chunk lines are what RFC 9112 says", "[http][chunked][rfc9112-7.1]") {
    std::array<char, 20> line;
    CHECK(chunk_start(26, true, line) == "1a\r\n");
    CHECK(chunk_start(26, false, line) == "\r\n1a\r\n");
    CHECK(chunk_start(0xffffffffffffffffu, false, line) == "\r\nffffffffffffffff\r\n");
    CHECK(last_chunk(false) == "0\r\n\r\n");
    CHECK(last_chunk(true) == "\r\n0\r\n\r\n");
}
