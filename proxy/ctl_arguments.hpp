// The arguments of `weir ctl`. Header CLI11 stays out of the library; the program alone has it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>

#include "conf/settings.hpp"
#include "proxy/ctl_client.hpp"
#include "proxy/ctl_roll.hpp"

namespace weir::proxy {

class ctl_command {
  public:
    // Adds `ctl` to `program`. Both live until run().
    explicit ctl_command(CLI::App& program);

    bool chosen() const { return ctl_->parsed(); }
    // The exit status. `admin_of`: what a configuration says of the admin listener; nothing, and the faults are
    // printed, where it has some.
    int run(const std::function<std::optional<conf::admin_settings>(const std::string& file)>& admin_of);

  private:
    void add_changes();
    void add_roll();
    void add_purge();
    std::optional<admin_target> target(
        const std::function<std::optional<conf::admin_settings>(const std::string& file)>& admin_of) const;
    std::string way_back() const;

    CLI::App* ctl_;
    CLI::App* status_;
    CLI::App* roll_ = nullptr;
    CLI::App* purge_ = nullptr;
    std::string admin_;
    std::string config_;
    std::string token_;
    std::string upstream_;
    std::string address_;
    std::int64_t wait_ms_ = 60'000;
    std::int64_t drain_ms_ = 30'000;
    roll_options rolling_;
    purge_wish purging_;
    std::optional<by_hand> action_;
};

}  // namespace weir::proxy
