// Growing content on a spool between threads, for the thread sanitizer: writers, readers and the spool's own thread,
// with less memory than they want.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "test/http/spooled_content.hpp"

using namespace weir::http;
using namespace weir::test;

namespace {

// Budget and spool that other transfers give back wake nobody, so a writer asks this often.
constexpr std::chrono::milliseconds poll{5};

char expected_at(std::uint64_t position, unsigned seed) {
    return static_cast<char>('a' + (position * 31 + position / 1000 + seed) % 26);
}

struct transfer {
    unsigned seed;
    std::uint64_t size;
    bool replayed;
    std::shared_ptr<growing_content> content;
};

void write(const transfer& t) {
    std::mt19937 random(t.seed);
    bell room;
    for (std::uint64_t written = 0; written < t.size;) {
        const std::span<char> span = t.content->prepare();
        if (span.empty()) {
            if (t.content->wait_for_room(room)) {
                (void)room.rung.try_acquire_for(poll);
                t.content->cancel_writer_wait();
            }
            // A replay has no reader for a moment.
            if (!t.replayed && t.content->abandoned()) return t.content->fail();
            continue;
        }
        const auto n = std::min<std::uint64_t>({span.size(), 1 + random() % 40'000, t.size - written});
        for (std::uint64_t i = 0; i < n; ++i) span[i] = expected_at(written + i, t.seed);
        t.content->commit(n);
        written += n;
    }
    t.content->complete();
}

// How many bytes were read and right; stops after `limit`.
std::uint64_t read(const transfer& t, content_reader& reader, unsigned seed, std::uint64_t limit) {
    std::mt19937 random(seed);
    bell more;
    std::uint64_t position = 0;
    for (;;) {
        std::array<std::string_view, 8> views;
        const auto view = reader.peek(std::span(views).first(1 + random() % views.size()));
        // Not all of what it sees, at times; the rest is looked at again.
        std::uint64_t take = random() % 3 == 0 ? 1 + random() % 20'000 : view.bytes;
        take = std::min(take, view.bytes);
        std::uint64_t left = take;
        for (std::size_t i = 0; i < view.buffers; ++i) {
            for (const char c : views[i].substr(0, left)) {
                if (c != expected_at(position, t.seed)) return position;
                ++position;
            }
            left -= std::min<std::uint64_t>(left, views[i].size());
        }
        if (take > 0) reader.consume(take);
        if ((view.end && take == view.bytes) || position >= limit) return position;
        if (view.bytes == 0 && reader.wait(more)) more.rung.acquire();
    }
}

std::uint64_t read(const transfer& t, unsigned seed, std::uint64_t limit) {
    content_reader reader(t.content);
    return read(t, reader, seed, limit);
}

// Every third one is replayed, if asked for: a spool without space cannot hold that.
std::vector<transfer> make_transfers(memory_budget& budget, spool& disk, std::size_t count, bool replays) {
    std::mt19937 random(7);
    std::vector<transfer> transfers;
    for (unsigned i = 0; i < count; ++i) {
        const std::uint64_t size = random() % 1'500'000;
        const bool replayed = replays && i % 3 == 2;
        growing_content::options options{.keep = replayed ? retention::replay : retention::until_read,
                                         .window_bytes = 1 + random() % 200'000,
                                         .spool = &disk};
        if (i % 2 == 0) options.expected_bytes = size;
        transfers.push_back({i, size, replayed, std::make_shared<growing_content>(budget, options)});
    }
    return transfers;
}

}  // namespace

TEST_CASE("transfers with little memory arrive whole", "[http][content][spool][threads]") {
    const std::uint64_t memory_blocks = GENERATE(0, 8, 100);
    const std::uint64_t extents = GENERATE(1, 1000);
    const temporary_folder folder;
    memory_budget budget(memory_blocks * charge), space(extents * spool::extent_bytes);
    {
        spool disk(space);
        disk.configure(folder.path());
        std::vector<transfer> transfers = make_transfers(budget, disk, 9, extents > 1);
        std::vector<std::uint64_t> seen(transfers.size());
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < transfers.size(); ++i) {
            threads.emplace_back([&transfers, i] { write(transfers[i]); });
            threads.emplace_back([&transfers, &seen, i] {
                const transfer& t = transfers[i];
                if (t.replayed) read(t, t.seed + 1000, t.size / 2);
                seen[i] = read(t, t.seed, t.size);
            });
        }
        for (std::thread& thread : threads) thread.join();
        for (std::size_t i = 0; i < transfers.size(); ++i) {
            CAPTURE(i);
            CHECK(seen[i] == transfers[i].size);
        }
        transfers.clear();
        pass_through(disk);
        CHECK(disk.extents_in_use() == 0);
        CHECK(disk.bytes_in_use() == 0);
        CHECK_FALSE(disk.take_fault({}).value_or("spool_max").find("spool_max") == std::string::npos);
    }
    CHECK(budget.used() == 0);
    CHECK(space.used() == 0);
}

TEST_CASE("readers of one spooled content have each a pace of their own", "[http][content][spool][threads]") {
    const temporary_folder folder;
    memory_budget budget(10 * charge), space;
    spool disk(space);
    disk.configure(folder.path());
    for (unsigned round = 0; round < 5; ++round) {
        const growing_content::options options{.window_bytes = 50'000, .spool = &disk};
        const transfer t{round, 1'000'000, false, std::make_shared<growing_content>(budget, options)};
        std::array<std::uint64_t, 4> seen{};
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < seen.size(); ++i) {
            // Made before any of them begins, so that none comes too late.
            auto reader = std::make_unique<content_reader>(t.content);
            threads.emplace_back([&, i, mine = std::move(reader)]() mutable {
                seen[i] = read(t, *mine, round * 10 + i, i == 3 ? t.size / 3 : t.size);
                mine.reset();
            });
        }
        write(t);
        for (std::thread& thread : threads) thread.join();
        for (unsigned i = 0; i < seen.size(); ++i) {
            CAPTURE(round, i);
            CHECK(seen[i] >= (i == 3 ? t.size / 3 : t.size));
        }
    }
    pass_through(disk);
    CHECK(disk.extents_in_use() == 0);
    CHECK(budget.used() == 0);
}

TEST_CASE("transfers that break off leave nothing behind", "[http][content][spool][threads]") {
    const temporary_folder folder;
    memory_budget budget(20 * charge), space;
    {
        spool disk(space);
        disk.configure(folder.path());
        std::vector<transfer> transfers = make_transfers(budget, disk, 12, true);
        std::vector<std::thread> threads;
        for (transfer& t : transfers) {
            // Both ends let go of the content when they are done, whatever the disk is at.
            threads.emplace_back([mine = t] { write(mine); });
            threads.emplace_back([mine = t] { read(mine, mine.seed, mine.size / 4); });
        }
        transfers.clear();
        // And the folder is changed while it is used.
        const temporary_folder other;
        disk.configure(other.path());
        for (std::thread& thread : threads) thread.join();
        pass_through(disk);
        CHECK(disk.extents_in_use() == 0);
    }
    CHECK(budget.used() == 0);
    CHECK(space.used() == 0);
}
