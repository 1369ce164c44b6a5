#include "proxy/http/head.hpp"

#include "test/http/parsed.hpp"

using namespace weir::http;

TEST_CASE("a head follows its bytes to another place", "[http][head]") {
    const std::string bytes = "GET http://y.example:81/a?b HTTP/1.1\r\nHost: x\r\nA: b\r\nC:\r\n\r\n";
    std::string there = bytes;
    request_head head;
    REQUIRE(parse_request_head(there, {}, head) == head_error::none);
    const std::string elsewhere = bytes;
    head.rebase(elsewhere.data());
    there.assign(there.size(), '!');
    CHECK(head.method_text == "GET");
    CHECK(head.target == "/a?b");
    CHECK(head.host == "y.example:81");
    CHECK(head.target.data() == elsewhere.data() + 23);
    CHECK(head.fields.value(field_id::host) == "x");
    CHECK(head.fields.value("a") == "b");
    CHECK(head.fields.has("c"));
    CHECK(head.fields.base() == elsewhere.data());
}

TEST_CASE("targets that are no part of the bytes stay where they are", "[http][head]") {
    const auto [line, target] =
        GENERATE(table<std::string, std::string>({{"GET http://y HTTP/1.1", "/"}, {"OPTIONS http://y HTTP/1.1", "*"}}));
    std::string bytes = line + "\r\nHost: x\r\n\r\n";
    request_head head;
    REQUIRE(parse_request_head(bytes, {}, head) == head_error::none);
    const std::string elsewhere = bytes;
    head.rebase(elsewhere.data());
    bytes.assign(bytes.size(), '!');
    CHECK(head.target == target);
    CHECK(head.host == "y");
    head.rebase(elsewhere.data());
    CHECK(head.target == target);
}

TEST_CASE("a response's reason follows its bytes, and one that is missing stays empty", "[http][head]") {
    const std::string reason = GENERATE(as<std::string>(), " Not Here", " ", "");
    const std::string bytes = "HTTP/1.1 404" + reason + "\r\nA: b\r\n\r\n";
    std::string there = bytes;
    response_head head;
    REQUIRE(parse_response_head(there, {}, verb::get, head) == head_error::none);
    head.rebase(bytes.data());
    there.assign(there.size(), '!');
    CHECK(head.reason == reason.substr(reason.empty() ? 0 : 1));
    CHECK(head.fields.value("A") == "b");
}

TEST_CASE("fields are found by id and by name", "[http][head]") {
    const auto r = test::request("GET / HTTP/1.1\r\nHost: x\r\nACCEPT: a\r\nX-One: 1\r\naccept: b\r\nx-one: 2\r\n\r\n");
    REQUIRE(r.error == head_error::none);
    const field_list& fields = r.head.fields;
    CHECK(fields.value(field_id::accept) == "a");
    CHECK(fields.count(field_id::accept) == 2);
    CHECK(fields.count(field_id::cookie) == 0);
    CHECK(fields.has(field_id::host));
    CHECK_FALSE(fields.has(field_id::cookie));
    CHECK(fields.value(field_id::cookie).empty());
    CHECK(fields.value("x-ONE") == "1");
    CHECK(fields.has("X-one"));
    CHECK_FALSE(fields.has("X-on"));
    CHECK(fields.value("X-Two").empty());
    std::string names;
    for (const field_view field : fields) names += std::string(field.name) + ",";
    CHECK(names == "Host,ACCEPT,X-One,accept,x-one,");
}

TEST_CASE("case is folded for letters alone", "[http][head]") {
    CHECK(iequals("", ""));
    CHECK(iequals("Content-Length", "cONTENT-lENGTH"));
    CHECK(iequals("azAZ09", "AZaz09"));
    CHECK_FALSE(iequals("a", "ab"));
    CHECK_FALSE(iequals("a", "b"));
    CHECK_FALSE(iequals("@", "`"));
    CHECK_FALSE(iequals("[", "{"));
    CHECK_FALSE(iequals("-", "\r"));
    CHECK_FALSE(iequals("\xc9", "\xe9"));
}

TEST_CASE("eight characters at once are compared as one by one", "[http][head]") {
    for (int a = 0; a < 256; ++a) {
        for (int b = 0; b < 256; ++b) {
            const std::string x(1, static_cast<char>(a)), y(1, static_cast<char>(b));
            const bool equal = iequals(x, y);
            if (iequals("ab" + x + "defgh", "AB" + y + "DEFGH") != equal) FAIL(a << " and " << b);
            if (iequals(x + "bcdefgh" + y, y + "bcdefgh" + x) != equal) FAIL(a << " and " << b);
        }
    }
    CHECK(iequals("if-unmodified-since", "If-Unmodified-Since"));
    CHECK_FALSE(iequals("if-unmodified-since", "If-Unmodified-Sinca"));
    CHECK_FALSE(iequals("if-unmodified-since", "If-Unmodifaed-Since"));
}

TEST_CASE("elements of a list", "[http][head][rfc9110-5.6.1]") {
    const auto [list, elements] = GENERATE(table<std::string, std::string>({
        {"", ""},
        {"a", "a|"},
        {"a,b", "a|b|"},
        {" a ,\tb c , ,, d ", "a|b c|d|"},
        {"\"a,b\", c", "\"a,b\"|c|"},
        {"a=\"b\\\",c\", d", "a=\"b\\\",c\"|d|"},
        {"\"a, b", "\"a, b|"},
        {"\"a\\", "\"a\\|"},
    }));
    CAPTURE(list);
    std::string found;
    CHECK_FALSE(any_element(list, [&found](std::string_view element) {
        found += std::string(element) + "|";
        return false;
    }));
    CHECK(found == elements);
}

TEST_CASE("a walk over a list ends where it is told to", "[http][head]") {
    int calls = 0;
    CHECK(any_element("a,b,c", [&calls](std::string_view element) {
        ++calls;
        return element == "b";
    }));
    CHECK(calls == 2);
}

TEST_CASE("safe and idempotent methods", "[http][rfc9110-9.2]") {
    const auto [method, safe, idempotent] = GENERATE(table<verb, bool, bool>({
        {verb::get, true, true},
        {verb::head, true, true},
        {verb::options, true, true},
        {verb::trace, true, true},
        {verb::put, false, true},
        {verb::delete_, false, true},
        {verb::post, false, false},
        {verb::patch, false, false},
        {verb::unknown, false, false},
    }));
    CAPTURE(to_string(method));
    CHECK(is_safe(method) == safe);
    CHECK(is_idempotent(method) == idempotent);
}

TEST_CASE("every error has a word of its own", "[http][head]") {
    std::string seen;
    for (int i = 0; i <= static_cast<int>(head_error::bad_expect); ++i) {
        const std::string word = "|" + std::string(text(static_cast<head_error>(i))) + "|";
        CHECK(word.size() > 2);
        CHECK(word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-|") == std::string::npos);
        CHECK(seen.find(word) == std::string::npos);
        seen += word;
    }
}
