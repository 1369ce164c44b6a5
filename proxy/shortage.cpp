#include "proxy/shortage.hpp"

#include <errno.h>

#include <optional>

namespace weir::proxy {

bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

std::string describe_shortage(int error) {
    switch (error) {
        case EMFILE:
            return "out of file descriptors; raise LimitNOFILE of the unit, or lower client.max_connections";
        case ENFILE:
            return "the system is out of file descriptors; raise fs.file-max";
        default:
            return "the system is out of memory for sockets";
    }
}

void shortage_log::say(int error) {
    std::optional<std::uint64_t> held_back;
    {
        const std::lock_guard lock(mutex_);
        held_back = admitted_.admit(std::chrono::steady_clock::now());
    }
    if (!held_back) return;
    const std::string often = *held_back == 0 ? "" : " (and " + std::to_string(*held_back) + " times before)";
    log::error("{}{}: {}; weir doctor FILE says more", consequence_, often, describe_shortage(error));
}

}  // namespace weir::proxy
