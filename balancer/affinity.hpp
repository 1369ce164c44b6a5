// What ties requests to an endpoint: the cookie of sticky clients, and the hash of balance: hash.
//
// The sticky cookie is 16 hexadecimal digits: endpoint::address_hash(), the first quarter of SHA-256 of the endpoint's
// address. It carries no name and no number of an endpoint, means the same after a reload or a restart and
// on every weir in front of the same servers, and cannot be computed back. What it gives away: two clients can see
// whether they are at the same endpoint, and how many endpoints there are; and who guesses an address can see that the
// guess is right, so one from a private range with a well-known port can be found by trying all. It gives no right to
// anything: to send the cookie of another endpoint only chooses that endpoint.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "conf/settings.hpp"
#include "proxy/http/head.hpp"

namespace weir::balancer {

// What a request brings along.
struct affinity {
    std::uint64_t hash = 0;               // for balance: hash, of what hash_on says
    std::optional<std::uint64_t> sticky;  // an endpoint's address_hash(), from the cookie
};

// The value of the first cookie `name` in all Cookie fields (RFC 6265 section 4.2.1): a view into the head's bytes.
std::optional<std::string_view> cookie_value(const http::field_list& fields, std::string_view name);

// What the sticky cookie `name` says; nothing where there is none or it is none of ours.
std::optional<std::uint64_t> sticky_value(const http::field_list& fields, std::string_view name);

// Appends the line "Set-Cookie: NAME=...; Path=/; HttpOnly; SameSite=Lax\r\n" for the endpoint with `address_hash`. It
// is a cookie of the session, without an age. `https`: the client's scheme; the cookie is then for https alone.
void append_sticky_cookie(std::string_view name, std::uint64_t address_hash, bool https, std::string& out);

// What `source` says of a request, as affinity::hash; of one without the field or the cookie, the client's address.
// `host` is what the client asked for (its case does not matter), `client` its address as text. Pure.
std::uint64_t request_hash(const conf::hash_source& source, const http::request_head& request, std::string_view host,
                           std::string_view client);

}  // namespace weir::balancer
