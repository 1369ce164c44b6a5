#include "proxy/purge_request.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "cache/key.hpp"
#include "proxy/http/target.hpp"

namespace weir::proxy {

namespace {

namespace json = boost::json;
using cache::purge_mode;

constexpr std::string_view known_members =
    "url, urls, host, prefix, prefixes, tag, tags, group, groups, origin, all and mode";

std::string_view view(const json::string& text) {
    return {text.data(), text.size()};
}

// As JSON has it, so that no control character gets through, and cut.
std::string quoted(std::string_view text) {
    constexpr std::size_t most = 100;
    const bool cut = text.size() > most;
    std::string shown = json::serialize(json::string(text.substr(0, most)));
    return cut ? shown + "..." : shown;
}

// Views into what was split.
struct url_parts {
    std::string_view scheme = "http";  // or https
    std::string_view authority;
    std::string target;  // begins with a /

    void append_host(std::string& out) const { http::append_normalised_host(authority, scheme, out); }
};

// Nothing, and `why`, of what can be no URL of ours. `host`: that of a URL which is a target alone; may be empty.
std::optional<url_parts> split(std::string_view text, std::string_view host, std::string& why) {
    url_parts parts;
    parts.authority = host;
    std::string_view rest = text;
    if (!text.starts_with('/')) {
        const std::size_t mark = text.find("://");
        if (mark != text.npos && text.find_first_of("/?:") == mark) {
            const std::string_view scheme = text.substr(0, mark);
            if (http::iequals(scheme, "https")) {
                parts.scheme = "https";
            } else if (!http::iequals(scheme, "http")) {
                why = "is neither of http nor of https";
                return std::nullopt;
            }
            rest.remove_prefix(mark + 3);
        }
        const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
        parts.authority = rest.substr(0, end);
        rest.remove_prefix(end);
    } else if (host.empty()) {
        why = "has no host: put http://HOST before it, or say it in \"host\"";
        return std::nullopt;
    }
    if (!http::valid_host(parts.authority)) {
        why = "has no host that could be one";
        return std::nullopt;
    }
    if (!rest.starts_with('/')) parts.target = '/';
    parts.target += rest;
    if (!http::valid_origin_form(parts.target)) {
        why = "has characters that no request target has: write it as browsers send it, percent-encoded";
        return std::nullopt;
    }
    return parts;
}

// Host and target of the key under which a response to `target` there is stored; nothing where no request of that
// target is passed on.
std::optional<std::string> stored_url(std::string_view host, std::string_view target, const snapshot& config) {
    static const conf::key_settings everything;
    std::string path;
    if (!http::normalise_path(target, path)) return std::nullopt;
    const route* via = config.find(host, path);
    std::string url(host);
    cache::append_keyed_target(target, via && via->caches ? via->settings->cache->key : everything, url);
    return url;
}

// Reads the object member by member; the first fault ends it.
class order_reader {
  public:
    order_reader(const snapshot& config, std::string& why) : config_(config), why_(why) {}

    bool read(const json::object& from) {
        if (!read_mode(from) || !read_host(from) || !read_origin(from)) return false;
        for (const auto& member : from) {
            if (!read_member(member.key(), member.value())) return false;
        }
        if (!names_anything_) return fault("nothing to purge is named: say it in url, tag, prefix, group or all");
        if (order_.size() > max_purged_things)
            return fault("more than " + std::to_string(max_purged_things) + " things: purge them in several calls");
        if (order_.groups.empty()) return true;
        if (order_.origin.empty())
            return fault("a group is one of an origin: say which in \"origin\", as https://HOST");
        if (order_.mode == purge_mode::soft)
            return fault("a group is purged hard: leave \"mode\" out, or purge the rest in a call of its own");
        return true;
    }
    purge_order take() { return std::move(order_); }

  private:
    bool fault(std::string what) {
        why_ = std::move(what);
        return false;
    }
    static std::string place(std::string_view member, std::string_view text) {
        return std::string(member) + ": " + quoted(text) + ' ';
    }

    bool read_mode(const json::object& from) {
        const json::value* mode = from.if_contains("mode");
        if (!mode || *mode == "hard") return true;
        if (*mode != "soft") return fault("mode: takes \"hard\" or \"soft\"");
        order_.mode = purge_mode::soft;
        return true;
    }

    bool read_host(const json::object& from) {
        const json::value* host = from.if_contains("host");
        if (!host) return true;
        if (!host->is_string() || !http::valid_host(view(host->get_string())))
            return fault("host: takes a host, with its port where it is not the usual one");
        host_ = view(host->get_string());
        return true;
    }

    bool read_origin(const json::object& from) {
        const json::value* origin = from.if_contains("origin");
        if (!origin) return true;
        const std::string_view text = origin->is_string() ? view(origin->get_string()) : "";
        std::string no_url;
        const auto parts = split(text, "", no_url);
        if (!parts || parts->target != "/" || text.find("://") == text.npos)
            return fault("origin: takes http://HOST or https://HOST, with a port where it is not the usual one");
        order_.origin.assign(parts->scheme).append("://");
        parts->append_host(order_.origin);
        return true;
    }

    bool read_member(std::string_view name, const json::value& value) {
        if (name == "mode" || name == "host" || name == "origin") return true;
        if (name == "all") {
            if (!value.is_bool()) return fault("all: takes true or false");
            order_.all = value.get_bool();
            names_anything_ = names_anything_ || order_.all;
            return true;
        }
        constexpr std::pair<std::string_view, std::string_view> names[] = {
            {"url", "urls"}, {"prefix", "prefixes"}, {"tag", "tags"}, {"group", "groups"}};
        for (const auto& [one, many] : names) {
            if (name != one && name != many) continue;
            names_anything_ = true;
            if (name == one) {
                if (!value.is_string())
                    return fault(std::string(one) + ": takes a string; a list goes to \"" + std::string(many) + '"');
                return read_thing(one, std::string(one), view(value.get_string()));
            }
            if (!value.is_array()) return fault(std::string(many) + ": takes a list of strings");
            return read_things(one, many, value.get_array());
        }
        return fault("there is no " + quoted(name) + "; there are " + std::string(known_members));
    }

    bool read_things(std::string_view kind, std::string_view name, const json::array& from) {
        for (std::size_t i = 0; i < from.size(); ++i) {
            const std::string at = std::string(name) + '[' + std::to_string(i) + ']';
            if (!from[i].is_string()) return fault(at + ": takes a string");
            if (!read_thing(kind, at, view(from[i].get_string()))) return false;
        }
        return true;
    }

    bool read_thing(std::string_view kind, const std::string& at, std::string_view text) {
        if (kind == "url") return read_url(at, text);
        if (kind == "prefix") return read_prefix(at, text);
        if (text.empty()) return fault(at + ": is empty");
        if (kind == "tag") {
            if (text.find_first_of(" \t,") != text.npos)
                return fault(place(at, text) + "is more than one tag: list them in \"tags\"");
            order_.tags.emplace_back(text);
        } else {
            order_.groups.emplace_back(text);
        }
        return true;
    }

    bool read_url(const std::string& at, std::string_view text) {
        std::string why;
        const auto parts = split(text, host_, why);
        if (!parts) return fault(place(at, text) + why);
        std::string host;
        parts->append_host(host);
        auto url = stored_url(host, parts->target, config_);
        if (!url) return fault(place(at, text) + "can be read in two ways, so no request of it is passed on");
        order_.urls.push_back(std::move(*url));
        return true;
    }

    bool read_prefix(const std::string& at, std::string_view text) {
        std::string why;
        const auto parts = split(text, host_, why);
        if (!parts) return fault(place(at, text) + why);
        std::string& prefix = order_.prefixes.emplace_back();
        parts->append_host(prefix);
        prefix += parts->target;
        return true;
    }

    const snapshot& config_;
    std::string& why_;
    purge_order order_;
    std::string_view host_;  // of the JSON
    bool names_anything_ = false;
};

// What Plone purges is written for a cache behind the one who rewrites: /VirtualHostBase/http/www.example.org:80/Plone/
// VirtualHostRoot/_vh_intranet/news. That of clients: http://www.example.org:80/intranet/news.
std::optional<std::string> behind_virtual_host(std::string_view target) {
    constexpr std::string_view base = "/VirtualHostBase/";
    constexpr std::string_view root = "/VirtualHostRoot";
    constexpr std::string_view outer = "/_vh_";
    const std::size_t at = target.find(root);
    if (!target.starts_with(base) || at == target.npos || at < base.size()) return std::nullopt;
    const std::string_view named = target.substr(base.size(), at - base.size());
    const std::size_t host = named.find('/');
    if (host == named.npos) return std::nullopt;
    std::string url = std::string(named.substr(0, host)) + "://";
    url += named.substr(host + 1, named.find('/', host + 1) - host - 1);
    std::string_view rest = target.substr(at + root.size());
    while (rest.starts_with(outer)) {
        rest.remove_prefix(outer.size());
        const std::size_t end = std::min(rest.find('/'), rest.size());
        url.append("/").append(rest.substr(0, end));
        rest.remove_prefix(end);
    }
    return url.append(rest);
}

bool separates(char c) {
    return c == ' ' || c == '\t' || c == ',';
}

void append_words(std::string_view text, std::vector<std::string>& words) {
    for (auto at = text.begin();;) {
        at = std::find_if_not(at, text.end(), separates);
        if (at == text.end()) return;
        const auto end = std::find_if(at, text.end(), separates);
        words.emplace_back(at, end);
        at = end;
    }
}

bool is_tag_field(std::string_view name) {
    return http::iequals(name, "Surrogate-Key") || http::iequals(name, "Cache-Tag") || http::iequals(name, "xkey");
}

}  // namespace

std::optional<purge_order> parse_purge(std::string_view content, const snapshot& config, std::string& why) {
    json::error_code failed;
    const json::value read = json::parse(content, failed);
    if (failed) {
        why = "the content is no JSON: " + failed.message();
        return std::nullopt;
    }
    if (!read.is_object()) {
        why = "the content has to be an object, such as {\"url\": \"http://www.example.org/\"}";
        return std::nullopt;
    }
    order_reader reader(config, why);
    if (!reader.read(read.get_object())) return std::nullopt;
    return reader.take();
}

purge_order order_of(const http::request_head& request, std::string_view host, const snapshot& config) {
    purge_order order;
    if (request.fields.value("Fastly-Soft-Purge") == "1") order.mode = purge_mode::soft;
    bool by_tag = false;
    for (const http::field_view field : request.fields) {
        if (!is_tag_field(field.name)) continue;
        by_tag = true;
        append_words(field.value, order.tags);
    }
    if (by_tag) return order;
    const auto add = [&](std::string_view of_host, std::string_view target) {
        if (auto url = stored_url(of_host, target, config)) order.urls.push_back(std::move(*url));
    };
    add(host, request.target);
    const auto meant = behind_virtual_host(request.target);
    std::string no_url;
    if (const auto parts = meant ? split(*meant, "", no_url) : std::nullopt) {
        std::string its_host;
        parts->append_host(its_host);
        add(its_host, parts->target);
    }
    return order;
}

std::string carry_out(const purge_order& order, cache::purge_log& purges) {
    for (const std::string& url : order.urls) purges.purge_url(url, order.mode);
    for (const std::string& prefix : order.prefixes) purges.purge_prefix(prefix, order.mode);
    for (const std::string& tag : order.tags) purges.purge_tag(tag, order.mode);
    for (const std::string& group : order.groups) purges.purge_group(order.origin, group);
    if (order.all) purges.purge_all(order.mode);
    return json::serialize(json::object{{"purged",
                                         {{"urls", order.urls.size()},
                                          {"prefixes", order.prefixes.size()},
                                          {"tags", order.tags.size()},
                                          {"groups", order.groups.size()},
                                          {"all", order.all}}},
                                        {"mode", order.mode == purge_mode::soft ? "soft" : "hard"},
                                        {"number", purges.now()}});
}

}  // namespace weir::proxy
