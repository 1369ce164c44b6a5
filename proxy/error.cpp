#include "proxy/error.hpp"

#include <array>

#include "proxy/http/framing.hpp"

namespace weir::proxy {

namespace {

struct description {
    cause why;
    unsigned status;
    std::string_view text;
    std::string_view proxy_status;
    std::string_view sentence;
};

constexpr std::array descriptions{
    description{cause::none, 200, "", "", ""},
    description{cause::bad_request, 400, "bad-request", "", "The request could not be understood."},
    description{cause::head_too_large, 431, "head-too-large", "", "The fields of the request are too large."},
    description{cause::target_too_long, 414, "target-too-long", "", "The address is too long."},
    description{cause::version_not_supported, 505, "version-not-supported", "",
                "This version of HTTP is not spoken here."},
    description{cause::expectation_failed, 417, "expectation-failed", "",
                "The request expects what this server does not do."},
    description{cause::ambiguous_path, 400, "ambiguous-path", "", "The path of the request can be read in two ways."},
    description{cause::content_malformed, 400, "content-malformed", "", "The content of the request was garbled."},
    description{cause::content_too_large, 413, "content-too-large", "",
                "What was sent is larger than this server takes."},
    description{cause::head_timeout, 408, "head-timeout", "", "The request took too long to arrive."},
    description{cause::content_timeout, 408, "content-timeout", "",
                "The content of the request took too long to arrive."},
    description{cause::client_left, 499, "client-left", "", "The client has left."},
    description{cause::client_stalled, 499, "client-stalled", "", "The client took nothing for too long."},
    description{cause::no_route, 404, "no-route", "", "Nothing is served under this address."},
    description{cause::options_ended_here, 200, "max-forwards", "", ""},
    description{cause::trace_ended_here, 501, "max-forwards", "", "TRACE is not answered here."},
    description{cause::only_if_cached, 504, "only-if-cached", "", "No stored response can be used."},
    description{cause::purge_not_allowed, 403, "purge-not-allowed", "", "Who asked may not purge here."},
    description{cause::no_endpoint, 503, "no-endpoint", "destination_unavailable",
                "No server is available for this page. Try again in a moment."},
    description{cause::queue_full, 503, "queue-full", "connection_limit_reached",
                "Too many people want this page at the moment. Try again in a moment."},
    description{cause::queue_timeout, 503, "queue-timeout", "connection_limit_reached",
                "The servers for this page are too busy. Try again in a moment."},
    description{cause::connection_refused, 502, "connection-refused", "connection_refused",
                "The server for this page does not answer. Try again in a moment."},
    description{cause::connection_failed, 502, "connection-failed", "destination_ip_unroutable",
                "The server for this page cannot be reached. Try again in a moment."},
    description{cause::connection_timeout, 504, "connection-timeout", "connection_timeout",
                "The server for this page cannot be reached in time. Try again in a moment."},
    description{cause::closed_early, 502, "closed-early", "connection_terminated",
                "The server for this page closed the connection without an answer."},
    description{cause::send_failed, 502, "send-failed", "connection_terminated",
                "The server for this page did not take the request."},
    description{cause::send_timeout, 504, "send-timeout", "connection_write_timeout",
                "The server for this page took too long to take the request."},
    description{cause::first_byte_timeout, 504, "first-byte-timeout", "http_response_timeout",
                "The server for this page took too long to answer."},
    description{cause::read_timeout, 504, "read-timeout", "connection_read_timeout",
                "The server for this page stopped in the middle of its answer."},
    description{cause::bad_response, 502, "bad-response", "http_protocol_error",
                "The server for this page gave an answer that is not HTTP."},
    description{cause::response_cut, 502, "response-cut", "http_response_incomplete",
                "The server for this page broke off in the middle of its answer."},
    description{cause::out_of_descriptors, 503, "out-of-descriptors", "proxy_internal_error",
                "This server has too much to do. Try again in a moment."},
    description{cause::internal, 500, "internal", "proxy_internal_error", "Something went wrong in this server."},
};

const description& describe(cause why) {
    const description& d = descriptions[static_cast<std::size_t>(why)];
    return d;
}

constexpr bool in_order() {
    for (std::size_t i = 0; i < descriptions.size(); ++i) {
        if (static_cast<std::size_t>(descriptions[i].why) != i) return false;
    }
    return descriptions.size() == static_cast<std::size_t>(cause::internal) + 1;
}
static_assert(in_order(), "descriptions are indexed by cause");

}  // namespace

unsigned status_of(cause why) {
    return describe(why).status;
}
bool blames_client(cause why) {
    return why > cause::none && why <= cause::purge_not_allowed;
}
std::string_view text(cause why) {
    return describe(why).text;
}
std::string_view proxy_status(cause why) {
    return describe(why).proxy_status;
}

cause from_head_error(http::head_error error) {
    switch (error) {
        case http::head_error::none:
            return cause::none;
        case http::head_error::too_large:
        case http::head_error::too_many_fields:
            return cause::head_too_large;
        case http::head_error::target_too_long:
            return cause::target_too_long;
        case http::head_error::unsupported_version:
            return cause::version_not_supported;
        case http::head_error::bad_expect:
            return cause::expectation_failed;
        default:
            return cause::bad_request;
    }
}

void append_error_fields(unsigned status, cause why, std::chrono::sys_seconds now, std::string& out) {
    http::append_date(now, out);
    http::append_field("Content-Type", "text/html; charset=utf-8", out);
    http::append_field("Cache-Control", "no-store", out);
    if (status == 503) http::append_field("Retry-After", "1", out);
    if (proxy_status(why).empty()) return;
    out += "Proxy-Status: weir; error=";
    out += proxy_status(why);
    out += "\r\n";
}

std::string error_page(unsigned status, cause why) {
    if (status < 300) return {};
    const std::string title = std::to_string(status) + ' ' + std::string(http::reason_phrase(status));
    return "<!doctype html>\n<title>" + title + "</title>\n<h1>" + title + "</h1>\n<p>" +
           std::string(describe(why).sentence) + "</p>\n";
}

}  // namespace weir::proxy
