// What tests of the data path share: a loop as a worker has it, coroutines that are run to their end, and pairs of
// connected streams.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/awaitable.hpp"
#include "proxy/deadlines.hpp"
#include "proxy/inbox.hpp"
#include "proxy/stream.hpp"
#include "proxy/task_group.hpp"

// CHECK for an expression that awaits. Catch2's own has its expression twice, once in __builtin_constant_p, and g++ 12
// awaits in both places: the first takes the wake that the second then waits for.
#define CHECK_AWAITED(...)                \
    do {                                  \
        const bool awaited = __VA_ARGS__; \
        CHECK(awaited);                   \
    } while (false)

namespace weir::test {

// Only a failing test waits this long.
inline constexpr std::chrono::seconds patience{30};
// A limit that no test reaches, and one that a test waits for.
inline constexpr std::chrono::minutes long_limit{10};
inline constexpr std::chrono::milliseconds short_limit{10};

// The calling thread is the worker's while run() or run_until() runs, and another one at any other time.
class event_loop {
  public:
    boost::asio::io_context context{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
    proxy::deadlines deadlines{context};
    proxy::inbox inbox{context};

    // Starts `coroutine`, a callable that makes an awaitable; it lives until that has ended.
    template <class Coroutine>
    void spawn(Coroutine coroutine) {
        ++running_;
        const auto kept = std::make_shared<Coroutine>(std::move(coroutine));
        boost::asio::post(context, [this, kept] { tasks_.spawn(run_to_end(kept), [] {}); });
    }
    // Until everything that was spawned has ended. Throws what one of them throws; the test fails when they wait for
    // nothing.
    void run() {
        context.restart();
        context.run_for(patience);
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        if (running_ > 0) FAIL(running_ << " coroutines have not ended");
    }
    template <class Coroutine>
    void run(Coroutine coroutine) {
        spawn(std::move(coroutine));
        run();
    }
    template <class Condition>
    void run_until(Condition condition) {
        const auto stay = boost::asio::make_work_guard(context);
        context.restart();
        while (!condition()) {
            if (context.run_one_for(patience) == 0) FAIL("what the test waits for does not happen");
        }
    }
    // Everything that can run without waiting.
    void settle() {
        context.restart();
        context.poll();
    }
    std::size_t running() const { return running_; }

  private:
    template <class Coroutine>
    proxy::awaitable<void> run_to_end(std::shared_ptr<Coroutine> kept) {
        bool failed = false;
        try {
            co_await (*kept)();
        } catch (...) {
            failed = true;
            if (!failure_) failure_ = std::current_exception();
        }
        if (--running_ == 0 || failed) context.stop();
    }

    proxy::task_group tasks_{context};
    std::size_t running_ = 0;
    std::exception_ptr failure_;
};

// Everything of `bytes`, which the kernel takes at once.
inline void put(proxy::stream& to, std::string_view bytes) {
    while (!bytes.empty()) {
        const proxy::io_result written = to.try_write(std::span(&bytes, 1));
        REQUIRE(written.status == proxy::io_status::ok);
        bytes.remove_prefix(written.bytes);
    }
}

// Everything that is there to be read without waiting.
inline std::string take(proxy::stream& from) {
    std::string bytes;
    char block[4096];
    for (;;) {
        const proxy::io_result read = from.try_read(block);
        if (read.status != proxy::io_status::ok) return bytes;
        bytes.append(block, read.bytes);
    }
}

// Writes until the kernel takes no more; how many bytes it took.
inline std::size_t fill(proxy::stream& to) {
    const std::string block(4096, 'x');
    const std::string_view bytes = block;
    for (std::size_t total = 0;;) {
        const proxy::io_result written = to.try_write(std::span(&bytes, 1));
        if (written.status != proxy::io_status::ok) return total;
        total += written.bytes;
    }
}

// Two connected streams: over TCP for what a unix socket cannot do (RST), else over a unix socket.
struct stream_pair {
    explicit stream_pair(event_loop& loop, int family = AF_UNIX)
        : ours(loop.context, loop.deadlines), theirs(loop.context, loop.deadlines) {
        int both[2] = {-1, -1};
        if (family == AF_UNIX) {
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both) == 0);
        } else {
            connect_tcp(both);
        }
        REQUIRE(ours.assign(both[0]));
        REQUIRE(theirs.assign(both[1]));
    }

    proxy::stream ours;
    proxy::stream theirs;

  private:
    static void connect_tcp(int (&both)[2]) {
        const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        REQUIRE(::bind(listening, generic, size) == 0);
        REQUIRE(::listen(listening, 1) == 0);
        REQUIRE(::getsockname(listening, generic, &size) == 0);
        both[0] = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        ::connect(both[0], generic, size);
        both[1] = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        ::close(listening);
        REQUIRE(both[1] >= 0);
    }
};

}  // namespace weir::test
