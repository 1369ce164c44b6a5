// All that a server may answer, in all wrong places: what a call makes of it is right or `failed`.
#include <sys/resource.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "cache/memcached_handle.hpp"
#include "test/cache/memcached_support.hpp"
#include "test/support/scripted_memcached.hpp"

namespace weir::cache {
namespace {

using namespace std::chrono_literals;
using outcome = memcached_value::outcome;
using test::scripted_memcached;

const std::vector<std::string> wanted{"first", "second"};

// What each kind of answer of the text protocol looks like, and what none does.
std::vector<std::string> known_answers() {
    std::vector<std::string> all{"STORED\r\n",
                                 "NOT_STORED\r\n",
                                 "EXISTS\r\n",
                                 "NOT_FOUND\r\n",
                                 "DELETED\r\n",
                                 "TOUCHED\r\n",
                                 "OK\r\n",
                                 "END\r\n",
                                 "RESET\r\n",
                                 "ERROR\r\n",
                                 "CLIENT_ERROR bad data chunk\r\n",
                                 "CLIENT_ERROR\r\n",
                                 "SERVER_ERROR\r\n",
                                 "SERVER_ERROR busy\r\n",
                                 "BUSY currently processing\r\n",
                                 "VERSION 1.6.18\r\n",
                                 "VERSION\r\n",
                                 "VERSION \r\n",
                                 "VERSION x\r\n",
                                 "VERSION -1.2.3\r\n",
                                 "STAT pid 1\r\nEND\r\n",
                                 "STAT\r\n",
                                 "ITEM x [1 b; 0 s]\r\nEND\r\n",
                                 "0\r\n",
                                 "17\r\n",
                                 "99999999999999999999999\r\n",
                                 "-1\r\n",
                                 "HD\r\n",
                                 "HD s1 t5\r\n",
                                 "MN\r\n",
                                 "NF\r\n",
                                 "VA 1 t5\r\nx\r\n",
                                 "ME first exp=-1\r\n",
                                 "220 mail.example.org ESMTP\r\n",
                                 "HTTP/1.1 400 Bad Request\r\n\r\n",
                                 "\r\n",
                                 "\n",
                                 "\r",
                                 "",
                                 "STORED",
                                 "STORED\n",
                                 "STORED \r\n",
                                 " STORED\r\n",
                                 "stored\r\n",
                                 "STOREDSTORED\r\n",
                                 "STORED\r\nSTORED\r\n",
                                 "STORED\r\nx",
                                 "DELETED\n",
                                 "DELETED\r\nEND\r\n",
                                 "END\r\nEND\r\n",
                                 "END",
                                 "END\n",
                                 "EN\r\n",
                                 std::string("STORED\0\r\n", 9),
                                 std::string("\x81\x00\x00\x05\x00\x00\x00\x00", 8),
                                 std::string(300, 'x') + "\r\n",
                                 std::string(100'000, 'x'),
                                 std::string(100'000, 'x') + "\r\n",
                                 std::string(50'000, '\n'),
                                 "SERVER_ERROR " + std::string(100'000, 'x'),
                                 "CLIENT_ERROR " + std::string(100'000, 'x') + "\r\n",
                                 "VALUE",
                                 "VALUE\r\n",
                                 "VALUE \r\n",
                                 "VALUE first\r\n",
                                 "VALUE first \r\n",
                                 "VALUE first 0\r\n",
                                 "VALUE first 0 \r\n",
                                 "VALUE first 0 1",
                                 "VALUE first 0 1\r\n",
                                 "VALUE first 0 1\r\nx",
                                 "VALUE first 0 1\r\nx\r\n",
                                 "VALUE first 0 1\r\nx\r\nEND",
                                 "VALUE first 0 1\nx\nEND\n",
                                 "VALUE first 0 0\r\nEND\r\n",
                                 "VALUE  first 0 1\r\nx\r\nEND\r\n",
                                 "VALUE first  0 1\r\nx\r\nEND\r\n",
                                 "VALUE first 0 1 \r\nx\r\nEND\r\n",
                                 "VALUE first 0 1 2 3\r\nx\r\nEND\r\n",
                                 "VALUE first x 1\r\nx\r\nEND\r\n",
                                 "VALUE first 4294967296 1\r\nx\r\nEND\r\n",
                                 "VALUE first -1 1\r\nx\r\nEND\r\n",
                                 "VALUE first 0 +1\r\nx\r\nEND\r\n",
                                 "VALUE first 0 1x\r\nx\r\nEND\r\n",
                                 "VALUE first 0 5\r\nx\r\nEND\r\n",
                                 "VALUE first 0 1\r\nlonger\r\nEND\r\n",
                                 "VALUE first 0 1 99999999999999999999\r\nx\r\nEND\r\n",
                                 "VALUES first 0 1\r\nx\r\nEND\r\n",
                                 "VALUE second 0 1\r\nx\r\nVALUE first 0 1\r\nx\r\nEND\r\n",
                                 "VALUE first 0 1\r\nx\r\nVALUE first 0 1\r\nx\r\nEND\r\n",
                                 "VALUE  0 1\r\nx\r\nEND\r\n",
                                 std::string("VALUE fir\0st 0 1\r\nx\r\nEND\r\n", 26)};
    for (const char* length :
         {"-1", "2147483647", "2147483648", "4294967295", "4294967296", "8589934592", "1073741824", "1073741825",
          "9223372036854775807", "9223372036854775808", "18446744073709551612", "18446744073709551613",
          "18446744073709551614", "18446744073709551615", "18446744073709551616", "99999999999999999999999999"}) {
        all.push_back("VALUE first 0 " + std::string(length) + "\r\n" + std::string(5'000, 'x') + "\r\nEND\r\n");
    }
    for (const std::size_t length : {250, 251, 252, 300, 340, 345, 350, 1'000, 3'000, 70'000}) {
        all.push_back("VALUE " + std::string(length, 'k') + " 0 1\r\nx\r\nEND\r\n");
    }
    return all;
}

// `count` more, which are those with something cut out, put in, or changed.
std::vector<std::string> with_damaged(std::vector<std::string> all, std::size_t count, std::uint32_t seed) {
    std::mt19937 random(seed);
    const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
    const auto known = all.size();
    for (std::size_t i = 0; i < count; ++i) {
        std::string text = all[below(known)];
        const std::string& other = all[below(known)];
        if (text.size() > 1'000) text.resize(1'000);
        const auto at = below(text.size() + 1);
        switch (below(6)) {
            case 0:
                text.resize(at);
                break;
            case 1:
                text.insert(at, 1, static_cast<char>(random()));
                break;
            case 2:
                text += other;
                break;
            case 3:
                text.insert(at, other.substr(0, below(50)));
                break;
            case 4:
                text.erase(at, below(4));
                break;
            default:
                if (at < text.size()) text[at] = static_cast<char>(random());
        }
        all.push_back(std::move(text));
    }
    return all;
}

std::vector<std::string> all_answers() {
    constexpr std::size_t damaged = 300;
    return with_damaged(known_answers(), damaged, 6'180'339);
}

// Answers everything with `now`, once for each connection.
class talker {
  public:
    explicit talker(bool greets = true)
        : server_(
              [this](const std::string&) {
                  const std::lock_guard hold(mutex_);
                  return now_ + scripted_memcached::hang_up;
              },
              greets) {}
    conf::memcached_server_address address() const { return server_.address(); }
    void say(const std::string& text) {
        const std::lock_guard hold(mutex_);
        now_ = text;
    }

  private:
    std::mutex mutex_;
    std::string now_;
    scripted_memcached server_;
};

struct command {
    std::string name;
    std::function<outcome(memcached_handle&)> call;
    std::string found;
    std::vector<std::string> missing;
};

std::vector<command> storing_commands() {
    return {{"set", [](auto& h) { return h.set("first", "x", 0, 0s); }, "STORED", {}},
            {"add", [](auto& h) { return h.add("first", "x", 0, 0s); }, "STORED", {"NOT_STORED"}},
            {"cas", [](auto& h) { return h.cas("first", "x", 0, 0s, 7); }, "STORED", {"EXISTS", "NOT_FOUND"}},
            {"remove", [](auto& h) { return h.remove("first"); }, "DELETED", {"NOT_FOUND"}}};
}

TEST_CASE("a storing command is answered by its own answers only", "[cache][memcached][answers]") {
    const auto command = storing_commands().at(static_cast<std::size_t>(GENERATE(0, 1, 2, 3)));
    CAPTURE(command.name);
    talker server;
    for (const auto& answer : all_answers()) {
        const auto begun = answer.substr(0, 200);
        CAPTURE(begun);
        server.say(answer);
        // A new one each time: that the server ends the connection may come after a right answer was taken.
        memcached_handle handle(server.address(), test::ample);
        auto right = answer == command.found + "\r\n" ? outcome::found : outcome::failed;
        for (const auto& one : command.missing) {
            if (answer == one + "\r\n") right = outcome::missing;
        }
        CHECK(command.call(handle) == right);
        const auto fault = handle.fault();
        CHECK((fault == memcached_fault::none) == (right != outcome::failed));
        CHECK((fault == memcached_fault::none || fault == memcached_fault::broken));
    }
}

// Whether `answer` has this value, whole, as the one of that key.
bool says(const std::string& answer, const std::string& key, const memcached_value& value, bool with_cas) {
    const auto cas = with_cas ? " " + std::to_string(value.cas) : "";
    const auto line = "VALUE " + key + " " + std::to_string(value.flags) + " " + std::to_string(value.bytes.size());
    return answer.find(line + cas + "\r\n" + value.bytes + "\r\n") != std::string::npos;
}

TEST_CASE("a value is what the server said for its key or none", "[cache][memcached][answers]") {
    const bool with_cas = GENERATE(false, true);
    talker server;
    memcached_handle handle(server.address(), test::ample);
    auto answers = known_answers();
    for (int i = 0; i < 40; ++i) {  // so that damage is done to right ones, too
        const auto cas = with_cas ? " " + std::to_string(i) : "";
        const auto size = i % 3 == 0 ? 3 : 70'000;
        answers.push_back("VALUE first 1 3" + cas + "\r\none\r\nVALUE second 2 " + std::to_string(size) + cas + "\r\n" +
                          std::string(size, 'x') + "\r\nEND\r\n");
        answers.push_back("VALUE second 3 3" + cas + "\r\ntwo\r\nEND\r\n");
    }
    int found = 0;
    for (const auto& answer : with_damaged(std::move(answers), 600, 2'718'281)) {
        const auto begun = answer.substr(0, 200);
        CAPTURE(begun);
        server.say(answer);
        const auto got = handle.get(wanted, with_cas);
        REQUIRE(got.size() == 2);
        const bool is_well = handle.fault() == memcached_fault::none;
        CHECK((is_well || handle.fault() == memcached_fault::broken));
        CHECK((!is_well || answer.ends_with("END\r\n")));
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            CHECK((got[i].what == outcome::failed) == !is_well);
            if (got[i].what == outcome::found) CHECK(says(answer, wanted[i], got[i], with_cas));
            if (got[i].what != outcome::found) CHECK(got[i].bytes.empty());
            if (got[i].what == outcome::found) ++found;
        }
    }
    CHECK(found > 100);
}

TEST_CASE("a greeting is one or none", "[cache][memcached][answers]") {
    talker server(false);
    memcached_handle handle(server.address(), test::ample);
    for (const auto& answer : all_answers()) {
        const auto begun = answer.substr(0, 200);
        CAPTURE(begun);
        server.say(answer);
        const bool greets = answer.starts_with("VERSION ") && std::string_view("0123456789").find(answer[8]) < 10 &&
                            answer.find('\n') == answer.size() - 1 && answer.ends_with("\r\n");
        CHECK(handle.answers() == greets);
        CHECK((handle.fault() == memcached_fault::none) == greets);
        if (!greets) CHECK(handle.fault() == memcached_fault::unreachable);
    }
}

TEST_CASE("a length that is only announced takes no memory", "[cache][memcached][answers]") {
    scripted_memcached server([](const std::string&) {
        return "VALUE first 0 1073741824\r\n" + std::string(3u << 20, 'x') + scripted_memcached::hang_up;
    });
    memcached_handle handle(server.address(), test::ample);
    const auto peak = [] {
        rusage used{};
        ::getrusage(RUSAGE_SELF, &used);
        return used.ru_maxrss;  // in KiB
    };
    const auto earlier = peak();
    CHECK(handle.get(wanted)[0].what == outcome::failed);
    CHECK(handle.fault() == memcached_fault::broken);
    CHECK(peak() - earlier < 100 * 1024);
}

TEST_CASE("a value may be as large as the server lets it", "[cache][memcached][answers]") {
    std::string large(9u << 20, '\0');
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2'654'435'761u >> 24);
    const auto cut = GENERATE(65'500, 65'536, 1 << 20, (1 << 20) + 1, 9 << 20);
    large.resize(static_cast<std::size_t>(cut));
    scripted_memcached server([&](const std::string&) {
        return "VALUE first 7 " + std::to_string(large.size()) + "\r\n" + large +
               "\r\nVALUE second 8 1\r\ny\r\nEND\r\n";
    });
    memcached_handle handle(server.address(), test::ample);
    for (int i = 0; i < 2; ++i) {
        const auto got = handle.get(wanted);
        CHECK(got[0].what == outcome::found);
        CHECK(got[0].flags == 7);
        CHECK((got[0].bytes == large));
        CHECK(got[1].bytes == "y");
    }
    CHECK(server.connections() == 1);
}

TEST_CASE("an answer may come byte for byte", "[cache][memcached][answers]") {
    scripted_memcached server([](const std::string& line) {
        return line == "gets first second" ? "VALUE first 1 4 9\r\na\r\nb\r\nEND\r\n" : "END\r\n";
    });
    server.dribble(1ms);
    memcached_handle handle(server.address(), test::ample);
    const auto got = handle.get(wanted, true);
    CHECK(got[0].bytes == "a\r\nb");
    CHECK(got[0].flags == 1);
    CHECK(got[0].cas == 9);
    CHECK(got[1].what == outcome::missing);
}

TEST_CASE("a value that dribbles takes the time of a call", "[cache][memcached][answers]") {
    scripted_memcached server([](const std::string& line) {
        return line == "get first" ? "END\r\n"
                                   : "VALUE first 0 1\r\nx\r\nVALUE second 0 9000\r\n" + std::string(9'000, 'x');
    });
    memcached_handle handle(server.address(), 500ms);
    REQUIRE(test::eventually([&] { return handle.get(std::vector{wanted[0]})[0].what == outcome::missing; }));
    server.dribble(5ms);
    const auto got = handle.get(wanted);
    CHECK(handle.fault() == memcached_fault::timed_out);
    CHECK(got[1].what == outcome::failed);
    CHECK(got[1].bytes.empty());
}

TEST_CASE("what a server does not take is refused whenever it says so", "[cache][memcached][answers]") {
    const auto text = GENERATE(as<std::string>{}, "SERVER_ERROR object too large for cache",
                               "SERVER_ERROR out of memory storing object", "SERVER_ERROR Out of memory");
    const auto bytes = GENERATE(1u, 16u << 20);
    CAPTURE(text, bytes);
    // As memcached: at once, and then it reads what it will not take.
    scripted_memcached server([&](const std::string& line) {
        if (line.starts_with("set first ")) return text + "\r\n";
        return std::string(line.starts_with("set second ") || line.starts_with("x") ? "" : "STORED\r\n");
    });
    memcached_handle handle(server.address(), test::ample);
    CHECK(handle.set("first", std::string(bytes, 'x'), 0, 0s) == outcome::failed);
    CHECK(handle.fault() == memcached_fault::refused);
    CHECK(handle.last_error() == text);
    CHECK(handle.set("second", "y", 0, 0s) == outcome::found);
    CHECK(server.connections() == 1);
}

TEST_CASE("an error that comes while a value is sent ends the call", "[cache][memcached][answers]") {
    const auto error = GENERATE(as<std::string>{}, "ERROR\r\n", "CLIENT_ERROR bad command line format\r\n");
    const std::string large(64u << 20, 'x');
    // It does not read on: it has more to say.
    scripted_memcached server([&](const std::string&) { return error + std::string(100'000, 'x'); });
    server.dribble(1ms);
    memcached_handle handle(server.address(), test::ample);
    CHECK(handle.set("first", large, 0, 0s) == outcome::failed);
    CHECK(handle.fault() == memcached_fault::broken);
    CHECK(handle.last_error().find("ERROR") != std::string_view::npos);
}

TEST_CASE("a server that ends the connection while a value is sent is survived", "[cache][memcached][answers]") {
    scripted_memcached server([&](const std::string&) { return std::string(1, scripted_memcached::hang_up); });
    memcached_handle handle(server.address(), test::ample);
    CHECK(handle.set("first", std::string(64u << 20, 'x'), 0, 0s) == outcome::failed);
    CHECK(handle.fault() == memcached_fault::broken);
}

TEST_CASE("a server that takes its time is given that of the call", "[cache][memcached][answers]") {
    const bool is_silent = GENERATE(true, false);
    scripted_memcached server([&](const std::string& line) {
        if (line == "delete first") return std::string("DELETED\r\n");
        return is_silent ? "" : "DELETED" + std::string(1'000, ' ') + "\r\n";
    });
    memcached_handle handle(server.address(), 200ms);
    REQUIRE(test::eventually([&] { return handle.remove("first") == outcome::found; }));
    server.dribble(20ms);
    CHECK(handle.remove("second") == outcome::failed);
    CHECK(handle.fault() == memcached_fault::timed_out);
}

TEST_CASE("only what may be done twice is asked again", "[cache][memcached][answers]") {
    for (const auto& command : storing_commands()) {
        CAPTURE(command.name);
        std::atomic<int> asked = 0;
        scripted_memcached server([&](const std::string& line) {
            if (line == "x") return std::string();
            return ++asked == 1 ? command.found + "\r\n" : std::string(1, scripted_memcached::hang_up);
        });
        memcached_handle handle(server.address(), test::ample);
        CHECK(command.call(handle) == outcome::found);
        CHECK(command.call(handle) == outcome::failed);
        CHECK(handle.fault() == memcached_fault::broken);
        CHECK(server.connections() == (command.name == "set" || command.name == "remove" ? 2 : 1));
    }
}

}  // namespace
}  // namespace weir::cache
