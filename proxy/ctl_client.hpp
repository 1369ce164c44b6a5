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

// What is to be purged, as it was written: weir says what is wrong with it.
struct purge_wish {
    std::vector<std::string> urls;
    std::vector<std::string> prefixes;
    std::vector<std::string> tags;
    bool all = false;
    bool soft = false;
};

// What `weir ctl status` shows of /status.
struct shown_status {
    struct memcached_server {
        std::string server;
        std::string state;
        std::string since;  // ISO 8601
        std::uint64_t keys = 0;
        std::uint64_t hits = 0;
        std::uint64_t failures = 0;
    };
    struct purge_log {
        bool is_in_step = false;
        std::string last_read;  // ISO 8601; empty: not yet
        std::uint64_t waiting = 0;
        std::uint64_t times_lost = 0;
    };

    std::vector<upstream_status> upstreams;
    std::vector<memcached_server> memcached;
    std::optional<purge_log> log;
};

class ctl_client {
  public:
    explicit ctl_client(admin_target where) : where_(std::move(where)) {}

    // Nothing after a failure, and `why` is a sentence then.
    std::optional<shown_status> status(std::string& why) const;
    // The endpoint after the change.
    std::optional<endpoint_status> change(const hand_change& what, std::string& why) const;
    // The answer, JSON.
    std::optional<std::string> purge(const purge_wish& what, std::string& why) const;

  private:
    std::optional<std::string> ask_admin(const std::string& method, const std::string& path, const std::string& content,
                                         std::string& why) const;

    admin_target where_;
};

// The content of POST /cache/purge. Pure.
std::string to_json(const purge_wish& what);

// What /status and a change answer with. Nothing for other text.
std::optional<shown_status> parse_status(const std::string& status_json);
std::optional<endpoint_status> parse_endpoint(const std::string& endpoint_json);

// Where to connect to reach `where`; looks its name up. Empty, and `why`, if there is nowhere.
balancer::address_list addresses_of(const conf::address& where, std::string& why);

}  // namespace weir::proxy
