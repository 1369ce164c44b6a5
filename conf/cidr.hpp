// A block of IP addresses, such as 10.0.0.0/8 or fd00::/8.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::conf {

struct cidr {
    std::array<std::uint8_t, 16> bytes{};  // network order; IPv4 uses the first four
    std::uint8_t prefix_length = 0;        // in bits: 0 to 32, or 0 to 128
    bool v6 = false;

    // True if `ip`, 4 or 16 bytes in network order, lies in this block. An IPv4 address mapped into IPv6
    // (::ffff:192.0.2.1, what a dual-stack listener reports) is matched as IPv4. Pure, never fails.
    bool contains(std::span<const std::uint8_t> ip) const;

    std::string text() const;  // "10.0.0.0/8"

    auto operator<=>(const cidr&) const = default;
};

// "10.0.0.0/8", "fd00::/8", or one address without a prefix length. Nothing if it is none or if bits beyond the prefix
// are set, and `why` then says so. Pure.
std::optional<cidr> parse_cidr(std::string_view text, std::string& why);

}  // namespace weir::conf
