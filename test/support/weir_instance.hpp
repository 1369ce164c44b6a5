// The real program, started on a configuration of the test's own, on ports of the system's choice.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/process.hpp"
#include "test/support/raw_client.hpp"
#include "test/support/temporary_folder.hpp"

namespace weir::test {

// The parts of a usual configuration: one listener, one upstream, one route. What a test adds is YAML, indented as its
// place wants it: two spaces for keys of `listen_extra` list entries, four for `upstream` and `route` keys, none for
// `top`.
struct configuration {
    std::vector<std::string> servers = {};  // "127.0.0.1:1234", "unix:/path", or "{address: ..., weight: 2}"
    std::string upstream = "";              // such as "    retry: off\n"
    std::string route = "";                 // such as "    cache: off\n"
    std::string top = "";                   // such as "client: {max_content: 1KiB}\n"
    std::vector<std::string> listen = {"127.0.0.1:0"};
    unsigned workers = 1;
    bool admin = false;
    std::string access_log = "off";
    std::string drain_timeout = "5s";
    unsigned open_files = 0;  // RLIMIT_NOFILE of the program; 0: the test's own

    std::string yaml() const;
};

// Runs while it lives. The destructor stops it with SIGTERM and fails the test when it does not then exit with status
// 0, or when a sanitizer has spoken.
class weir_instance {
  public:
    // Waits until it listens on every address. `listeners` is how many there are in `yaml`.
    explicit weir_instance(const std::string& yaml, unsigned listeners = 1, unsigned open_files = 0);
    explicit weir_instance(const configuration& parts)
        : weir_instance(parts.yaml(), static_cast<unsigned>(parts.listen.size()), parts.open_files) {}
    ~weir_instance();

    // The port of the first TCP listener, where there is only one.
    std::uint16_t port() const { return port_on("127.0.0.1"); }
    // The port that the program listens on at this address, by the last line of its log that says so: "127.0.0.2" or
    // "[::1]".
    std::uint16_t port_on(const std::string& host) const;
    std::uint16_t admin_port() const;
    raw_client client() const { return raw_client(port()); }
    // One exchange on a connection of its own.
    response ask(std::string_view bytes) const { return client().ask(bytes); }
    response ask_get(std::string_view target, std::string_view fields = "") const {
        return client().ask_get(target, fields);
    }

    // Writes `yaml` over the configuration and sends SIGHUP: the log line that says how it went, "reloaded: ..." or
    // "not reloaded ...".
    std::string reload(const std::string& yaml);
    std::string reload(const configuration& parts) { return reload(parts.yaml()); }
    // The same without a change of the file.
    std::string reload();
    // What the program has logged.
    std::string log() const { return program_->errors(); }

    // GET of a page of the admin listener.
    response ask_admin(std::string_view target, std::string_view fields = "") const;
    boost::json::value status() const;

    // SIGTERM, then its exit status.
    int stop();

    process& program() { return *program_; }
    const temporary_folder& folder() const { return folder_; }
    std::string file() const { return folder_.path("weir.yaml"); }
    // Fails the test no more at the end: the test itself kills it or expects another status.
    void expect_any_end() { any_end_ = true; }

  private:
    temporary_folder folder_;
    std::unique_ptr<process> program_;
    bool any_end_ = false;
};

// `weir` with these arguments, run to its end.
struct finished_program {
    int status;
    std::string output;
    std::string errors;
};
finished_program run_weir(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});

// The path of the program under test.
std::string weir_program();

}  // namespace weir::test
