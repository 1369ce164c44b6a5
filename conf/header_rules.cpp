#include "conf/header_rules.hpp"

#include "conf/words.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace weir::conf {
namespace {

constexpr std::size_t longest_value = 8'192;

// Why weir alone decides about a field; empty for one that a route may set. `name` is in lower case.
std::string_view reserved(std::string_view name, bool of_request) {
    constexpr std::string_view framing[] = {"content-length", "transfer-encoding", "trailer"};
    constexpr std::string_view connection[] = {"connection", "keep-alive", "proxy-connection",
                                               "te",         "upgrade",    "http2-settings"};
    const auto is_in = [&](const auto& names) {
        return std::find(std::begin(names), std::end(names), name) != std::end(names);
    };
    if (is_in(framing)) return "belongs to the framing of a message, which weir decides; remove this";
    if (is_in(connection)) return "belongs to one connection, which weir manages; remove this";
    if (of_request && name == "host") return "is set by \"host\" of the upstream; write it there";
    if (of_request && name == "expect") return "is answered by weir; see \"buffering\" for relaying it";
    return {};
}

void read_value(mapping_reader& from, std::string_view key, const node& value, header_rule& rule) {
    if (value.is_null()) return;
    if (!value.is_scalar()) {
        from.fault(value, key, in_quotes(rule.name) + " needs a single value, or none to be removed");
        return;
    }
    const auto is_bad = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; };
    if (std::any_of(value.text.begin(), value.text.end(), is_bad))
        from.fault(value, key,
                   "the value of " + in_quotes(rule.name) + " has a line break or another control character");
    else if (value.text.size() > longest_value)
        from.fault(value, key, "the value of " + in_quotes(rule.name) + " is longer than 8KiB");
    const auto first = std::min(value.text.find_first_not_of(" \t"), value.text.size());
    const auto last = value.text.find_last_not_of(" \t");
    rule.value = last == std::string::npos ? std::string() : value.text.substr(first, last + 1 - first);
}

}  // namespace

bool is_token(std::string_view text) {
    constexpr std::string_view allowed =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return !text.empty() && text.size() <= 256 && text.find_first_not_of(allowed) == std::string_view::npos;
}

void read_header_rules(mapping_reader& from, std::string_view key, std::vector<header_rule>& out) {
    const node* rules = from.take(key);
    if (rules == nullptr) return;
    if (!rules->is_mapping()) {
        from.fault(*rules, key, "this has to be a mapping of field names to values, such as {X-Frame-Options: DENY}");
        return;
    }
    std::map<std::string, place> places;
    for (std::size_t i = 0; i < rules->keys.size(); ++i) {
        const auto& [name, where] = rules->keys[i];
        const std::string path = from.path_of(key);
        const std::string lower = lower_case(name);
        if (!is_token(name)) {
            from.to().fault(where, path + ": " + in_quotes(name) + " is no field name; it has letters, digits and -");
            continue;
        }
        if (const auto why = reserved(lower, key == "request_headers"); !why.empty()) {
            from.to().fault(where, path + ": " + name + " " + std::string(why));
            continue;
        }
        const auto [first, is_new] = places.emplace(lower, where);
        if (!is_new) {
            from.to().fault(where, path + ": " + in_quotes(name) +
                                       " is given twice, in whatever case; the first is at " +
                                       from.to().text(first->second) + ", remove one of them");
            continue;
        }
        header_rule rule{name, {}};
        read_value(from, key, rules->items[i], rule);
        out.push_back(std::move(rule));
    }
}

}  // namespace weir::conf
