#include "proxy/access_line.hpp"

#include <arpa/inet.h>

#include <array>

#include "proxy/access_log.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

namespace {

using address_text = std::array<char, INET6_ADDRSTRLEN>;

// A client on a unix socket has no address.
std::string_view write_address(const boost::asio::ip::address& address, address_text& out) {
    if (address.is_unspecified()) return "unix";
    const bool written =
        address.is_v4() ? ::inet_ntop(AF_INET, address.to_v4().to_bytes().data(), out.data(), out.size()) != nullptr
                        : ::inet_ntop(AF_INET6, address.to_v6().to_bytes().data(), out.data(), out.size()) != nullptr;
    return written ? std::string_view(out.data()) : std::string_view();
}

std::string_view cache_word(cache_metric outcome) {
    return cache_metric_words[static_cast<std::size_t>(outcome)];
}

}  // namespace

void write_access_line(worker& on, const request_context& context, const boost::asio::ip::address& peer,
                       const exchange_report& report, const route* via, std::chrono::microseconds duration,
                       const bytes_moved& bytes) {
    const http::request_head& head = context.head;
    address_text address;
    access_record line{.start = std::chrono::system_clock::now() - duration, .duration = duration};
    line.upstream_duration = report.upstream_duration;
    line.queue_duration = report.queue_duration;
    line.status = report.status;
    line.bytes_sent = bytes.sent;
    line.content_bytes_sent = bytes.content_sent;
    line.bytes_received = bytes.received;
    line.error = text(report.why);
    line.client = write_address(peer, address);
    if (head.size > 0) {
        line.client = write_address(http::resolve_client(head, peer, on.current()->trusted).address, address);
        line.method = head.method_text;
        line.target = head.target;
        line.host = head.host;
        line.version = head.version;
        line.referer = head.fields.value(http::field_id::referer);
        line.user_agent = head.fields.value(http::field_id::user_agent);
        line.request_id = context.request_id;
    }
    if (via) {
        line.upstream = via->upstream->name;
        line.cache = cache_word(report.cache);
        line.cache_detail = report.cache_detail;
    }
    if (report.endpoint) line.endpoint = report.endpoint->name();
    if (!on.access_log().write(line)) on.metrics().log_lines_dropped.add();
}

}  // namespace weir::proxy
