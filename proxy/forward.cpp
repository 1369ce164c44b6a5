#include "proxy/forward.hpp"

#include <algorithm>
#include <charconv>

#include "cache/key.hpp"
#include "proxy/http/fields.hpp"
#include "proxy/http/framing.hpp"

namespace weir::proxy {

namespace {

bool has_rule_for(const std::vector<conf::header_rule>& rules, std::string_view name) {
    return std::any_of(rules.begin(), rules.end(),
                       [&](const conf::header_rule& rule) { return http::iequals(rule.name, name); });
}

void append_rules(const std::vector<conf::header_rule>& rules, std::string& out) {
    for (const conf::header_rule& rule : rules) {
        if (rule.value) http::append_field(rule.name, *rule.value, out);
    }
}

void append_host(const outgoing_request& from, const balancer::endpoint& to, std::string& out) {
    std::string_view host = from.request.host;
    if (from.host_rule.type == conf::host_rule::kind::literal) host = from.host_rule.literal;
    const bool server = from.host_rule.type == conf::host_rule::kind::server || host.empty();
    // A unix socket has no name that could stand in Host.
    if (server) host = to.address().type == conf::address::kind::unix_path ? "localhost" : std::string_view(to.name());
    http::append_field("Host", host, out);
}

// t=SECONDS.MILLIS, as queue-time readers of Python servers expect it.
void append_request_start(wall_time received, std::string& out) {
    char text[40] = "X-Request-Start: t=";
    char* end = text + 19;
    const auto ms = received.time_since_epoch().count();
    end = std::to_chars(end, text + sizeof text, ms / 1000).ptr;
    *end++ = '.';
    for (int divisor = 100; divisor > 0; divisor /= 10) *end++ = static_cast<char>('0' + ms / divisor % 10);
    out.append(text, end);
    out += "\r\n";
}

template <std::size_t Size>
bool is_any(std::string_view name, const std::string_view (&names)[Size]) {
    return std::any_of(std::begin(names), std::end(names),
                       [name](std::string_view each) { return http::iequals(each, name); });
}

// Read by frameworks and their proxy middleware in place of the request line, Host and scheme. X-Forwarded-* and
// Forwarded end at weir anyway.
constexpr std::string_view target_switches[] = {
    "X-Original-URL",       "X-Original-URI", "X-Rewrite-URL",   "X-Original-Host", "X-Host",
    "X-HTTP-Host-Override", "X-Script-Name",  "X-Path-Info",     "X-Scheme",        "X-URL-Scheme",
    "X-VHM-Host",           "X-VHM-Root",     "Front-End-Https", "X-Forwarded"};
constexpr std::string_view method_switches[] = {"X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"};

// What an application may reflect or be switched by, and a cached route's key does not know; nor does that of a page,
// which the application itself may keep of its answer.
bool is_unkeyed_input(http::field_view field, const outgoing_request& from) {
    // Beast's table has none of them.
    if (field.id != http::field_id::unknown || !(from.route.cache || from.route.memcached_pages)) return false;
    if (!is_any(field.name, target_switches) &&
        !(http::is_safe(from.request.method) && is_any(field.name, method_switches)))
        return false;
    if (!from.route.cache) return true;
    const std::vector<std::string>& keyed = from.route.cache->key.headers;
    return std::none_of(keyed.begin(), keyed.end(),
                        [&](const std::string& name) { return http::iequals(name, field.name); });
}

// What asks for less than a response that can be stored.
bool narrows_response(http::field_view field) {
    switch (field.id) {
        case http::field_id::range:
        case http::field_id::if_range:
        case http::field_id::if_none_match:
        case http::field_id::if_modified_since:
            return true;
        default:
            return false;
    }
}

bool is_forwarded(http::field_view field, const http::connection_options& connection, const outgoing_request& from) {
    if (field.id == http::field_id::host || field.id == http::field_id::expect) return false;
    if (is_unkeyed_input(field, from) || (from.fills && narrows_response(field))) return false;
    return !http::is_hop_by_hop(field) && !http::tells_of_client(field) && !http::has_underscore(field.name) &&
           !connection.names(field) && !has_rule_for(from.route.request_headers, field.name);
}

bool begins_with_segments(std::string_view path, std::string_view prefix) {
    return path.starts_with(prefix) &&
           (prefix.ends_with('/') || path.size() == prefix.size() || path[prefix.size()] == '/');
}

// As received, but the normalised path where the raw one would escape the rewrite: the prefix that the route matched
// written in another way (/%61pp/x), or dot segments, which the endpoint would apply to what `add` puts in front.
std::string rewritable_target(const outgoing_request& from, std::string_view target) {
    const std::size_t query = std::min(target.find('?'), target.size());
    const std::string_view path = target.substr(0, query);
    const std::string_view strip = from.route.rewrite->strip;
    const bool dots = path.find("/.") != path.npos || path.find("/%2") != path.npos;
    if (!dots && (begins_with_segments(path, strip) || !begins_with_segments(from.path, strip)))
        return std::string(target);
    return std::string(from.path).append(target.substr(query));
}

void append_target(const outgoing_request& from, std::string& out) {
    const std::string_view target = from.request.target;
    const bool keyed = from.keyed && from.route.cache;
    if (from.route.rewrite && target != "*") {
        std::string known;
        if (keyed) cache::append_keyed_target(target, from.route.cache->key, known);
        append_rewritten_target(rewritable_target(from, keyed ? known : target), *from.route.rewrite, from.client, out);
    } else if (keyed) {
        cache::append_keyed_target(target, from.route.cache->key, out);
    } else {
        out += target;
    }
}

// The fields that tell of the client; a rule of the route goes before any of them.
void append_client_fields(const outgoing_request& from, std::string& out) {
    const std::vector<conf::header_rule>& rules = from.route.request_headers;
    const std::size_t start = out.size();
    http::append_forwarded(from.client, out);
    http::append_field("X-Request-ID", from.request_id, out);
    append_request_start(from.received, out);
    if (from.queued.count() > 0)
        http::append_field("X-Queue-Time", static_cast<std::uint64_t>(from.queued.count()), out);
    if (rules.empty()) return;
    for (std::size_t line = start; line < out.size();) {
        const std::size_t next = out.find("\r\n", line) + 2;
        if (has_rule_for(rules, std::string_view(out).substr(line, out.find(':', line) - line))) {
            out.erase(line, next - line);
        } else {
            line = next;
        }
    }
}

}  // namespace

std::optional<std::uint64_t> max_forwards(const http::request_head& request) {
    if (request.method != http::verb::options && request.method != http::verb::trace) return std::nullopt;
    const std::string_view text = request.fields.value(http::field_id::max_forwards);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

void append_rewritten_target(std::string_view target, const conf::rewrite_settings& rewrite,
                             const http::forwarded_client& client, std::string& out) {
    const std::string_view path = target.substr(0, target.find('?'));
    const std::string_view strip = rewrite.strip;
    const bool strips = !strip.empty() && begins_with_segments(path, strip);
    std::string_view rest = strips ? target.substr(strip.size()) : target;

    const std::size_t colon =
        client.host.find(':', client.host.find(']') == std::string_view::npos ? 0 : client.host.find(']'));
    const std::string_view host = client.host.substr(0, colon);
    const std::string_view port =
        colon == std::string_view::npos ? (client.scheme == "https" ? "443" : "80") : client.host.substr(colon + 1);
    const std::size_t start = out.size();
    for (std::size_t at = 0; at < rewrite.add.size();) {
        const std::string_view add = std::string_view(rewrite.add).substr(at);
        if (add.starts_with("{scheme}")) {
            out += client.scheme;
            at += 8;
        } else if (add.starts_with("{host}")) {
            out += host;
            at += 6;
        } else if (add.starts_with("{port}")) {
            out += port;
            at += 6;
        } else {
            out += add.front();
            ++at;
        }
    }
    // Exactly one slash where the two meet, and one at the front.
    if (out.size() > start && out.back() == '/' && rest.starts_with('/')) rest.remove_prefix(1);
    if ((out.size() == start || out.back() != '/') && !rest.starts_with('/')) out += '/';
    out += rest;
}

void compose_request(const outgoing_request& from, const balancer::endpoint& to, std::string& out) {
    const http::request_head& request = from.request;
    out.clear();
    out += request.method_text;
    out += ' ';
    append_target(from, out);
    out += " HTTP/1.1\r\n";

    if (!has_rule_for(from.route.request_headers, "Host")) append_host(from, to, out);
    const http::connection_options connection(request.fields);
    const std::optional<std::uint64_t> hops = max_forwards(request);
    for (const http::field_view field : request.fields) {
        if (!is_forwarded(field, connection, from)) continue;
        if (field.id == http::field_id::max_forwards && hops) {
            http::append_field(field.name, *hops - 1, out);
        } else {
            http::append_field(field, out);
        }
    }
    append_rules(from.route.request_headers, out);
    out += from.validators;

    append_client_fields(from, out);
    http::append_field("Via", request.version == 10 ? "1.0 weir" : "1.1 weir", out);
    if (from.body == http::body_kind::length) http::append_field("Content-Length", from.content_length, out);
    if (from.body == http::body_kind::chunked) out += "Transfer-Encoding: chunked\r\n";
    if (from.pass_expect && request.expects_continue) out += "Expect: 100-continue\r\n";
    if (from.pass_upgrade) {
        out += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    } else if (!from.keep_alive) {
        out += "Connection: close\r\n";
    }
    out += "\r\n";
}

void append_response_fields(const http::response_head& response, const conf::route_settings& route, wall_time now,
                            std::string& out) {
    const http::connection_options connection(response.fields);
    bool has_date = has_rule_for(route.response_headers, "Date");
    for (const http::field_view field : response.fields) {
        if (http::is_hop_by_hop(field) || connection.names(field) || has_rule_for(route.response_headers, field.name))
            continue;
        has_date = has_date || field.id == http::field_id::date;
        http::append_field(field, out);
    }
    // RFC 9110 section 6.6.1: a recipient with a clock adds the time of receipt.
    if (!has_date) http::append_date(std::chrono::floor<std::chrono::seconds>(now), out);
    append_rules(route.response_headers, out);
}

void append_interim_fields(const http::response_head& response, std::string& out) {
    const http::connection_options connection(response.fields);
    for (const http::field_view field : response.fields) {
        if (!http::is_hop_by_hop(field) && !connection.names(field)) http::append_field(field, out);
    }
}

}  // namespace weir::proxy
