// Events and the inbox between threads, for the thread sanitizer.
#include <array>
#include <catch2/catch.hpp>
#include <memory>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "proxy/event.hpp"
#include "proxy/http/growing_content.hpp"
#include "test/proxy/support.hpp"

using namespace weir;
using namespace weir::proxy;
using test::event_loop;

namespace {

constexpr std::uint64_t content_bytes = 4'000'000;

struct bell final : http::wakeable {
    void wake() noexcept override { rung.release(); }
    std::binary_semaphore rung{0};
};

// Another worker's fill of `content`, which never gets far ahead of its reader.
void write(http::growing_content& content) {
    bell room;
    const std::string piece(1000, 'x');
    for (std::uint64_t written = 0; written < content_bytes;) {
        const std::string_view next = std::string_view(piece).substr(0, content_bytes - written);
        const std::size_t n = content.append(next);
        written += n;
        if (n < next.size() && content.wait_for_room(room)) room.rung.acquire();
    }
    content.complete();
}

// Reads what is there; true at the end of the content.
bool read_some(http::content_reader& reader) {
    std::array<std::string_view, 4> views;
    const auto got = reader.peek(views);
    reader.consume(got.bytes);
    return got.end;
}

awaitable<void> read_with_one_event(event_loop& loop, std::shared_ptr<http::growing_content> content,
                                    std::uint64_t& position) {
    http::content_reader reader(std::move(content));
    event more(loop.context, loop.inbox);
    more.prepare_remote();
    while (!read_some(reader)) {
        if (!reader.wait(more)) continue;
        CHECK_AWAITED(co_await more.wait(test::long_limit));
        reader.cancel_wait();
    }
    position = reader.position();
}

// Goes away at once, whether it was woken or is about to be.
awaitable<void> read_with_short_lived_events(event_loop& loop, std::shared_ptr<http::growing_content> content,
                                             std::uint64_t& position) {
    http::content_reader reader(std::move(content));
    while (!read_some(reader)) {
        event more(loop.context, loop.inbox);
        more.prepare_remote();
        if (!reader.wait(more)) continue;
        co_await more.wait(std::chrono::milliseconds(0));
        reader.cancel_wait();
    }
    position = reader.position();
}

}  // namespace

TEST_CASE("a reader is woken by a writer on another thread", "[proxy][event][threads]") {
    event_loop loop;
    http::memory_budget budget;
    const auto content =
        std::make_shared<http::growing_content>(budget, http::growing_content::options{.window_bytes = 1});
    std::uint64_t position = 0;
    std::jthread writer;

    SECTION("through one event") {
        loop.spawn([&] { return read_with_one_event(loop, content, position); });
    }
    SECTION("through events that are gone when the wake arrives") {
        loop.spawn([&] { return read_with_short_lived_events(loop, content, position); });
    }
    writer = std::jthread([&] { write(*content); });
    loop.run();
    writer.join();
    CHECK(position == content_bytes);
}

TEST_CASE("an inbox takes from many threads and keeps the order of each", "[proxy][inbox][threads]") {
    constexpr int producers = 4;
    constexpr int each = 5000;
    event_loop loop;
    std::array<int, producers> next{};
    int out_of_order = 0;
    int total = 0;
    std::vector<std::jthread> threads;
    for (int p = 0; p < producers; ++p) {
        threads.emplace_back([&, p] {
            for (int i = 0; i < each; ++i) {
                loop.inbox.push([&, p, i] {
                    out_of_order += next[static_cast<std::size_t>(p)]++ != i;
                    ++total;
                });
            }
        });
    }
    loop.run_until([&] { return total == producers * each; });
    threads.clear();
    CHECK(out_of_order == 0);
}
