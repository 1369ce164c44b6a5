#include "test/support/weir_instance.hpp"

#include <signal.h>

#include <catch2/catch.hpp>

#include "test/support/json.hpp"

namespace weir::test {
namespace {

// The port at the end of the last line "`what``host`:PORT" of a log.
std::uint16_t last_port(const std::string& log, const std::string& what) {
    const auto at = log.rfind(what + ':');
    if (at == std::string::npos) throw std::runtime_error("no line with \"" + what + "\" in:\n" + log);
    return static_cast<std::uint16_t>(std::stoul(log.substr(at + what.size() + 1)));
}

}  // namespace

std::string configuration::yaml() const {
    std::string text = "workers: " + std::to_string(workers) + "\ndrain_timeout: " + drain_timeout + "\nlisten:\n";
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

weir_instance::weir_instance(const std::string& yaml, unsigned listeners, unsigned open_files) {
    write_file(file(), yaml);
    program_ = std::make_unique<process>(std::vector<std::string>{weir_program(), "serve", file()},
                                         std::vector<std::string>{}, open_files);
    std::size_t after = 0;
    for (unsigned i = 0; i < listeners; ++i) {
        program_->wait_for_error_line("listening on ", after);
        after = program_->errors().find("listening on ", after) + 1;
    }
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

std::uint16_t weir_instance::port_on(const std::string& host) const {
    return last_port(program_->errors(), "listening on " + host);
}

std::uint16_t weir_instance::admin_port() const {
    program_->wait_for_error_line("admin on ");
    return last_port(program_->errors(), "admin on 127.0.0.1");
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

response weir_instance::ask_admin(std::string_view target, std::string_view fields) const {
    raw_client admin(admin_port());
    return admin.ask("GET " + std::string(target) + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(admin_port()) +
                     "\r\n" + std::string(fields) + "\r\n");
}

boost::json::value weir_instance::status() const {
    return parse_json(ask_admin("/status").content);
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
