#include "cache/purge_sync.hpp"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "test/cache/memcached_support.hpp"
#include "test/support/patience.hpp"

namespace weir::cache {
namespace {

using verdict = purge_log::verdict;

new_response_ptr page_of(const std::string& url, std::uint64_t fill_number) {
    const std::string key = "http://" + url;
    return make_response({.key = key, .fill_number = fill_number});
}

// Judged dead in the end.
bool dies(const purge_log& log, const stored_response& page) {
    return test::eventually([&] { return log.judge(page) == verdict::dead; });
}

struct node {
    explicit node(const test::memcached_process& server, std::chrono::milliseconds timeout = test::ample,
                  std::function<void(const std::string&)> say = {})
        : sync(log, test::settings_for({test::address_of(server)}, timeout), std::move(say)) {}
    bool comes_into_step() {
        return test::eventually([&] { return sync.now().is_in_step; });
    }

    purge_log log;
    purge_sync sync;
};

TEST_CASE("threads keep two nodes in step", "[cache][memcached][purge_sync]") {
    const test::memcached_process server;
    node a(server), b(server);
    REQUIRE(a.comes_into_step());
    REQUIRE(b.comes_into_step());
    const auto page = page_of("example.org/", b.log.now());
    const auto position = b.sync.position_of(page->fill_number);
    REQUIRE(position);
    CHECK(a.sync.fill_number_of(*position));
    a.log.purge_url("example.org/", purge_mode::hard);
    CHECK(dies(b.log, *page));
}

TEST_CASE("a memcached that stood still has its purges told when it goes on", "[cache][memcached][purge_sync]") {
    constexpr std::chrono::milliseconds short_time{100};
    test::memcached_process server;
    node a(server, short_time), b(server, short_time);
    REQUIRE(a.comes_into_step());
    REQUIRE(b.comes_into_step());
    const auto page = page_of("example.org/", b.log.now());
    server.program().signal(SIGSTOP);
    a.log.purge_url("example.org/", purge_mode::hard);
    CHECK(test::eventually([&] { return !a.sync.now().is_in_step; }));
    server.program().signal(SIGCONT);
    CHECK(dies(b.log, *page));
    CHECK(b.sync.now().times_lost == 0);
}

TEST_CASE("what throws when it is told something does not end the thread", "[cache][memcached][purge_sync]") {
    test::memcached_process server;
    server.kill();
    std::atomic<int> told = 0;
    {
        node a(server, test::ample, [&](const std::string&) {
            ++told;
            throw 1;
        });
        CHECK(test::eventually([&] { return told > 0; }));
        server.start();
        CHECK(a.comes_into_step());
        a.log.purge_url("example.org/", purge_mode::hard);
        CHECK(test::eventually([&] { return a.sync.now().waiting == 0; }));
        server.kill();
        a.log.purge_url("example.org/other", purge_mode::hard);
    }
    CHECK(told > 1);  // that a purge never reached the others
}

TEST_CASE("what was purged last is told before a node goes", "[cache][memcached][purge_sync]") {
    const test::memcached_process server;
    node b(server);
    REQUIRE(b.comes_into_step());
    const auto page = page_of("example.org/", b.log.now());
    {
        node a(server);
        REQUIRE(a.comes_into_step());
        a.log.purge_url("example.org/", purge_mode::hard);
    }
    CHECK(dies(b.log, *page));
}

TEST_CASE("nodes that purge all at once lose nothing", "[cache][memcached][purge_sync][threads]") {
    constexpr std::size_t node_count = 3;
    constexpr int purges_each = 400;
    const test::memcached_process server;
    std::vector<std::unique_ptr<node>> nodes;
    for (std::size_t i = 0; i < node_count; ++i) nodes.push_back(std::make_unique<node>(server));
    std::vector<std::vector<new_response_ptr>> pages(node_count);
    for (std::size_t i = 0; i < node_count; ++i) {
        REQUIRE(nodes[i]->comes_into_step());
        for (std::size_t k = 0; k < node_count * purges_each; ++k) {
            pages[i].push_back(page_of("example.org/" + std::to_string(k), nodes[i]->log.now()));
        }
    }
    std::vector<std::thread> purgers;
    for (std::size_t i = 0; i < node_count; ++i) {
        purgers.emplace_back([&, i] {
            for (std::size_t k = i; k < node_count * purges_each; k += node_count) {
                nodes[i]->log.purge_url("example.org/" + std::to_string(k), purge_mode::hard);
                if (k % 7 == 0) std::this_thread::yield();
            }
        });
    }
    for (std::thread& t : purgers) t.join();
    for (std::size_t i = 0; i < node_count; ++i) {
        CAPTURE(i);
        CHECK(test::eventually([&] {
            return std::all_of(pages[i].begin(), pages[i].end(),
                               [&](const auto& page) { return nodes[i]->log.judge(*page) == verdict::dead; });
        }));
        CHECK(nodes[i]->sync.now().times_lost == 0);
    }
    const auto settled = [&] {
        return std::all_of(nodes.begin(), nodes.end(), [&](const auto& n) {
            return n->sync.now().waiting == 0 && n->sync.now().applied == nodes[0]->sync.now().applied;
        });
    };
    CHECK(test::eventually(settled));
    for (const auto& n : nodes) CHECK(n->log.judge(*page_of("example.org/0", n->log.now())) == verdict::alive);
}

}  // namespace
}  // namespace weir::cache
