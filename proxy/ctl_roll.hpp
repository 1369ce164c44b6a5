// `weir ctl roll`: endpoint by endpoint out of use, a command that restarts or upgrades it, and back, so that nobody
// who asks notices.
//
// Of each endpoint: drain; wait until nothing is under way there; run the command; wait until it answers (the checks of
// weir, where they are on, else a connection from here); ready; wait until it is up and its slow start is over. It
// stops at the first failure and says what it left.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "proxy/ctl_client.hpp"

namespace weir::proxy {

struct roll_options {
    std::string upstream;
    std::string command;                              // for /bin/sh -c; with {address}, {host}, {port}
    std::chrono::milliseconds wait{60'000};           // for it to answer, and to be up
    std::chrono::milliseconds drain_timeout{30'000};  // for what is under way; then the command runs all the same
    std::string from;                                 // the endpoint to begin with; empty: the first
    bool force = false;                               // also the last endpoint that gets requests
    std::string again;                                // how to call `weir ctl` once more: "weir ctl --config FILE"
};

// Prints what it does; the exit status. SIGINT, SIGTERM and SIGHUP (the terminal is gone) stop it as a failure does.
int ctl_roll(const ctl_client& client, const roll_options& options);

// `command` with the parts of `address` in place of {address}, {host} and {port}, quoted for the shell where that is
// needed. Nothing, and `why`, if it asks for the host or port of a unix socket. Pure.
std::optional<std::string> command_for(const std::string& command, const std::string& address, std::string& why);
std::string shell_quoted(const std::string& text);

// Whether `address` may be drained, or why not: some other endpoint must get requests meanwhile. Pure.
struct may_drain_result {
    enum class verdict { yes, not_yet, no };  // not_yet: another one refused a moment ago, and may be back in a moment
    verdict is;
    std::string why_not;
};
may_drain_result may_drain(const upstream_status& upstream, const std::string& address);

}  // namespace weir::proxy
