// Which fields of a head belong to the next hop, and which end here (RFC 9110 section 7.6.1).
#pragma once

#include <array>
#include <string_view>

#include "proxy/http/head.hpp"

namespace weir::http {

// Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade, Proxy-Authenticate,
// Proxy-Authorization, Proxy-Authentication-Info, HTTP2-Settings; and Content-Length, which every hop frames anew.
// Pure.
bool is_hop_by_hop(field_view field);

// The names that a head's Connection fields list, looked up for each field that is to be forwarded. Framing, Host and
// the fields that weir itself sets are never removed this way: a client may not strip them by naming them. Views into
// the head's bytes.
class connection_options {
  public:
    explicit connection_options(const field_list& fields);
    bool names(field_view field) const;
    bool has(std::string_view option) const;

  private:
    const field_list* fields_;
    bool any_;
};

// A name with an underscore is dropped: WSGI makes X_Forwarded_For and X-Forwarded-For the same variable.
bool has_underscore(std::string_view name);

// Forwarded, X-Forwarded-*, X-Real-IP, X-Request-ID, X-Request-Start and X-Queue-Time: fields that tell the application
// of the client. weir sets them itself and forwards none of them as received (X-Request-ID of a trusted proxy is kept
// by the caller).
bool tells_of_client(field_view field);

// tchar (RFC 9110 section 5.6.2).
inline constexpr std::array<bool, 256> token_characters = [] {
    std::array<bool, 256> table{};
    for (const char c :
         std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
        table[static_cast<unsigned char>(c)] = true;
    }
    return table;
}();
inline bool is_token_character(char c) {
    return token_characters[static_cast<unsigned char>(c)];
}

// Any but HTAB, which field values may have.
inline bool is_control(char c) {
    const unsigned char byte = static_cast<unsigned char>(c);
    return (byte < ' ' && byte != '\t') || byte == 0x7f;
}

// token (RFC 9110 section 5.6.2), not empty; field-content without CR, LF, NUL and other controls but HTAB.
bool valid_field_name(std::string_view name);
bool valid_field_value(std::string_view value);

// #token (RFC 9110 section 5.6.1): calls f(std::string_view) with each, empty elements left out. False where it is no
// such list; f may have been called then.
template <class F>
bool each_token(std::string_view list, F f) {
    for (std::size_t at = 0; at < list.size();) {
        const std::size_t start = at;
        while (at < list.size() && is_token_character(list[at])) ++at;
        if (at > start) f(list.substr(start, at - start));
        while (at < list.size() && (list[at] == ' ' || list[at] == '\t')) ++at;
        if (at == list.size()) break;
        if (list[at] != ',') return false;
        ++at;
        while (at < list.size() && (list[at] == ' ' || list[at] == '\t')) ++at;
    }
    return true;
}

}  // namespace weir::http
