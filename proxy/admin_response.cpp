#include "proxy/admin_response.hpp"

#include "proxy/http/date.hpp"
#include "proxy/purge_request.hpp"

#include <algorithm>
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

constexpr std::string_view known_pages =
    "there are /metrics, /status, /healthz, POST /upstreams/NAME/servers/ADDRESS/(drain|ready|down) and POST "
    "/cache/purge";

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

std::string_view path_of(const admin_request& request) {
    const std::string_view target = view(request.target());
    return target.substr(0, target.find('?'));
}

bool is_purge(const admin_request& request) {
    return request.method() == http_lib::verb::post && path_of(request) == purge_path;
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
    if (is_purge(request)) return std::nullopt;
    return refuse(status::payload_too_large, "no content is taken here");
}

// In a time that says nothing of where the two differ.
bool same_secret(std::string_view given, std::string_view secret) {
    unsigned difference = given.size() == secret.size() ? 0 : 1;
    for (std::size_t i = 0; i < given.size() && !secret.empty(); ++i)
        difference |= static_cast<unsigned char>(given[i] ^ secret[i % secret.size()]);
    return difference == 0 && !secret.empty();
}

// RFC 6750 section 2.1.
bool may_change(const admin_request& request, const std::optional<std::string>& token) {
    if (!token) return true;
    constexpr std::string_view scheme = "Bearer ";
    if (request.count(field::authorization) != 1) return false;
    std::string_view given = view(request[field::authorization]);
    const std::string_view named = given.substr(0, scheme.size());
    if (!iequals(boost::beast::string_view(named.data(), named.size()),
                 boost::beast::string_view(scheme.data(), scheme.size())))
        return false;
    given.remove_prefix(scheme.size());
    given.remove_prefix(std::min(given.find_first_not_of(' '), given.size()));
    return same_secret(given, *token);
}

admin_response not_allowed(std::string_view methods) {
    admin_response response = refuse(status::method_not_allowed, std::string("allowed here: ").append(methods));
    response.set(field::allow, boost::beast::string_view(methods.data(), methods.size()));
    return response;
}

// Runs `change` for who may change anything.
template <class Change>
admin_response answer_change(const admin_request& request, const admin_calls& calls, status fault, Change change) {
    if (request.method() != http_lib::verb::post) return not_allowed("POST");
    if (!may_change(request, calls.token())) {
        admin_response response =
            refuse(status::unauthorized, "this takes the admin token: Authorization: Bearer TOKEN");
        response.set(field::www_authenticate, "Bearer");
        return response;
    }
    admin_calls::changed changed = change();
    if (!changed.why_not.empty()) return refuse(fault, changed.why_not);
    return make(status::ok, "application/json", std::move(changed.json));
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

bool takes_content(const admin_request& request, const admin_place& place, const admin_calls& calls) {
    return is_purge(request) && !refusal(request, true, place) && may_change(request, calls.token());
}

admin_response answer(const admin_request& request, const admin_content& content, const admin_place& place,
                      const admin_calls& calls) {
    if (auto refused = refusal(request, content.announced, place)) return std::move(*refused);
    const std::string_view path = path_of(request);
    const bool metrics = path == "/metrics";
    const bool health = path == "/healthz";
    if (!metrics && !health && path != "/status") {
        if (const auto change = parse_hand_change(path))
            return answer_change(request, calls, status::not_found, [&] { return calls.change(*change); });
        if (path == purge_path)
            return answer_change(request, calls, status::bad_request, [&] { return calls.purge(content.read); });
        return refuse(status::not_found, known_pages);
    }
    if (request.method() != http_lib::verb::get && request.method() != http_lib::verb::head)
        return not_allowed("GET, HEAD");
    server_status now = calls.gather();
    if (health)
        return refuse(now.draining ? status::service_unavailable : status::ok, now.draining ? "draining" : "ok");
    now.process = read_process_use();
    if (metrics) return make(status::ok, "text/plain; version=0.0.4; charset=utf-8", to_prometheus(now));
    return make(status::ok, "application/json", to_json(now));
}

}  // namespace weir::proxy
