#include "conf/address.hpp"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace weir::conf {
namespace {

constexpr std::size_t longest_unix_path = sizeof(sockaddr_un::sun_path) - 1;

// The usual spelling of an IP address, so that one address has one text; empty if `text` is none.
std::string normal_ip(int family, const std::string& text) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    if (inet_pton(family, text.c_str(), bytes.data()) != 1) return {};
    std::array<char, INET6_ADDRSTRLEN> out{};
    return inet_ntop(family, bytes.data(), out.data(), out.size());
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

// A name that getaddrinfo can be asked for; underscores because container networks use them.
bool is_host_name(std::string_view host) {
    if (host.empty() || host.size() > 253 || host.front() == '-' || host.front() == '.') return false;
    return host.find("..") == std::string_view::npos && std::all_of(host.begin(), host.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
           });
}

std::optional<address> parse_unix(std::string_view path, std::string& why) {
    if (path.empty() || path.front() != '/') {
        why = "a unix socket needs an absolute path, such as unix:/run/weir/weir.sock";
        return std::nullopt;
    }
    if (path.size() > longest_unix_path) {
        why = "the path of a unix socket may have at most " + std::to_string(longest_unix_path) + " bytes, this has " +
              std::to_string(path.size());
        return std::nullopt;
    }
    if (std::any_of(path.begin(), path.end(),
                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
        why = "the path of a unix socket may not have control characters";
        return std::nullopt;
    }
    address out;
    out.type = address::kind::unix_path;
    out.path = path;
    out.text = "unix:" + out.path;
    return out;
}

bool parse_port(std::string_view text, address_use use, std::uint16_t& port, std::string& why) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
        why = "the port is \"" + std::string(text) + "\", not a number from " +
              (use == address_use::server ? "1" : "0") + " to 65535";
        return false;
    }
    if (port == 0 && use == address_use::server) {
        why = "a server cannot have port 0; give a port from 1 to 65535";
        return false;
    }
    return true;
}

}  // namespace

std::optional<address> parse_address(std::string_view text, address_use use, std::string& why) {
    if (text.substr(0, 5) == "unix:") return parse_unix(text.substr(5), why);
    if (text.find("://") != std::string_view::npos) {
        why = "\"" + std::string(text) + "\" is a URL; give host:port only, such as 127.0.0.1:9001";
        return std::nullopt;
    }
    const auto colon = text.rfind(':');
    const bool bracketed = !text.empty() && text.front() == '[';
    if (colon == std::string_view::npos || (bracketed && text.rfind(']') > colon)) {
        why = "\"" + std::string(text) + "\" has no port; give host:port, \"[::1]:8880\" or unix:/path";
        return std::nullopt;
    }
    address out;
    std::string host = lower(text.substr(0, colon));
    if (bracketed) {
        host = host.back() == ']' ? normal_ip(AF_INET6, host.substr(1, host.size() - 2)) : std::string();
        if (host.empty()) why = "\"" + std::string(text) + "\" has no IPv6 address between [ and ]";
        if (host.empty()) return std::nullopt;
    } else if (host.find(':') != std::string::npos) {
        why = "an IPv6 address is written in brackets and quotes, such as \"[::1]:8880\"";
        return std::nullopt;
    } else if (host == "*" && use == address_use::listen) {
        host.clear();
    } else if (host.empty() && use == address_use::server) {
        why = "a server needs a host before the port, such as 127.0.0.1" + std::string(text);
        return std::nullopt;
    } else if (!host.empty() && !is_host_name(host)) {
        why = "\"" + host + "\" is neither a host name nor an IP address";
        return std::nullopt;
    } else if (host.find_first_not_of("0123456789.") == std::string::npos && !host.empty() &&
               normal_ip(AF_INET, host).empty()) {
        why = "\"" + host + "\" is not an IPv4 address";
        return std::nullopt;
    }
    if (!parse_port(text.substr(colon + 1), use, out.port, why)) return std::nullopt;
    out.text = (bracketed ? "[" + host + "]" : host) + ":" + std::to_string(out.port);
    out.host = std::move(host);
    return out;
}

bool is_local(const address& where) {
    if (where.type == address::kind::unix_path) return true;
    return where.host == "localhost" || where.host == "::1" ||
           (where.host.substr(0, 4) == "127." && !normal_ip(AF_INET, where.host).empty());
}

bool collide(const address& a, const address& b) {
    if (a.type != b.type) return false;
    if (a.type == address::kind::unix_path) return a.path == b.path;
    return a.port == b.port && a.port != 0 && (a.host == b.host || a.host.empty() || b.host.empty());
}

}  // namespace weir::conf
