// Small deterministic fuzzing: mutations of real messages, the same ones in every run.
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <random>

#include "proxy/http/chunked.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/http/target.hpp"
#include "test/http/parsed.hpp"

using namespace weir::http;

namespace {

constexpr std::string_view pieces[] = {"\r\n",
                                       "\r",
                                       "\n",
                                       " ",
                                       "\t",
                                       ":",
                                       ",",
                                       ";",
                                       "\"",
                                       "\\",
                                       "0",
                                       "3",
                                       "chunked",
                                       "close",
                                       "Content-Length: 3\r\n",
                                       "Transfer-Encoding: chunked\r\n",
                                       "Host: y\r\n",
                                       "\r\n ",
                                       "Connection: a,,b\r\n",
                                       "Expect: 100-continue\r\n",
                                       "http://y",
                                       "%2f",
                                       "%",
                                       "HTTP/1.0",
                                       "\x7f",
                                       "\x80",
                                       "\xff"};

std::string mutated(std::string bytes, std::mt19937& random) {
    const auto below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    for (std::size_t n = 1 + below(4); n-- > 0 && !bytes.empty();) {
        const std::size_t at = below(bytes.size());
        switch (below(5)) {
            case 0:
                bytes[at] = static_cast<char>(random());
                break;
            case 1:
                bytes.erase(at, 1 + below(8));
                break;
            case 2:
                bytes.insert(at, 1, static_cast<char>(random()));
                break;
            case 3:
                bytes.insert(at, pieces[below(std::size(pieces))]);
                break;
            default:
                bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(30)));
                break;
        }
    }
    return bytes;
}

// What weir understood of a head, written anew in its plainest form.
std::string rewritten(const request_head& head) {
    std::string out = std::string(head.method_text) + " " + std::string(head.target) +
                      (head.version == 10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    for (const field_view field : head.fields) {
        append_field(field.name, field.id == field_id::host ? head.host : field.value, out);
    }
    return out + "\r\n";
}

void check_equal(const request_head& a, const request_head& b) {
    CHECK(a.method == b.method);
    CHECK(a.method_text == b.method_text);
    CHECK(a.target == b.target);
    CHECK(a.version == b.version);
    CHECK(a.keep_alive == b.keep_alive);
    CHECK(a.expects_continue == b.expects_continue);
    CHECK(a.upgrade_websocket == b.upgrade_websocket);
    CHECK(a.body == b.body);
    CHECK(a.content_length == b.content_length);
    REQUIRE(a.fields.size() == b.fields.size());
    for (std::size_t i = 0; i < a.fields.size(); ++i) {
        CHECK(a.fields[i].id == b.fields[i].id);
        CHECK(a.fields[i].name == b.fields[i].name);
        if (a.fields[i].id != field_id::host) CHECK(a.fields[i].value == b.fields[i].value);
    }
}

std::string_view plain(boost::beast::string_view text) {
    return {text.data(), text.size()};
}

// Beast's parser takes more than ours; what ours takes, both read alike.
template <bool IsRequest, class Head>
void check_against_beast(std::string bytes, const Head& head) {
    if (!IsRequest && bytes.find("\r\n") == 12) bytes.insert(12, " ");  // a status line without reason
    namespace beast_http = boost::beast::http;
    beast_http::parser<IsRequest, beast_http::empty_body> parser;
    parser.skip(true);
    boost::system::error_code error;
    parser.put(boost::asio::buffer(bytes), error);
    REQUIRE(error == boost::system::error_code());
    REQUIRE(parser.is_header_done());
    const auto& message = parser.get();
    CHECK(message.version() == head.version);
    std::vector<std::tuple<std::string_view, std::string_view, field_id>> theirs, ours;
    for (const auto& field : message)
        theirs.emplace_back(plain(field.name_string()), plain(field.value()), field.name());
    for (const field_view field : head.fields) ours.emplace_back(field.name, field.value, field.id);
    // Beast keeps fields of one name together.
    std::stable_sort(theirs.begin(), theirs.end());
    std::stable_sort(ours.begin(), ours.end());
    CHECK(theirs == ours);
    if constexpr (IsRequest) {
        CHECK(plain(message.method_string()) == head.method_text);
        CHECK(message.method() == head.method);
        if (plain(message.target()).starts_with('/')) CHECK(plain(message.target()) == head.target);
    } else {
        CHECK(message.result_int() == head.status);
        if (!head.reason.empty()) CHECK(plain(message.reason()) == head.reason);
    }
}

// An exact copy on the heap, so that the address sanitizer sees a read past its end.
struct exact {
    explicit exact(std::string_view bytes) : memory(bytes.begin(), bytes.end()) { memory.shrink_to_fit(); }
    std::string_view view() const { return {memory.data(), memory.size()}; }
    std::vector<char> memory;
};

}  // namespace

TEST_CASE("a mutated request is refused, or understood in one way", "[http][head][fuzz]") {
    const std::string seeds[] = {
        "GET /a/b?c=d HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n",
        "POST http://example.com:80/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\nCookie: a=\"b\"\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\n\r\n",
    };
    std::mt19937 random(20'240'501);
    int accepted = 0;
    for (int i = 0; i < 10'000; ++i) {
        const exact bytes(mutated(seeds[static_cast<std::size_t>(i) % std::size(seeds)], random));
        CAPTURE(i, bytes.view());
        const head_end end = find_end_of_head(bytes.view(), 0, 4096);
        if (end.state != head_end::state::complete) continue;
        const exact head_bytes(bytes.view().substr(0, end.size));
        request_head head, at_once;
        const head_error error = parse_request_head(head_bytes.view(), {}, head);
        const head_end whole = read_request_head(bytes.view(), 0, {}, at_once);
        CHECK(whole.error == error);
        if (error != head_error::none) continue;
        CHECK(whole.size == end.size);
        check_equal(head, at_once);
        ++accepted;
        check_against_beast<true>(std::string(head_bytes.view()), head);
        const exact again_bytes(rewritten(head));
        request_head again;
        REQUIRE(find_end_of_head(again_bytes.view(), 0, 8192).size == again_bytes.view().size());
        REQUIRE(parse_request_head(again_bytes.view(), {}, again) == head_error::none);
        check_equal(head, again);
    }
    CHECK(accepted > 500);
}

TEST_CASE("a mutated response never harms", "[http][head][fuzz]") {
    const std::string seeds[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
        "HTTP/1.1 404\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        "HTTP/1.0 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
    };
    std::mt19937 random(20'240'502);
    int accepted = 0;
    for (int i = 0; i < 10'000; ++i) {
        const exact bytes(mutated(seeds[static_cast<std::size_t>(i) % std::size(seeds)], random));
        CAPTURE(i, bytes.view());
        const head_end end = find_end_of_head(bytes.view(), 0, 4096);
        if (end.state != head_end::state::complete) continue;
        const exact head_bytes(bytes.view().substr(0, end.size));
        response_head head;
        if (parse_response_head(head_bytes.view(), {}, verb::get, head) != head_error::none) continue;
        ++accepted;
        check_against_beast<false>(std::string(head_bytes.view()), head);
        CHECK((head.status >= 100 && head.status <= 599));
        for (const field_view field : head.fields) {
            CHECK(field.name.data() >= head_bytes.view().data());
            CHECK(field.value.data() + field.value.size() <= head_bytes.view().data() + head_bytes.view().size());
        }
    }
    CHECK(accepted > 500);
}

TEST_CASE("mutated chunks decode the same in any pieces", "[http][chunked][fuzz]") {
    const std::string seed = "5;a=\"b\"\r\nhello\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n";
    std::mt19937 random(20'240'503);
    for (int i = 0; i < 10'000; ++i) {
        const std::string bytes = mutated(seed, random);
        CAPTURE(i, bytes);
        const auto decode = [&bytes](std::size_t piece) {
            chunked_decoder decoder;
            std::string content;
            std::size_t at = 0;
            while (at < bytes.size() && !decoder.done() && !decoder.failed()) {
                const auto step = decoder.decode(std::string_view(bytes).substr(at, piece));
                content += step.content;
                at += step.consumed;
            }
            return std::tuple(content, at, decoder.done(), decoder.failed());
        };
        CHECK(decode(bytes.size()) == decode(1));
        CHECK(decode(bytes.size()) == decode(1 + random() % 7));
    }
}

TEST_CASE("mutated paths normalise to themselves", "[http][target][fuzz]") {
    std::mt19937 random(20'240'504);
    std::string once, twice;
    for (int i = 0; i < 10'000; ++i) {
        std::string target = "/";
        constexpr std::string_view parts[] = {"/", "..", ".", "a", "%2e", "%2f", "%5C", "%61", "%", "//", "b", "?"};
        for (std::size_t n = random() % 12; n-- > 0;) target += parts[random() % std::size(parts)];
        CAPTURE(target);
        if (!normalise_path(target, once)) continue;
        REQUIRE(normalise_path(once, twice));
        CHECK(once == twice);
        CHECK(once.find("/../") == std::string::npos);
        CHECK_FALSE(once.ends_with("/.."));
        // Decoding separators first leads to no other segments.
        std::string decoded, direct;
        for (std::size_t j = 0; j < target.size(); ++j) {
            const std::string_view at = std::string_view(target).substr(j);
            const bool separator = at.starts_with("%2f") || at.starts_with("%5C");
            decoded += separator ? '/' : target[j];
            if (separator) j += 2;
        }
        REQUIRE(normalise_path(decoded, direct));
        std::string opened;
        for (std::size_t j = 0; j < once.size(); ++j) {
            const std::string_view at = std::string_view(once).substr(j);
            const bool separator = at.starts_with("%2F") || at.starts_with("%5C");
            opened += separator ? '/' : once[j];
            if (separator) j += 2;
        }
        CHECK(opened == direct);
    }
}
