// Where somebody listens or is reached: host and port, or the path of a unix socket.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::conf {

struct address {
    enum class kind { host_port, unix_path };

    kind type = kind::host_port;
    // A name, an IPv4 or an IPv6 address without brackets; lower case. Empty: every local address (only to listen on).
    std::string host;
    std::uint16_t port = 0;  // 0: the system chooses one (only to listen on)
    std::string path;        // of the unix socket; empty for host_port
    // The normal form: "host:port", "[::1]:8880", ":8880" or "unix:/path". Two addresses are the same if and only if
    // their texts are, so it is also the identity of an endpoint over reloads.
    std::string text;

    auto operator<=>(const address&) const = default;
};

// How the entry will be used, which decides what it may leave out.
enum class address_use {
    listen,  // ":8880" and port 0 are allowed
    server,  // needs a host and a port
};

// The address that `text` writes: "host:port", "[::1]:8880", ":8880" or "unix:/path". Nothing if it is none, and `why`
// then says what is wrong and what would be right. Pure: never throws, looks up nothing.
std::optional<address> parse_address(std::string_view text, address_use use, std::string& why);

// True for a unix socket, 127.0.0.0/8, ::1 and "localhost": what only this machine can reach.
bool is_local(const address& where);

// True if sockets cannot listen on both: the addresses are the same, or one is every address of the other's port. Port
// 0 never collides, the system chooses another each time.
bool collide(const address& a, const address& b);

}  // namespace weir::conf
