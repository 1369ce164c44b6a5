// What the machine gives runs out: weir says so, stays up, and serves again when there is more. And what doctor says.
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "test/end_to_end/origin_and_weir.hpp"

namespace weir::test {
namespace {

constexpr unsigned few_files = 64;

// Clients may be more than there are descriptors, and kept connections to the origin stay.
configuration with_few_files(const std::string& upstream) {
    configuration parts;
    parts.upstream = upstream;
    parts.route = no_cache;
    parts.top = "client: {max_connections: 1000}\n";
    parts.admin = true;
    parts.open_files = few_files;
    return parts;
}

// More clients than there are descriptors for, until weir says so.
std::vector<raw_client> crowd(weir_instance& weir) {
    std::vector<raw_client> clients;
    for (unsigned i = 0; i < 2 * few_files; ++i) clients.push_back(weir.client());
    const auto line = weir.program().wait_for_error_line("new clients wait or are refused");
    CHECK(line.find("out of file descriptors; raise LimitNOFILE of the unit") != std::string::npos);
    return clients;
}

// A new client is answered in the end; those before it may be refused for want of descriptors.
bool serves_again(const weir_instance& weir) {
    return eventually([&] {
        try {
            return weir.ask_get("/").status == 200;
        } catch (const connection_ended&) {
            return false;
        }
    });
}

}  // namespace

TEST_CASE("out of descriptors, who is there is served and who comes waits", "[end_to_end][limits]") {
    origin_and_weir pair(scripted_origin::answering(ok("hello")),
                         with_few_files("    keepalive: {idle_timeout: 10m}\n"));
    CHECK(pair.weir.log().find("warning open files (RLIMIT_NOFILE): 64; needed: ") != std::string::npos);
    auto first = pair.weir.client();
    CHECK(first.ask_get("/").status == 200);
    {
        const auto others = crowd(pair.weir);
        CHECK(first.ask_get("/").status == 200);
        const raw_client curious(pair.weir.admin_port());
        pair.weir.program().wait_for_error_line("the admin listener takes nobody: out of file descriptors");
        CHECK(pair.weir.program().is_running());
    }
    CHECK(serves_again(pair.weir));
    CHECK(first.ask_get("/").status == 200);
    CHECK(pair.weir.ask_admin("/healthz").status == 200);
}

TEST_CASE("without a descriptor for a server the answer is 503, and the log says why", "[end_to_end][limits]") {
    origin_and_weir pair(scripted_origin::answering(ok("hello")), with_few_files("    keepalive: off\n"));
    auto first = pair.weir.client();
    CHECK(first.ask_get("/").status == 200);
    {
        const auto others = crowd(pair.weir);
        const auto got = first.ask_get("/");
        CHECK(got.status == 503);
        CHECK(got.text("Retry-After") == "1");
        CHECK(got.text("Proxy-Status") == "weir; error=proxy_internal_error");
        pair.weir.program().wait_for_error_line(
            "cannot connect to servers, requests are answered 503: out of file descriptors; raise LimitNOFILE");
    }
    CHECK(serves_again(pair.weir));
    CHECK(first.ask_get("/").status == 200);
}

TEST_CASE("a full disk costs log lines, not requests", "[end_to_end][limits]") {
    configuration parts;
    parts.access_log = "/dev/full";
    origin_and_weir pair(scripted_origin::answering(ok("hello")), parts);
    CHECK(pair.weir.ask_get("/").status == 200);
    pair.weir.program().wait_for_error_line("cannot write the access log: No space left on device");
    CHECK(pair.weir.ask_get("/").status == 200);
    CHECK(pair.weir.program().is_running());
}

TEST_CASE("doctor says OK to what fits, and names the line to change for what does not", "[end_to_end][limits]") {
    const temporary_folder folder;
    const auto file = folder.path("weir.yaml");
    const std::string rest = "upstreams: {app: {servers: [127.0.0.1:9001], keepalive: {max_idle: 1}}}\n";
    write_file(file,
               "client: {max_connections: 10}\ncache: {memory: 1MiB}\n"
               "buffering: {memory_max: 1MiB, spool_max: 1MiB, spool_dir: \"" +
                   folder.path("") + "\"}\n" + rest);
    const auto good = run_weir({"doctor", file});
    CAPTURE(good.output, good.errors);
    CHECK(good.status == 0);
    CHECK(good.output.find("OK   open files (RLIMIT_NOFILE): ") != std::string::npos);
    CHECK(good.output.find("; needed: 75\n") != std::string::npos);
    CHECK(good.output.find("OK   spool_dir " + folder.path("")) != std::string::npos);
    CHECK(good.output.ends_with("\nOK\n"));

    write_file(file, "client: {max_connections: 10000000}\nbuffering: {spool_dir: /nowhere}\n" + rest);
    const auto bad = run_weir({"doctor", file});
    CAPTURE(bad.output, bad.errors);
    CHECK(bad.status == 1);
    CHECK(bad.output.find("NO   spool_dir /nowhere: it does not exist; needed: a folder that weir may write to\n"
                          "       name another folder in buffering.spool_dir") != std::string::npos);
    CHECK(bad.output.ends_with(" do not fit\n"));

    write_file(file, "wrokers: 1\n" + rest);
    const auto refused = run_weir({"doctor", file});
    CHECK(refused.status == 1);
    CHECK(refused.errors.find("did you mean \"workers\"?") != std::string::npos);
    CHECK(refused.output.empty());
}

TEST_CASE("the soft limit of open files is raised to the hard one", "[end_to_end][limits]") {
    rlimit own{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &own) == 0);
    const rlimit low{64, own.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
    const origin_and_weir pair(scripted_origin::answering(ok("hello")), {.admin = true});
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &own) == 0);
    CHECK(pair.weir.ask_admin("/metrics").content.find("process_max_fds " + std::to_string(own.rlim_max) + "\n") !=
          std::string::npos);
}

TEST_CASE("a spool that cannot be opened is said", "[end_to_end][limits][spool]") {
    const std::string page = noise(8 << 20);
    origin_and_weir pair(scripted_origin::answering(ok(page)),
                         {.route = no_cache, .top = "buffering: {memory_max: 1MiB, spool_dir: /nowhere/at/all}\n"});
    auto slow = pair.weir.client();
    slow.send(get("/"));
    const auto line = pair.weir.program().wait_for_error_line("/nowhere/at/all cannot be opened");
    CAPTURE(line);
    CHECK(line.find("No such file or directory") != std::string::npos);
    CHECK(sha256(slow.read_response().content) == sha256(page));
}

}  // namespace weir::test
