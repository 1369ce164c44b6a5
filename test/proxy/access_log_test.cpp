#include "proxy/access_log.hpp"

#include "proxy/escape.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace weir;
using namespace weir::proxy;
using namespace std::chrono_literals;
using namespace std::string_view_literals;

namespace {

access_record sample() {
    access_record record;
    record.start = std::chrono::system_clock::from_time_t(1'795'291'200) + 123'456us;
    record.duration = 1'234us;
    record.upstream_duration = 1'000us;
    record.client = "192.0.2.7";
    record.method = "GET";
    record.target = "/a?b=c";
    record.host = "example.org";
    record.referer = "http://example.org/";
    record.user_agent = "curl/7.88.1";
    record.request_id = "f00d";
    record.upstream = "app";
    record.endpoint = "127.0.0.1:9001";
    record.cache = "miss";
    record.cache_detail = "uri-miss";
    record.status = 200;
    record.bytes_sent = 300;
    record.content_bytes_sent = 100;
    record.bytes_received = 80;
    return record;
}

access_log make_log(conf::log_format format, std::shared_ptr<log_bell> bell = std::make_shared<log_bell>()) {
    return access_log(std::make_shared<log_buffer>(std::move(bell)), format);
}

std::string escaped(std::string_view text, escape_style style, std::size_t room = 1000) {
    std::string out(room, '?');
    out.resize(static_cast<std::size_t>(write_escaped(text, style, out.data(), room) - out.data()));
    return out;
}

std::string json_escaped(std::string_view text, std::size_t room = 1000) {
    std::string out(room, '?');
    out.resize(static_cast<std::size_t>(write_json_escaped(text, out.data(), room) - out.data()));
    return out;
}

}  // namespace

TEST_CASE("a combined line is that of other servers and what we know besides", "[proxy][access_log]") {
    access_log log = make_log(conf::log_format::combined);
    access_record record = sample();
    SECTION("of a miss") {
        CHECK(log.format(record) ==
              "192.0.2.7 - - [21/Nov/2026:20:00:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 100 \"http://example.org/\" "
              "\"curl/7.88.1\" 0.001234 0.001000 127.0.0.1:9001 miss - uri-miss\n");
        record.queue_duration = 20'005us;
        CHECK(log.format(record).ends_with(" miss 0.020005 uri-miss\n"));
    }
    SECTION("of what is not known") {
        access_record bare;
        bare.start = record.start;
        bare.status = 400;
        CHECK(log.format(bare) == "- - - [21/Nov/2026:20:00:00 +0000] \"-\" 400 0 \"-\" \"-\" 0.000000 - - - - -\n");
    }
    SECTION("with an older version and a long time") {
        record.version = 10;
        record.duration = 3'600s + 5us;
        CHECK(log.format(record).find("HTTP/1.0\"") != std::string_view::npos);
        CHECK(log.format(record).find(" 3600.000005 ") != std::string_view::npos);
    }
    SECTION("no request forges another") {
        record.target = "/ HTTP/1.1\" 200 1\n1.2.3.4 - -";
        record.user_agent = "x\" \"y\n";
        const auto line = log.format(record);
        CHECK(line.find("/\\x20HTTP/1.1\\x22\\x20200\\x201\\x0A1.2.3.4") != std::string_view::npos);
        CHECK(line.find("\"x\\x22 \\x22y\\x0A\"") != std::string_view::npos);
        CHECK(std::count(line.begin(), line.end(), '\n') == 1);
    }
    SECTION("the clock goes on with the record") {
        record.start += 1s;
        CHECK(log.format(record).find("[21/Nov/2026:20:00:01 +0000]") != std::string_view::npos);
    }
}

TEST_CASE("a JSON line is one object", "[proxy][access_log]") {
    access_log log = make_log(conf::log_format::json);
    access_record record = sample();
    SECTION("with a member for everything") {
        const auto line = log.format(record);
        REQUIRE(line.ends_with("}\n"));
        const auto object = boost::json::parse(std::string(line));
        CHECK(object.at("time") == "2026-11-21T20:00:00.123Z");
        CHECK(object.at("duration").as_double() == Approx(0.001234));
        CHECK(object.at("upstream_duration").as_double() == Approx(0.001));
        CHECK(object.at("queue_duration").as_double() == Approx(0.0));
        CHECK(object.at("client") == "192.0.2.7");
        CHECK(object.at("method") == "GET");
        CHECK(object.at("target") == "/a?b=c");
        CHECK(object.at("version") == "1.1");
        CHECK(object.at("host") == "example.org");
        CHECK(object.at("status") == 200);
        CHECK(object.at("bytes_sent") == 300);
        CHECK(object.at("content_bytes_sent") == 100);
        CHECK(object.at("bytes_received") == 80);
        CHECK(object.at("request_id") == "f00d");
        CHECK(object.at("upstream") == "app");
        CHECK(object.at("endpoint") == "127.0.0.1:9001");
        CHECK(object.at("cache") == "miss");
        CHECK(object.at("cache_detail") == "uri-miss");
        CHECK(object.at("error") == "");
    }
    SECTION("of an exchange that asked no endpoint") {
        record.upstream_duration.reset();
        CHECK(boost::json::parse(std::string(log.format(record))).at("upstream_duration").is_null());
    }
    SECTION("whatever bytes the peer sent") {
        std::string all;
        for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
        for (auto member : {&access_record::target, &access_record::host, &access_record::referer,
                            &access_record::user_agent, &access_record::request_id, &access_record::method})
            record.*member = all;
        const auto line = log.format(record);
        CHECK(std::count(line.begin(), line.end(), '\n') == 1);
        CHECK_NOTHROW(boost::json::parse(std::string(line)));
    }
}

TEST_CASE("the longest line has its place", "[proxy][access_log]") {
    const auto format = GENERATE(conf::log_format::combined, conf::log_format::json);
    const std::string filler = GENERATE(as<std::string>(), "x", "\"", "\xff", "\xe2\x82\xac");
    std::string much;
    while (much.size() < 100'000) much += filler;
    access_log log = make_log(format);
    access_record record = sample();
    for (auto member :
         {&access_record::client, &access_record::method, &access_record::target, &access_record::host,
          &access_record::referer, &access_record::user_agent, &access_record::request_id, &access_record::upstream,
          &access_record::endpoint, &access_record::cache, &access_record::cache_detail, &access_record::error})
        record.*member = much;
    record.bytes_sent = record.content_bytes_sent = record.bytes_received = ~std::uint64_t{0};
    record.duration = std::chrono::microseconds::max();
    record.upstream_duration = std::chrono::microseconds::max();
    const auto line = log.format(record);
    CHECK(line.size() < 12'000);
    CHECK(line.find("...") != std::string_view::npos);
    if (format == conf::log_format::json) CHECK_NOTHROW(boost::json::parse(std::string(line)));
}

TEST_CASE("a line goes to the buffer or is reported as dropped", "[proxy][access_log]") {
    auto bell = std::make_shared<log_bell>();
    auto buffer = std::make_shared<log_buffer>(bell, 200);
    access_log log(buffer, conf::log_format::combined);
    const access_record record = sample();
    CHECK(log.write(record));
    CHECK_FALSE(log.write(record));
    CHECK(buffer->dropped() == 1);
    bell->wanted = false;
    CHECK_FALSE(log.wanted());
    CHECK(log.write(record));
    CHECK(buffer->dropped() == 1);
}

TEST_CASE("text for log lines is escaped", "[proxy][access_log][escape]") {
    using style = escape_style;
    const auto [text, how, expected] = GENERATE(table<std::string_view, style, std::string_view>({
        {"", style::quoted, ""},
        {"plain text ~", style::quoted, "plain text ~"},
        {"a\"b", style::quoted, "a\\x22b"},
        {"a\\b", style::quoted, "a\\x5Cb"},
        {"\r\n\t"sv, style::quoted, "\\x0D\\x0A\\x09"},
        {"\0"sv, style::quoted, "\\x00"},
        {"\x1b[31m", style::quoted, "\\x1B[31m"},
        {"\x7f", style::quoted, "\\x7F"},
        {"\xc3\xa9", style::quoted, "\\xC3\\xA9"},
        {"a b", style::quoted, "a b"},
        {"a b", style::bare, "a\\x20b"},
        {"a \"b\" \xc3\xa9\n", style::message, "a \"b\" \xc3\xa9\\x0A"},
    }));
    CAPTURE(text);
    CHECK(escaped(text, how) == expected);
}

TEST_CASE("text for JSON is escaped and always UTF-8", "[proxy][access_log][escape][rfc8259-7]") {
    const auto [text, expected] = GENERATE(table<std::string_view, std::string_view>({
        {"plain", "plain"},
        {"\"\\/", "\\\"\\\\/"},
        {"\n\r\t", "\\n\\r\\t"},
        {"\0\x01\x1f\x7f"sv, "\\u0000\\u0001\\u001F\\u007F"},
        {"\xc3\xa9", "\xc3\xa9"},
        {"\xe2\x82\xac", "\xe2\x82\xac"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\xc3", "\\u00C3"},                                   // cut short
        {"\xc3(", "\\u00C3("},                                 // no continuation
        {"\x80", "\\u0080"},                                   // a continuation alone
        {"\xc0\xaf", "\\u00C0\\u00AF"},                        // overlong
        {"\xe0\x80\xaf", "\\u00E0\\u0080\\u00AF"},             // overlong
        {"\xed\xa0\x80", "\\u00ED\\u00A0\\u0080"},             // surrogate
        {"\xf4\x90\x80\x80", "\\u00F4\\u0090\\u0080\\u0080"},  // beyond 10FFFF
        {"\xff\xc3\xa9", "\\u00FF\xc3\xa9"},
    }));
    CAPTURE(text);
    CHECK(json_escaped(text) == expected);
}

TEST_CASE("what is cut fills its room, ends in a mark and tears no escape", "[proxy][access_log][escape]") {
    CHECK(escaped("123456789012", escape_style::quoted, 12) == "123456789012");
    CHECK(escaped("1234567890123", escape_style::quoted, 12) == "123456789...");
    CHECK(escaped("12345678\n", escape_style::quoted, 12) == "12345678\\x0A");
    CHECK(escaped("123456789\n", escape_style::quoted, 12) == "123456789...");
    CHECK(escaped("\n\n\n", escape_style::quoted, 12) == "\\x0A\\x0A\\x0A");
    CHECK(escaped("\n\n\n\n", escape_style::quoted, 12) == "\\x0A\\x0A...");
    CHECK(escaped("\n\n\nx", escape_style::quoted, 12) == "\\x0A\\x0A...");
    for (std::size_t room = 12; room < 40; ++room) {
        CAPTURE(room);
        for (std::size_t plain = 0; plain < 12; ++plain) {
            const std::string text =
                std::string(plain, 'x') + "\xe2\x82\xac\n\xe2\x82\xac\x01" + std::string(plain, 'y') + "\xff\xff\xff";
            const std::string out = json_escaped(text, room);
            CHECK(out.size() <= room);
            CHECK_NOTHROW(boost::json::parse('"' + out + '"'));
            if (out != json_escaped(text)) CHECK(out.ends_with("..."));
        }
    }
}
