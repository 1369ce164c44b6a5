// Tells systemd how the service is doing (sd_notify(3), Type=notify): one datagram to the socket that $NOTIFY_SOCKET
// names. Without it, nothing happens; failures are ignored, since nobody could act on them. Control thread.
#pragma once

#include <string_view>

namespace weir::proxy::notify {

void ready();      // start-up or reload is done
void reloading();  // ready() follows
void stopping();
void status(std::string_view text);  // one line for `systemctl status`

}  // namespace weir::proxy::notify
