// `weir doctor`: reads the limits of this machine and says which do not fit a configuration, and the line to change.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/limits.hpp"

namespace weir::proxy {

// What this process, as its user, finds now. A limit that cannot be read is left empty. Blocks for a disk.
machine read_machine(const conf::settings& settings);

// Looks again at what a new configuration may have moved, buffering.spool_dir.
void read_spool(const conf::buffering_settings& buffering, machine& into);

// Prints every finding; the exit status: 0 when all fit, otherwise 1.
int run_doctor(const conf::settings& settings, std::ostream& out);

// A warning in the error log for each finding that does not fit.
void warn_of_limits(const conf::settings& settings, const machine& on);

// The files that may hold a limit of memory for a process whose /proc/self/cgroup is `text`, of cgroups of either
// version, from the process's own to the outermost. Pure.
std::vector<std::string> memory_limit_files(std::string_view text);

}  // namespace weir::proxy
