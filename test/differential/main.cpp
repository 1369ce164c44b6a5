// usage: differential --weir PATH [--requests N] [--seed S] [--workers N] [--connections N] [--rate N]
//                     [--eviction lru|s3fifo] [--memory SIZE|off] [--memcached] [--kinds NAME,...]
// Random requests through the program against an origin whose content is a function of the request, of what the page is
// and of how often it changed: no answer may be another than one of those that the page, the request and the time
// allow. Exit status: 0 when all were right, 1 otherwise, and the first wrong ones are printed with the seed.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "test/differential/client.hpp"
#include "test/differential/origin.hpp"
#include "test/support/memcached_process.hpp"
#include "test/support/process.hpp"
#include "test/support/temporary_folder.hpp"

namespace weir::differential {
namespace {

struct options {
    std::string weir;
    std::uint64_t requests = 20'000;
    std::uint64_t seed = 1;
    unsigned workers = 2;
    unsigned connections = 64;
    std::uint64_t rate = 0;
    std::string eviction = "lru";
    std::string memory = "16MiB";
    bool memcached = false;
    std::vector<std::string> kinds;
};

// `memcached`: the address of one, or "".
std::string yaml_of(const options& given, std::uint16_t origin, const std::string& memcached) {
    std::string text = "workers: " + std::to_string(given.workers) +
                       "\n"
                       "drain_timeout: 5s\n"
                       "listen: 127.0.0.1:0\n"
                       "admin: {listen: 127.0.0.1:0}\n"
                       "log: {access: off}\n"
                       "cache: {memory: " +
                       given.memory + ", max_response: 1MiB, eviction: " + given.eviction +
                       ", purge: {allow: [127.0.0.1/32]}" +
                       (memcached.empty() ? "" : ", memcached: {servers: [" + memcached + "], timeout: 1s}") +
                       "}\n"
                       "upstreams:\n"
                       "  app:\n"
                       "    servers: [\"127.0.0.1:" +
                       std::to_string(origin) +
                       "\"]\n"
                       "    keepalive: {max_idle: 256}\n"
                       "routes:\n";
    const auto route = [&](const std::string& path, const std::string& cache, const std::string& other) {
        text += "  - match: {host: \"*\", path: " + path +
                "}\n"
                "    upstream: app\n" +
                other +
                "    cache:\n"
                "      session_cookies: [session_id]\n"
                "      key: {ignore_query: [utm_*]}\n"
                "      bypass: {headers: [X-Editor]}\n" +
                cache;
    };
    route("/passrange", "      ranges: pass\n", "");
    route("/honour", "      client_directives: honour\n", "");
    route("/stream", "", "    buffering: {request: off, response: off}\n");
    route("/", "", "");
    return text;
}

std::uint16_t port_after(const std::string& line) {
    return static_cast<std::uint16_t>(std::stoul(line.substr(line.rfind(':') + 1)));
}

std::vector<kind> kinds_of(const options& given) {
    std::vector<kind> found;
    for (std::size_t i = 0; i < static_cast<std::size_t>(kind::count); ++i) {
        const auto one = static_cast<kind>(i);
        const auto& names = given.kinds;
        if (names.empty() || std::find(names.begin(), names.end(), name(one)) != names.end()) found.push_back(one);
    }
    if (found.empty()) throw std::runtime_error("no such kind");
    return found;
}

void show(const tally& count, std::uint64_t at_origin) {
    std::cout << count.requests << " requests, " << at_origin << " at the origin\n"
              << count.whole << " whole answers, " << count.parts << " parts, " << count.several_parts
              << " with several parts, " << count.unsatisfiable << " unsatisfiable, " << count.not_modified
              << " not modified\n"
              << count.hits << " hits, " << count.stale << " of them stale, " << count.from_memcached
              << " of them from memcached, " << count.collapsed << " collapsed\n"
              << count.cut << " cut, " << count.errors << " errors, " << count.left << " clients left, " << count.unsafe
              << " unsafe requests, " << count.purges << " purges, " << count.needless
              << " whole answers where 304 would have done\n";
}

// Waits for the clients, saying where they are now and then.
void watch(clients& asking, test::process& weir) {
    for (unsigned tenths = 1; !asking.finished(); ++tenths) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        if (!weir.is_running()) return;
        if (tenths % 50 == 0) std::cerr << asking.begun() << " requests, " << asking.fault_count() << " faults\n";
    }
}

int run(const options& given) {
    const auto kinds = kinds_of(given);
    site pages(kinds);
    test::temporary_folder folder;
    const std::string file = folder.path("weir.yaml");
    tally count;
    std::uint64_t faults = 0;
    std::vector<std::string> shown;
    {
        origin serves(pages);
        std::optional<test::memcached_process> memcached;
        if (given.memcached) memcached.emplace();
        test::write_file(file, yaml_of(given, serves.port(), memcached ? memcached->address() : ""));
        test::process weir({given.weir, "serve", file});
        const auto port = port_after(weir.wait_for_error_line("listening on "));
        const auto admin = port_after(weir.wait_for_error_line("admin on "));
        {
            clients asking({given.seed, given.requests, given.connections, given.rate, kinds, port, admin}, pages);
            watch(asking, weir);
            if (weir.is_running()) weir.signal(SIGTERM);
            const int status = weir.wait();
            if (status != 0) shown.push_back("weir ended with status " + std::to_string(status));
            while (!asking.finished()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
            count = asking.counts();
            for (auto& one : asking.faults()) shown.push_back(one);
            faults = asking.fault_count();
        }
        if (weir.errors().find("Sanitizer") != std::string::npos || shown.size() > faults)
            shown.push_back("weir said:\n" + weir.errors());
        for (auto& one : serves.faults()) shown.push_back(one);
        show(count, serves.requests());
    }
    if (shown.empty() && count.hits == 0) shown.push_back("no hit at all: nothing was shown");
    if (shown.empty() && given.memcached && count.from_memcached == 0) shown.push_back("no hit in memcached at all");
    if (shown.empty()) {
        std::cout << "all were right (seed " << given.seed << ")\n";
        return 0;
    }
    for (const auto& one : shown) std::cout << "\nFAULT: " << one << '\n';
    std::cout << '\n' << faults << " faults at the clients (seed " << given.seed << ")\n";
    return 1;
}

}  // namespace
}  // namespace weir::differential

int main(int count, char** arguments) {
    weir::differential::options given;
    CLI::App app("Random requests through weir, every answer compared with what it may be.", "differential");
    app.add_option("--weir", given.weir, "the program")->required();
    app.add_option("--requests", given.requests, "how many");
    app.add_option("--seed", given.seed, "of the requests");
    app.add_option("--workers", given.workers, "of weir");
    app.add_option("--connections", given.connections, "of clients, each with a thread of its own");
    app.add_option("--rate", given.rate, "the most requests a second; 0: as fast as it goes");
    app.add_option("--eviction", given.eviction, "of the cache: lru or s3fifo");
    app.add_option("--memory", given.memory, "of the cache; off: none");
    app.add_flag("--memcached", given.memcached, "one behind the cache's memory");
    app.add_option("--kinds", given.kinds, "of pages, all unless given")->delimiter(',');
    CLI11_PARSE(app, count, arguments);
    ::signal(SIGPIPE, SIG_IGN);
    try {
        return weir::differential::run(given);
    } catch (const std::exception& thrown) {
        std::cerr << "differential: " << thrown.what() << '\n';
        return 1;
    }
}
