// The fields that tell the application who asked: X-Forwarded-For, -Proto, -Host, Forwarded (RFC 7239).
#pragma once

#include <boost/asio/ip/address.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/http/head.hpp"

namespace weir::http {

// Who asked, after looking through trusted proxies.
struct forwarded_client {
    boost::asio::ip::address address;  // unspecified for a client on a unix socket
    std::string_view scheme = "http";  // http or https
    std::string_view host;  // the authority the client meant: a view into the request or into the connection's memory
    bool from_trusted = false;  // the peer is a trusted proxy, so its X-Request-ID is kept
};

// True where `address` is one of client.trusted_proxies.
using trust = std::function<bool(const boost::asio::ip::address&)>;

// Reads X-Forwarded-For (or else Forwarded) of a request that came from `peer` from right to left over trusted hops:
// the first address that is not trusted is the client; what cannot be read ends the walk at the last good hop. When
// `peer` is not trusted nothing is believed. X-Forwarded-Proto is believed only as http or https, X-Forwarded-Host only
// when valid (its last element). Pure.
forwarded_client resolve_client(const request_head& request, const boost::asio::ip::address& peer,
                                const trust& trusted);

// Appends "X-Forwarded-For: ...\r\n", -Proto, -Host and Forwarded for exactly one client address.
void append_forwarded(const forwarded_client& client, std::string& out);

}  // namespace weir::http
