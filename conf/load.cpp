#include "conf/load.hpp"

#include "conf/document.hpp"
#include "conf/include.hpp"
#include "conf/reader.hpp"
#include "conf/report.hpp"
#include "conf/routes.hpp"
#include "conf/sections.hpp"
#include "conf/upstreams.hpp"

#include <algorithm>
#include <exception>
#include <initializer_list>
#include <set>

namespace weir::conf {
namespace {

// The place of a key by its path through the mappings of `root`; that of the last mapping found if it is not there.
place place_of(const node& root, std::initializer_list<std::string_view> path) {
    const node* in = &root;
    place found = root.where;
    for (const std::string_view name : path) {
        const auto key =
            std::find_if(in->keys.begin(), in->keys.end(), [&](const auto& each) { return each.name == name; });
        if (key == in->keys.end()) break;
        found = key->where;
        in = &in->items[static_cast<std::size_t>(key - in->keys.begin())];
    }
    return found;
}

// What takes several sections to see. Silent after other faults, of which these would often be echoes.
void check_whole(const settings& all, const node& root, report& to) {
    if (to.has_faults()) return;
    if (all.upstreams.empty()) {
        to.fault(place_of(root, {"upstreams"}),
                 "there are no upstreams; add one, such as \"upstreams: {app: {servers: [127.0.0.1:9001]}}\"");
        return;
    }
    if (all.routes.empty())
        to.fault(place_of(root, {"upstreams"}),
                 "there are several upstreams and no routes; say which requests go where, such as "
                 "\"routes: [{match: {path: /}, upstream: " +
                     all.upstreams.begin()->first + "}]\"");
    for (const listen_address& listen : all.listen)
        if (all.admin.listen && collide(*all.admin.listen, listen.address))
            to.fault(place_of(root, {"admin", "listen"}), "admin.listen: " + all.admin.listen->text +
                                                              " is taken already by " + listen.address.text +
                                                              " of listen; they need an address each");
    std::set<std::string_view> used;
    for (const route_settings& route : all.routes) used.insert(route.upstream);
    for (const auto& [name, upstream] : all.upstreams)
        if (used.count(name) == 0)
            to.warn(place_of(root, {"upstreams", name}), "no route goes to the upstream " + name);
}

settings read_settings(const node& root, bool all_known, node_budget& budget, report& to) {
    settings out;
    mapping_reader top(root, {}, to);
    top.take("include");  // known, and done by now
    top.number("workers", quantity::whole, out.workers, "auto", {1, 1'024});
    top.duration("drain_timeout", out.drain_timeout, {0, any_timeout.most});
    read_listen(top, out.listen);
    read_admin(top, out.admin);
    read_log(top, out.log);
    read_client(top, out.client);
    read_buffering(top, out.buffering);
    read_dns(top, out.dns);
    read_upstreams(top, out.upstreams, budget);
    read_cache(top, out.cache);
    read_routes(top, out, all_known);
    top.finish();
    return out;
}

load_result result_of(settings&& value, report& from) {
    load_result out;
    if (!from.has_faults()) out.value = std::move(value);
    out.faults = from.take_faults();
    out.warnings = from.take_warnings();
    return out;
}

}  // namespace

std::string text(const fault& of) {
    return of.file + ":" + std::to_string(of.line) + ":" + std::to_string(of.column) + ": " + of.what;
}

load_result load_file(const std::string& path) try {
    report to;
    node_budget budget;
    const auto files = load_merged(path, budget, to);
    auto value = read_settings(files.root, files.complete, budget, to);
    check_whole(value, files.root, to);
    return result_of(std::move(value), to);
} catch (const std::exception& error) {
    // No memory left, for one; nothing that a file says ends here.
    return {{}, {{path, 1, 1, std::string("cannot be loaded: ") + error.what()}}, {}};
}

load_result load_servers(const std::vector<std::string>& to) try {
    load_result out;
    const auto refuse = [&](std::size_t i, const std::string& what) {
        out.faults.push_back({"--to", static_cast<int>(i) + 1, 1, what});
    };
    node root;
    report unused;
    unused.add_file("--to");
    settings value;
    upstream_settings app;
    std::set<std::string> seen;
    for (std::size_t i = 0; i < to.size(); ++i) {
        std::string why;
        auto server = parse_address(to[i], address_use::server, why);
        if (!server)
            refuse(i, why);
        else if (!seen.insert(server->text).second)
            refuse(i, server->text + " is given twice; remove one");
        else
            app.servers.push_back({std::move(*server)});
    }
    if (to.empty()) refuse(0, "there are no servers; give one, such as --to 127.0.0.1:9001");
    if (!out.faults.empty()) return out;
    mapping_reader top(root, {}, unused);
    read_listen(top, value.listen);
    value.upstreams.emplace("app", std::move(app));
    read_routes(top, value, true);
    out.value = std::move(value);
    return out;
} catch (const std::exception& error) {
    return {{}, {{"--to", 1, 1, std::string("cannot be used: ") + error.what()}}, {}};
}

}  // namespace weir::conf
