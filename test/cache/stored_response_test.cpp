#include "cache/stored_response.hpp"

#include <catch2/catch.hpp>

#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using test::http_date;
using test::make_stored;

const std::string date_line = "Date: " + http_date() + "\r\n";

TEST_CASE("a head is ready to be sent as it is", "[cache][stored_response]") {
    const auto stored = make_stored(
        {.response_fields = "Server: CherryPy\nDate: " + http_date() + "\nContent-Type: text/plain\nContent-Length: 5",
         .content = "hello"});
    CHECK(stored->head ==
          "HTTP/1.1 200 OK\r\nServer: CherryPy\r\n" + date_line + "Content-Type: text/plain\r\nContent-Length: 5\r\n");
    CHECK(stored->status == 200);
    CHECK(stored->content_bytes == 5);
    REQUIRE(stored->content().size() == 1);
    CHECK(stored->content()[0] == "hello");
}

TEST_CASE("the origin's reason phrase and the case of names stay", "[cache][stored_response]") {
    const auto stored = make_stored(
        {.response_fields = "dATE: " + http_date() + "\nX_Under_Score: y", .status = 404, .reason = "Gone Fishing"});
    CHECK(stored->head ==
          "HTTP/1.1 404 Gone Fishing\r\ndATE: " + http_date() + "\r\nX_Under_Score: y\r\nContent-Length: 0\r\n");
}

TEST_CASE("hop-by-hop fields and those that Connection names are left out",
          "[cache][stored_response][rfc9111-3.1][rfc9110-7.6.1]") {
    const auto stored = make_stored(
        {.response_fields =
             "Connection: X-Hop, close\nX-Hop: 1\nx-hop: 2\nKeep-Alive: timeout=5\nTransfer-Encoding: chunked\n"
             "Trailer: X-Sum\nUpgrade: h2c\nProxy-Connection: close\nX-Kept: 3\nDate: " +
             http_date(),
         .content = "abc"});
    CHECK(stored->head == "HTTP/1.1 200 OK\r\nX-Kept: 3\r\n" + date_line + "Content-Length: 3\r\n");
}

TEST_CASE("fields that private or no-cache name are left out",
          "[cache][stored_response][rfc9111-5.2.2.4][rfc9111-5.2.2.7]") {
    const auto stored = make_stored(
        {.response_fields = "Cache-Control: max-age=60, private=\"X-User\", no-cache=\"set-cookie\"\nx-user: 1\n"
                            "Set-Cookie: a=b\nX-Kept: 2\nDate: " +
                            http_date()});
    CHECK(stored->head ==
          "HTTP/1.1 200 OK\r\nCache-Control: max-age=60, private=\"X-User\", no-cache=\"set-cookie\"\r\nX-Kept: 2\r\n" +
              date_line + "Content-Length: 0\r\n");
}

TEST_CASE("Age goes into the initial age, not into the head", "[cache][stored_response][rfc9111-4.2.3]") {
    const auto stored = make_stored({.response_fields = "Age: 7\nDate: " + http_date()});
    CHECK_FALSE(stored->fields.has(http::field_id::age));
    CHECK(stored->corrected_initial_age == 7s);
}

TEST_CASE("a Date is added where it is missing or unreadable", "[cache][stored_response][rfc9110-6.6.1]") {
    for (const std::string& fields : {std::string(), std::string("Date: soon"), std::string("Date:"),
                                      "Date: " + http_date(-9s) + "\nDate: " + http_date(-5s)}) {
        CAPTURE(fields);
        const auto stored = make_stored({.response_fields = fields, .response_time = test::at(1999ms)});
        CHECK(stored->head == "HTTP/1.1 200 OK\r\nDate: " + http_date(1s) + "\r\nContent-Length: 0\r\n");
        CHECK(stored->date == std::chrono::floor<std::chrono::seconds>(test::at(1s)));
    }
    const auto kept = make_stored({.response_fields = "Date: " + http_date(-9s), .response_time = test::at(1s)});
    CHECK(kept->fields.value(http::field_id::date) == http_date(-9s));
}

TEST_CASE("Content-Length is what is stored, written once", "[cache][stored_response][rfc9112-6.3]") {
    const auto chunked = make_stored({.response_fields = "Transfer-Encoding: chunked", .content = "hello"});
    CHECK(chunked->fields.count(http::field_id::content_length) == 1);
    CHECK(chunked->fields.value(http::field_id::content_length) == "5");
    const auto no_content = make_stored({.response_fields = "X: y", .status = 204, .reason = "No Content"});
    CHECK_FALSE(no_content->fields.has(http::field_id::content_length));
}

TEST_CASE("the route's rules set and remove fields", "[cache][stored_response][route]") {
    const auto stored =
        make_stored({.response_fields = "Server: a\nDate: " + http_date() + "\nX-Old: 1\nx-old: 2\nX-Kept: 3",
                     .rules = {{"server", std::nullopt}, {"X-Old", "new"}, {"X-New", ""}}});
    CHECK(stored->head ==
          "HTTP/1.1 200 OK\r\n" + date_line + "X-Kept: 3\r\nX-Old: new\r\nX-New: \r\nContent-Length: 0\r\n");
}

TEST_CASE("rules change what clients see, not what the cache decides by", "[cache][stored_response][route]") {
    const auto stored = make_stored({.request_fields = "Accept: a",
                                     .response_fields = "Cache-Control: max-age=60\nVary: Accept\nETag: \"a\"",
                                     .rules = {{"Cache-Control", "no-store"}, {"Vary", "Cookie"}, {"ETag", "\"b\""}}});
    CHECK_FALSE(stored->control.no_store);
    CHECK(stored->control.max_age == 60s);
    REQUIRE(stored->vary.size() == 1);
    CHECK((*stored->vary.begin()).name == "accept");
    CHECK(stored->fields.value(http::field_id::vary) == "Cookie");
    CHECK(stored->etag == "\"b\"");
}

TEST_CASE("the upstream's Cache-Status stays", "[cache][stored_response][rfc9211-2]") {
    const auto stored = make_stored({.response_fields = "Cache-Status: a; hit\nCache-Status: b; fwd=miss"});
    CHECK(stored->fields.count(http::field_id::unknown) == 2);
    CHECK(std::string_view(stored->head).find("Cache-Status: a; hit\r\nCache-Status: b; fwd=miss\r\n") !=
          std::string::npos);
}

TEST_CASE("positions and views point into the stored head", "[cache][stored_response]") {
    const auto stored = make_stored({.response_fields = "ETag: W/\"tag\"\nX-Empty:\nX-Last: z", .content = "abc"});
    std::string rebuilt = "HTTP/1.1 200 OK\r\n";
    for (const http::field_view field : stored->fields) {
        rebuilt.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    CHECK(rebuilt == stored->head);
    CHECK(stored->etag == "W/\"tag\"");
    CHECK(stored->etag.begin() > stored->head.begin());
    CHECK(stored->etag.end() < stored->head.end());
}

TEST_CASE("a validator that is doubled or unreadable is none", "[cache][stored_response]") {
    CHECK(make_stored({.response_fields = "ETag: \"a\"\nETag: \"b\""})->etag.empty());
    CHECK_FALSE(make_stored({.response_fields = "Last-Modified: x"})->last_modified);
    CHECK_FALSE(make_stored({.response_fields = "Last-Modified: " + http_date() + "\nLast-Modified: " + http_date()})
                    ->last_modified);
    CHECK(make_stored({.response_fields = "Last-Modified: " + http_date()})->last_modified ==
          std::chrono::floor<std::chrono::seconds>(test::start));
}

TEST_CASE("small content lies with the rest, in a second piece where that saves memory",
          "[cache][stored_response][memory]") {
    std::size_t pieces = 0;
    std::size_t most_unused = 0;
    for (std::size_t bytes = 1000; bytes <= 12'000; bytes += 100) {
        const std::string content(bytes, 'x');
        const auto stored = make_stored({.content = content});
        CAPTURE(bytes);
        CHECK(test::whole_content(*stored) == content);
        CHECK(stored->blocks().empty());
        pieces = std::max(pieces, stored->content().size());
        const std::size_t used =
            sizeof(stored_response) + stored->key.size() + stored->head.size() + stored->fields.size() * 2 + bytes;
        REQUIRE(stored->memory_bytes() >= used);
        most_unused = std::max(most_unused, (stored->memory_bytes() - used) * 100 / used);
    }
    CHECK(pieces == 2);
    CHECK(most_unused <= 10);  // per cent
}

TEST_CASE("large content stays in the blocks it came in", "[cache][stored_response]") {
    const std::string large(20'000, 'x');
    const auto blocks = make_content(large);
    const auto stored = make_response({.blocks = blocks, .content_bytes = large.size()});
    REQUIRE(stored->blocks().size() == blocks.size());
    CHECK(std::ranges::equal(stored->blocks(), blocks));
    CHECK(stored->content().size() == blocks.size());
    CHECK(test::whole_content(*stored) == large);
    CHECK(stored->memory_bytes() > large.size());
    CHECK(test::whole_content(*make_response({.content = large, .content_bytes = large.size()})) == large);
}

TEST_CASE("memory counts every part of a response", "[cache][stored_response][memory]") {
    const std::string large(100'000, 'x');
    // What the long key takes the place of is up to this much.
    const auto plain = make_stored({})->memory_bytes() - 100;
    CHECK(plain + 100 > sizeof(stored_response));
    CHECK(make_stored({.content = large})->memory_bytes() > plain + large.size());
    CHECK(make_stored({.key = large})->memory_bytes() > plain + large.size());
    CHECK(make_stored({.response_fields = "X: " + large})->memory_bytes() > plain + large.size());
    const auto named =
        make_stored({.response_fields = "Cache-Control: private=" + std::string(1000, 'x')})->memory_bytes();
    CHECK(named > plain + 2000);  // in the head, and once more in what was parsed
    CHECK(make_stored({.request_fields = "X: " + large, .response_fields = "Vary: X"})->memory_bytes() >
          plain + large.size());
}

}  // namespace
}  // namespace weir::cache
