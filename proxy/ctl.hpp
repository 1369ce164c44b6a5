// `weir ctl`: what a person asks a running weir, and its printed answers. Exit statuses: 0, or 1 after a sentence on
// standard error.
#pragma once

#include <string>
#include <vector>

#include "proxy/ctl_client.hpp"

namespace weir::proxy {

int ctl_status(const ctl_client& client);
int ctl_change(const ctl_client& client, const hand_change& what);
int ctl_purge(const ctl_client& client, const purge_wish& what);

// The table of `status`. Pure.
std::string status_table(const shown_status& shown);

}  // namespace weir::proxy
