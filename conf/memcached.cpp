#include "conf/memcached.hpp"

#include "conf/address.hpp"
#include "conf/words.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::conf {
namespace {

using piece = page_settings::piece;

constexpr std::string_view letters_and_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";  // RFC 9110 section 5.6.2
constexpr std::size_t longest_prefix = 32;  // what is put behind it leaves room for more, so this is for the reader
constexpr std::size_t longest_key = 250;    // of memcached
constexpr range any_wait{1, 10'000};        // milliseconds
constexpr range any_lock{1'000, 600'000};   // memcached counts in seconds

constexpr std::array<std::pair<std::string_view, piece::kind>, 4> placeholders{{
    {"{scheme}", piece::kind::scheme},
    {"{host}", piece::kind::host},
    {"{path}", piece::kind::path},
    {"{query}", piece::kind::query},
}};

bool consists_of(std::string_view text, std::string_view some, std::string_view more) {
    return std::all_of(text.begin(), text.end(), [&](char c) {
        return some.find(c) != std::string_view::npos || more.find(c) != std::string_view::npos;
    });
}

bool has_kind(const std::vector<piece>& key, piece::kind what) {
    return std::any_of(key.begin(), key.end(), [what](const piece& each) { return each.what == what; });
}

// Two that touch would let two requests share a key that differ in where one value ends.
bool may_touch(piece::kind first, piece::kind second) {
    return second == piece::kind::path && (first == piece::kind::scheme || first == piece::kind::host);
}

bool add_placeholder(std::string_view name, piece::kind what, std::vector<piece>& key, std::string& why) {
    if (has_kind(key, what)) {
        why = std::string(name) + " stands twice in it; write it once";
        return false;
    }
    if (!key.empty() && key.back().what != piece::kind::literal && !may_touch(key.back().what, what)) {
        const auto before = template_text({key.back()});
        why = before + " and " + std::string(name) + " need something between them, such as " + before +
              (what == piece::kind::query ? "?" : ":") + std::string(name);
        return false;
    }
    key.push_back({what, {}});
    return true;
}

auto place_of(piece::kind what, const std::vector<piece>& key) {
    return std::find_if(key.begin(), key.end(), [what](const piece& each) { return each.what == what; });
}

// A ? is what neither a path nor a host has.
bool has_mark(std::vector<piece>::const_iterator from, std::vector<piece>::const_iterator to) {
    return std::any_of(from, to, [](const piece& each) { return each.text.find('?') != std::string::npos; });
}

// A query may have every byte that a path has, but for the ?.
bool hides_query(const std::vector<piece>& key) {
    const auto path = place_of(piece::kind::path, key);
    const auto query = place_of(piece::kind::query, key);
    if (query == key.end() || path == key.end()) return false;
    return path > query || !has_mark(path, query) ||
           std::any_of(query + 1, key.end(), [](const piece& each) { return each.what != piece::kind::literal; });
}

// Behind a path, which may have every byte that a host has: "/a:80" with ":" and "b" is "/a" with it and "80:b".
bool hides_host(const std::vector<piece>& key) {
    const auto path = place_of(piece::kind::path, key);
    const auto host = place_of(piece::kind::host, key);
    return path < host && host != key.end() && !has_mark(path, host);
}

bool is_literal(char c) {
    return c > 0x20 && c < 0x7f && c != '{' && c != '}';
}

// "text/html; charset=utf-8": a type and a subtype, and whatever parameters (RFC 9110 section 8.3.1).
bool is_media_type(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos || slash == 0) return false;
    const auto end = std::min(text.find_first_of("; "), text.size());
    return slash + 1 < end && consists_of(text.substr(0, slash), letters_and_digits, token_marks) &&
           consists_of(text.substr(slash + 1, end - slash - 1), letters_and_digits, token_marks) &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// What other programs' lists of servers have; `why` says what it is here.
bool is_of_other_clients(std::string_view text, std::string& why) {
    constexpr std::string_view udp = "udp:";
    if (text.starts_with("unix:")) return false;
    if (text.find_first_of(" ,;") != std::string_view::npos) {
        why = in_quotes(text) + " is more than one server; write a list, such as [127.0.0.1:11211, 127.0.0.1:11212]";
    } else if (text.starts_with(udp)) {
        why = "memcached is asked over TCP or a unix socket; write " + std::string(text.substr(udp.size()));
    } else if (const auto colon = text.find(':'); text.substr(0, colon).find('.') != std::string_view::npos &&
                                                  text.find(':', colon + 1) != std::string_view::npos &&
                                                  text.find('/') == std::string_view::npos) {
        why = in_quotes(text) + " has more than host and port; servers have no weight here, write it as " +
              std::string(text.substr(0, text.find(':', colon + 1)));
    } else {
        return false;
    }
    return true;
}

void read_servers(mapping_reader& from, std::vector<memcached_server_address>& out) {
    std::vector<std::pair<std::string, place>> seen;
    const node* list = from.list("servers", true, [&](const node& each) {
        std::string identity, why = "a server is written as 127.0.0.1:11211 or unix:/run/memcached.sock";
        auto server =
            each.is_scalar() && !each.text.empty() ? parse_memcached_server(each.text, identity, why) : std::nullopt;
        if (!server) {
            from.fault(each, "servers", why);
            return;
        }
        const auto same =
            std::find_if(seen.begin(), seen.end(), [&](const auto& one) { return one.first == identity; });
        if (same != seen.end()) {
            from.fault(
                each, "servers",
                server->text + " is given twice; the first is at " + from.to().text(same->second) + ", remove one");
            return;
        }
        seen.emplace_back(std::move(identity), each.where);
        out.push_back(std::move(*server));
    });
    if (list == nullptr)
        from.to().fault(from.where(), from.path_of("servers") + " is missing; add it, such as [127.0.0.1:11211]");
    else if (list->is_sequence() && list->items.empty())
        from.fault(*list, "servers",
                   "this lists no server; add one, such as 127.0.0.1:11211, or write \"memcached: off\"");
}

void read_prefix(mapping_reader& from, std::string& out) {
    const node* value = from.take_scalar("prefix");
    if (value == nullptr) return;
    if (value->text == "off")
        from.fault(*value, "prefix", "this cannot be off; give one, or leave the key out for \"weir\"");
    else if (value->text.size() <= longest_prefix && consists_of(value->text, letters_and_digits, "._-"))
        out = value->text;
    else
        from.fault(*value, "prefix",
                   in_quotes(value->text) + " is no prefix; it may be 1 to 32 letters, digits, \".\", \"_\" and \"-\"");
}

}  // namespace

std::optional<memcached_server_address> parse_memcached_server(std::string_view text, std::string& identity,
                                                               std::string& why) {
    constexpr std::string_view default_port = ":11211";
    if (text == "off") {
        why = "this cannot be off; without servers write \"memcached: off\"";
        return std::nullopt;
    }
    if (text.starts_with('/')) {
        why = in_quotes(text) + " is a path; a unix socket is written as unix:" + std::string(text);
        return std::nullopt;
    }
    if (is_of_other_clients(text, why)) return std::nullopt;
    const bool has_port = text.starts_with('[') ? !text.ends_with(']') : text.find(':') != std::string_view::npos;
    const auto parsed =
        parse_address(has_port ? std::string(text) : std::string(text).append(default_port), address_use::server, why);
    if (!parsed) return std::nullopt;
    identity = parsed->text;
    memcached_server_address out;
    out.text = text;
    if (parsed->type == address::kind::unix_path) {
        out.unix_path = parsed->path;
        return out;
    }
    out.port = parsed->port;
    out.host = text.starts_with('[') ? text.substr(1, text.find(']') - 1) : text.substr(0, text.find(':'));
    return out;
}

std::optional<std::vector<piece>> parse_page_key(std::string_view text, std::string& why) {
    std::vector<piece> key;
    if (text.size() > longest_key) {
        why = "a key of memcached has at most 250 bytes, this alone has " + std::to_string(text.size());
        return std::nullopt;
    }
    for (std::string_view rest = text; !rest.empty();) {
        if (rest.front() == '{') {
            const auto name = rest.substr(0, std::min(rest.find('}'), rest.size() - 1) + 1);
            const auto known = std::find_if(placeholders.begin(), placeholders.end(),
                                            [&](const auto& each) { return each.first == name; });
            if (known == placeholders.end()) {
                why = in_quotes(name) + " is not known; it may be {scheme}, {host}, {path} or {query}";
                return std::nullopt;
            }
            if (!add_placeholder(name, known->second, key, why)) return std::nullopt;
            rest.remove_prefix(name.size());
            continue;
        }
        if (!is_literal(rest.front())) {
            why =
                in_quotes(text) +
                (rest.front() == '}' ? " has a } without its {" : " has a byte that a key of memcached may not have") +
                "; it may be visible ASCII with {scheme}, {host}, {path} and {query}";
            return std::nullopt;
        }
        if (key.empty() || key.back().what != piece::kind::literal) key.push_back({piece::kind::literal, {}});
        key.back().text += rest.front();
        rest.remove_prefix(1);
    }
    if (hides_query(key)) {
        why = in_quotes(text) +
              " does not show where the query begins, so two targets may have one key; write {query} " +
              "behind {path}? and before nothing else, such as \"page:{host}{path}?{query}\"";
        return std::nullopt;
    }
    if (hides_host(key)) {
        why = in_quotes(text) +
              " does not show where the path ends, so two pages may have one key; write {host} before {path}, such as "
              "\"page:{host}{path}\"";
        return std::nullopt;
    }
    if (has_kind(key, piece::kind::path)) return key;
    why = in_quotes(text) + " has no {path}, so all pages would have one key; write it as \"page:{host}{path}\"";
    return std::nullopt;
}

std::string template_text(const std::vector<piece>& key) {
    std::string out;
    for (const piece& each : key) {
        const auto known = std::find_if(placeholders.begin(), placeholders.end(),
                                        [&](const auto& placeholder) { return placeholder.second == each.what; });
        out += known == placeholders.end() ? std::string_view(each.text) : known->first;
    }
    return out;
}

void read_memcached(mapping_reader& from, memcached_settings& out) {
    read_servers(from, out.servers);
    read_prefix(from, out.prefix);
    from.duration("timeout", out.timeout, any_wait);
    from.number("max_response", quantity::bytes, out.max_response_bytes, {kibibyte, 1024 * gibibyte});
    from.duration("fill_lock", out.fill_lock, "off", any_lock);
    from.flag("purge_log", out.purge_log);
}

void read_page_settings(mapping_reader& from, page_settings& out) {
    std::string why;
    if (const node* key = from.take_scalar("key")) {
        auto parsed = parse_page_key(key->text, why);
        if (parsed)
            out.key = std::move(*parsed);
        else
            from.fault(*key, "key", why);
    } else if (!from.has("key")) {
        from.to().fault(from.where(), from.path_of("key") + " is missing; add it, such as \"page:{host}{path}\"");
    }
    const node* type = from.take_scalar("content_type");
    if (type == nullptr || type->text == "auto") return;
    if (is_media_type(type->text))
        out.content_type = type->text;
    else
        from.fault(*type, "content_type",
                   in_quotes(type->text) + " is no media type; it may be auto or one such as text/html");
}

}  // namespace weir::conf
