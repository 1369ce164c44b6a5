// http://127.0.0.1:PORT/path: where a browser of `browse` goes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bench {

struct url {
    std::string host;    // as in the field Host, with its port if it was given
    std::uint16_t port;  // on 127.0.0.1
    std::string target;  // path and query

    std::string text() const { return "http://" + host + target; }
    bool operator==(const url&) const = default;
};

// Nothing if it is no http URL of 127.0.0.1 or localhost, or has characters that no request line may have.
std::optional<url> parse_url(std::string_view text);

// What `reference`, found in the page at `base`, leads to: nothing if that is not on the same host and port.
std::optional<url> resolve(const url& base, std::string_view reference);

}  // namespace bench
