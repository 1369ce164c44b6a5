// `weir ctl roll`: servers restarted one after the other while clients ask.
#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "test/end_to_end/endpoint_states.hpp"
#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/load.hpp"

namespace weir::test {
namespace {

std::vector<std::string> roll_arguments(const weir_instance& weir, const std::vector<std::string>& more) {
    std::vector<std::string> all{weir_program(), "ctl", "--admin", "127.0.0.1:" + std::to_string(weir.admin_port()),
                                 "roll",         "app"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

finished_program roll(const weir_instance& weir, const std::vector<std::string>& more) {
    auto all = roll_arguments(weir, more);
    all.erase(all.begin());
    return run_weir(all);
}

// Two CherryPy servers on unix sockets, each with a file that has its process id, and a script that restarts one as an
// administrator's would.
class restartable_servers {
  public:
    restartable_servers() {
        write_file(script(),
                   "set -eu\n"
                   "socket=${1#unix:}\n"
                   "if [ -e \"$socket.pid\" ]; then\n"
                   "    pid=$(cat \"$socket.pid\")\n"
                   "    kill -TERM \"$pid\"\n"
                   "    while kill -0 \"$pid\" 2>/dev/null; do sleep 0.05; done\n"
                   "fi\n"
                   "/usr/bin/python3 -B " WEIR_CHERRYPY_APP
                   " --name \"${socket##*/}\" --socket \"$socket\" "
                   ">\"$socket.log\" 2>&1 </dev/null &\n"
                   "echo $! >\"$socket.pid\"\n");
        for (const char* name : {"a", "b"}) restart(address(name));
    }
    ~restartable_servers() {
        for (const char* name : {"a", "b"}) {
            if (const pid_t pid = pid_of(name); pid > 0) ::kill(pid, SIGKILL);
        }
    }
    std::string script() const { return folder_.path("restart"); }
    std::string address(const std::string& name) const { return "unix:" + folder_.path(name); }
    pid_t pid_of(const std::string& name) const {
        const auto text = read_file(folder_.path(name + ".pid"));
        return text.empty() ? -1 : static_cast<pid_t>(std::stol(text));
    }

  private:
    void restart(const std::string& where) const {
        process run({"/bin/sh", script(), where});
        REQUIRE(run.wait() == 0);
        const auto log = where.substr(5) + ".log";
        REQUIRE(eventually([&] { return read_file(log).find("ready") != std::string::npos; }));
    }

    temporary_folder folder_;
};

}  // namespace

TEST_CASE("two CherryPy servers are restarted under load, and no request fails", "[end_to_end][ctl][roll][cherrypy]") {
    const restartable_servers servers;
    const bool with_checks = GENERATE(true, false);
    CAPTURE(with_checks);
    weir_instance weir(configuration{
        .servers = {servers.address("a"), servers.address("b")},
        .upstream = std::string("    slow_start: 1s\n") + (with_checks ? "    health: {interval: 100ms}\n" : ""),
        .workers = 2,
        .admin = true});
    const pid_t a_before = servers.pid_of("a");
    const pid_t b_before = servers.pid_of("b");
    const auto request = [](unsigned client, std::size_t n) {
        return n % 5 == 3 ? post("/echo", noise(1000, client)) : get(n % 2 == 0 ? "/" : "/big?n=20000");
    };
    load clients(weir.port(), 4, request, expect_ok);
    clients.wait_for_answers(50);
    process ctl(roll_arguments(weir, {"--exec", "/bin/sh " + servers.script() + " {address}"}));
    for (const char* name : {"a", "b"}) {
        for (const char* step : {": draining", ": nothing is under way there", ": running: ", ": answers; it is ready",
                                 ": starts slowly", ": up"}) {
            ctl.wait_for_output_line(servers.address(name) + step);
        }
    }
    CHECK(ctl.wait() == 0);
    CHECK(ctl.output().ends_with("app: all done\n"));
    clients.wait_for_answers(50);
    const auto result = clients.stop();
    CAPTURE(result.first_failure, weir.log());
    CHECK(result.failures == 0);
    CHECK(servers.pid_of("a") != a_before);
    CHECK(servers.pid_of("b") != b_before);
    CHECK(state_of(weir, servers.address("a")) == "up");
    CHECK(state_of(weir, servers.address("b")) == "up");
}

TEST_CASE("a roll stops where the command fails, and goes on there", "[end_to_end][ctl][roll]") {
    const scripted_origin a(scripted_origin::answering(ok("a")));
    const scripted_origin b(scripted_origin::answering(ok("b")));
    const scripted_origin c(scripted_origin::answering(ok("c")));
    weir_instance weir(configuration{.servers = {a.address(), b.address(), c.address()}, .admin = true});
    const temporary_folder folder;
    const auto note = [&](const std::string& end) {
        return "echo {host} {port} >> " + folder.path("ran") + "; " + end;
    };
    const auto failed =
        roll(weir, {"--exec", note("test {port} != " + std::to_string(b.port()) + " || exit 3"), "--wait", "9s"});
    CHECK(failed.status == 1);
    CAPTURE(failed.errors);
    CHECK(failed.errors.starts_with("weir ctl: " + b.address() + ": the command failed with status 3\n"));
    CHECK(failed.errors.find(a.address() + ": done; it is up\n") != std::string::npos);
    CHECK(failed.errors.find(b.address() + ": drained, and the command was run; it is draining\n") !=
          std::string::npos);
    CHECK(failed.errors.find(c.address() + ": not touched; it is up\n") != std::string::npos);
    CHECK(failed.errors.find(" ready app " + b.address() + "\n") != std::string::npos);
    CHECK(failed.errors.find(" roll app --from " + b.address() + " --exec ") != std::string::npos);
    CHECK(failed.errors.find(" --wait 9s\n") != std::string::npos);
    CHECK(state_of(weir, b.address()) == "draining");

    const auto line = [](const scripted_origin& of) { return "127.0.0.1 " + std::to_string(of.port()) + "\n"; };
    CHECK(read_file(folder.path("ran")) == line(a) + line(b));
    CHECK(roll(weir, {"--exec", note("true"), "--from", b.address()}).status == 0);
    CHECK(read_file(folder.path("ran")) == line(a) + line(b) + line(b) + line(c));
    for (const scripted_origin* one : {&a, &b, &c}) CHECK(state_of(weir, one->address()) == "up");
}

TEST_CASE("a roll stops where a server does not come back", "[end_to_end][ctl][roll]") {
    const scripted_origin a(scripted_origin::answering(ok("a")));
    const refusing_port nobody;
    weir_instance weir(configuration{.servers = {nobody.address(), a.address()}, .admin = true});
    const auto failed = roll(weir, {"--exec", "true", "--wait", "300ms"});
    CHECK(failed.status == 1);
    CAPTURE(failed.errors);
    CHECK(failed.errors.starts_with("weir ctl: " + nobody.address() +
                                    ": it does not answer after 300ms: connection refused\n"));
    CHECK(state_of(weir, nobody.address()) == "draining");
    CHECK(state_of(weir, a.address()) == "up");
}

TEST_CASE("a roll does not end in the middle when nobody reads its output", "[end_to_end][ctl][roll]") {
    const scripted_origin a(scripted_origin::answering(ok("a")));
    const scripted_origin b(scripted_origin::answering(ok("b")));
    weir_instance weir(configuration{.servers = {a.address(), b.address()}, .admin = true});
    const temporary_folder folder;
    // The first command waits until the reader has gone.
    std::string line;
    for (const auto& word :
         roll_arguments(weir, {"--exec", "while [ ! -e " + folder.path("gone") + " ]; do sleep 0.05; done"}))
        line += '\'' + word + "' ";
    process both({"/bin/sh", "-c",
                  "{ " + line + "; echo $? >" + folder.path("status") + "; } | { head -n 1; exec <&-; : >" +
                      folder.path("gone") + "; }"});
    both.wait();
    REQUIRE(eventually([&] { return !read_file(folder.path("status")).empty(); }));
    CHECK(read_file(folder.path("status")) == "0\n");
    for (const scripted_origin* one : {&a, &b}) CHECK(state_of(weir, one->address()) == "up");

    // The command itself is to be ended by a closed pipe as ever.
    CHECK(roll(weir, {"--exec", "kill -PIPE $$"}).errors.find("the command was ended by signal 13") !=
          std::string::npos);
}

TEST_CASE("a roll waits for what is under way, and says what it leaves", "[end_to_end][ctl][roll]") {
    gate finish;
    const scripted_origin a([&](origin_connection& one) {
        for (;;) {
            if (one.read_request().target == "/slow") finish.wait();
            one.send(ok("a"));
        }
    });
    const scripted_origin b(scripted_origin::answering(ok("b")));
    weir_instance weir(configuration{.servers = {a.address(), b.address()}, .admin = true});
    run_weir({"ctl", "--admin", "127.0.0.1:" + std::to_string(weir.admin_port()), "down", "app", b.address()});
    auto slow = weir.client();
    slow.send(get("/slow"));
    a.wait_for_requests(1);
    run_weir({"ctl", "--admin", "127.0.0.1:" + std::to_string(weir.admin_port()), "ready", "app", b.address()});

    SECTION("to the end") {
        process ctl(roll_arguments(weir, {"--exec", "echo at {port}"}));
        ctl.wait_for_output_line(a.address() + ": draining");
        finish.open();
        CHECK(slow.read_response().content == "a");
        ctl.wait_for_output_line(a.address() + ": nothing is under way there");
        ctl.wait_for_output_line("at " + std::to_string(a.port()));
        CHECK(ctl.wait() == 0);
    }
    SECTION("or for so long") {
        const auto done = roll(weir, {"--exec", "true", "--drain-timeout", "200ms"});
        CHECK(done.status == 0);
        CHECK(done.output.find(a.address() + ": after 200ms requests or tunnels are still under way: 1; going on\n") !=
              std::string::npos);
        finish.open();
        CHECK(slow.read_response().content == "a");
    }
    SECTION("or until it is told to stop, or its terminal is gone") {
        const int number = GENERATE(SIGTERM, SIGHUP);
        process ctl(roll_arguments(weir, {"--exec", "true"}));
        ctl.wait_for_output_line(a.address() + ": draining");
        ctl.signal(number);
        CHECK(ctl.wait() == 1);
        CHECK(ctl.errors().starts_with("weir ctl: " + a.address() + ": stopped\n"));
        CHECK(state_of(weir, a.address()) == "draining");
        finish.open();
        CHECK(slow.read_response().content == "a");
    }
}

TEST_CASE("the last server that gets requests is not rolled", "[end_to_end][ctl][roll]") {
    const scripted_origin a(scripted_origin::answering(ok("a")));
    const scripted_origin b(scripted_origin::answering(ok("b")));
    SECTION("because it is the only one") {
        weir_instance weir(configuration{.servers = {a.address()}, .admin = true});
        const auto refused = roll(weir, {"--exec", "true"});
        CHECK(refused.status == 1);
        CHECK(refused.errors.find("is the only server of app") != std::string::npos);
        CHECK(state_of(weir, a.address()) == "up");
        CHECK(roll(weir, {"--exec", "true", "--force"}).status == 0);
        CHECK(state_of(weir, a.address()) == "up");
    }
    SECTION("or because the other is out of use") {
        weir_instance weir(configuration{.servers = {a.address(), b.address()}, .admin = true});
        run_weir({"ctl", "--admin", "127.0.0.1:" + std::to_string(weir.admin_port()), "down", "app", b.address()});
        const auto refused = roll(weir, {"--exec", "true"});
        CHECK(refused.status == 1);
        CHECK(refused.errors.find("no other server of app gets requests") != std::string::npos);
        CHECK(state_of(weir, a.address()) == "up");
        // One that a person holds down is left out.
        const auto forced = roll(weir, {"--exec", "true", "--force"});
        CHECK(forced.status == 0);
        CHECK(forced.output.find(b.address() + ": held down by hand, so it is left out\n") != std::string::npos);
        CHECK(state_of(weir, b.address()) == "held down");
    }
    SECTION("and names that are not known are said at once") {
        weir_instance weir(configuration{.servers = {a.address(), b.address()}, .admin = true});
        CHECK(roll(weir, {"--exec", "true", "--from", "127.0.0.1:1"}).errors.find("has no server 127.0.0.1:1") !=
              std::string::npos);
        CHECK(state_of(weir, a.address()) == "up");
    }
}

}  // namespace weir::test
