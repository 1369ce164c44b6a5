// growing_content between threads, for the thread sanitizer: a writer and readers that wait for each other.
#include <array>
#include <catch2/catch.hpp>
#include <semaphore>
#include <string>
#include <thread>

#include "proxy/http/growing_content.hpp"

using namespace weir::http;

namespace {

struct bell final : wakeable {
    void wake() noexcept override { rung.release(); }
    std::binary_semaphore rung{0};
};

char expected_at(std::uint64_t position) {
    return static_cast<char>('a' + (position * 31 + position / 1000) % 26);
}

void write(growing_content& content, std::uint64_t size, std::size_t piece) {
    bell room;
    std::uint64_t written = 0;
    while (written < size) {
        const std::span<char> span = content.prepare();
        if (span.empty()) {
            if (content.wait_for_room(room)) room.rung.acquire();
            if (content.abandoned()) return;
            continue;
        }
        const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>({span.size(), piece, size - written}));
        for (std::size_t i = 0; i < n; ++i) span[i] = expected_at(written + i);
        content.commit(n);
        written += n;
    }
    content.complete();
}

// Bytes read and right; stops after `limit`.
std::uint64_t read(std::shared_ptr<growing_content> content, std::uint64_t limit) {
    content_reader reader(std::move(content));
    bell more;
    std::uint64_t position = 0;
    for (;;) {
        std::array<std::string_view, 4> views;
        const auto view = reader.peek(views);
        for (std::size_t i = 0; i < view.buffers; ++i) {
            for (const char c : views[i]) {
                if (c != expected_at(position)) return position;
                ++position;
            }
        }
        reader.consume(view.bytes);
        if (view.end || position >= limit) return position;
        if (view.bytes == 0 && reader.wait(more)) more.rung.acquire();
    }
}

}  // namespace

TEST_CASE("a reader follows a writer on another thread", "[http][content][threads]") {
    const std::size_t piece = GENERATE(100, 5'000, 100'000);
    const std::uint64_t window = GENERATE(1, 20'000, 256 * 1024);
    memory_budget budget;
    const auto content = std::make_shared<growing_content>(budget, growing_content::options{.window_bytes = window});
    constexpr std::uint64_t size = 2'000'000;
    std::uint64_t seen = 0;
    std::thread reader([&] { seen = read(content, size); });
    std::thread writer([&] { write(*content, size, piece); });
    reader.join();
    writer.join();
    CHECK(seen == size);
}

TEST_CASE("several readers share content that is kept, while the cache takes it", "[http][content][threads]") {
    memory_budget budget;
    constexpr std::uint64_t size = 1'000'000;
    std::vector<block_ptr> blocks;
    {
        const auto content =
            std::make_shared<growing_content>(budget, growing_content::options{.keep = retention::store});
        std::array<std::uint64_t, 4> seen{};
        std::vector<std::thread> readers;
        for (std::size_t i = 0; i < seen.size(); ++i) {
            readers.emplace_back([&, i] { seen[i] = read(content, i == 3 ? size / 2 : size); });
        }
        std::thread writer([&] {
            write(*content, size, 3'000);
            blocks = content->take_blocks();
        });
        for (std::thread& reader : readers) reader.join();
        writer.join();
        CHECK(seen[0] == size);
        CHECK(seen[1] == size);
        CHECK(seen[2] == size);
        CHECK(seen[3] >= size / 2);
    }
    CHECK(budget.used() == 0);
    std::uint64_t position = 0;
    for (const block_ptr& b : blocks) {
        for (const char c : b->view()) {
            if (c == expected_at(position)) ++position;
        }
    }
    CHECK(position == size);
}

TEST_CASE("a writer notices that its reader has gone", "[http][content][threads]") {
    memory_budget budget;
    const auto content = std::make_shared<growing_content>(budget, growing_content::options{.window_bytes = 30'000});
    auto reader = std::make_unique<content_reader>(content);
    std::thread writer([&] { write(*content, 10'000'000, 5'000); });
    std::thread leaving([&] { reader.reset(); });
    leaving.join();
    writer.join();
    CHECK(content->abandoned());
}

TEST_CASE("transfers that share a small budget all end", "[http][content][threads][budget]") {
    memory_budget budget(0);
    constexpr std::uint64_t size = 300'000;
    std::array<std::uint64_t, 3> seen{};
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < seen.size(); ++i) {
        const auto content = std::make_shared<growing_content>(budget, growing_content::options{});
        threads.emplace_back([&seen, i, content] { seen[i] = read(content, size); });
        threads.emplace_back([content] { write(*content, size, 4'000); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::uint64_t n : seen) CHECK(n == size);
    CHECK(budget.used() == 0);
}
