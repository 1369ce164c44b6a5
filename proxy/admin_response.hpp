// What the admin listener answers. Pure but for what it calls.
#pragma once

#include "proxy/control.hpp"
#include "proxy/status.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/address.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

namespace weir::proxy {

using admin_request = boost::beast::http::request<boost::beast::http::empty_body>;
using admin_response = boost::beast::http::response<boost::beast::http::string_body>;

// Where a request came in, which decides what its Host may be.
struct admin_place {
    std::optional<boost::asio::ip::address> address;  // of our end; empty: a unix socket, which no browser reaches
    std::string name;                                 // of the host as configured
};

// What the listener asks of the server, on the control thread.
struct admin_calls {
    std::function<server_status()> gather;
    // The endpoint as it is after the change, as JSON; or why there was none: the endpoint is not known.
    struct changed {
        std::string json;
        std::string why_not;
    };
    std::function<changed(const hand_change&)> change;
    // Purges what this content of a POST asks for (purge_request.hpp): the counts, as JSON; or why not.
    std::function<changed(std::string_view content)> purge;
    std::function<std::optional<std::string>()> token;  // asked for by what changes anything; empty: none
};

// Content of a request, of which only that of a purge is read.
struct admin_content {
    bool announced = false;  // by the head
    std::string read{};
};

// Whether content that `request` announces is to be read: at most max_purge_content_bytes.
bool takes_content(const admin_request& request, const admin_place& place, const admin_calls& calls);

// The whole answer, framed but for the Connection field. A HEAD request gets what GET would; the caller leaves the
// content out.
admin_response answer(const admin_request& request, const admin_content& content, const admin_place& place,
                      const admin_calls& calls);

// The answer to what could not be read as a request.
admin_response refuse(boost::beast::http::status status, std::string_view why);

// Whether `host`, the value of a Host field, names this machine: localhost, a loopback address, the address at which
// the request came in, or the configured name; the port does not matter. Anything else may be a foreign page whose name
// was made to resolve to us.
bool is_own_host(std::string_view host, const admin_place& place);

}  // namespace weir::proxy
