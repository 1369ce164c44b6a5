#include "conf/sections.hpp"

#include "conf/memcached.hpp"
#include "conf/words.hpp"

#include <algorithm>
#include <map>

namespace weir::conf {
namespace {

// An octal file mode, with or without a leading 0.
void read_mode(mapping_reader& from, std::optional<unsigned>& out) {
    const node* value = from.take_scalar("mode");
    if (value == nullptr) return;
    const auto& text = value->text;
    if (text.size() > 4 || text.find_first_not_of("01234567") != std::string::npos ||
        std::stoul(text, nullptr, 8) > 0777) {
        from.fault(*value, "mode", in_quotes(text) + " is no file mode; write it in octal, such as 0660");
        return;
    }
    out = static_cast<unsigned>(std::stoul(text, nullptr, 8));
}

std::optional<address> read_address(const node& from, const std::string& path, report& to) {
    std::string why;
    auto out = parse_address(from.text, address_use::listen, why);
    if (!out) to.fault(from.where, path + ": " + why);
    return out;
}

std::optional<listen_address> read_listen_entry(const node& from, report& to) {
    if (from.is_scalar()) {
        auto where = read_address(from, "listen", to);
        if (!where) return std::nullopt;
        return listen_address{std::move(*where), {}};
    }
    mapping_reader entry(from, "listen", to);
    std::optional<address> where;
    std::optional<unsigned> mode;
    const node* text = entry.take_scalar("address");
    if (text != nullptr)
        where = read_address(*text, "listen.address", to);
    else if (from.is_mapping())
        to.fault(from.where,
                 "listen: an entry needs an address, such as {address: unix:/run/weir/weir.sock, mode: 0660}");
    entry.not_built("proxy_protocol");
    read_mode(entry, mode);
    if (mode && where && where->type == address::kind::host_port)
        to.fault(from.where, "listen.mode: only a unix socket has a mode; " + where->text + " is none");
    entry.finish();
    if (!where) return std::nullopt;
    return listen_address{std::move(*where), mode};
}

void read_target(mapping_reader& from, std::string_view key, log_target& out) {
    const node* value = from.take_scalar(key);
    if (value == nullptr) return;
    using kind = log_target::kind;
    const auto& text = value->text;
    if (text == "off")
        out = {kind::off, {}};
    else if (text == "stdout")
        out = {kind::standard_output, {}};
    else if (text == "stderr")
        out = {kind::standard_error, {}};
    else if (text.front() == '/')
        out = {kind::file, text};
    else
        from.fault(*value, key,
                   in_quotes(text) +
                       " is no place for a log; it may be stdout, stderr, off or the absolute "
                       "path of a file, such as /var/log/weir/access.log");
}

void read_spool_dir(mapping_reader& from, std::string& out) {
    const node* value = from.take_scalar("spool_dir");
    if (value == nullptr) return;
    if (value->text == "off")
        from.fault(*value, "spool_dir", "this cannot be off; for no spool write \"spool_max: off\"");
    else if (value->text.front() != '/')
        from.fault(*value, "spool_dir", in_quotes(value->text) + " is no absolute path; write one such as /var/tmp");
    else
        out = value->text;
}

// Blocks of addresses, one alone or a list.
void read_blocks(mapping_reader& from, std::string_view key, std::vector<cidr>& out) {
    from.list(key, true, [&](const node& each) {
        std::string why;
        const auto block = each.is_scalar() ? parse_cidr(each.text, why) : std::nullopt;
        if (block)
            out.push_back(*block);
        else
            from.fault(each, key, why.empty() ? "a block is written as 10.0.0.0/8" : why);
    });
}

}  // namespace

void read_listen(mapping_reader& top, std::vector<listen_address>& out) {
    std::vector<place> places;
    top.list("listen", true, [&](const node& each) {
        auto entry = read_listen_entry(each, top.to());
        if (!entry) return;
        for (std::size_t i = 0; i < out.size(); ++i) {
            // Two with port 0 could both be had, but a reload tells listeners apart by their texts.
            const auto& other = out[i].address;
            if (other.text != entry->address.text && !collide(other, entry->address)) continue;
            top.fault(each, "listen",
                      entry->address.text + " is taken already by " + out[i].address.text + " at " +
                          top.to().text(places[i]) + ", remove one of them");
            return;
        }
        out.push_back(std::move(*entry));
        places.push_back(each.where);
    });
    if (out.empty())
        out.push_back({*read_address({node::kind::scalar, {}, "127.0.0.1:8880", {}, {}}, "listen", top.to()), {}});
}

void read_admin(mapping_reader& top, admin_settings& out) {
    top.section("admin", [&](mapping_reader& admin) {
        const node* listen = admin.take_scalar("listen");
        if (listen != nullptr && listen->text != "off") out.listen = read_address(*listen, "admin.listen", top.to());
        const node* token = admin.take_scalar("token");
        if (token != nullptr && token->text != "off") {
            const auto& text = token->text;
            if (text.size() <= 512 &&
                std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; }))
                out.token = text;
            else
                admin.fault(*token, "token", "a token is 1 to 512 visible ASCII characters without spaces");
        }
        if (out.listen && !is_local(*out.listen) && token == nullptr)
            admin.fault(*listen, "listen",
                        out.listen->text +
                            " can be reached from other machines; set admin.token, or "
                            "listen on 127.0.0.1:8881 or a unix socket");
        else if (out.listen && !is_local(*out.listen) && token->text == "off")
            admin.fault(*listen, "listen",
                        out.listen->text +
                            " can be reached from other machines; set admin.token to "
                            "something other than off");
    });
}

void read_log(mapping_reader& top, log_settings& out) {
    top.section("log", [&](mapping_reader& log) {
        read_target(log, "access", out.access);
        log.choice<log_format>("format", out.format, {{"combined", log_format::combined}, {"json", log_format::json}});
        read_target(log, "errors", out.errors);
        log.choice<log_level>("level", out.level,
                              {{"debug", log_level::debug},
                               {"info", log_level::info},
                               {"warning", log_level::warning},
                               {"error", log_level::error}});
    });
}

void read_client(mapping_reader& top, client_settings& out) {
    top.section("client", [&](mapping_reader& client) {
        client.duration("head_timeout", out.head_timeout);
        client.duration("idle_timeout", out.idle_timeout);
        client.duration("read_timeout", out.read_timeout);
        client.duration("write_timeout", out.write_timeout);
        client.number("min_rate", quantity::rate, out.min_rate_bytes, "off", {1, gibibyte});
        client.number("max_connections", quantity::whole, out.max_connections, "auto", {1, 10'000'000});
        client.number("max_head", quantity::bytes, out.max_head_bytes, {kibibyte, 64 * kibibyte});
        client.number("max_fields", quantity::whole, out.max_fields, {1, 10'000});
        client.number("max_content", quantity::bytes, out.max_content_bytes, "off", {1, 1024 * 1024 * gibibyte});
        read_blocks(client, "trusted_proxies", out.trusted_proxies);
        client.not_built("proxy_protocol");
    });
}

void read_route_buffering(mapping_reader& from, route_buffering& out) {
    from.number("request", quantity::bytes, out.request_bytes, "off", any_size);
    from.number("response", quantity::bytes, out.response_bytes, "off", any_size);
}

void read_buffering(mapping_reader& top, buffering_settings& out) {
    top.section("buffering", [&](mapping_reader& buffering) {
        read_route_buffering(buffering, out.content);
        buffering.number("memory_max", quantity::bytes, out.memory_max_bytes, {mebibyte, any_size.most});
        read_spool_dir(buffering, out.spool_dir);
        buffering.number("spool_max", quantity::bytes, out.spool_max_bytes, "off", {mebibyte, any_size.most});
    });
}

void read_dns(mapping_reader& top, dns_settings& out) {
    top.section("dns", [&](mapping_reader& dns) {
        dns.duration("refresh", out.refresh, "off", {1'000, any_timeout.most});
    });
}

void read_cache(mapping_reader& top, cache_settings& out) {
    top.section("cache", [&](mapping_reader& cache) {
        cache.number("memory", quantity::bytes, out.memory_bytes, "off", {mebibyte, any_size.most});
        cache.number("max_response", quantity::bytes, out.max_response_bytes, any_size);
        cache.choice<eviction_policy>("eviction", out.eviction,
                                      {{"lru", eviction_policy::lru}, {"s3fifo", eviction_policy::s3fifo}});
        cache.duration("collapse_timeout", out.collapse_timeout);
        cache.number("max_variants", quantity::whole, out.max_variants, {1, 10'000});
        cache.duration("uncacheable_memory", out.uncacheable_memory, "off");
        cache.section(
            "purge", [&](mapping_reader& purge) { read_blocks(purge, "allow", out.purge_allow); }, "off");
        cache.section_or_off("memcached", out.memcached, read_memcached);
    });
}

}  // namespace weir::conf
