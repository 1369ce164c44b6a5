// Memcached that does not do what it should: servers that hang, are slow or talk nonsense, and values that somebody
// has damaged. No request fails or waits for it, and no answer is a wrong one.
#include <xxhash.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "test/end_to_end/memcached_and_weir.hpp"
#include "test/support/memcached_text.hpp"
#include "test/support/patience.hpp"
#include "test/support/scripted_memcached.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;

// Of the servers that fail here; and what no request may take: far longer, for a busy machine.
const std::string impatient = "timeout: 200ms";
constexpr std::chrono::milliseconds far_longer{10'000};

// Asks for one page after another; each has to come from the origin, and without waiting for long.
void expect_answers(const weir_instance& weir, counting_origin& origin, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        const unsigned number = origin.count + 1;
        const std::string target = "/page" + std::to_string(number);
        const auto began = clock::now();
        const response got = weir.ask_get(target);
        CHECK(clock::now() - began < far_longer);
        CHECK(got.status == 200);
        CHECK(got.content == "answer " + std::to_string(number) + " to " + target);
    }
}

// Once it is given up nobody asks it, so nobody can be kept by it.
void expect_that_nobody_asks(const weir_instance& weir, counting_origin& origin) {
    const auto refused = memcached_count(weir, "refused_lookups");
    expect_answers(weir, origin, 10);
    CHECK(memcached_count(weir, "refused_lookups") >= refused + 10);
}

bool stores(const std::string& line) {
    return line.starts_with("set") || line.starts_with("add");
}

const std::string hanging_up(1, scripted_memcached::hang_up);

// KEY is the first that `line` names, and NOISE many bytes.
std::string filled_in(std::string answer, const std::string& line) {
    if (const auto at = answer.find("NOISE"); at != answer.npos) answer.replace(at, 5, noise(20'000));
    const std::string keys = line.substr(line.find(' ') + 1);
    const std::string key = keys.substr(0, keys.find(' '));
    for (auto at = answer.find("KEY"); at != answer.npos; at = answer.find("KEY", at + key.size())) {
        answer.replace(at, 3, key);
    }
    return answer;
}

// The last 16 bytes of a value are a checksum of all before: as somebody writes it who knows that.
std::string with_checksum(std::string value) {
    constexpr std::size_t size = sizeof(XXH128_canonical_t);
    XXH128_canonical_t sum;
    XXH128_canonicalFromHash(&sum, XXH3_128bits(value.data(), value.size() - size));
    value.replace(value.size() - size, size, reinterpret_cast<const char*>(sum.digest), size);
    return value;
}

std::string with_flipped_bit(std::string value, std::size_t at) {
    value[at] = static_cast<char>(value[at] ^ 1 << at % 8);
    return value;
}

// The keys of whole values or of lists of pieces: a prefix and a hash.
std::vector<std::string> value_keys(memcached_text& memcached) {
    std::vector<std::string> keys = memcached.keys("weir:");
    constexpr std::size_t size = std::string_view("weir:").size() + 64;
    std::erase_if(keys, [](const std::string& key) { return key.size() != size; });
    return keys;
}

// The key under which what was asked for last lies, but for `others`.
std::string new_key(memcached_text& memcached, const std::vector<std::string>& others = {}) {
    std::vector<std::string> keys;
    REQUIRE(eventually([&] {
        keys = value_keys(memcached);
        std::erase_if(keys, [&](const std::string& key) { return std::count(others.begin(), others.end(), key) > 0; });
        return keys.size() == 1;
    }));
    return keys.front();
}

struct damage {
    std::string name;
    std::string value;
};

std::vector<damage> damages_of(const std::string& good) {
    std::vector<damage> all;
    for (const std::size_t left : {std::size_t{0}, std::size_t{3}, std::size_t{5}, std::size_t{6}, std::size_t{17},
                                   good.size() / 2, good.size() - 16, good.size() - 1}) {
        all.push_back({"cut to " + std::to_string(left), good.substr(0, left)});
    }
    for (std::size_t part = 0; part < 16; ++part) {
        const std::size_t at = part * (good.size() - 1) / 15;
        all.push_back({"other at " + std::to_string(at), with_flipped_bit(good, at)});
    }
    all.push_back({"longer", good + 'x'});
    all.push_back({"twice", good + good});
    all.push_back({"a page of the application", "WEIR/1 200\r\nCache-Control: max-age=60\r\n\r\nforged"});
    constexpr std::size_t version_at = 4;
    REQUIRE(with_checksum(good) == good);
    all.push_back({"of another version", with_checksum(with_flipped_bit(good, version_at))});
    return all;
}

}  // namespace

TEST_CASE("a memcached that does not answer fails no request and keeps none for long", "[end_to_end][memcached]") {
    const auto [name, greets, pause] = GENERATE(table<std::string, bool, std::chrono::milliseconds>({
        {"takes connections only", false, 0ms},
        {"greets only", true, 0ms},
        {"greets a byte a second", true, 1000ms},
    }));
    CAPTURE(name);
    scripted_memcached memcached([](const std::string&) { return ""; }, greets);
    if (pause != 0ms) memcached.dribble(pause);
    counting_origin origin;
    const weir_instance weir(of(origin, tier({memcached.address().text}, impatient)));
    expect_answers(weir, origin, 5);
    CHECK(eventually([&] { return has_given_up(weir); }));
    expect_that_nobody_asks(weir, origin);
}

TEST_CASE("a memcached that becomes slow fails no request and keeps none for long", "[end_to_end][memcached]") {
    // Between two bytes.
    const auto pause = GENERATE(30ms, 70ms, 150ms, 1000ms);
    CAPTURE(pause.count());
    scripted_memcached memcached([](const std::string& line) {
        if (line.starts_with("get")) return "END\r\n";
        return stores(line) ? "STORED\r\n" : "";
    });
    counting_origin origin;
    const weir_instance weir(of(origin, tier({memcached.address().text}, impatient)));
    expect_answers(weir, origin, 3);
    memcached.dribble(pause);
    expect_answers(weir, origin, 5);
    // Five bytes in more than the timeout. It may be back for a moment, since it is there.
    if (pause >= 70ms) {
        CHECK(eventually([&] {
            expect_answers(weir, origin, 1);
            return memcached_count(weir, "breaker_opened") > 0;
        }));
    }
    memcached.dribble(0ms);
    CHECK(eventually([&] { return !has_given_up(weir); }));
    expect_answers(weir, origin, 3);
}

TEST_CASE("a memcached that answers nonsense is not believed", "[end_to_end][memcached]") {
    const std::string answer =
        GENERATE(as<std::string>(), "ERROR\r\n", "CLIENT_ERROR bad command line format\r\n",
                 "SERVER_ERROR out of memory writing get response\r\n", "nonsense\r\n", "\r\n", "\r\n\r\n\r\n",
                 "OK\r\n", "STORED\r\n", "DELETED\r\n", "VERSION 1.6.18\r\n", "12345\r\n",
                 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "VALUE other 0 5\r\nhello\r\nEND\r\n",
                 "VALUE KEY 0 5\r\nhello, world\r\nEND\r\n", "VALUE KEY 0 50\r\nhello\r\nEND\r\n",
                 "VALUE KEY 0 5\r\nhello", "VALUE KEY 0 99999999999999\r\nhello\r\nEND\r\n",
                 "VALUE KEY 0 -5\r\nhello\r\nEND\r\n", "VALUE KEY\r\nhello\r\nEND\r\n", "VALUE KEY 0\r\n",
                 "VALUE KEY 0 5\r\nhello\r\nVALUE KEY 0 5\r\nworld\r\nEND\r\n", "VALUE KEY 0 5\r\nhello\r\nERROR\r\n",
                 "VALUE KEY 0 5 hello\r\nEND\r\n", "END", "NOISE", "NOISE\r\n");
    const bool hangs_up = GENERATE(false, true);
    CAPTURE(answer, hangs_up);
    scripted_memcached memcached([&](const std::string& line) {
        if (line.starts_with("get")) return filled_in(answer, line) + (hangs_up ? hanging_up : "");
        return std::string(stores(line) ? "STORED\r\n" : "");
    });
    counting_origin origin;
    configuration parts = of(origin, tier({memcached.address().text}, impatient));
    parts.route = "    memcached_pages: {key: \"page:{host}{path}\"}\n";
    const weir_instance weir(parts);
    expect_answers(weir, origin, 5);
    CHECK(memcached_count(weir, "failures") > 0);
    CHECK(memcached_count(weir, "hits") == 0);
}

TEST_CASE("no answer of a memcached ends weir", "[end_to_end][memcached]") {
    const auto [to_get, to_store] = GENERATE(table<std::string, std::string>({
        {"VALUE KEY 0 -1\r\nhello\r\nEND\r\n", "STORED\r\n"},
        {"VALUE KEY 0 -2\r\nhello\r\nEND\r\n", "STORED\r\n"},
        {"VALUE KEY 0 18446744073709551614\r\nhello\r\nEND\r\n", "STORED\r\n"},
        {"VALUE KEY 0 18446744073709551615\r\nhello\r\nEND\r\n", "STORED\r\n"},
        {"END\r\n", "END\r\n"},
        {"END\r\n", "OK\r\n"},
        {"END\r\n", "DELETED\r\n"},
        {"END\r\n", "VERSION 1.6.18\r\n"},
        {"END\r\n", "VALUE KEY 0 5\r\nhello\r\nEND\r\n"},
        {"END\r\n", "12345\r\n"},
    }));
    CAPTURE(to_get, to_store);
    scripted_memcached memcached([&, get = to_get, store = to_store](const std::string& line) {
        if (line.starts_with("get")) return filled_in(get, line);
        return stores(line) ? filled_in(store, line) : std::string();
    });
    counting_origin origin;
    const weir_instance weir(of(origin, tier({memcached.address().text}, impatient)));
    expect_answers(weir, origin, 5);
    CHECK(memcached_count(weir, "hits") == 0);
}

TEST_CASE("a memcached that hangs is given up and taken back by itself", "[end_to_end][memcached]") {
    memcached_process memcached;
    counting_origin origin;
    const weir_instance weir(of(origin, tier(memcached, impatient, "memory: off")));
    CHECK(weir.ask_get("/kept").content == "answer 1 to /kept");
    REQUIRE(eventually([&] { return is_hit(weir.ask_get("/kept")); }));
    memcached.hang();
    expect_answers(weir, origin, 5);
    CHECK(eventually([&] { return has_given_up(weir); }));
    expect_that_nobody_asks(weir, origin);
    const std::string newer = "answer " + std::to_string(origin.count + 1) + " to /kept";
    CHECK(weir.ask_get("/kept").content == newer);
    memcached.go_on();
    // Nobody has to ask for that.
    CHECK(eventually([&] { return !has_given_up(weir); }));
    CHECK(eventually([&] { return is_hit(weir.ask_get("/kept")); }));
}

TEST_CASE("a damaged value in memcached is a miss, and replaced", "[end_to_end][memcached]") {
    const memcached_process memcached;
    counting_origin origin(for_a_minute + "ETag: \"1\"\r\n");
    const weir_instance weir(of(origin, tier(memcached, patient, "memory: off")));
    memcached_text text(memcached);
    CHECK(weir.ask_get("/").content == "answer 1 to /");
    const std::string key = new_key(text);
    std::string good = text.get(key).value();
    const std::size_t kinds = damages_of(good).size();
    for (std::size_t i = 0; i < kinds; ++i) {
        CHECK(is_hit(weir.ask_get("/")));
        const damage bad = damages_of(good)[i];
        CAPTURE(bad.name);
        text.set(key, bad.value);
        const unsigned number = origin.count + 1;
        const response got = weir.ask_get("/");
        CHECK(got.content == "answer " + std::to_string(number) + " to /");
        CHECK(cache_status(got).find("fwd=uri-miss") != std::string::npos);
        CHECK(origin.count == number);
        CHECK(eventually([&] {
            const std::string now = text.get(key).value_or("");
            return now != bad.value && now.find("answer " + std::to_string(number)) != now.npos;
        }));
        good = text.get(key).value();
    }
}

TEST_CASE("what lies under another key in memcached is a miss", "[end_to_end][memcached]") {
    const memcached_process memcached;
    const scripted_origin origin(scripted_origin::answering([](const request& got) {
        const std::string which = got.target + ' ' + got.text("Host") + ' ' + got.text("Accept-Language");
        return ok(which, for_a_minute + (got.target == "/varies" ? "Vary: Accept-Language\r\n" : ""));
    }));
    const weir_instance weir({.servers = {origin.address()}, .top = tier(memcached, patient, "memory: off")});
    memcached_text text(memcached);
    const std::string german = "Accept-Language: de\r\n";
    const std::string french = "Accept-Language: fr\r\n";
    const std::string elsewhere = "GET /a HTTP/1.1\r\nHost: else.example\r\n\r\n";
    const auto answers_are_right = [&] {
        CHECK(weir.ask_get("/a").content == "/a test.example ");
        CHECK(weir.ask_get("/b").content == "/b test.example ");
        CHECK(weir.ask(elsewhere).content == "/a else.example ");
        CHECK(weir.ask_get("/varies", german).content == "/varies test.example de");
        CHECK(weir.ask_get("/varies", french).content == "/varies test.example fr");
    };
    answers_are_right();
    // The names of what /varies varies by are one more.
    constexpr std::size_t count = 6;
    REQUIRE(eventually([&] { return value_keys(text).size() == count; }));
    const std::vector<std::string> keys = value_keys(text);
    std::vector<std::string> values;
    for (const std::string& key : keys) values.push_back(text.get(key).value());
    // What is wrong is replaced by what is right, so each time all are set.
    for (std::size_t turn = 1; turn < count; ++turn) {
        CAPTURE(turn);
        for (std::size_t i = 0; i < count; ++i) text.set(keys[i], values[(i + turn) % count]);
        answers_are_right();
    }
}

TEST_CASE("a value in pieces that lacks one, or has a wrong one, is a miss", "[end_to_end][memcached]") {
    const memcached_process memcached;
    std::atomic<unsigned> count{0};
    const auto page = [](unsigned number) { return std::to_string(number) + noise(3'500'000, number); };
    const scripted_origin origin(
        scripted_origin::answering([&](const request&) { return ok(page(++count), for_a_minute); }));
    const weir_instance weir(
        {.servers = {origin.address()}, .top = tier(memcached, patient, "memory: off"), .admin = true});
    memcached_text text(memcached);
    CHECK((weir.ask_get("/").content == page(1)));
    const std::string list = new_key(text);
    const auto pieces = [&] {
        std::vector<std::string> keys = text.keys(list);
        std::erase(keys, list);
        return keys;
    };
    REQUIRE(eventually([&] { return pieces().size() == 4; }));
    const std::vector<std::string> keys = pieces();
    const auto exchange = [&](std::size_t one, std::size_t other) {
        const std::string kept = text.get(keys[one]).value();
        text.set(keys[one], text.get(keys[other]).value());
        text.set(keys[other], kept);
    };
    const auto how = GENERATE(range(0, 8));
    CAPTURE(how);
    REQUIRE(is_hit(weir.ask_get("/")));
    switch (how) {
        case 0:
        case 1:
            CHECK(text.remove(keys[how == 0 ? 0 : 3]));
            break;
        case 2:
            exchange(0, 1);
            break;
        case 3:
            exchange(1, 2);
            break;
        case 4:
            text.set(keys[2], with_flipped_bit(text.get(keys[2]).value(), 500'000));
            break;
        case 5:
            text.set(keys[1], text.get(keys[1]).value().substr(1));
            break;
        case 6:
            text.set(keys[3], text.get(keys[3]).value() + 'x');
            break;
        default:
            text.set(keys[3], "");
    }
    const response got = weir.ask_get("/");
    CHECK(got.status == 200);
    CHECK((got.content == page(2)));
    CHECK_FALSE(is_hit(got));
    CHECK(count == 2);
    CHECK(eventually([&] { return is_hit(weir.ask_get("/")); }));
    CHECK((weir.ask_get("/").content == page(count)));
}

}  // namespace weir::test
