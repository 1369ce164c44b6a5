#include "conf/route_cache.hpp"

#include "conf/names.hpp"
#include "conf/units.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace weir::conf {
namespace {

constexpr range any_lifetime{0, 10ULL * 365 * 24 * 3'600};  // seconds

void read_statuses(mapping_reader& from, std::vector<unsigned>& out) {
    std::vector<unsigned> statuses;
    const node* list = from.list("statuses", false, [&](const node& each) {
        std::string why;
        if (const auto status = parse_status(each.text, why))  // a list or a map has no text
            statuses.push_back(*status);
        else
            from.fault(each, "statuses", why);
    });
    if (list == nullptr) return;
    std::sort(statuses.begin(), statuses.end());
    statuses.erase(std::unique(statuses.begin(), statuses.end()), statuses.end());
    out = std::move(statuses);
}

void read_lifetimes_by_status(mapping_reader& from, std::map<unsigned, seconds>& out) {
    const node* map = from.take("by_status");
    if (map == nullptr) return;
    if (!map->is_mapping()) {
        from.fault(*map, "by_status", "this has to be a mapping of statuses to durations, such as {404: 10s}");
        return;
    }
    for (std::size_t i = 0; i < map->keys.size(); ++i) {
        const auto& [name, where] = map->keys[i];
        std::string why;
        const auto status = parse_status(name, why);
        if (!status) from.to().fault(where, from.path_of("by_status") + ": " + why);
        const auto lifetime =
            read_quantity(map->items[i], from.path_of("by_status"), quantity::whole_seconds, any_lifetime, from.to());
        if (status && lifetime) out[*status] = seconds(*lifetime);
    }
}

void read_freshness(mapping_reader& from, freshness_settings& out) {
    from.seconds("default", out.default_lifetime, any_lifetime);
    from.seconds("override", out.override_lifetime, any_lifetime);
    from.seconds("max", out.max_lifetime, any_lifetime);
    read_statuses(from, out.statuses);
    read_lifetimes_by_status(from, out.by_status);
    from.number("heuristic", quantity::percent, out.heuristic_percent, "off", {1, 100});
}

void read_stale(mapping_reader& from, stale_settings& out) {
    from.seconds("while_revalidate", out.while_revalidate, any_lifetime);
    from.seconds("if_error", out.if_error, any_lifetime);
}

void read_query(mapping_reader& from, key_settings& out) {
    using parts = key_settings::query_parts;
    const node* value = from.peek("query");
    if (value == nullptr || !value->is_sequence()) {
        from.choice<parts>("query", out.query, {{"all", parts::all}, {"none", parts::none}});
        return;
    }
    out.query = parts::listed;
    read_names(from, "query", name_kind::parameter, out.query_names);
    if (value->items.empty()) from.fault(*value, "query", "this lists no name; write \"query: none\", or all");
}

void read_key(mapping_reader& from, key_settings& out) {
    read_query(from, out);
    const node* ignored = read_names(from, "ignore_query", name_kind::parameter_pattern, out.ignore_query);
    if (out.query == key_settings::query_parts::none && !out.ignore_query.empty())
        from.fault(*ignored, "ignore_query", "with \"query: none\" no parameter counts anyway; remove one of the two");
    read_names(from, "headers", name_kind::keyed_field, out.headers);
    read_names(from, "cookies", name_kind::cookie, out.cookies);
    std::sort(out.headers.begin(), out.headers.end());
    std::sort(out.cookies.begin(), out.cookies.end());
}

void read_bypass(mapping_reader& from, bypass_settings& out) {
    read_names(from, "headers", name_kind::field_in_lower_case, out.headers);
    read_names(from, "cookies", name_kind::cookie, out.cookies);
}

}  // namespace

void read_route_cache(mapping_reader& from, route_cache_settings& out) {
    from.section("freshness", [&](mapping_reader& freshness) { read_freshness(freshness, out.freshness); });
    from.section(
        "stale", [&](mapping_reader& stale) { read_stale(stale, out.stale); }, "off");
    from.section("key", [&](mapping_reader& key) { read_key(key, out.key); });
    read_names(from, "session_cookies", name_kind::cookie, out.session_cookies);
    from.flag("store_set_cookie", out.store_set_cookie);
    from.number("min_uses", quantity::whole, out.min_uses, {1, 255});
    from.choice<directives_policy>("client_directives", out.client_directives,
                                   {{"ignore", directives_policy::ignore}, {"honour", directives_policy::honour}});
    from.section(
        "bypass", [&](mapping_reader& bypass) { read_bypass(bypass, out.bypass); }, "off");
    from.choice<range_policy>("ranges", out.ranges, {{"whole", range_policy::whole}, {"pass", range_policy::pass}});
    read_names(from, "tag_fields", name_kind::field, out.tag_fields);
    from.flag("cache_status", out.cache_status);
}

}  // namespace weir::conf
