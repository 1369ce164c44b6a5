#include "proxy/tunnel.hpp"

#include <exception>

#include "proxy/event.hpp"
#include "proxy/finally.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

namespace {

struct shared_state {
    std::chrono::milliseconds idle_limit;
    steady::time_point last_byte;
};

// Everything of `bytes`; false when it could not be sent.
awaitable<bool> send_all(stream& to, std::string_view bytes, shared_state& state) {
    while (!bytes.empty()) {
        const io_result written = to.try_write(std::span(&bytes, 1));
        if (written.status == io_status::error) co_return false;
        if (written.status == io_status::again) {
            if (co_await to.wait_writable(state.idle_limit) != wait_status::ready) co_return false;
            continue;
        }
        bytes.remove_prefix(written.bytes);
        state.last_byte = coarse_now();
    }
    co_return true;
}

// One direction, to its end. When that comes by an exception both streams are closed, so that the other ends too.
awaitable<void> relay_direction(worker& on, tunnel_end from, stream& to, shared_state& state) {
    bool closes_both = true;
    const finally closed([&] {
        if (!closes_both) return;
        from.stream.close();
        to.close();
    });
    bool good = co_await send_all(to, from.unread, state);
    const auto block = http::block::make(http::block::usual_capacity, nullptr);
    for (unsigned turns = 1; good; ++turns) {
        if (turns % turns_at_once == 0) co_await let_others_run(on);
        const io_result read = from.stream.try_read({block->data(), block->capacity()});
        if (read.status == io_status::end) {
            to.shutdown_sending();
            closes_both = false;
            co_return;
        }
        if (read.status == io_status::again) {
            const wait_status waited = co_await from.stream.wait_readable(state.idle_limit);
            // Silence in this direction alone is no reason to end.
            const bool idle = coarse_now() - state.last_byte >= state.idle_limit;
            if (waited == wait_status::cancelled || (waited == wait_status::late && idle)) break;
            continue;
        }
        good = read.status == io_status::ok && co_await send_all(to, {block->data(), read.bytes}, state);
    }
}

awaitable<void> relay_and_tell(worker& on, tunnel_end from, stream& to, shared_state& state, event& ended,
                               bool& running) {
    const finally told([&] {
        running = false;
        ended.wake();
    });
    co_await relay_direction(on, from, to, state);
}

}  // namespace

awaitable<void> run_tunnel(worker& on, tunnel_end client, tunnel_end endpoint, std::chrono::milliseconds idle_limit) {
    shared_state state{idle_limit, coarse_now()};
    event ended(on.context(), on.inbox());
    bool running = true;
    on.tasks().spawn(relay_and_tell(on, endpoint, client.stream, state, ended, running));
    std::exception_ptr failure;
    try {
        co_await relay_direction(on, client, endpoint.stream, state);
    } catch (...) {
        failure = std::current_exception();
    }
    while (running) co_await ended.wait(idle_limit);
    client.stream.close();
    endpoint.stream.close();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace weir::proxy
