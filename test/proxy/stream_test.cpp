#include "proxy/stream.hpp"

#include <fcntl.h>

#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "test/proxy/support.hpp"

using namespace weir;
using namespace weir::proxy;
using test::event_loop;
using test::stream_pair;

namespace {

io_result read_into(stream& from, std::string& into, std::size_t most = 4096) {
    into.resize(most);
    const io_result read = from.try_read(into);
    into.resize(read.bytes);
    return read;
}

// Waits on `on` in a coroutine of its own and writes down how that ended.
void wait_readable(event_loop& loop, stream& on, std::chrono::milliseconds limit, std::optional<wait_status>& ended) {
    loop.spawn([&on, limit, &ended]() -> awaitable<void> { ended = co_await on.wait_readable(limit); });
}
void wait_writable(event_loop& loop, stream& on, std::chrono::milliseconds limit, std::optional<wait_status>& ended) {
    loop.spawn([&on, limit, &ended]() -> awaitable<void> { ended = co_await on.wait_writable(limit); });
}

}  // namespace

TEST_CASE("a read gives what is there and never waits", "[proxy][stream]") {
    event_loop loop;
    stream_pair pair(loop);
    std::string bytes;
    CHECK(read_into(pair.ours, bytes).status == io_status::again);
    test::put(pair.theirs, "hello");
    CHECK(read_into(pair.ours, bytes, 3).status == io_status::ok);
    CHECK(bytes == "hel");
    CHECK(read_into(pair.ours, bytes).bytes == 2);
    CHECK(bytes == "lo");
    CHECK(read_into(pair.ours, bytes).status == io_status::again);
    test::put(pair.theirs, "!");
    pair.theirs.close();
    CHECK(read_into(pair.ours, bytes).status == io_status::ok);
    CHECK(read_into(pair.ours, bytes).status == io_status::end);
    CHECK(read_into(pair.ours, bytes).status == io_status::end);
    pair.ours.close();
    CHECK(read_into(pair.ours, bytes).status == io_status::error);
}

TEST_CASE("a write gathers its buffers and says how much went", "[proxy][stream]") {
    event_loop loop;
    stream_pair pair(loop);

    SECTION("empty buffers among them") {
        const std::string_view parts[] = {"a", "", "bc", "", "d"};
        const io_result written = pair.ours.try_write(parts);
        CHECK(written.status == io_status::ok);
        CHECK(written.bytes == 4);
        CHECK(test::take(pair.theirs) == "abcd");
    }
    SECTION("nothing but empty ones") {
        const std::string_view parts[] = {"", ""};
        CHECK(pair.ours.try_write(parts).status == io_status::ok);
        CHECK(pair.ours.try_write(std::span<const std::string_view>()).status == io_status::ok);
        CHECK(test::take(pair.theirs).empty());
    }
    SECTION("more of them than one call takes") {
        const std::vector<std::string_view> parts(70, "x");
        const io_result written = pair.ours.try_write(parts);
        CHECK(written.status == io_status::ok);
        CHECK(written.bytes == 64);
        CHECK(test::take(pair.theirs).size() == 64);
    }
    SECTION("more than the kernel takes") {
        const std::size_t taken = test::fill(pair.ours);
        CHECK(taken > 0);
        const std::string_view more = "x";
        CHECK(pair.ours.try_write(std::span(&more, 1)).status == io_status::again);
        CHECK(test::take(pair.theirs).size() == taken);
        CHECK(pair.ours.try_write(std::span(&more, 1)).status == io_status::ok);
    }
    SECTION("to a peer that has gone, without a signal") {
        pair.theirs.close();
        const std::string_view more = "x";
        CHECK(pair.ours.try_write(std::span(&more, 1)).status == io_status::error);
        pair.ours.close();
        CHECK(pair.ours.try_write(std::span(&more, 1)).status == io_status::error);
    }
}

TEST_CASE("a stream is quiet while the peer says nothing and stays", "[proxy][stream]") {
    event_loop loop;
    stream_pair pair(loop);
    CHECK(pair.ours.is_quiet());
    test::put(pair.ours, "a request");
    CHECK(pair.ours.is_quiet());

    SECTION("not with bytes to read, which stay") {
        test::put(pair.theirs, "x");
        CHECK_FALSE(pair.ours.is_quiet());
        CHECK(test::take(pair.ours) == "x");
        CHECK(pair.ours.is_quiet());
    }
    SECTION("not after the peer's last byte") {
        pair.theirs.shutdown_sending();
        CHECK_FALSE(pair.ours.is_quiet());
    }
    SECTION("not when it is closed") {
        pair.ours.close();
        CHECK_FALSE(pair.ours.is_quiet());
    }
}

TEST_CASE("a stream holds one descriptor and closes what it cannot take", "[proxy][stream]") {
    event_loop loop;
    stream_pair pair(loop);
    stream_pair other(loop);
    const int second = ::dup(other.ours.descriptor());
    CHECK_FALSE(pair.ours.assign(second));
    CHECK(::fcntl(second, F_GETFD) == -1);
    CHECK(pair.ours.is_open());
    pair.ours.close();
    CHECK_FALSE(pair.ours.is_open());
    CHECK_FALSE(pair.theirs.is_quiet());
}

TEST_CASE("a wait ends when the peer has said something or closed", "[proxy][stream]") {
    event_loop loop;
    stream_pair pair(loop);
    std::optional<wait_status> read;
    wait_readable(loop, pair.ours, test::long_limit, read);
    loop.settle();
    CHECK_FALSE(read);

    SECTION("a byte") {
        test::put(pair.theirs, "x");
        loop.run();
        CHECK(read == wait_status::ready);
        CHECK(test::take(pair.ours) == "x");
    }
    SECTION("its end") {
        pair.theirs.shutdown_sending();
        loop.run();
        CHECK(read == wait_status::ready);
        std::string bytes;
        CHECK(read_into(pair.ours, bytes).status == io_status::end);
    }
}

TEST_CASE("a handler that fails takes no event from others", "[proxy][stream]") {
    event_loop loop;
    stream_pair failing(loop);
    stream_pair other(loop);
    for (int round = 0; round < 2; ++round) {
        CAPTURE(round);
        int ran = 0;
        failing.ours.on_readable([&](boost::system::error_code) {
            ++ran;
            throw std::bad_alloc();
        });
        std::optional<wait_status> read;
        wait_readable(loop, other.ours, test::long_limit, read);
        loop.settle();
        test::put(failing.theirs, "x");
        test::put(other.theirs, "y");
        loop.run();
        CHECK(ran == 1);
        CHECK(read == wait_status::ready);
        for (stream* each : {&failing.ours, &other.ours}) {
            std::string bytes;
            CHECK(read_into(*each, bytes).bytes == 1);
            CHECK(read_into(*each, bytes).status == io_status::again);
        }
    }
}

TEST_CASE("a wait that was late spoils none that follows", "[proxy][stream][deadlines]") {
    event_loop loop;
    stream_pair pair(loop);
    loop.run([&]() -> awaitable<void> {
        for (int i = 0; i < 2; ++i) {
            CHECK_AWAITED(co_await pair.ours.wait_readable(test::short_limit) == wait_status::late);
            CHECK(pair.ours.is_open());
            CHECK_AWAITED(co_await pair.ours.wait_writable(test::long_limit) == wait_status::ready);
            test::put(pair.theirs, "x");
            CHECK_AWAITED(co_await pair.ours.wait_readable(test::long_limit) == wait_status::ready);
            CHECK(test::take(pair.ours) == "x");
        }
    });
}

TEST_CASE("closing ends the waits of both directions", "[proxy][stream]") {
    event_loop loop;
    stream_pair pair(loop);
    test::fill(pair.ours);
    std::optional<wait_status> read, written;
    wait_readable(loop, pair.ours, test::long_limit, read);
    wait_writable(loop, pair.ours, test::long_limit, written);
    loop.settle();
    pair.ours.close();
    loop.run();
    CHECK(read == wait_status::cancelled);
    CHECK(written == wait_status::cancelled);

    wait_readable(loop, pair.ours, test::long_limit, read);
    wait_writable(loop, pair.ours, test::long_limit, written);
    loop.run();
    CHECK(read == wait_status::cancelled);
    CHECK(written == wait_status::cancelled);
}

TEST_CASE("one direction goes on waiting when the other has ended", "[proxy][stream][deadlines]") {
    event_loop loop;
    stream_pair pair(loop);
    test::fill(pair.ours);
    std::optional<wait_status> read, written;
    const auto write_goes_on = [&] {
        loop.settle();
        CHECK_FALSE(written);
        test::take(pair.theirs);
        loop.run();
        CHECK(written == wait_status::ready);
    };

    SECTION("cancelled") {
        wait_writable(loop, pair.ours, test::long_limit, written);
        wait_readable(loop, pair.ours, test::long_limit, read);
        loop.settle();
        pair.ours.cancel_reading();
        loop.run_until([&] { return read.has_value(); });
        CHECK(read == wait_status::cancelled);
        write_goes_on();
    }
    SECTION("late") {
        wait_writable(loop, pair.ours, test::long_limit, written);
        wait_readable(loop, pair.ours, test::short_limit, read);
        loop.run_until([&] { return read.has_value(); });
        CHECK(read == wait_status::late);
        write_goes_on();
    }
    SECTION("several times over") {
        wait_writable(loop, pair.ours, test::long_limit, written);
        for (int i = 0; i < 3; ++i) {
            read.reset();
            wait_readable(loop, pair.ours, test::short_limit, read);
            loop.run_until([&] { return read.has_value(); });
            CHECK(read == wait_status::late);
        }
        write_goes_on();
    }
    SECTION("and the other way round") {
        wait_readable(loop, pair.ours, test::long_limit, read);
        wait_writable(loop, pair.ours, test::short_limit, written);
        loop.run_until([&] { return written.has_value(); });
        CHECK(written == wait_status::late);
        loop.settle();
        CHECK_FALSE(read);
        test::put(pair.theirs, "x");
        loop.run();
        CHECK(read == wait_status::ready);
    }
    SECTION("with its own deadline still running") {
        wait_writable(loop, pair.ours, test::short_limit, written);
        wait_readable(loop, pair.ours, test::long_limit, read);
        loop.settle();
        pair.ours.cancel_reading();
        loop.run();
        CHECK(read == wait_status::cancelled);
        CHECK(written == wait_status::late);
    }
}

TEST_CASE("reading that is cancelled stays cancelled until it is resumed", "[proxy][stream]") {
    event_loop loop;
    stream_pair pair(loop);
    pair.ours.cancel_reading();
    test::put(pair.theirs, "x");
    loop.run([&]() -> awaitable<void> {
        CHECK_AWAITED(co_await pair.ours.wait_readable(test::long_limit) == wait_status::cancelled);
        CHECK_AWAITED(co_await pair.ours.wait_readable(test::long_limit) == wait_status::cancelled);
        CHECK_AWAITED(co_await pair.ours.wait_writable(test::long_limit) == wait_status::ready);
    });
    CHECK(test::take(pair.ours) == "x");

    pair.ours.resume_reading();
    test::put(pair.theirs, "y");
    loop.run([&]() -> awaitable<void> {
        CHECK_AWAITED(co_await pair.ours.wait_readable(test::long_limit) == wait_status::ready);
    });
    CHECK(test::take(pair.ours) == "y");
}

TEST_CASE("a response that was cut does not end like a whole one", "[proxy][stream]") {
    event_loop loop;
    stream_pair pair(loop, AF_INET);
    test::put(pair.ours, "half");
    const bool with_reset = GENERATE(false, true);
    loop.run([&]() -> awaitable<void> {
        CHECK_AWAITED(co_await pair.theirs.wait_readable(test::long_limit) == wait_status::ready);
        test::take(pair.theirs);
        with_reset ? pair.ours.close_with_reset() : pair.ours.close();
        CHECK_AWAITED(co_await pair.theirs.wait_readable(test::long_limit) == wait_status::ready);
    });
    std::string bytes;
    CHECK(read_into(pair.theirs, bytes).status == (with_reset ? io_status::error : io_status::end));
    CHECK_FALSE(pair.ours.is_open());
    pair.ours.close_with_reset();
    pair.ours.shutdown_sending();
}

TEST_CASE("after our last byte the peer may go on", "[proxy][stream]") {
    event_loop loop;
    stream_pair pair(loop);
    test::put(pair.ours, "bye");
    pair.ours.shutdown_sending();
    CHECK(test::take(pair.theirs) == "bye");
    std::string bytes;
    CHECK(read_into(pair.theirs, bytes).status == io_status::end);
    test::put(pair.theirs, "still here");
    CHECK(test::take(pair.ours) == "still here");
}

namespace {

struct counted_wakes final : weir::http::wakeable {
    int count = 0;
    void wake() noexcept override { ++count; }
};

}  // namespace

TEST_CASE("who watches for the peer's end is told once, also when it has come already", "[proxy][stream]") {
    event_loop loop;
    stream_pair pair(loop);
    counted_wakes watcher;
    const bool before = GENERATE(false, true);
    CAPTURE(before);
    std::optional<wait_status> ended;
    if (!before) pair.ours.watch_end(&watcher);
    test::put(pair.theirs, "still here");
    wait_readable(loop, pair.ours, std::chrono::seconds(10), ended);
    loop.run_until([&] { return ended.has_value(); });
    CHECK(watcher.count == 0);
    std::string bytes;
    read_into(pair.ours, bytes);
    pair.theirs.close();
    ended.reset();
    wait_readable(loop, pair.ours, std::chrono::seconds(10), ended);
    loop.run_until([&] { return ended.has_value(); });
    if (before) pair.ours.watch_end(&watcher);
    CHECK(watcher.count == 1);
    char byte;
    CHECK(pair.ours.try_read(std::span(&byte, 1)).status == io_status::end);
    pair.ours.watch_end(nullptr);
    CHECK(watcher.count == 1);
}

TEST_CASE("a peer that takes a little is slow, one that takes nothing is late", "[proxy][stream][deadlines]") {
    event_loop loop;
    stream_pair pair(loop);
    stream_pair other(loop);
    const bool takes = GENERATE(true, false);
    CAPTURE(takes);
    const std::string much(16 * 1024, 'x');
    const std::string_view buffer = much;
    while (pair.ours.try_write(std::span(&buffer, 1)).status == io_status::ok) {
    }
    // Deadlines of one duration come in the order in which they were armed: the second says that the first has passed.
    constexpr std::chrono::milliseconds limit{500};
    std::optional<wait_status> taken;
    std::optional<wait_status> passed;
    loop.spawn([&]() -> awaitable<void> { taken = co_await pair.ours.wait_taken(limit); });
    wait_readable(loop, other.ours, limit, passed);
    loop.settle();
    std::string bytes;
    // Too little for the kernel to call the stream writable.
    if (takes) CHECK(read_into(pair.theirs, bytes, much.size()).bytes == much.size());
    loop.run_until([&] { return passed.has_value(); });
    loop.settle();
    CHECK(taken.has_value() == !takes);
    while (read_into(pair.theirs, bytes, much.size()).status == io_status::ok) {
    }
    loop.run_until([&] { return taken.has_value(); });
    CHECK(*taken == (takes ? wait_status::ready : wait_status::late));
}
