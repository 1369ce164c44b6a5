#include "proxy/http/fields.hpp"

#include "test/http/parsed.hpp"

using namespace weir::http;
using namespace std::string_literals;

namespace {

field_view named(std::string_view name) {
    return {boost::beast::http::string_to_field({name.data(), name.size()}), name, "x"};
}

}  // namespace

TEST_CASE("which fields end at this hop", "[http][fields][rfc9110-7.6.1]") {
    const auto [name, ends_here] = GENERATE(table<std::string, bool>({
        {"Connection", true},
        {"KEEP-ALIVE", true},
        {"Proxy-Connection", true},
        {"TE", true},
        {"Trailer", true},
        {"transfer-encoding", true},
        {"Upgrade", true},
        {"Proxy-Authenticate", true},
        {"Proxy-Authorization", true},
        {"Proxy-Authentication-Info", true},
        {"HTTP2-Settings", true},
        {"Content-Length", true},
        {"Host", false},
        {"Authorization", false},
        {"Cookie", false},
        {"Via", false},
        {"X-TE", false},
        {"Trailers", false},
        {"Expect", false},
        {"Max-Forwards", false},
        {"Content-Type", false},
        {"Date", false},
    }));
    CAPTURE(name);
    CHECK(is_hop_by_hop(named(name)) == ends_here);
}

TEST_CASE("fields that Connection names are removed", "[http][fields][rfc9110-7.6.1]") {
    const auto r = test::request(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Hop\r\nA: b\r\nConnection: Cookie,,x-other\r\n\r\n");
    REQUIRE(r.error == head_error::none);
    const connection_options options(r.head.fields);
    CHECK(options.has("close"));
    CHECK(options.has("CLOSE"));
    CHECK(options.has("X-Other"));
    CHECK_FALSE(options.has("A"));
    CHECK(options.names(named("x-hop")));
    CHECK(options.names(named("Cookie")));
    CHECK_FALSE(options.names(named("A")));
    CHECK_FALSE(options.names(named("X-Ho")));
}

TEST_CASE("a client cannot name away what the application relies on", "[http][fields][smuggling]") {
    const std::string name =
        GENERATE(as<std::string>(), "Host", "Content-Length", "Transfer-Encoding", "Via", "Forwarded",
                 "X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Host", "X-Real-IP", "X-Request-ID",
                 "X-Request-Start", "Age", "Date", "Cache-Status", "Proxy-Status");
    CAPTURE(name);
    const auto r = test::request("GET / HTTP/1.1\r\nHost: x\r\nConnection: " + name + "\r\n\r\n");
    REQUIRE(r.error == head_error::none);
    CHECK_FALSE(connection_options(r.head.fields).names(named(name)));
}

TEST_CASE("a head without Connection names nothing", "[http][fields]") {
    const auto r = test::request("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const connection_options options(r.head.fields);
    CHECK_FALSE(options.has("close"));
    CHECK_FALSE(options.names(named("Cookie")));
}

TEST_CASE("fields that tell of the client", "[http][fields]") {
    const auto [name, tells] = GENERATE(table<std::string, bool>({
        {"Forwarded", true},
        {"X-Forwarded-For", true},
        {"X-Forwarded-Proto", true},
        {"x-forwarded-anything", true},
        {"X-Real-IP", true},
        {"x-real-ip", true},
        {"X-Request-ID", true},
        {"X-Request-Start", true},
        {"X-Queue-Time", true},
        {"X-Forwarded", false},
        {"X-Forwarde", false},
        {"X-Real-I", false},
        {"X-", false},
        {"X", false},
        {"X-Requested-With", false},
        {"Host", false},
        {"X-Request-IDs", false},
    }));
    CAPTURE(name);
    CHECK(tells_of_client(named(name)) == tells);
}

TEST_CASE("underscores", "[http][fields]") {
    CHECK(has_underscore("X_Forwarded_For"));
    CHECK_FALSE(has_underscore("X-Forwarded-For"));
}

TEST_CASE("names and values for messages of our own", "[http][fields][rfc9110-5.6.2]") {
    CHECK(valid_field_name("X-A!#$%&'*+.^_`|~9"));
    CHECK_FALSE(valid_field_name(""));
    for (const char c : "\0\t\n\r \"(),/:;<=>?@[\\]{}\x7f\x80\xff"s) {
        CAPTURE(static_cast<int>(c));
        CHECK_FALSE(valid_field_name(std::string("a") + c));
    }
    CHECK(valid_field_value(""));
    CHECK(valid_field_value("a b\tc \x80\xff!\"~"));
    for (const char c : "\0\x01\x08\n\x0b\r\x1f\x7f"s) {
        CAPTURE(static_cast<int>(c));
        CHECK_FALSE(valid_field_value(std::string("a") + c + "b"));
    }
}
