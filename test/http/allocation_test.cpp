// Parsing the heads of a kept-alive connection takes nothing from the heap once the first was parsed.
#include <catch2/catch.hpp>
#include <string>

#include "proxy/http/forwarded.hpp"
#include "proxy/http/head_parser.hpp"
#include "proxy/http/target.hpp"
#include "test/cache/allocation_count.hpp"

using namespace weir::http;
using weir::test::allocations;

namespace {

const std::string browser =
    "GET /photos/12345?page=2 HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
    "Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, "
    "br\r\n"
    "Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-Site: none\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark; language=english\r\n\r\n";
const std::string answer =
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/html\r\nCache-Control: max-age=60, public\r\n\r\n";

}  // namespace

TEST_CASE("a reused request head is parsed without allocating", "[http][head][allocation]") {
    request_head head;
    REQUIRE(parse_request_head(browser, {}, head) == head_error::none);
    const std::uint64_t before = allocations();
    const head_end end = find_end_of_head(browser, 0, 32 * 1024);
    const head_error error = parse_request_head(browser, {}, head);
    const std::uint64_t after = allocations();
    CHECK(after == before);
    CHECK(error == head_error::none);
    CHECK(end.size == browser.size());
    CHECK(head.fields.size() == 11);
}

TEST_CASE("a reused response head is parsed without allocating", "[http][head][allocation]") {
    response_head head;
    REQUIRE(parse_response_head(answer, {}, verb::get, head) == head_error::none);
    const std::uint64_t before = allocations();
    const head_error error = parse_response_head(answer, {}, verb::get, head);
    const std::uint64_t after = allocations();
    CHECK(after == before);
    CHECK(error == head_error::none);
}

TEST_CASE("who is not trusted is resolved without allocating", "[http][forwarded][allocation]") {
    request_head head;
    REQUIRE(parse_request_head(browser, {}, head) == head_error::none);
    const trust nobody = [](const boost::asio::ip::address&) { return false; };
    const auto peer = boost::asio::ip::make_address("2001:db8::1");
    const std::uint64_t before = allocations();
    const forwarded_client client = resolve_client(head, peer, nobody);
    const std::uint64_t after = allocations();
    CHECK(after == before);
    CHECK(client.address == peer);
}

TEST_CASE("a path is normalised without allocating once its string has room", "[http][target][allocation]") {
    std::string out;
    REQUIRE(normalise_path("/photos/of/somebody/with/a/long/name/12345", out));
    const std::uint64_t before = allocations();
    const bool normal = normalise_path("/photos/of/%61/../somebody/x", out);
    const std::uint64_t after = allocations();
    CHECK(after == before);
    CHECK(normal);
    CHECK(out == "/photos/of/somebody/x");
}
