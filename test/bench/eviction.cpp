// usage: bench_eviction [--trace FILE]... [--binary] [--zipf OBJECTS,SKEW,REQUESTS,SEED]... [--sizes 1,5,10]
//
// Hit ratios of the orders of eviction that the cache has, by objects and by bytes, as a Markdown table. Each size is a
// share, in percent, of the bytes of everything that is asked for. FILE is - for standard input.
#include <xxhash.h>

#include <CLI/CLI.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "cache/eviction.hpp"
#include "test/bench/requests.hpp"

namespace weir::bench {
namespace {

struct ratios {
    double objects = 0;
    double bytes = 0;
};

// What is larger than the cache is not kept; all that is asked for may be.
ratios run(const std::vector<request>& requests, std::uint64_t limit_bytes, conf::eviction_policy policy) {
    struct entry : cache::eviction_order::item {
        std::uint64_t asked_for = 0;
    };
    const auto order = cache::make_eviction_order(policy);
    boost::unordered_flat_map<std::uint64_t, std::unique_ptr<entry>> entries;
    std::uint64_t used = 0, hits = 0, hit_bytes = 0, bytes = 0;
    for (const request& next : requests) {
        bytes += next.bytes;
        if (const auto place = entries.find(next.id); place != entries.end()) {
            order->touch(*place->second);
            ++hits;
            hit_bytes += next.bytes;
            continue;
        }
        if (next.bytes > limit_bytes) continue;
        used += next.bytes;
        while (used > limit_bytes) {
            auto& leaving = static_cast<entry&>(*order->evict());
            used -= leaving.bytes;
            entries.erase(std::uint64_t{leaving.asked_for});
        }
        auto arriving = std::make_unique<entry>();
        arriving->asked_for = next.id;
        arriving->id = static_cast<std::uint32_t>(XXH3_64bits(&next.id, sizeof next.id));
        arriving->bytes = next.bytes;
        order->insert(*arriving);
        entries.emplace(next.id, std::move(arriving));
    }
    return {static_cast<double>(hits) / static_cast<double>(requests.size()),
            static_cast<double>(hit_bytes) / static_cast<double>(bytes)};
}

std::uint64_t footprint_bytes(const std::vector<request>& requests) {
    boost::unordered_flat_map<std::uint64_t, std::uint64_t> sizes;
    for (const request& next : requests) sizes.try_emplace(next.id, next.bytes);
    std::uint64_t sum = 0;
    for (const auto& [id, bytes] : sizes) sum += bytes;
    return sum;
}

void print_header() {
    std::puts("| Requests | Cache | lru, objects | s3fifo, objects | lru, bytes | s3fifo, bytes |");
    std::puts("|---|---|---|---|---|---|");
}

void print(const request_list& list, const std::vector<double>& sizes) {
    const auto footprint = static_cast<double>(footprint_bytes(list.requests));
    for (const double percent : sizes) {
        const auto limit = static_cast<std::uint64_t>(footprint * percent / 100);
        const ratios lru = run(list.requests, limit, conf::eviction_policy::lru);
        const ratios s3fifo = run(list.requests, limit, conf::eviction_policy::s3fifo);
        std::printf("| %s | %g %% | %.1f %% | %.1f %% | %.1f %% | %.1f %% |\n", list.name.c_str(), percent,
                    100 * lru.objects, 100 * s3fifo.objects, 100 * lru.bytes, 100 * s3fifo.bytes);
        std::fflush(stdout);
    }
}

request_list read_file(const std::string& path, trace_form form) {
    if (path == "-") return read_trace(std::cin, form, "standard input");
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot open " + path);
    return read_trace(file, form, path.substr(path.rfind('/') + 1));
}

}  // namespace
}  // namespace weir::bench

int main(int count, char** arguments) {
    CLI::App app("Hit ratios of the orders of eviction that the cache has.");
    std::vector<std::string> traces;
    std::vector<std::string> zipfs;
    std::vector<double> sizes{1, 5, 10};
    bool is_binary = false;
    app.add_option("--trace", traces, "\"time id size\" a line, or 32-bit ids; - is standard input");
    app.add_flag("--binary", is_binary, "the traces are ids, whatever they look like");
    app.add_option("--zipf", zipfs, "OBJECTS,SKEW,REQUESTS,SEED")->delimiter(';');
    app.add_option("--sizes", sizes, "percent of the bytes of everything")->delimiter(',');
    CLI11_PARSE(app, count, arguments);
    try {
        using namespace weir::bench;
        const trace_form form = is_binary ? trace_form::binary : trace_form::detect;
        print_header();
        for (const std::string& path : traces) print(read_file(path, form), sizes);
        for (const std::string& text : zipfs) print(draw_zipf(parse_zipf(text)), sizes);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_eviction: %s\n", error.what());
        return 1;
    }
    return 0;
}
