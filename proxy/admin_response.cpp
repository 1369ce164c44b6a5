#include "proxy/admin_response.hpp"

#include "proxy/http/date.hpp"

#include <array>
#include <chrono>
#include <utility>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/verb.hpp>

namespace weir::proxy {

namespace {

namespace http_lib = boost::beast::http;
namespace ip = boost::asio::ip;
using boost::beast::iequals;
using http_lib::field;
using http_lib::status;

std::string_view view(boost::beast::string_view text) {
    return {text.data(), text.size()};
}

admin_response make(status code, std::string_view type, std::string content) {
    admin_response response(code, 11, std::move(content));
    std::array<char, http::date_size> date{};
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    http::format_date(now, date.data());
    response.set(field::date, boost::beast::string_view(date.data(), date.size()));
    response.set(field::content_type, boost::beast::string_view(type.data(), type.size()));
    response.set(field::cache_control, "no-store");
    response.set("X-Content-Type-Options", "nosniff");
    response.prepare_payload();
    return response;
}

// The host of "host", "host:port", "[v6]" or "[v6]:port".
std::string_view without_port(std::string_view host) {
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        return end == std::string_view::npos ? std::string_view{} : host.substr(1, end - 1);
    }
    return host.substr(0, host.find(':'));
}

ip::address unmapped(const ip::address& address) {
    if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
}

// The refusal of what no honest client of this listener sends, if it is that.
std::optional<admin_response> refusal(const admin_request& request, bool has_content, const admin_place& place) {
    const auto hosts = request.count(field::host);
    if (hosts > 1 || (hosts == 0 && request.version() >= 11))
        return refuse(status::bad_request, "one Host field is needed");
    if (hosts == 1 && !is_own_host(view(request[field::host]), place))
        return refuse(status::misdirected_request, "this host is not served here; ask by address or as localhost");
    if (request.count(field::origin) > 0) return refuse(status::forbidden, "not for pages from elsewhere");
    if (!has_content) return std::nullopt;
    const std::string_view type = view(request[field::content_type]);
    const std::string_view media = type.substr(0, type.find_first_of("; \t"));
    if (!iequals(boost::beast::string_view(media.data(), media.size()), "application/json"))
        return refuse(status::unsupported_media_type, "content has to be application/json");
    return refuse(status::payload_too_large, "no content is taken here");
}

}  // namespace

bool is_own_host(std::string_view host, const admin_place& place) {
    if (!place.address) return true;
    const std::string_view name = without_port(host);
    if (name.empty()) return false;
    const boost::beast::string_view text(name.data(), name.size());
    if (iequals(text, "localhost") || (!place.name.empty() && iequals(text, place.name))) return true;
    boost::system::error_code not_an_address;
    const ip::address literal = ip::make_address(std::string(name), not_an_address);
    return !not_an_address && (unmapped(literal).is_loopback() || unmapped(literal) == unmapped(*place.address));
}

admin_response refuse(status code, std::string_view why) {
    return make(code, "text/plain; charset=utf-8", std::string(why) + "\n");
}

admin_response answer(const admin_request& request, bool has_content, const admin_place& place,
                      const std::function<server_status()>& gather) {
    if (auto refused = refusal(request, has_content, place)) return std::move(*refused);
    const std::string_view target = view(request.target());
    const std::string_view path = target.substr(0, target.find('?'));
    const bool metrics = path == "/metrics";
    const bool health = path == "/healthz";
    if (!metrics && !health && path != "/status")
        return refuse(status::not_found, "there are /metrics, /status and /healthz");
    if (request.method() != http_lib::verb::get && request.method() != http_lib::verb::head) {
        admin_response response = refuse(status::method_not_allowed, "GET and HEAD are allowed");
        response.set(field::allow, "GET, HEAD");
        return response;
    }
    server_status now = gather();
    if (health)
        return refuse(now.draining ? status::service_unavailable : status::ok, now.draining ? "draining" : "ok");
    now.process = read_process_use();
    if (metrics) return make(status::ok, "text/plain; version=0.0.4; charset=utf-8", to_prometheus(now));
    return make(status::ok, "application/json", to_json(now));
}

}  // namespace weir::proxy
