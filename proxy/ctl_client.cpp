#include "proxy/ctl_client.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/json.hpp>
#include <exception>

#include "proxy/ask.hpp"
#include "proxy/purge_request.hpp"

namespace weir::proxy {

namespace {

namespace json = boost::json;
using asio::ip::tcp;

constexpr std::chrono::milliseconds patience{10'000};
constexpr std::size_t max_status_bytes = 64 * 1024 * 1024;

std::string text_of(const json::value& value) {
    return std::string(value.as_string());
}

std::uint64_t number_of(const json::value& value) {
    return value.to_number<std::uint64_t>();
}

endpoint_status endpoint_of(const json::value& from) {
    endpoint_status of{.address = text_of(from.at("address")),
                       .state = text_of(from.at("state")),
                       .reason = text_of(from.at("reason")),
                       .weight = from.at("weight").to_number<unsigned>(),
                       .backup = from.at("backup").as_bool(),
                       .share_percent = from.at("share_percent").to_number<unsigned>(),
                       .in_flight = number_of(from.at("in_flight")),
                       .idle_connections = number_of(from.at("idle_connections")),
                       .requests = number_of(from.at("requests")),
                       .failures = number_of(from.at("failures"))};
    for (const json::value& word : from.at("out_of_use").as_array()) of.out_of_use.push_back(text_of(word));
    if (const auto& most = from.at("max_in_flight"); !most.is_null()) of.max_in_flight = most.to_number<unsigned>();
    if (const auto& checks = from.at("checks"); !checks.is_null()) {
        of.checks = {.started = number_of(checks.at("started")),
                     .done = number_of(checks.at("done")),
                     .fault = text_of(checks.at("fault"))};
    }
    return of;
}

shown_status::memcached_server memcached_of(const json::value& from) {
    return {.server = text_of(from.at("server")),
            .state = text_of(from.at("state")),
            .since = text_of(from.at("since")),
            .keys = number_of(from.at("keys")),
            .hits = number_of(from.at("hits")),
            .failures = number_of(from.at("failures"))};
}

shown_status::purge_log purge_log_of(const json::value& from) {
    const json::value& last_read = from.at("last_read");
    return {.is_in_step = from.at("in_step").as_bool(),
            .last_read = last_read.is_null() ? std::string() : text_of(last_read),
            .waiting = number_of(from.at("waiting")),
            .times_lost = number_of(from.at("times_lost"))};
}

std::string without_line_end(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text;
}

}  // namespace

balancer::address_list addresses_of(const conf::address& where, std::string& why) {
    if (where.type == conf::address::kind::unix_path) return {asio::local::stream_protocol::endpoint(where.path)};
    const std::string host = where.host.empty() ? "127.0.0.1" : where.host;
    asio::io_context context(1);
    boost::system::error_code failed;
    const auto found =
        tcp::resolver(context).resolve(host, std::to_string(where.port), tcp::resolver::numeric_service, failed);
    balancer::address_list all;
    for (const auto& entry : found) all.emplace_back(entry.endpoint());
    if (all.empty()) why = host + " does not resolve: " + failed.message();
    return all;
}

std::optional<shown_status> parse_status(const std::string& status_json) {
    try {
        shown_status all;
        const json::value status = json::parse(status_json);
        for (const json::value& from : status.at("upstreams").as_array()) {
            upstream_status of;
            of.name = text_of(from.at("name"));
            of.queued = number_of(from.at("queued"));
            for (const json::value& each : from.at("endpoints").as_array()) of.endpoints.push_back(endpoint_of(each));
            all.upstreams.push_back(std::move(of));
        }
        const json::value* const memcached = status.as_object().if_contains("memcached");
        if (!memcached) return all;
        for (const json::value& from : memcached->as_array()) all.memcached.push_back(memcached_of(from));
        if (const json::value& log = status.at("purge_log"); !log.is_null()) all.log = purge_log_of(log);
        return all;
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

std::optional<endpoint_status> parse_endpoint(const std::string& endpoint_json) {
    try {
        return endpoint_of(json::parse(endpoint_json));
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

std::string to_json(const purge_wish& what) {
    json::object made;
    const auto list = [&made](std::string_view name, const std::vector<std::string>& named) {
        if (!named.empty()) made[name] = json::value_from(named);
    };
    list("urls", what.urls);
    list("prefixes", what.prefixes);
    list("tags", what.tags);
    if (what.all) made["all"] = true;
    made["mode"] = what.soft ? "soft" : "hard";
    return json::serialize(made);
}

std::optional<std::string> ctl_client::ask_admin(const std::string& method, const std::string& path,
                                                 const std::string& content, std::string& why) const {
    question what{.to = addresses_of(where_.address, why),
                  .request = {},
                  .timeout = patience,
                  .max_content_bytes = max_status_bytes};
    if (what.to.empty()) return std::nullopt;
    // The listener takes any Host but its own for a web page's doing, and knows not by which name or address it is
    // reached from elsewhere; it is always localhost to itself.
    what.request = method + ' ' + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                   (where_.token ? "Authorization: Bearer " + *where_.token + "\r\n" : "") +
                   (content.empty() ? "" : "Content-Type: application/json\r\n") +
                   (method == "POST" ? "Content-Length: " + std::to_string(content.size()) + "\r\n\r\n" : "\r\n") +
                   content;
    reply answer = ask_and_wait(std::move(what));
    if (!answer.fault.empty()) {
        why = "cannot ask the admin listener at " + where_.address.text + ": " + answer.fault;
        return std::nullopt;
    }
    if (answer.status == 200) return std::move(answer.content);
    why = without_line_end(answer.content);
    if (answer.status == 401) why += "; give it with --token, WEIR_TOKEN or --config";
    return std::nullopt;
}

std::optional<shown_status> ctl_client::status(std::string& why) const {
    const auto content = ask_admin("GET", "/status", "", why);
    if (!content) return std::nullopt;
    auto read = parse_status(*content);
    if (!read) why = "the answer from " + where_.address.text + " is no status of this version of weir";
    return read;
}

std::optional<endpoint_status> ctl_client::change(const hand_change& what, std::string& why) const {
    const auto content = ask_admin("POST", path_of(what), "", why);
    if (!content) return std::nullopt;
    auto read = parse_endpoint(*content);
    if (!read) why = "the answer from " + where_.address.text + " is none of this version of weir";
    return read;
}

std::optional<std::string> ctl_client::purge(const purge_wish& what, std::string& why) const {
    return ask_admin("POST", std::string(purge_path), to_json(what), why);
}

}  // namespace weir::proxy
