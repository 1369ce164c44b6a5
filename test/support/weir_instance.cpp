#include "test/support/weir_instance.hpp"

#include <signal.h>

#include <catch2/catch.hpp>

#include "test/support/json.hpp"

namespace weir::test {
namespace {

// The ports of all lines "`what`ADDRESS:PORT" of a log, in their order.
std::vector<std::uint16_t> ports_after(const std::string& log, std::string_view what) {
    std::vector<std::uint16_t> ports;
    for (auto at = log.find(what); at != std::string::npos; at = log.find(what, at + what.size())) {
        const auto end = log.find('\n', at);
        if (end == std::string::npos) break;
        const auto address = log.substr(at + what.size(), end - at - what.size());
        if (address.starts_with("unix:")) continue;
        ports.push_back(static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1))));
    }
    return ports;
}

}  // namespace

std::string configuration::yaml() const {
    std::string text = "workers: " + std::to_string(workers) + "\ndrain_timeout: 5s\nlisten:\n";
    for (const auto& one : listen) text += "  - " + (one.find('[') == 0 ? '"' + one + '"' : one) + '\n';
    if (admin) text += "admin: {listen: 127.0.0.1:0}\n";
    text += "log: {access: " + access_log + "}\n" + top + "upstreams:\n  app:\n    servers:\n";
    for (const auto& one : servers) text += "      - " + one + '\n';
    text += upstream + "routes:\n  - match: {host: \"*\", path: /}\n    upstream: app\n" + route;
    return text;
}

std::string weir_program() {
    return WEIR_PROGRAM;
}

weir_instance::weir_instance(const std::string& yaml, unsigned listeners) {
    write_file(file(), yaml);
    program_ = std::make_unique<process>(std::vector<std::string>{weir_program(), "serve", file()});
    std::size_t after = 0;
    for (unsigned i = 0; i < listeners; ++i) {
        program_->wait_for_error_line("listening on ", after);
        after = program_->errors().find("listening on ", after) + 1;
    }
    ports_ = ports_after(program_->errors(), "listening on ");
}

weir_instance::~weir_instance() {
    int status = -1;
    try {
        status = stop();
    } catch (const std::exception& thrown) {
        FAIL_CHECK(thrown.what());
    }
    const auto log = program_->errors();
    if (log.find("Sanitizer") != std::string::npos || log.find("runtime error:") != std::string::npos) FAIL_CHECK(log);
    if (!any_end_ && status != 0) FAIL_CHECK("weir ended with status " << status << ":\n" << log);
}

std::uint16_t weir_instance::admin_port() {
    program_->wait_for_error_line("admin on ");
    return ports_after(program_->errors(), "admin on ").back();
}

std::string weir_instance::reload(const std::string& yaml) {
    write_file(file(), yaml);
    return reload();
}

std::string weir_instance::reload() {
    const auto before = program_->errors().size();
    program_->signal(SIGHUP);
    // "not reloaded" has "reloaded" in it.
    return program_->wait_for_error_line("reloaded", before);
}

std::vector<std::uint16_t> weir_instance::all_ports() {
    return ports_after(program_->errors(), "listening on ");
}

boost::json::value weir_instance::status() {
    raw_client admin(admin_port());
    return parse_json(
        admin.ask("GET /status HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(admin_port()) + "\r\n\r\n").content);
}

std::string weir_instance::metrics() {
    raw_client admin(admin_port());
    return admin.ask("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(admin_port()) + "\r\n\r\n").content;
}

int weir_instance::stop() {
    if (program_->is_running()) program_->signal(SIGTERM);
    return program_->wait();
}

finished_program run_weir(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
    std::vector<std::string> all{weir_program()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    process program(all, environment);
    const int status = program.wait();
    return {status, program.output(), program.errors()};
}

}  // namespace weir::test
