// One thread that serves: its io_context, listeners, client connections, idle upstream connections and deadlines. It
// shares none of them; what other threads have for it comes through its inbox.
#pragma once

#include <atomic>
#include <boost/asio/ip/address.hpp>
#include <boost/intrusive/list.hpp>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "balancer/selector.hpp"
#include "cache/cache.hpp"
#include "proxy/access_log.hpp"
#include "proxy/awaitable.hpp"
#include "proxy/client_connection.hpp"
#include "proxy/collapse.hpp"
#include "proxy/connection_pool.hpp"
#include "proxy/deadlines.hpp"
#include "proxy/http/content.hpp"
#include "proxy/http/spool.hpp"
#include "proxy/inbox.hpp"
#include "proxy/listener.hpp"
#include "proxy/metrics.hpp"
#include "proxy/read_buffer.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/task_group.hpp"

namespace weir::proxy {

// What all workers share. Owned by the server, which outlives them.
struct shared_services {
    cache::cache& cache;
    proxy::collapse& collapse;
    http::memory_budget& budget;                    // of memory for content on its way
    http::memory_budget& spool_space;               // of disk for it
    std::atomic<std::uint64_t> connections{0};      // of clients, over all workers
    std::atomic<std::uint64_t> max_connections{0};  // what a listener accepts at most
};

class worker {
  public:
    worker(std::uint32_t index, shared_services& services, std::shared_ptr<log_buffer> access_lines);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    // The control thread. Each takes effect on the worker's thread, in this order.
    void start();
    void apply(std::shared_ptr<const snapshot> next, std::vector<std::uint32_t> gone_endpoints);
    void open_listener(std::uint32_t id, listening_socket socket, std::function<worker&()> next_worker);
    void close_listener(std::uint32_t id);
    // No new connections, none kept alive; `done` is posted to by this worker's thread when its last connection has
    // ended.
    void drain(std::function<void()> done);
    void stop();  // at once; returns when the thread has ended
    // Any thread: a client that was accepted.
    void adopt(accepted_socket socket);

    std::uint32_t index() const { return index_; }
    worker_metrics& metrics() { return metrics_; }
    const worker_metrics& metrics() const { return metrics_; }
    proxy::inbox& inbox() { return inbox_; }

    // The worker's thread.
    asio::io_context& context() { return context_; }
    proxy::deadlines& deadlines() { return deadlines_; }
    task_group& tasks() { return tasks_; }
    connection_pool& pool() { return pool_; }
    cache::cache& cache() { return services_.cache; }
    proxy::collapse& collapse() { return services_.collapse; }
    http::memory_budget& budget() { return services_.budget; }
    // Null while buffering.spool_max is off.
    http::spool* spool() { return current_->settings.buffering.spool_max_bytes ? &spool_ : nullptr; }
    const http::spool& spool_use() const { return spool_; }  // any thread
    proxy::access_log& access_log() { return access_log_; }
    const std::shared_ptr<const snapshot>& current() const { return current_; }
    bool draining() const { return draining_; }

    std::unique_ptr<request_context> take_request_context() { return contexts_.take(); }
    void give_back(std::unique_ptr<request_context> c) { contexts_.give_back(std::move(c)); }
    // How many connections' loops are under way on the stack, one within the other.
    unsigned& nested_loops() { return nested_loops_; }
    std::unique_ptr<read_buffer> take_buffer() { return buffers_.take(); }
    void give_back_buffer(std::unique_ptr<read_buffer> b) { buffers_.give_back(std::move(b)); }
    std::unique_ptr<exchange_memory> take_exchange_memory() { return exchange_memories_.take(); }
    void give_back(std::unique_ptr<exchange_memory> m) { exchange_memories_.give_back(std::move(m)); }

    // The endpoint for the next attempt, with a slot of it.
    balancer::choice choose(const balancer::upstream& upstream, std::span<const std::uint32_t> tried,
                            const balancer::affinity& request);
    // 32 hexadecimal digits, unpredictable enough to be unique.
    void write_request_id(std::string& out);
    // A task that no connection waited for has ended.
    void task_ended() { maybe_drained(); }
    // `connection` has ended: destroys it.
    void remove(client_connection& connection);

  private:
    void run();
    void take(accepted_socket socket);
    void refuse(accepted_socket socket);
    void sweep();
    void maybe_drained();

    const std::uint32_t index_;
    shared_services& services_;
    http::spool spool_;  // outlives the coroutines in context_, whose content lies in it
    asio::io_context context_;
    asio::executor_work_guard<executor> stay_;
    proxy::inbox inbox_;
    proxy::deadlines deadlines_;
    task_group tasks_;
    unsigned nested_loops_ = 0;
    free_list<request_context> contexts_;
    free_list<read_buffer> buffers_;
    free_list<exchange_memory> exchange_memories_;
    connection_pool pool_;
    std::vector<balancer::selector> selectors_;  // by upstream id
    std::shared_ptr<const snapshot> current_;
    boost::intrusive::list<client_connection, boost::intrusive::base_hook<connection_hook>> connections_;
    std::vector<std::unique_ptr<listener>> listeners_;
    asio::basic_waitable_timer<steady, asio::wait_traits<steady>, executor> sweep_timer_;
    proxy::access_log access_log_;
    std::mt19937_64 random_;
    bool draining_ = false;
    std::function<void()> drained_;
    worker_metrics metrics_;
    std::thread thread_;
};

}  // namespace weir::proxy
