// The admin listener of a running weir, as `weir ctl` talks to it. Blocks, 10 s at most for each call.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/address.hpp"
#include "proxy/control.hpp"
#include "proxy/status.hpp"

namespace weir::proxy {

struct admin_target {
    conf::address address;  // an empty host means this machine
    std::optional<std::string> token;
};

class ctl_client {
  public:
    explicit ctl_client(admin_target where) : where_(std::move(where)) {}

    // Nothing after a failure, and `why` is a sentence then.
    std::optional<std::vector<upstream_status>> upstreams(std::string& why) const;
    // The endpoint after the change.
    std::optional<endpoint_status> change(const hand_change& what, std::string& why) const;

  private:
    std::optional<std::string> ask_admin(const std::string& method, const std::string& path, std::string& why) const;

    admin_target where_;
};

// What /status and a change answer with. Nothing for other text.
std::optional<std::vector<upstream_status>> parse_upstreams(const std::string& status_json);
std::optional<endpoint_status> parse_endpoint(const std::string& endpoint_json);

// Where to connect to reach `where`; looks its name up. Empty, and `why`, if there is nowhere.
balancer::address_list addresses_of(const conf::address& where, std::string& why);

}  // namespace weir::proxy
