#include "conf/cidr.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace weir::conf {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool same_leading_bits(const std::uint8_t* a, const std::uint8_t* b, unsigned bits) {
    if (!std::equal(a, a + bits / 8, b)) return false;
    const unsigned rest = bits % 8;
    return rest == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0;
}

}  // namespace

bool cidr::contains(std::span<const std::uint8_t> ip) const {
    if (ip.size() == 16 && std::equal(mapped_prefix.begin(), mapped_prefix.end(), ip.begin())) ip = ip.subspan(12);
    if (ip.size() != (v6 ? 16U : 4U)) return false;
    return same_leading_bits(bytes.data(), ip.data(), prefix_length);
}

std::string cidr::text() const {
    std::array<char, INET6_ADDRSTRLEN> out{};
    inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), out.data(), out.size());
    return std::string(out.data()) + "/" + std::to_string(prefix_length);
}

std::optional<cidr> parse_cidr(std::string_view text, std::string& why) {
    const auto slash = text.find('/');
    const std::string ip(text.substr(0, slash));
    cidr out;
    out.v6 = ip.find(':') != std::string::npos;
    const unsigned bits = out.v6 ? 128 : 32;
    if (ip.find('\0') != std::string::npos ||
        inet_pton(out.v6 ? AF_INET6 : AF_INET, ip.c_str(), out.bytes.data()) != 1) {
        why =
            "\"" + std::string(text) + "\" is not a block of addresses; write 10.0.0.0/8, \"fd00::/8\" or one address";
        return std::nullopt;
    }
    // An IPv4 block written as IPv6 would never match, since mapped addresses are looked at as IPv4.
    if (out.v6 && std::equal(mapped_prefix.begin(), mapped_prefix.end(), out.bytes.begin())) {
        why = "\"" + std::string(text) + "\" is an IPv4 block; write it as one";
        return std::nullopt;
    }
    unsigned length = bits;
    if (slash != std::string_view::npos) {
        const auto digits = text.substr(slash + 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
        if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || length > bits) {
            why = "\"" + std::string(digits) + "\" is not a prefix length from 0 to " + std::to_string(bits);
            return std::nullopt;
        }
    }
    out.prefix_length = static_cast<std::uint8_t>(length);
    cidr network = out;
    for (unsigned bit = length; bit < bits; ++bit)
        network.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
    if (network.bytes != out.bytes) {
        why = "\"" + std::string(text) + "\" has bits set beyond its prefix; the block is " + network.text();
        return std::nullopt;
    }
    return out;
}

}  // namespace weir::conf
