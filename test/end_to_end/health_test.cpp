// Servers that are unwell: what checks and failures of real requests make of them, and how they come back.
#include <sys/resource.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <string>

#include "test/end_to_end/endpoint_states.hpp"
#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/json.hpp"

namespace weir::test {
namespace {

constexpr const char* checks =
    "    health: {path: /health, interval: 50ms, timeout: 5s, rise: 2, fall: 2}\n    retry: off\n";

// A server that says whether it is well, and answers everything else with its name either way.
class checked_origin {
  public:
    explicit checked_origin(const std::string& name, const std::string& unix_path = "")
        : origin_(scripted_origin::answering([this, name](const request& got) {
                      if (got.target != "/health") return ok(name);
                      return well_ ? ok("") : std::string("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
                  }),
                  unix_path) {}
    void be_well(bool well) { well_ = well; }
    const std::string& address() const { return origin_.address(); }
    const scripted_origin& origin() const { return origin_; }

  private:
    std::atomic<bool> well_{true};
    scripted_origin origin_;
};

// The answers of so many requests in a row.
std::string answers(const weir_instance& weir, int count) {
    auto client = weir.client();
    std::string all;
    for (int i = 0; i < count; ++i) all += client.ask_get("/").content;
    return all;
}

bool was_checked(const weir_instance& weir, const std::string& address) {
    const auto seen = endpoint_of(weir, address);
    return !seen.at("checks").is_null() && seen.at("checks").at("done").to_number<int>() > 0;
}

}  // namespace

TEST_CASE("a server whose checks fail gets no requests, and gets them again", "[end_to_end][health]") {
    checked_origin a("a");
    checked_origin b("b");
    weir_instance weir(
        configuration{.servers = {a.address(), b.address()}, .upstream = checks, .workers = 2, .admin = true});
    REQUIRE(eventually([&] { return was_checked(weir, a.address()) && was_checked(weir, b.address()); }));
    CHECK(state_of(weir, a.address()) == "up");

    a.be_well(false);
    REQUIRE(comes_to_be(weir, a.address(), "down"));
    CHECK(answers(weir, 10) == "bbbbbbbbbb");
    CHECK(weir.program().wait_for_error_line("is down").ends_with("warning app: " + a.address() +
                                                                  " is down: 2 checks failed: status 500"));
    CHECK(endpoint_of(weir, a.address()).at("reason") == "2 checks failed: status 500");
    CHECK(weir.ask_admin("/metrics")
              .content.find("weir_endpoint_up{upstream=\"app\",endpoint=\"" + a.address() + "\"} 0\n") !=
          std::string::npos);

    a.be_well(true);
    REQUIRE(comes_to_be(weir, a.address(), "up"));
    CHECK(
        weir.program().wait_for_error_line("is up").ends_with("info app: " + a.address() + " is up: 2 checks passed"));
    CHECK(occurrences(answers(weir, 10), "a") == 5);
}

TEST_CASE("a check is one request on a connection of its own", "[end_to_end][health]") {
    const temporary_folder folder;
    const bool unix_socket = GENERATE(false, true);
    checked_origin a("a", unix_socket ? folder.path("a.sock") : "");
    weir_instance weir(configuration{.servers = {a.address()}, .upstream = checks, .admin = true});
    REQUIRE(eventually([&] { return was_checked(weir, a.address()); }));
    a.origin().wait_for_requests(2);
    const auto seen = a.origin().seen();
    CHECK(seen[0].connection != seen[1].connection);
    for (const request& check : seen) {
        CHECK(check.start_line == "GET /health HTTP/1.1");
        CHECK(check.text("Host") == (unix_socket ? "localhost" : a.address()));
        CHECK(check.text("User-Agent") == "weir-health");
        CHECK(check.text("Connection") == "close");
    }
}

TEST_CASE("the first check decides alone", "[end_to_end][health]") {
    const refusing_port nobody;
    checked_origin a("a");
    weir_instance weir(configuration{.servers = {nobody.address(), a.address()}, .upstream = checks, .admin = true});
    CHECK(weir.program().wait_for_error_line("is down").ends_with("app: " + nobody.address() +
                                                                  " is down: 1 check failed: connection refused"));
    CHECK(state_of(weir, nobody.address()) == "down");
}

TEST_CASE("a check for which weir has no descriptor says nothing of the server", "[end_to_end][health][shortage]") {
    checked_origin a("a");
    weir_instance weir(configuration{.servers = {a.address()}, .upstream = checks, .admin = true});
    REQUIRE(eventually([&] { return was_checked(weir, a.address()); }));
    rlimit before{};
    REQUIRE(::prlimit(weir.program().pid(), RLIMIT_NOFILE, nullptr, &before) == 0);
    const rlimit none{0, before.rlim_max};
    REQUIRE(::prlimit(weir.program().pid(), RLIMIT_NOFILE, &none, nullptr) == 0);
    // Its second line, after 2 s, says how many checks there were meanwhile.
    weir.program().wait_for_error_line("times before): out of file descriptors");
    REQUIRE(::prlimit(weir.program().pid(), RLIMIT_NOFILE, &before, nullptr) == 0);
    CHECK(weir.log().find("error servers cannot be checked, and keep the state they have: out of file descriptors") !=
          std::string::npos);
    CHECK(weir.log().find("is down") == std::string::npos);
    CHECK(state_of(weir, a.address()) == "up");
}

TEST_CASE("when all are down all are tried", "[end_to_end][health][panic]") {
    checked_origin a("a");
    checked_origin b("b");
    weir_instance weir(configuration{.servers = {a.address(), b.address()}, .upstream = checks, .admin = true});
    a.be_well(false);
    b.be_well(false);
    REQUIRE(comes_to_be(weir, a.address(), "down"));
    REQUIRE(comes_to_be(weir, b.address(), "down"));
    const auto got = answers(weir, 10);
    CHECK(occurrences(got, "a") == 5);
    CHECK(occurrences(got, "b") == 5);
    CHECK(weir.program().wait_for_error_line("no server is up").find("error app: ") != std::string::npos);
    a.be_well(true);
    CHECK(weir.program().wait_for_error_line("a server is up again").find("info app: ") != std::string::npos);
    CHECK(answers(weir, 4) == "aaaa");
}

TEST_CASE("a reload keeps what checks found, and ends it where they are turned off", "[end_to_end][health][reload]") {
    checked_origin a("a");
    checked_origin b("b");
    configuration parts{.servers = {a.address(), b.address()}, .upstream = checks, .admin = true};
    weir_instance weir(parts);
    a.be_well(false);
    REQUIRE(comes_to_be(weir, a.address(), "down"));
    const auto done = [&] { return endpoint_of(weir, a.address()).at("checks").at("done").to_number<int>(); };
    const int before = done();

    parts.upstream = "    health: {path: /health, interval: 50ms, rise: 3}\n";
    CHECK(weir.reload(parts).find("app: settings") != std::string::npos);
    CHECK(state_of(weir, a.address()) == "down");
    CHECK(eventually([&] { return done() > before; }));
    CHECK(occurrences(weir.log(), "is down") == 1);
    a.be_well(true);
    CHECK(weir.program().wait_for_error_line("is up").find("3 checks passed") != std::string::npos);

    a.be_well(false);
    REQUIRE(comes_to_be(weir, a.address(), "down"));
    parts.upstream = "";
    weir.reload(parts);
    CHECK(state_of(weir, a.address()) == "up");
    CHECK(endpoint_of(weir, a.address()).at("checks").is_null());
    // One that is added later is checked too, one that went is not.
    parts.upstream = checks;
    weir.reload(parts);
    REQUIRE(comes_to_be(weir, a.address(), "down"));
    parts.servers = {b.address()};
    weir.reload(parts);
    const auto asked = [&] { return a.origin().requests(); };
    CHECK(eventually([&] { return a.origin().ended() == a.origin().connections(); }));
    const auto last = asked();
    b.origin().wait_for_requests(b.origin().requests() + 3);
    CHECK(asked() == last);
}

TEST_CASE("a server that comes back starts slowly", "[end_to_end][health][slow_start]") {
    checked_origin a("a");
    checked_origin b("b");
    weir_instance weir(configuration{.servers = {a.address(), b.address()},
                                     .upstream = std::string(checks) + "    slow_start: 1h\n",
                                     .admin = true});
    a.be_well(false);
    REQUIRE(comes_to_be(weir, a.address(), "down"));
    a.be_well(true);
    REQUIRE(comes_to_be(weir, a.address(), "slow start"));
    CHECK(endpoint_of(weir, a.address()).at("share_percent") == 10);
    // A tenth of what the other gets.
    CHECK(occurrences(answers(weir, 44), "a") == 4);
}

TEST_CASE("a server at which requests fail is ejected for a while", "[end_to_end][health][eject]") {
    std::atomic<bool> well{false};
    const scripted_origin a([&](origin_connection& one) {
        for (;;) {
            one.read_request();
            if (!well) return one.close();
            one.send(ok("a"));
        }
    });
    const scripted_origin b(scripted_origin::answering(ok("b")));
    weir_instance weir(configuration{.servers = {a.address(), b.address()},
                                     .upstream = "    eject: {failures: 3, window: 1m, duration: 1s}\n"
                                                 "    retry: {retries: 1, budget: 100%}\n",
                                     .admin = true});
    // Each failure is repeated at the other server: the client sees none.
    std::string got;
    REQUIRE(eventually([&] {
        got += answers(weir, 2);
        return weir.log().find("is ejected") != std::string::npos;
    }));
    CHECK(got.find_first_not_of('b') == std::string::npos);
    CHECK(
        weir.program().wait_for_error_line("is ejected").find("warning app: " + a.address() + " is ejected for 1s: ") !=
        std::string::npos);
    well = true;
    CHECK(weir.program().wait_for_error_line("takes requests again").find("info app: " + a.address()) !=
          std::string::npos);
    CHECK(state_of(weir, a.address()) == "up");
    CHECK(occurrences(answers(weir, 10), "a") == 5);
}

}  // namespace weir::test
