#include "proxy/ctl_arguments.hpp"

#include <iostream>
#include <map>

#include "proxy/ctl.hpp"

namespace weir::proxy {

namespace {

constexpr const char* usual_admin = "127.0.0.1:8881";

const std::map<std::string, std::int64_t> time_units{{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};

CLI::Option* add_duration(CLI::App& to, const std::string& name, std::int64_t& into, const std::string& what) {
    return to.add_option(name, into, what)
        ->transform(
            CLI::AsNumberWithUnit(time_units, CLI::AsNumberWithUnit::Options(CLI::AsNumberWithUnit::CASE_SENSITIVE |
                                                                             CLI::AsNumberWithUnit::UNIT_REQUIRED)))
        ->option_text("TIME");
}

// The normal form, or as it was written: weir says then which addresses there are.
std::string normal(const std::string& address) {
    std::string why;
    const auto parsed = conf::parse_address(address, conf::address_use::server, why);
    return parsed ? parsed->text : address;
}

}  // namespace

ctl_command::ctl_command(CLI::App& program)
    : ctl_(program.add_subcommand("ctl", "Ask a running weir, change which servers get requests, or purge its cache")) {
    ctl_->require_subcommand(1);
    ctl_->fallthrough();
    auto* admin = ctl_->add_option("--admin", admin_,
                                   std::string("Its admin listener, host:port or unix:/path [") + usual_admin + "]");
    auto* config =
        ctl_->add_option("--config", config_, "Take the admin listener and its token from this configuration");
    admin->excludes(config);
    ctl_->add_option("--token", token_, "The admin token")->envname("WEIR_TOKEN");
    status_ = ctl_->add_subcommand("status", "Print the servers and their state");
    add_changes();
    add_roll();
    add_purge();
}

void ctl_command::add_changes() {
    const std::tuple<const char*, by_hand, const char*> all[] = {
        {"drain", by_hand::drain, "No new requests to a server; what is under way there ends by itself"},
        {"ready", by_hand::ready, "Requests to a server again, after drain or down"},
        {"down", by_hand::down, "As drain, for a server that is broken"}};
    for (const auto& [name, action, what] : all) {
        CLI::App* one = ctl_->add_subcommand(name, what);
        one->add_option("UPSTREAM", upstream_, "Its name in the configuration")->required();
        one->add_option("ADDRESS", address_, "The server, as in the configuration")->required();
        one->callback([this, chosen = action] { action_ = chosen; });
    }
}

void ctl_command::add_roll() {
    roll_ = ctl_->add_subcommand("roll", "Server by server: drain, run a command, wait until it is well, go on");
    roll_->add_option("UPSTREAM", upstream_, "Its name in the configuration")->required();
    roll_
        ->add_option(
            "--exec", rolling_.command,
            "For /bin/sh, such as 'systemctl restart app@{port}'; {address}, {host} and {port} are the server's, "
            "quoted for the shell: write them outside quotes")
        ->required();
    add_duration(*roll_, "--wait", wait_ms_, "For a server to answer, and to be up, after the command [60s]");
    add_duration(*roll_, "--drain-timeout", drain_ms_,
                 "For what is under way at a server; then the command runs all the same [30s]");
    roll_->add_option("--from", rolling_.from, "Begin with this server");
    roll_->add_flag("--force", rolling_.force, "Also the last server that gets requests");
}

void ctl_command::add_purge() {
    purge_ = ctl_->add_subcommand("purge", "Drop what is stored: by URL, tag or prefix, or all of it");
    auto* what = purge_->add_option_group("what", "At least one of these, each as often as needed");
    const auto add = [what](const char* name, std::vector<std::string>& into, const char* about, const char* shape) {
        what->add_option(name, into, about)->allow_extra_args(false)->option_text(shape);
    };
    add("--url", purging_.urls, "Such as http://HOST/PATH?QUERY: every variant, under either scheme", "URL");
    add("--tag", purging_.tags, "A word of Surrogate-Key, Cache-Tag or xkey of the responses", "TAG");
    add("--prefix", purging_.prefixes, "What the URLs begin with: http://HOST/news/ has all below it", "URL");
    what->add_flag("--all", purging_.all, "Everything");
    what->require_option(1, 0);
    purge_->add_flag("--soft", purging_.soft, "Make it stale instead: it is still used while it is asked for anew");
}

std::optional<admin_target> ctl_command::target(
    const std::function<std::optional<conf::admin_settings>(const std::string& file)>& admin_of) const {
    admin_target where;
    if (!config_.empty()) {
        const auto configured = admin_of(config_);
        if (!configured) return std::nullopt;
        if (!configured->listen ||
            (configured->listen->type == conf::address::kind::host_port && configured->listen->port == 0)) {
            std::cerr << "weir ctl: " << config_ << (configured->listen ? " leaves the port of" : " has no")
                      << " admin.listen" << (configured->listen ? " to the system; say it with --admin\n" : "\n");
            return std::nullopt;
        }
        where = {.address = *configured->listen, .token = configured->token};
    } else {
        std::string why;
        const auto parsed = conf::parse_address(admin_.empty() ? usual_admin : admin_, conf::address_use::server, why);
        if (!parsed) {
            std::cerr << "weir ctl: --admin: " << why << '\n';
            return std::nullopt;
        }
        where.address = *parsed;
    }
    if (!token_.empty()) where.token = token_;
    return where;
}

// The token is left out: it would end up on a screen or in a log.
std::string ctl_command::way_back() const {
    if (!config_.empty()) return "weir ctl --config " + shell_quoted(config_);
    return admin_.empty() ? "weir ctl" : "weir ctl --admin " + shell_quoted(admin_);
}

int ctl_command::run(const std::function<std::optional<conf::admin_settings>(const std::string& file)>& admin_of) {
    const auto where = target(admin_of);
    if (!where) return 1;
    const ctl_client client(*where);
    if (status_->parsed()) return ctl_status(client);
    if (purge_->parsed()) return ctl_purge(client, purging_);
    if (action_) return ctl_change(client, {upstream_, normal(address_), *action_});
    rolling_.upstream = upstream_;
    rolling_.wait = std::chrono::milliseconds(wait_ms_);
    rolling_.drain_timeout = std::chrono::milliseconds(drain_ms_);
    if (!rolling_.from.empty()) rolling_.from = normal(rolling_.from);
    rolling_.again = way_back();
    return ctl_roll(client, rolling_);
}

}  // namespace weir::proxy
