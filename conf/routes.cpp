#include "conf/routes.hpp"

#include "conf/header_rules.hpp"
#include "conf/match.hpp"
#include "conf/memcached.hpp"
#include "conf/route_cache.hpp"
#include "conf/sections.hpp"
#include "conf/upstreams.hpp"
#include "conf/words.hpp"

#include <algorithm>

namespace weir::conf {
namespace {

void read_rewrite(mapping_reader& from, std::optional<rewrite_settings>& out) {
    const node* value = from.take("rewrite");
    if (value == nullptr || (value->is_scalar() && value->text == "off")) return;
    mapping_reader rewrite(*value, from.path_of("rewrite"), from.to());
    rewrite_settings rules;
    std::string why;
    if (const node* strip = rewrite.take_scalar("strip")) {
        if (check_path(strip->text, why) && check_no_final_slash(strip->text, why))
            rules.strip = strip->text;
        else
            rewrite.fault(*strip, "strip", why);
    }
    if (const node* add = rewrite.take_scalar("add")) {
        if (check_rewrite_target(add->text, why) && check_no_final_slash(add->text, why))
            rules.add = add->text;
        else
            rewrite.fault(*add, "add", why);
    }
    rewrite.finish();
    if (!value->is_mapping()) return;
    if (value->keys.empty()) from.fault(*value, "rewrite", "this needs strip or add, such as {strip: /prefix}");
    out = std::move(rules);
}

void read_match(mapping_reader& from, route_settings& out) {
    from.section("match", [&](mapping_reader& match) {
        std::string why;
        if (const node* host = match.take_scalar("host")) {
            if (const auto pattern = parse_host_pattern(host->text, why))
                out.host = *pattern;
            else
                match.fault(*host, "host", why);
        }
        if (const node* path = match.take_scalar("path")) {
            if (const auto pattern = parse_path_pattern(path->text, why)) {
                out.path = pattern->path;
                out.exact = pattern->exact;
            } else
                match.fault(*path, "path", why);
        }
    });
}

void read_upstream_name(mapping_reader& from, const settings& all, bool all_known, route_settings& out) {
    const node* name = from.take_scalar("upstream");
    std::vector<std::string_view> known;
    for (const auto& each : all.upstreams) known.push_back(each.first);
    if (name == nullptr) {
        if (!from.has("upstream") && !known.empty())
            from.to().fault(from.where(), from.path_of("upstream") + " is missing; it may be " + alternatives(known));
        return;
    }
    out.upstream = name->text;
    if (!all_known || known.empty() || all.upstreams.count(name->text) > 0) return;
    auto guess = did_you_mean(name->text, known);
    if (guess.empty() && known.size() <= 12) guess = "; there is " + alternatives(known);
    from.fault(*name, "upstream", "there is no upstream " + in_quotes(name->text) + guess);
}

route_settings read_route(const node& value, const settings& all, bool all_known, report& to) {
    mapping_reader from(value, "route", to);
    route_settings out;
    if (!value.is_mapping() && !value.is_null()) return out;
    read_match(from, out);
    read_upstream_name(from, all, all_known, out);
    const auto upstream = all.upstreams.find(out.upstream);
    if (upstream != all.upstreams.end()) out.timeouts = upstream->second.timeouts;
    out.buffering = all.buffering.content;
    from.choice<priority>("priority", out.priority,
                          {{"low", priority::low}, {"normal", priority::normal}, {"high", priority::high}});
    from.section_or_off("cache", out.cache, read_route_cache);
    from.section_or_off("memcached_pages", out.memcached_pages, read_page_settings);
    if (out.memcached_pages && !all.cache.memcached)
        from.fault(*from.peek("memcached_pages"), "memcached_pages",
                   "this needs memcached; add \"cache: {memcached: {servers: [127.0.0.1:11211]}}\"");
    read_rewrite(from, out.rewrite);
    read_header_rules(from, "request_headers", out.request_headers);
    read_header_rules(from, "response_headers", out.response_headers);
    from.section("timeouts", [&](mapping_reader& timeouts) { read_timeouts(timeouts, out.timeouts); });
    from.section("buffering", [&](mapping_reader& buffering) { read_route_buffering(buffering, out.buffering); });
    from.finish();
    return out;
}

// True if every request that `later` matches is matched by `earlier`.
bool covers(const route_settings& earlier, const route_settings& later) {
    const bool host = earlier.host == "*" || earlier.host == later.host ||
                      (earlier.host.front() == '*' && later.host.size() >= earlier.host.size() &&
                       later.host.compare(later.host.size() - earlier.host.size() + 1, std::string::npos, earlier.host,
                                          1, std::string::npos) == 0);
    if (!host) return false;
    if (earlier.exact) return later.exact && earlier.path == later.path;
    return is_path_prefix(earlier.path, later.path);
}

}  // namespace

void read_routes(mapping_reader& top, settings& out, bool all_known) {
    std::vector<place> places;
    top.list("routes", false, [&](const node& each) {
        auto route = read_route(each, out, all_known, top.to());
        const auto cover = std::find_if(out.routes.begin(), out.routes.end(),
                                        [&](const route_settings& earlier) { return covers(earlier, route); });
        if (cover != out.routes.end() && !top.to().has_faults())
            top.to().warn(each.where, "no request gets to this route; the one at " +
                                          top.to().text(places[static_cast<std::size_t>(cover - out.routes.begin())]) +
                                          " takes them all");
        out.routes.push_back(std::move(route));
        places.push_back(each.where);
    });
    if (!out.routes.empty() || out.upstreams.size() != 1) return;
    route_settings all;
    all.upstream = out.upstreams.begin()->first;
    all.timeouts = out.upstreams.begin()->second.timeouts;
    all.buffering = out.buffering.content;
    out.routes.push_back(std::move(all));
}

}  // namespace weir::conf
