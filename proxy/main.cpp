// Arguments and exit status; nothing else. 0: done; 1: the configuration has faults, weir cannot start, or a limit of
// the machine does not fit; others: wrong arguments.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "conf/load.hpp"
#include "proxy/ctl_arguments.hpp"
#include "proxy/doctor.hpp"
#include "proxy/log.hpp"
#include "proxy/server.hpp"

namespace {

using namespace weir;

conf::load_result load(const std::string& file, const std::vector<std::string>& to) {
    return file.empty() ? conf::load_servers(to) : conf::load_file(file);
}

void print_problems(const conf::load_result& loaded) {
    for (const std::string& warning : loaded.warnings) std::cerr << warning << " (warning)\n";
    for (const conf::fault& fault : loaded.faults) std::cerr << conf::text(fault) << '\n';
}

int check(const std::string& file, bool effective) {
    const conf::load_result loaded = conf::load_file(file);
    print_problems(loaded);
    if (!loaded.value) return 1;
    std::cout << (effective ? conf::effective_yaml(*loaded.value) : "OK\n");
    return 0;
}

int diagnose(const std::string& file) {
    const conf::load_result loaded = conf::load_file(file);
    print_problems(loaded);
    return loaded.value ? proxy::run_doctor(*loaded.value, std::cout) : 1;
}

int serve(const std::string& file, const std::vector<std::string>& to) {
    conf::load_result loaded = load(file, to);
    print_problems(loaded);
    if (!loaded.value) return 1;
    proxy::server server(std::move(*loaded.value), [file, to] {
        conf::load_result again = load(file, to);
        proxy::reload_source source{
            .settings = std::move(again.value), .faults = {}, .warnings = std::move(again.warnings)};
        for (const conf::fault& fault : again.faults) source.faults.push_back(conf::text(fault));
        return source;
    });
    return server.run();
}

std::optional<conf::admin_settings> admin_of(const std::string& configuration) {
    conf::load_result loaded = conf::load_file(configuration);
    for (const conf::fault& fault : loaded.faults) std::cerr << conf::text(fault) << '\n';
    return loaded.value ? std::optional(std::move(loaded.value->admin)) : std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("weir: a reverse proxy and load balancer with response caching for Python app servers");
    app.set_version_flag("--version", "weir " WEIR_VERSION);
    app.require_subcommand(1);
    std::string file;
    std::vector<std::string> to;
    bool effective = false;

    CLI::App* serving = app.add_subcommand(
        "serve", "Serve. Signals: HUP reload, TERM or INT drain and stop, a second one stop at once, USR1 reopen logs");
    auto* config = serving->add_option("FILE", file, "The configuration");
    auto* servers = serving->add_option(
        "--to", to, "Without a file: an app server, host:port or unix:/path; may be given several times");
    config->excludes(servers);
    CLI::App* checking = app.add_subcommand("check", "Say OK, or every fault of a configuration");
    checking->add_option("FILE", file, "The configuration")->required();
    checking->add_flag("--effective", effective, "Print the whole configuration with the defaults filled in");
    proxy::ctl_command controlling(app);

    CLI::App* diagnosing = app.add_subcommand("doctor", "Say which limits of this machine do not fit a configuration");
    diagnosing->add_option("FILE", file, "The configuration")->required();

    CLI11_PARSE(app, argc, argv);
    if (controlling.chosen()) return controlling.run(admin_of);
    if (*checking) return check(file, effective);
    if (*diagnosing) return diagnose(file);
    if (file.empty() && to.empty()) {
        std::cerr << "weir serve: give a configuration file, or app servers with --to; see weir serve --help\n";
        return 2;
    }
    return serve(file, to);
}
