#include "conf/upstreams.hpp"

#include "conf/header_rules.hpp"
#include "conf/health.hpp"
#include "conf/include.hpp"
#include "conf/words.hpp"

#include <array>

namespace weir::conf {
namespace {

constexpr std::size_t longest_name = 64;

void read_max_in_flight(mapping_reader& from, std::optional<unsigned>& out) {
    from.number("max_in_flight", quantity::whole, out, "off", {1, 100'000});
}

// Reads the entries of `servers` and of a servers file into one list without doubles.
class server_list {
  public:
    // `max_in_flight` is for the servers that do not say otherwise.
    server_list(std::vector<server_settings>& out, std::optional<unsigned> max_in_flight, std::string path, report& to)
        : out_(out), path_(std::move(path)), report_(to) {
        defaults_.max_in_flight = max_in_flight;
    }

    void add(const node& from) {
        server_settings server = defaults_;
        if (from.is_scalar()) {
            add_address(from, path_, server);
            return;
        }
        mapping_reader entry(from, path_, report_);
        const node* text = entry.take_scalar("address");
        entry.number("weight", quantity::whole, server.weight, {1, 1'000});
        entry.flag("backup", server.backup);
        read_max_in_flight(entry, server.max_in_flight);
        entry.finish();
        if (text != nullptr)
            add_address(*text, path_ + ".address", server);
        else if (from.is_mapping())
            report_.fault(from.where,
                          path_ + ": a server needs an address, such as {address: 127.0.0.1:9001, weight: 2}");
    }

  private:
    void add_address(const node& text, const std::string& path, server_settings& server) {
        std::string why;
        auto address = parse_address(text.text, address_use::server, why);
        if (!address) {
            report_.fault(text.where, path + ": " + why);
            return;
        }
        const auto [first, is_new] = places_.emplace(address->text, text.where);
        if (!is_new) {
            report_.fault(text.where, path + ": " + address->text + " is there already at " +
                                          report_.text(first->second) + "; remove one, or give it a larger weight");
            return;
        }
        server.address = std::move(*address);
        out_.push_back(std::move(server));
    }

    std::vector<server_settings>& out_;
    server_settings defaults_;
    std::string path_;
    report& report_;
    std::map<std::string, place> places_;  // by the text of the address
};

// False if there is such a file and it could not be read.
bool read_servers_file(const node& name, const std::string& path, server_list& into, node_budget& budget, report& to) {
    const auto file = resolve_path(name.text, name.where, to);
    const auto content = read_file(file, name.where, to);
    if (!content) return false;
    const auto number = to.add_file(file);
    const auto root = parse_document(*content, number, budget, to);
    if (!root) return false;
    if (!root->is_sequence() && !root->is_null()) {
        to.fault(root->where, path + ": this file has to be a list of servers, such as \"- 127.0.0.1:9001\"");
        return false;
    }
    for (const node& server : root->items) into.add(server);
    return true;
}

void read_servers(mapping_reader& from, std::vector<server_settings>& out, node_budget& budget) {
    report& to = from.to();
    std::optional<unsigned> max_in_flight;
    read_max_in_flight(from, max_in_flight);
    server_list servers(out, max_in_flight, from.path_of("servers"), to);
    bool doubtful = false;  // something was there, but with a fault
    from.list("servers", true, [&](const node& each) {
        servers.add(each);
        doubtful = true;
    });
    const node* file = from.take_scalar("servers_file");
    if (file != nullptr && file->text != "off") {
        if (!read_servers_file(*file, from.path_of("servers_file"), servers, budget, to)) doubtful = true;
    }
    if (out.empty() && !doubtful)
        to.fault(from.where(),
                 from.path_of("servers") + " has no server; add one, such as \"servers: [127.0.0.1:9001]\"");
}

// The name in "kind:NAME"; nothing, and a fault, if it is none.
std::optional<std::string> read_name(mapping_reader& from, std::string_view key, const node& value) {
    const auto colon = value.text.find(':');
    const auto kind = value.text.substr(0, colon);
    const auto name = colon == std::string::npos ? std::string() : value.text.substr(colon + 1);
    if (is_token(name)) return name;
    const std::string what = kind == "header" ? "a field" : "a cookie";
    if (name.empty())
        from.fault(value, key,
                   in_quotes(value.text) + " needs the name of " + what + ", such as " + kind +
                       (kind == "header" ? ":X-Tenant" : ":session_id"));
    else
        from.fault(value, key, in_quotes(name) + " is no name of " + what + "; it has letters, digits and - _ .");
    return std::nullopt;
}

void read_hash_on(mapping_reader& from, const upstream_settings& to, hash_source& out) {
    const node* value = from.take_scalar("hash_on");
    if (value == nullptr) return;
    using kind = hash_source::kind;
    const auto& text = value->text;
    const auto word = text.substr(0, text.find(':'));
    if (text == "uri" || text == "client") {
        out = {text == "uri" ? kind::uri : kind::client, {}};
    } else if (word == "header" || word == "cookie") {
        auto name = read_name(from, "hash_on", *value);
        if (!name) return;
        out = {word == "header" ? kind::header : kind::cookie, std::move(*name)};
    } else {
        constexpr std::array<std::string_view, 4> words{"uri", "client", "header", "cookie"};
        auto guess = did_you_mean(word, words);
        if (guess.empty()) guess = "; it may be uri, client, header:NAME or cookie:NAME";
        from.fault(*value, "hash_on", in_quotes(text) + " is not known" + guess);
        return;
    }
    // The default does no harm where it is spelled out.
    if (to.balance != balance_policy::hash && out != hash_source{})
        from.fault(*value, "hash_on", "this does nothing without \"balance: hash\"; write that too, or remove this");
}

void read_balance(mapping_reader& from, upstream_settings& out) {
    using policy = balance_policy;
    from.choice<policy>(
        "balance", out.balance,
        {{"round_robin", policy::round_robin}, {"least_requests", policy::least_requests}, {"hash", policy::hash}});
    read_hash_on(from, out, out.hash_on);
    const node* sticky = from.take_scalar("sticky");
    if (sticky == nullptr || sticky->text == "off") return;
    if (sticky->text.starts_with("cookie:"))
        out.sticky_cookie = read_name(from, "sticky", *sticky);
    else
        from.fault(*sticky, "sticky", in_quotes(sticky->text) + " is not known; it may be off or cookie:NAME");
}

void read_queue(mapping_reader& queue, queue_settings& out) {
    queue.number("length", quantity::whole, out.length, {1, 1'000'000});
    queue.duration("timeout", out.timeout);
}

void read_keepalive(mapping_reader& keepalive, keepalive_settings& out) {
    keepalive.number("max_idle", quantity::whole, out.max_idle, {1, 100'000});
    keepalive.duration("idle_timeout", out.idle_timeout, "auto");
}

void read_retry(mapping_reader& from, retry_settings& out) {
    const node* value = from.take("retry");
    if (value == nullptr) return;
    if (value->is_scalar() && value->text == "off") {
        out.retries = 0;
        return;
    }
    mapping_reader retry(*value, from.path_of("retry"), from.to());
    retry.number("retries", quantity::whole, out.retries, {0, 10});
    retry.number("budget", quantity::percent, out.budget_percent, {0, 100});
    retry.finish();
}

void read_host(mapping_reader& from, host_rule& out) {
    const node* value = from.take_scalar("host");
    if (value == nullptr) return;
    constexpr std::array<std::string_view, 2> words{"preserve", "server"};
    const auto& text = value->text;
    if (text == words[0] || text == words[1]) {
        out = {text == words[0] ? host_rule::kind::preserve : host_rule::kind::server, {}};
        return;
    }
    // "perserve" is a host name too, but hardly one that somebody has.
    const auto guess = text.find_first_of(".:") == std::string::npos ? did_you_mean(text, words) : std::string();
    std::string why;
    const bool has_port =
        text.find(':', text.rfind(']') == std::string::npos ? 0 : text.rfind(']')) != std::string::npos;
    if (guess.empty() && parse_address(has_port ? text : text + ":1", address_use::server, why))
        out = {host_rule::kind::literal, text};
    else if (!guess.empty())
        from.fault(*value, "host", in_quotes(text) + " is not known" + guess);
    else
        from.fault(*value, "host", why + "; it may be preserve, server or a host name");
}

void read_upstream(mapping_reader& from, upstream_settings& out, node_budget& budget) {
    read_servers(from, out.servers, budget);
    read_balance(from, out);
    from.section_or_off("queue", out.queue, read_queue);
    from.section_or_off("keepalive", out.keepalive, read_keepalive);
    from.section("timeouts", [&](mapping_reader& timeouts) { read_timeouts(timeouts, out.timeouts); });
    read_retry(from, out.retry);
    from.section_or_off("health", out.health, read_health);
    from.duration("slow_start", out.slow_start, "off");
    from.section_or_off("eject", out.eject, read_eject);
    read_host(from, out.host);
}

bool is_name(std::string_view text) {
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    return !text.empty() && text.size() <= longest_name && text.find_first_not_of(allowed) == std::string_view::npos;
}

}  // namespace

void read_timeouts(mapping_reader& from, timeout_settings& out) {
    from.duration("connect", out.connect);
    from.duration("first_byte", out.first_byte);
    from.duration("read", out.read);
    from.duration("write", out.write);
    from.duration("tunnel", out.tunnel);
}

void read_upstreams(mapping_reader& top, std::map<std::string, upstream_settings>& out, node_budget& budget) {
    const node* upstreams = top.take("upstreams");
    if (upstreams == nullptr) return;
    if (!upstreams->is_mapping()) {
        top.fault(*upstreams, "upstreams",
                  "this has to be a mapping of names, such as {app: {servers: [127.0.0.1:9001]}}");
        return;
    }
    for (std::size_t i = 0; i < upstreams->keys.size(); ++i) {
        const key& name = upstreams->keys[i];
        if (!is_name(name.name))
            top.to().fault(name.where, "upstreams: " + in_quotes(name.name) +
                                           " is no name; it has 1 to 64 letters, digits, and _ - .");
        mapping_reader upstream(upstreams->items[i], "upstreams." + name.name, top.to());
        read_upstream(upstream, out[name.name], budget);
        upstream.finish();
    }
}

}  // namespace weir::conf
