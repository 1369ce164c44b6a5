// usage: bench_resident [--memory MIB] [--threads N] [--policy lru|s3fifo] [--turns N] [--pause S] [--at-most RATIO]
//
// Fills a store with responses made as the proxy makes them, of about 1 KiB, then of about 200 KiB, then of 1 KiB
// again, and so on, each time so many that nothing of before is left; prints resident memory, less that of the empty
// store, as a ratio of the bound. The exit status is 1 where that was above RATIO.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cache/memory_store.hpp"
#include "test/cache/heads.hpp"

namespace weir::bench {
namespace {

std::uint64_t resident_bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6)) * 1024;
    }
    return 0;
}

constexpr const char* response_fields =
    "Date: Thu, 01 Jan 2026 00:00:00 GMT\nServer: gunicorn\nContent-Type: text/html; charset=utf-8\n"
    "Cache-Control: public, max-age=300, s-maxage=600\nETag: \"0123456789abcdef0123456789abcdef\"\n"
    "Last-Modified: Wed, 31 Dec 2025 00:00:00 GMT\nVary: Accept-Encoding\nX-Frame-Options: SAMEORIGIN";

// Content as growing_content gathers it and hands it over: blocks of the usual size, the last one copied to its own.
std::vector<http::block_ptr> make_content(std::uint64_t bytes) {
    std::vector<http::block_ptr> blocks;
    while (bytes > 0) {
        http::block_ptr block = http::block::make(http::block::usual_capacity, nullptr);
        const auto filled = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, block->capacity()));
        std::memset(block->data(), 'x', filled);
        block->grow(filled);
        bytes -= filled;
        if (filled < block->capacity()) {
            http::block_ptr exact = http::block::make(filled, nullptr);
            std::memcpy(exact->data(), block->data(), filled);
            exact->grow(filled);
            block = std::move(exact);
        }
        blocks.push_back(std::move(block));
    }
    return blocks;
}

class filler {
  public:
    filler(cache::memory_store& store, unsigned number) : store_(store), number_(number), random_(number + 1) {}

    // `total_bytes` of content in responses of `usual_bytes`, more or less by a half.
    void fill(std::uint64_t usual_bytes, std::uint64_t total_bytes) {
        for (std::uint64_t done = 0; done < total_bytes;) {
            const std::uint64_t bytes = usual_bytes / 2 + random_() % usual_bytes;
            const std::string key =
                "http://www.example.org/pages/" + std::to_string(number_) + "/of/this/site/" + std::to_string(next_++);
            store_.put(cache::make_stored_response({.key = key,
                                                    .request = {request_.fields()},
                                                    .response = response_.head(),
                                                    .content = make_content(bytes),
                                                    .content_bytes = bytes,
                                                    .request_time = test::start,
                                                    .response_time = test::start,
                                                    .freshness_lifetime = std::chrono::seconds{600}},
                                                   {}));
            done += bytes;
        }
    }

  private:
    cache::memory_store& store_;
    unsigned number_;
    std::mt19937 random_;
    std::uint64_t next_ = 0;
    test::request request_{"Accept-Encoding: gzip, br"};
    test::response response_{response_fields};
};

struct options {
    std::uint64_t memory_mib = 256;
    unsigned threads = 4;
    std::string policy = "lru";
    unsigned turns = 3;
    unsigned pause_seconds = 3;
    double at_most = 0;
};

// The highest ratio seen.
double run(const options& o) {
    const std::uint64_t limit = o.memory_mib * 1024 * 1024;
    cache::purge_log purges;
    const auto policy = o.policy == "lru" ? conf::eviction_policy::lru : conf::eviction_policy::s3fifo;
    cache::memory_store store(limit, 64, policy, purges);
    std::vector<std::uint64_t> sizes;
    for (unsigned turn = 0; turn < o.turns; ++turn) sizes.insert(sizes.end(), {1024, 200 * 1024});
    sizes.push_back(1024);

    std::uint64_t empty = 0;
    double highest = 0;
    std::barrier step(o.threads + 1);
    std::vector<std::jthread> threads;
    for (unsigned number = 0; number < o.threads; ++number) {
        threads.emplace_back([&, number] {
            filler f(store, number);
            step.arrive_and_wait();  // all are here, the store is empty
            step.arrive_and_wait();
            for (const std::uint64_t bytes : sizes) {
                f.fill(bytes, 3 * limit / o.threads);
                step.arrive_and_wait();
                step.arrive_and_wait();
            }
        });
    }
    step.arrive_and_wait();
    empty = resident_bytes();
    step.arrive_and_wait();
    std::puts("| Responses of | Stored | Counted, of the bound | Resident at once | Resident later |");
    std::puts("|---|---|---|---|---|");
    for (const std::uint64_t bytes : sizes) {
        step.arrive_and_wait();
        const auto ratio_of = [&](std::uint64_t taken) {
            return static_cast<double>(taken) / static_cast<double>(limit);
        };
        const double at_once = ratio_of(resident_bytes() - empty);
        std::this_thread::sleep_for(std::chrono::seconds{o.pause_seconds});
        const double later = ratio_of(resident_bytes() - empty);
        highest = std::max(highest, later);
        const auto use = store.use();
        std::printf("| %llu KiB | %llu | %.3f | %.3f | %.3f |\n", static_cast<unsigned long long>(bytes / 1024),
                    static_cast<unsigned long long>(use.responses), ratio_of(use.bytes), at_once, later);
        std::fflush(stdout);
        step.arrive_and_wait();
    }
    return highest;
}

}  // namespace
}  // namespace weir::bench

int main(int count, char** arguments) {
    CLI::App app("Resident memory of a full store while the sizes of responses shift.");
    weir::bench::options o;
    app.add_option("--memory", o.memory_mib, "the bound, in MiB");
    app.add_option("--threads", o.threads, "that store at once");
    app.add_option("--policy", o.policy, "lru or s3fifo")->check(CLI::IsMember({"lru", "s3fifo"}));
    app.add_option("--turns", o.turns, "from small to large and back");
    app.add_option("--pause", o.pause_seconds, "seconds after each filling until memory is looked at again");
    app.add_option("--at-most", o.at_most, "the ratio above which the exit status is 1");
    CLI11_PARSE(app, count, arguments);
    const double highest = weir::bench::run(o);
    return o.at_most > 0 && highest > o.at_most ? 1 : 0;
}
