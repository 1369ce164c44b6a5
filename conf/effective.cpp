// Settings written back as the YAML that gives them: what `weir check --effective` prints.
#include "conf/environment.hpp"
#include "conf/load.hpp"
#include "conf/memcached.hpp"
#include "conf/units.hpp"

#include <string_view>

namespace weir::conf {
namespace {

constexpr std::string_view not_quoted = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";

// A string that is nobody's word but its own: quoted unless it is plainly one.
std::string scalar(const std::string& text) {
    const bool plain = !text.empty() && text.find_first_not_of(not_quoted) == std::string::npos &&
                       text.front() != '-' && text != "null" && text != "Null" && text != "NULL" &&
                       text.find("---") == std::string::npos && text.find("...") == std::string::npos;
    if (plain) return text;
    std::string out = "\"";
    for (const char c : escape_environment(text)) {
        if (c == '\t')
            out += "\\t";
        else if (c == '"' || c == '\\')
            (out += '\\') += c;
        else
            out += c;
    }
    return out + "\"";
}

std::string flag(bool value) {
    return value ? "true" : "false";
}

template <class Value, class Write>
std::string or_word(const std::optional<Value>& value, std::string_view word, Write write) {
    return value ? write(*value) : std::string(word);
}

std::string count_text(std::uint64_t count) {
    return std::to_string(count);
}

std::string or_off(const std::optional<std::uint64_t>& bytes) {
    return or_word(bytes, "off", size_text);
}

std::string or_off(const std::optional<seconds>& value) {
    return or_word(value, "off", duration_text);
}

// Appends "key: value" lines, indented by the depth of the section.
class writer {
  public:
    void line(std::string_view key, const std::string& value) {
        out_.append(indent_, ' ').append(key).append(": ").append(value).append("\n");
    }
    void item(const std::string& value) { out_.append(indent_, ' ').append("- ").append(value).append("\n"); }

    // A key whose value is what `body` writes.
    template <class Body>
    void section(std::string_view key, Body body) {
        out_.append(indent_, ' ').append(key).append(":\n");
        indent_ += 2;
        body();
        indent_ -= 2;
    }

    // An entry of a list, whose first key is written by the caller's first line().
    template <class Body>
    void entry(Body body) {
        const auto start = out_.size();
        indent_ += 2;
        body();
        indent_ -= 2;
        out_[start + indent_] = '-';
    }

    std::string take() { return std::move(out_); }

  private:
    std::string out_;
    std::size_t indent_ = 0;
};

std::string target_text(const log_target& target) {
    switch (target.type) {
        case log_target::kind::off:
            return "off";
        case log_target::kind::standard_output:
            return "stdout";
        case log_target::kind::standard_error:
            return "stderr";
        case log_target::kind::file:
            break;
    }
    return scalar(target.path);
}

// A list on one line, each member as `write` gives it.
template <class Values, class Write>
std::string list_text(const Values& values, Write write) {
    std::string out;
    for (const auto& value : values) out += (out.empty() ? "" : ", ") + write(value);
    return "[" + out + "]";
}

std::string names_text(const std::vector<std::string>& names) {
    return list_text(names, scalar);
}

std::string blocks_text(const std::vector<cidr>& blocks) {
    return list_text(blocks, [](const cidr& block) { return scalar(block.text()); });
}

std::string_view level_text(log_level level) {
    switch (level) {
        case log_level::debug:
            return "debug";
        case log_level::info:
            return "info";
        case log_level::warning:
            return "warning";
        case log_level::error:
            break;
    }
    return "error";
}

std::string mode_text(unsigned mode) {
    std::string out = "0";
    for (int shift = 6; shift >= 0; shift -= 3) out += static_cast<char>('0' + ((mode >> shift) & 7));
    return out;
}

void write_listen(writer& out, const std::vector<listen_address>& listen) {
    out.section("listen", [&] {
        for (const listen_address& each : listen) {
            const auto address = scalar(each.address.text);
            out.item(each.mode ? "{address: " + address + ", mode: " + mode_text(*each.mode) + "}" : address);
        }
    });
}

void write_client(writer& out, const client_settings& client) {
    out.section("client", [&] {
        out.line("head_timeout", duration_text(client.head_timeout));
        out.line("idle_timeout", duration_text(client.idle_timeout));
        out.line("read_timeout", duration_text(client.read_timeout));
        out.line("write_timeout", duration_text(client.write_timeout));
        out.line("min_rate", or_word(client.min_rate_bytes, "off", rate_text));
        out.line("max_connections", or_word(client.max_connections, "auto", count_text));
        out.line("max_head", size_text(client.max_head_bytes));
        out.line("max_fields", std::to_string(client.max_fields));
        out.line("max_content", or_off(client.max_content_bytes));
        out.line("trusted_proxies", blocks_text(client.trusted_proxies));
    });
}

void write_globals(writer& out, const settings& all) {
    out.line("workers", or_word(all.workers, "auto", count_text));
    out.line("drain_timeout", duration_text(all.drain_timeout));
    write_listen(out, all.listen);
    out.section("admin", [&] {
        out.line("listen", or_word(all.admin.listen, "off", [](const address& where) { return scalar(where.text); }));
        out.line("token", or_word(all.admin.token, "off", scalar));
    });
    out.section("log", [&] {
        out.line("access", target_text(all.log.access));
        out.line("format", all.log.format == log_format::json ? "json" : "combined");
        out.line("errors", target_text(all.log.errors));
        out.line("level", std::string(level_text(all.log.level)));
    });
    write_client(out, all.client);
    out.section("buffering", [&] {
        out.line("request", or_off(all.buffering.content.request_bytes));
        out.line("response", or_off(all.buffering.content.response_bytes));
        out.line("memory_max", size_text(all.buffering.memory_max_bytes));
        out.line("spool_dir", scalar(all.buffering.spool_dir));
        out.line("spool_max", or_off(all.buffering.spool_max_bytes));
    });
    out.section("dns", [&] { out.line("refresh", or_word(all.dns.refresh, "off", duration_text)); });
}

void write_timeouts(writer& out, const timeout_settings& timeouts) {
    out.section("timeouts", [&] {
        out.line("connect", duration_text(timeouts.connect));
        out.line("first_byte", duration_text(timeouts.first_byte));
        out.line("read", duration_text(timeouts.read));
        out.line("write", duration_text(timeouts.write));
        out.line("tunnel", duration_text(timeouts.tunnel));
    });
}

std::string host_text(const host_rule& host) {
    if (host.type == host_rule::kind::literal) return scalar(host.literal);
    return host.type == host_rule::kind::server ? "server" : "preserve";
}

std::string balance_text(balance_policy policy) {
    if (policy == balance_policy::hash) return "hash";
    return policy == balance_policy::least_requests ? "least_requests" : "round_robin";
}

std::string hash_text(const hash_source& source) {
    switch (source.type) {
        case hash_source::kind::uri:
            return "uri";
        case hash_source::kind::client:
            return "client";
        case hash_source::kind::header:
            return scalar("header:" + source.name);
        case hash_source::kind::cookie:
            break;
    }
    return scalar("cookie:" + source.name);
}

void write_health(writer& out, const upstream_settings& upstream) {
    if (const auto& health = upstream.health)
        out.section("health", [&] {
            out.line("path", scalar(health->path));
            out.line("interval", duration_text(health->interval));
            out.line("timeout", duration_text(health->timeout));
            out.line("rise", std::to_string(health->rise));
            out.line("fall", std::to_string(health->fall));
            out.line("expect", std::to_string(health->expect_from) + "-" + std::to_string(health->expect_to));
        });
    else
        out.line("health", "off");
    out.line("slow_start", or_word(upstream.slow_start, "off", duration_text));
    if (const auto& eject = upstream.eject)
        out.section("eject", [&] {
            out.line("failures", std::to_string(eject->failures));
            out.line("window", duration_text(eject->window));
            out.line("duration", duration_text(eject->duration));
            out.line("max_ejected", std::to_string(eject->max_ejected_percent) + "%");
        });
    else
        out.line("eject", "off");
}

void write_upstream(writer& out, const upstream_settings& upstream) {
    out.section("servers", [&] {
        for (const server_settings& server : upstream.servers)
            out.item("{address: " + scalar(server.address.text) + ", weight: " + std::to_string(server.weight) +
                     ", backup: " + flag(server.backup) +
                     ", max_in_flight: " + or_word(server.max_in_flight, "off", count_text) + "}");
    });
    out.line("servers_file", "off");
    out.line("balance", balance_text(upstream.balance));
    out.line("hash_on", hash_text(upstream.hash_on));
    out.line("sticky",
             or_word(upstream.sticky_cookie, "off", [](const auto& name) { return scalar("cookie:" + name); }));
    if (!upstream.queue)
        out.line("queue", "off");
    else
        out.section("queue", [&] {
            out.line("length", std::to_string(upstream.queue->length));
            out.line("timeout", duration_text(upstream.queue->timeout));
        });
    if (!upstream.keepalive)
        out.line("keepalive", "off");
    else
        out.section("keepalive", [&] {
            out.line("max_idle", std::to_string(upstream.keepalive->max_idle));
            out.line("idle_timeout", or_word(upstream.keepalive->idle_timeout, "auto", duration_text));
        });
    write_timeouts(out, upstream.timeouts);
    out.section("retry", [&] {
        out.line("retries", std::to_string(upstream.retry.retries));
        out.line("budget", std::to_string(upstream.retry.budget_percent) + "%");
    });
    write_health(out, upstream);
    out.line("host", host_text(upstream.host));
}

void write_freshness(writer& out, const freshness_settings& freshness) {
    std::string by_status;
    for (const auto& [status, lifetime] : freshness.by_status)
        by_status += (by_status.empty() ? "" : ", ") + std::to_string(status) + ": " + duration_text(lifetime);
    out.section("freshness", [&] {
        out.line("default", or_off(freshness.default_lifetime));
        out.line("override", or_off(freshness.override_lifetime));
        out.line("max", or_off(freshness.max_lifetime));
        out.line("statuses", list_text(freshness.statuses, [](unsigned status) { return std::to_string(status); }));
        out.line("by_status", "{" + by_status + "}");
        out.line("heuristic", or_word(freshness.heuristic_percent, "off",
                                      [](unsigned share) { return std::to_string(share) + "%"; }));
    });
}

void write_key(writer& out, const key_settings& key) {
    using parts = key_settings::query_parts;
    out.section("key", [&] {
        if (key.query == parts::listed)
            out.line("query", names_text(key.query_names));
        else
            out.line("query", key.query == parts::none ? "none" : "all");
        out.line("ignore_query", names_text(key.ignore_query));
        out.line("headers", names_text(key.headers));
        out.line("cookies", names_text(key.cookies));
    });
}

void write_route_cache(writer& out, const std::optional<route_cache_settings>& cache) {
    if (!cache) {
        out.line("cache", "off");
        return;
    }
    out.section("cache", [&] {
        write_freshness(out, cache->freshness);
        out.section("stale", [&] {
            out.line("while_revalidate", or_off(cache->stale.while_revalidate));
            out.line("if_error", or_off(cache->stale.if_error));
        });
        write_key(out, cache->key);
        out.line("session_cookies", names_text(cache->session_cookies));
        out.line("store_set_cookie", flag(cache->store_set_cookie));
        out.line("min_uses", std::to_string(cache->min_uses));
        out.line("client_directives", cache->client_directives == directives_policy::honour ? "honour" : "ignore");
        out.section("bypass", [&] {
            out.line("headers", names_text(cache->bypass.headers));
            out.line("cookies", names_text(cache->bypass.cookies));
        });
        out.line("ranges", cache->ranges == range_policy::pass ? "pass" : "whole");
        out.line("tag_fields", names_text(cache->tag_fields));
        out.line("cache_status", flag(cache->cache_status));
    });
}

void write_memcached(writer& out, const std::optional<memcached_settings>& memcached) {
    if (!memcached) {
        out.line("memcached", "off");
        return;
    }
    out.section("memcached", [&] {
        out.line("servers", list_text(memcached->servers, [](const auto& server) { return scalar(server.text); }));
        out.line("prefix", scalar(memcached->prefix));
        out.line("timeout", duration_text(memcached->timeout));
        out.line("max_response", size_text(memcached->max_response_bytes));
        out.line("fill_lock", or_word(memcached->fill_lock, "off", duration_text));
        out.line("purge_log", flag(memcached->purge_log));
    });
}

void write_pages(writer& out, const std::optional<page_settings>& pages) {
    if (!pages) {
        out.line("memcached_pages", "off");
        return;
    }
    out.section("memcached_pages", [&] {
        out.line("key", scalar(template_text(pages->key)));
        out.line("content_type", or_word(pages->content_type, "auto", scalar));
    });
}

void write_cache(writer& out, const cache_settings& cache) {
    out.section("cache", [&] {
        out.line("memory", or_off(cache.memory_bytes));
        out.line("max_response", size_text(cache.max_response_bytes));
        out.line("eviction", cache.eviction == eviction_policy::s3fifo ? "s3fifo" : "lru");
        out.line("collapse_timeout", duration_text(cache.collapse_timeout));
        out.line("max_variants", std::to_string(cache.max_variants));
        out.line("uncacheable_memory", or_word(cache.uncacheable_memory, "off", duration_text));
        out.section("purge", [&] { out.line("allow", blocks_text(cache.purge_allow)); });
        write_memcached(out, cache.memcached);
    });
}

void write_rules(writer& out, std::string_view key, const std::vector<header_rule>& rules) {
    if (rules.empty()) {
        out.line(key, "{}");
        return;
    }
    out.section(key, [&] {
        for (const header_rule& rule : rules) {
            // A name may be any token, so also one that means something in YAML.
            out.line("\"" + rule.name + "\"", rule.value ? scalar(*rule.value) : "null");
        }
    });
}

void write_rewrite(writer& out, const std::optional<rewrite_settings>& rewrite) {
    if (!rewrite) {
        out.line("rewrite", "off");
        return;
    }
    out.section("rewrite", [&] {
        if (!rewrite->strip.empty()) out.line("strip", scalar(rewrite->strip));
        if (!rewrite->add.empty()) out.line("add", scalar(rewrite->add));
    });
}

std::string priority_text(priority of) {
    if (of == priority::high) return "high";
    return of == priority::low ? "low" : "normal";
}

void write_route(writer& out, const route_settings& route) {
    out.section("match", [&] {
        out.line("host", scalar(route.host));
        out.line("path", scalar(route.exact ? "= " + route.path : route.path));
    });
    out.line("upstream", scalar(route.upstream));
    out.line("priority", priority_text(route.priority));
    write_route_cache(out, route.cache);
    write_pages(out, route.memcached_pages);
    write_rewrite(out, route.rewrite);
    write_rules(out, "request_headers", route.request_headers);
    write_rules(out, "response_headers", route.response_headers);
    write_timeouts(out, route.timeouts);
    out.section("buffering", [&] {
        out.line("request", or_off(route.buffering.request_bytes));
        out.line("response", or_off(route.buffering.response_bytes));
    });
}

}  // namespace

std::string effective_yaml(const settings& of) {
    writer out;
    write_globals(out, of);
    out.section("upstreams", [&] {
        for (const auto& [name, upstream] : of.upstreams)
            out.section(scalar(name), [&, &each = upstream] { write_upstream(out, each); });
    });
    write_cache(out, of.cache);
    out.section("routes", [&] {
        for (const route_settings& route : of.routes) out.entry([&] { write_route(out, route); });
    });
    return out.take();
}

}  // namespace weir::conf
