#include "proxy/worker.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "proxy/log.hpp"

namespace weir::proxy {

namespace {
constexpr std::chrono::milliseconds sweep_interval{1'000};
constexpr std::chrono::milliseconds slice_interval{20};
}  // namespace

worker::worker(std::uint32_t index, shared_services& services, std::shared_ptr<log_buffer> access_lines)
    : index_(index),
      services_(services),
      spool_(services.spool_space),
      context_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),
      stay_(context_.get_executor()),
      inbox_(context_),
      deadlines_(context_),
      tasks_(context_),
      sweep_timer_(context_),
      access_log_(std::move(access_lines), conf::log_format::combined),
      random_(std::random_device{}()) {}

worker::~worker() {
    stop();
}

void worker::start() {
    thread_ = std::thread([this] { run(); });
}

void worker::run() {
    // Signals are the control thread's.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    sweep();
    for (;;) {
        try {
            context_.run();
            break;
        } catch (const std::exception& e) {
            log::error("internal error in worker {}: {}", index_, e.what());
        }
    }
    // What is left ends here, on the thread that owns it.
    listeners_.clear();
    pool_.close_all();
}

void worker::stop() {
    if (!thread_.joinable()) return;
    context_.stop();
    thread_.join();
}

void worker::apply(std::shared_ptr<const snapshot> next, std::vector<std::uint32_t> gone_endpoints) {
    spool_.configure(next->settings.buffering.spool_dir);
    inbox_.push([this, next = std::move(next), gone = std::move(gone_endpoints)] {
        current_ = next;
        access_log_.set_format(next->settings.log.format);
        for (const std::uint32_t id : gone) pool_.forget(id);
    });
}

void worker::open_listener(std::uint32_t id, listening_socket socket, std::function<worker&()> next_worker) {
    inbox_.push([this, id, socket, next_worker = std::move(next_worker)] {
        listeners_.push_back(std::make_unique<listener>(*this, id, socket, next_worker));
        listeners_.back()->start();
    });
}

void worker::close_listener(std::uint32_t id) {
    inbox_.push([this, id] {
        std::erase_if(listeners_, [&](const auto& l) {
            if (l->id() != id) return false;
            l->close();
            return true;
        });
    });
}

void worker::drain(std::function<void()> done) {
    inbox_.push([this, done = std::move(done)] {
        for (const auto& listener : listeners_) listener->close();
        listeners_.clear();
        draining_ = true;
        drained_ = done;
        pool_.close_all();
        for (client_connection& connection : connections_) connection.drain();
        maybe_drained();
    });
}

void worker::maybe_drained() {
    if (draining_ && drained_ && connections_.empty() && tasks_.running() == 0) std::exchange(drained_, nullptr)();
}

void worker::adopt(accepted_socket socket) {
    const bool too_many = services_.connections.fetch_add(1, std::memory_order_relaxed) >=
                          services_.max_connections.load(std::memory_order_relaxed);
    if (!too_many && inbox_.here()) return take(socket);
    if (too_many) refuse(socket);
    try {
        inbox_.push([this, socket, too_many] { too_many ? metrics_.connections_refused.add() : take(socket); });
    } catch (const std::bad_alloc&) {
        if (!too_many) refuse(socket);
    }
}

void worker::refuse(accepted_socket socket) {
    services_.connections.fetch_sub(1, std::memory_order_relaxed);
    ::close(socket.descriptor);
}

void worker::take(accepted_socket socket) {
    metrics_.connections_accepted.add();
    std::unique_ptr<client_connection> connection;
    try {
        connection = std::make_unique<client_connection>(*this, socket);
    } catch (const std::bad_alloc&) {
        metrics_.connections_refused.add();
        return refuse(socket);
    }
    if (!connection->take_over(socket)) {
        services_.connections.fetch_sub(1, std::memory_order_relaxed);
        return;
    }
    metrics_.connections_idle.add(1);
    connections_.push_back(*connection);
    connection.release()->start();  // the list owns it: remove() takes it out
}

void worker::remove(client_connection& connection) {
    const std::unique_ptr<client_connection> ended(&connection);
    connections_.erase(connections_.iterator_to(connection));
    services_.connections.fetch_sub(1, std::memory_order_relaxed);
    metrics_.connections_idle.add(-1);
    if (!draining_) return;
    try {
        asio::post(context_, [this] { maybe_drained(); });
    } catch (const std::bad_alloc&) {
        maybe_drained();  // who called has nothing left to undo
    }
}

balancer::choice worker::choose(const balancer::upstream& upstream, std::span<const std::uint32_t> tried,
                                const balancer::affinity& request) {
    while (selectors_.size() <= upstream.id) selectors_.emplace_back(index_);
    return selectors_[upstream.id].choose(upstream, coarse_now(), tried, request);
}

void worker::write_request_id(std::string& out) {
    static constexpr auto digits = [] {
        std::array<std::array<char, 2>, 256> pairs{};
        constexpr std::string_view hex = "0123456789abcdef";
        for (std::size_t byte = 0; byte < pairs.size(); ++byte) pairs[byte] = {hex[byte / 16], hex[byte % 16]};
        return pairs;
    }();
    std::array<char, 32> text;
    std::uint64_t bits = 0;
    for (std::size_t byte = 0; byte < 16; ++byte, bits >>= 8) {
        if (byte % 8 == 0) bits = random_();
        std::copy_n(digits[bits & 255].data(), 2, text.data() + 2 * byte);
    }
    out.append(text.data(), text.size());
}

void worker::sweep() {
    pool_.sweep(coarse_now());
    for (const auto& listener : listeners_) listener->wait_again();
    if (const auto fault = spool_.take_fault(coarse_now())) log::warning("{}", *fault);
    // What was purged is looked for by one worker, in slices.
    const bool more = index_ == 0 && services_.cache.sweep();
    sweep_timer_.expires_after(more ? slice_interval : sweep_interval);
    sweep_timer_.async_wait([this](boost::system::error_code error) {
        if (!error) sweep();
    });
}

}  // namespace weir::proxy
