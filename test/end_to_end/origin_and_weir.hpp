// The usual set-up of an end-to-end test: one scripted origin behind one weir.
#pragma once

#include <string>

#include "test/support/patience.hpp"
#include "test/support/scripted_origin.hpp"
#include "test/support/weir_instance.hpp"

namespace weir::test {

struct origin_and_weir {
    explicit origin_and_weir(scripted_origin::script script, configuration parts = {})
        : origin(std::move(script)), weir(with_server(std::move(parts), origin.address())) {}

    // Weir goes first when both are destroyed, so that it never meets an origin that is half gone.
    scripted_origin origin;
    weir_instance weir;

  private:
    static configuration with_server(configuration parts, const std::string& address) {
        parts.servers.push_back(address);
        return parts;
    }
};

// Waits until so many requests are being answered; `weir` has an admin listener.
inline bool has_active(const weir_instance& weir, unsigned count) {
    const std::string line = "weir_client_connections{state=\"active\"} " + std::to_string(count) + '\n';
    return eventually([&] { return weir.ask_admin("/metrics").content.find(line) != std::string::npos; });
}

// Configuration of an upstream that makes one attempt only, so that a test can count what the origin sees.
inline constexpr const char* no_retry = "    retry: off\n";
inline constexpr const char* no_cache = "    cache: off\n";
inline constexpr const char* streamed_requests = "    buffering: {request: off}\n";

// A client's fields that ask for a WebSocket (RFC 6455 section 4.1), and an origin's consent.
inline constexpr const char* websocket_handshake =
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n";
inline constexpr const char* websocket_consent =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

// True when the response is an error of weir's own that ends the connection, and nothing follows it. Reads to the end.
inline bool refused_and_closed(raw_client& client, const response& got) {
    return got.lists("Connection", "close") && client.rest_until_closed().empty();
}

}  // namespace weir::test
