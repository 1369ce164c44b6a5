// From YAML to settings. All faults of a configuration are found at once, each with its place and its cure; a
// configuration with a fault gives no settings. The control thread calls this; nothing here is for use by two threads
// at once (the environment is read). Nothing throws.
#pragma once

#include "conf/settings.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weir::conf {

struct fault {
    std::string file;  // as the user or an `include` named it; "--to" for load_servers
    int line = 1;      // from 1
    int column = 1;    // from 1, in bytes
    std::string what;  // a sentence without a final full stop

    bool operator==(const fault&) const = default;
};

// "file:line:column: what"
std::string text(const fault& of);

struct load_result {
    std::optional<settings> value;      // there if and only if there are no faults
    std::vector<fault> faults;          // the main file first, then included ones; by line and column
    std::vector<std::string> warnings;  // "file:line:column: what"; the settings can be used all the same
};

// The settings of `path`, the files that it includes and its servers files. Reads at most 4 MiB of each and at most
// 100,000 YAML nodes of all, aliases followed.
load_result load_file(const std::string& path);

// The settings of `weir serve --to ADDRESS --to ADDRESS`: the default listener, one upstream "app" with these servers,
// one route to it. The line of a fault is the number of the argument.
load_result load_servers(const std::vector<std::string>& to);

// The whole configuration as YAML, defaults filled in, with includes, environment and servers files folded in. Loading
// it gives equal settings. It contains the admin token.
std::string effective_yaml(const settings& of);

}  // namespace weir::conf
