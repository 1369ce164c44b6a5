#include "test/http/parsed.hpp"

using namespace weir::http;
using end_state = enum head_end::state;

namespace {

constexpr std::uint32_t plenty = 32 * 1024;

// Looks for the end as a connection does: more bytes come, `cut` at first and then one by one, and each look goes on
// where the one before stopped.
head_end look_piecewise(std::string_view bytes, std::size_t cut, std::uint32_t max_bytes) {
    head_end end;
    for (std::size_t size = cut; size <= bytes.size(); ++size) {
        end = find_end_of_head(bytes.substr(0, size), end.size, max_bytes);
        if (end.state != end_state::incomplete) return end;
    }
    return end;
}

}  // namespace

TEST_CASE("the end of a head is found", "[http][head]") {
    const std::string head = "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
    const head_end end = find_end_of_head(head + "body\r\n\r\n", 0, plenty);
    CHECK(end.state == end_state::complete);
    CHECK(end.size == head.size());
    CHECK(find_end_of_head("GET / HTTP/1.1\r\n\r\n", 0, plenty).size == 18);
    CHECK(find_end_of_head("", 0, plenty).state == end_state::incomplete);
}

TEST_CASE("the answer does not depend on how the bytes arrive", "[http][head]") {
    const std::string bytes = GENERATE(
        as<std::string>(), "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\nGET /next HTTP/1.1\r\n", "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\n\r\n", "GET / HTTP/1.1\nA: b\r\n\r\n", "\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "GET / HTTP/1.1\r\n\tA: b\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n\n",
        "GET / HTTP/1.1\r\nA: b\r\n\rC: d\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n\r\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n");
    CAPTURE(bytes);
    const head_end whole = find_end_of_head(bytes, 0, plenty);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        CAPTURE(cut);
        const head_end pieces = look_piecewise(bytes, cut, plenty);
        CHECK(pieces.state == whole.state);
        CHECK(pieces.size == whole.size);
        CHECK(pieces.error == whole.error);
    }
}

TEST_CASE("a bare LF is refused as soon as it is there", "[http][head]") {
    CHECK(find_end_of_head("GET / HTTP/1.1\n", 0, plenty).error == head_error::bare_lf);
    CHECK(find_end_of_head("\n", 0, plenty).error == head_error::bare_lf);
    CHECK(find_end_of_head("GET / HTTP/1.1\r\nA: b\r\n\n", 0, plenty).error == head_error::bare_lf);
}

TEST_CASE("a folded line is refused as soon as it is there", "[http][head][rfc9112-5.2]") {
    CHECK(find_end_of_head("GET / HTTP/1.1\r\nA: b\r\n ", 0, plenty).error == head_error::folded_line);
    CHECK(find_end_of_head("GET / HTTP/1.1\r\nA: b\r\n\t", 0, plenty).error == head_error::folded_line);
    CHECK(find_end_of_head("GET / HTTP/1.1\r\n ", 0, plenty).error == head_error::folded_line);
}

TEST_CASE("an empty line is found as an empty head, which the parser refuses", "[http][head]") {
    // One CRLF before a request line is skipped before this is asked.
    const head_end end = find_end_of_head("\r\nGET / HTTP/1.1\r\n\r\n", 0, plenty);
    CHECK(end.state == end_state::complete);
    CHECK(end.size == 2);
    CHECK(test::request("\r\nGET / HTTP/1.1\r\n\r\n").error == head_error::bad_method);
    CHECK(test::response("\r\nHTTP/1.1 200 OK\r\n\r\n").error == head_error::bad_version);
}

TEST_CASE("a head is whole within the limit or refused", "[http][head][limits]") {
    const std::string head = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
    const std::uint32_t size = static_cast<std::uint32_t>(head.size());
    CHECK(find_end_of_head(head, 0, size).state == end_state::complete);
    CHECK(find_end_of_head(head + "body", 0, size).state == end_state::complete);
    CHECK(find_end_of_head(head, 0, size - 1).error == head_error::too_large);
    CHECK(find_end_of_head(head.substr(0, size - 1), 0, size).state == end_state::incomplete);
    CHECK(find_end_of_head(head.substr(0, size - 1), 0, size - 1).error == head_error::too_large);
}

TEST_CASE("a request line past the limit is told from too many fields", "[http][head][limits]") {
    CHECK(find_end_of_head("GET /" + std::string(100, 'a'), 0, 64).error == head_error::target_too_long);
    CHECK(find_end_of_head("GET /" + std::string(100, 'a') + " HTTP/1.1\r\n\r\n", 0, 64).error ==
          head_error::target_too_long);
    CHECK(find_end_of_head("GET / HTTP/1.1\r\nA: " + std::string(100, 'a'), 0, 64).error == head_error::too_large);
    const std::string bytes = "GET /" + std::string(100, 'a');
    CHECK(look_piecewise(bytes, 0, 64).error == head_error::target_too_long);
}
