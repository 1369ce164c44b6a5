#include "proxy/error.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "proxy/http/framing.hpp"

using namespace weir;
using namespace weir::proxy;

namespace {

std::vector<cause> all_causes() {
    std::vector<cause> all;
    for (int i = 1; i <= static_cast<int>(cause::internal); ++i) all.push_back(static_cast<cause>(i));
    return all;
}

}  // namespace

TEST_CASE("every cause has a status, a word of its own and a page", "[proxy][error]") {
    std::set<std::string> words;
    const std::regex kebab_case("[a-z]+(-[a-z]+)*");
    for (const cause why : all_causes()) {
        const std::string word(text(why));
        CAPTURE(word);
        CHECK(std::regex_match(word, kebab_case));
        // Max-Forwards ends TRACE and OPTIONS in two ways for one reason.
        CHECK((words.insert(word).second || word == "max-forwards"));

        const unsigned status = status_of(why);
        if (why == cause::options_ended_here) {
            CHECK(status == 200);
            CHECK(error_page(status, why).empty());
            continue;
        }
        CHECK(status >= 400);
        CHECK(status < 600);
        // 499 is for the log: who has left gets no page.
        if (status == 499) continue;
        CHECK_FALSE(http::reason_phrase(status).empty());
        const std::string page = error_page(status, why);
        CHECK(page.find(std::to_string(status) + ' ' + std::string(http::reason_phrase(status))) != std::string::npos);
        const std::size_t sentence = page.find("<p>");
        REQUIRE(sentence != std::string::npos);
        CHECK(page.find(".</p>\n", sentence) != std::string::npos);
        CHECK(page.size() < 512);
    }
    CHECK(status_of(cause::none) == 200);
    CHECK(text(cause::none).empty());
}

TEST_CASE("a page says what happened", "[proxy][error]") {
    CHECK(error_page(502, cause::connection_refused) ==
          "<!doctype html>\n<title>502 Bad Gateway</title>\n<h1>502 Bad Gateway</h1>\n"
          "<p>The server for this page does not answer. Try again in a moment.</p>\n");
}

TEST_CASE("an answer of our own has Date, type and reason, and is not stored", "[proxy][error][rfc9209-2.3]") {
    constexpr std::chrono::sys_seconds now{std::chrono::seconds{1767225600}};
    const auto [why, expected] = GENERATE(table<cause, std::string>({
        {cause::no_route, ""},
        {cause::connection_refused, "Proxy-Status: weir; error=connection_refused\r\n"},
        {cause::no_endpoint, "Retry-After: 1\r\nProxy-Status: weir; error=destination_unavailable\r\n"},
    }));
    CAPTURE(text(why));
    std::string out;
    append_error_fields(status_of(why), why, now, out);
    CHECK(
        out ==
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n" +
            expected);
}

TEST_CASE("a cause leads to the status that RFC 9110 has for it", "[proxy][error][rfc9110-15]") {
    const auto [why, status] = GENERATE(table<cause, unsigned>({
        {cause::bad_request, 400},        {cause::head_too_large, 431},
        {cause::target_too_long, 414},    {cause::version_not_supported, 505},
        {cause::expectation_failed, 417}, {cause::ambiguous_path, 400},
        {cause::content_malformed, 400},  {cause::content_too_large, 413},
        {cause::head_timeout, 408},       {cause::content_timeout, 408},
        {cause::client_left, 499},        {cause::client_stalled, 499},
        {cause::no_route, 404},           {cause::options_ended_here, 200},
        {cause::trace_ended_here, 501},   {cause::only_if_cached, 504},
        {cause::no_endpoint, 503},        {cause::connection_refused, 502},
        {cause::connection_failed, 502},  {cause::connection_timeout, 504},
        {cause::closed_early, 502},       {cause::send_failed, 502},
        {cause::send_timeout, 504},       {cause::first_byte_timeout, 504},
        {cause::read_timeout, 504},       {cause::bad_response, 502},
        {cause::response_cut, 502},       {cause::out_of_descriptors, 503},
        {cause::internal, 500},           {cause::queue_full, 503},
        {cause::queue_timeout, 503},      {cause::purge_not_allowed, 403},
    }));
    CAPTURE(text(why));
    CHECK(status_of(why) == status);
}

TEST_CASE("what the client did is not blamed on an endpoint", "[proxy][error][rfc9209-2.3]") {
    // The registered error types of RFC 9209 that a gateway of HTTP/1.1 without TLS may give.
    const std::set<std::string_view> registered{"dns_timeout",
                                                "dns_error",
                                                "destination_not_found",
                                                "destination_unavailable",
                                                "destination_ip_unroutable",
                                                "connection_limit_reached",
                                                "connection_refused",
                                                "connection_terminated",
                                                "connection_timeout",
                                                "connection_read_timeout",
                                                "connection_write_timeout",
                                                "http_response_incomplete",
                                                "http_response_timeout",
                                                "http_protocol_error",
                                                "proxy_internal_response",
                                                "proxy_internal_error"};
    CHECK_FALSE(blames_client(cause::none));
    for (const cause why : all_causes()) {
        CAPTURE(text(why));
        CHECK(blames_client(why) == (why <= cause::purge_not_allowed));
        if (blames_client(why)) {
            CHECK(proxy_status(why).empty());
        } else {
            CHECK(registered.contains(proxy_status(why)));
        }
    }
}

TEST_CASE("every fault of a head leads to a cause", "[proxy][error]") {
    const auto [error, why] = GENERATE(table<http::head_error, cause>({
        {http::head_error::none, cause::none},
        {http::head_error::too_large, cause::head_too_large},
        {http::head_error::too_many_fields, cause::head_too_large},
        {http::head_error::target_too_long, cause::target_too_long},
        {http::head_error::unsupported_version, cause::version_not_supported},
        {http::head_error::bad_expect, cause::expectation_failed},
        {http::head_error::bare_lf, cause::bad_request},
        {http::head_error::folded_line, cause::bad_request},
        {http::head_error::bad_method, cause::bad_request},
        {http::head_error::bad_target, cause::bad_request},
        {http::head_error::bad_version, cause::bad_request},
        {http::head_error::bad_field_name, cause::bad_request},
        {http::head_error::bad_field_value, cause::bad_request},
        {http::head_error::bad_host, cause::bad_request},
        {http::head_error::bad_content_length, cause::bad_request},
        {http::head_error::several_content_lengths, cause::bad_request},
        {http::head_error::bad_transfer_encoding, cause::bad_request},
        {http::head_error::length_and_encoding, cause::bad_request},
        {http::head_error::connect_refused, cause::bad_request},
        {http::head_error::bad_connection, cause::bad_request},
    }));
    CAPTURE(http::text(error));
    CHECK(from_head_error(error) == why);
}

TEST_CASE("a timeout of writing is not one of connecting", "[proxy][error][rfc9209-2.3]") {
    CHECK(proxy_status(cause::connection_timeout) == "connection_timeout");
    CHECK(proxy_status(cause::send_timeout) == "connection_write_timeout");
    CHECK(proxy_status(cause::read_timeout) == "connection_read_timeout");
    CHECK(proxy_status(cause::first_byte_timeout) == "http_response_timeout");
}
