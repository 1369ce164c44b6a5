// The control thread: owns the workers, the cache, the upstreams, the listeners and the signals; starts, reloads,
// drains and stops.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cache/cache.hpp"
#include "conf/settings.hpp"
#include "proxy/admin.hpp"
#include "proxy/health_watch.hpp"
#include "proxy/http/content.hpp"
#include "proxy/limits.hpp"
#include "proxy/listener.hpp"
#include "proxy/log_writer.hpp"
#include "proxy/resolver.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/upstream_registry.hpp"
#include "proxy/worker.hpp"

namespace weir::proxy {

// What came of loading the configuration again.
struct reload_source {
    std::optional<conf::settings> settings;
    std::vector<std::string> faults;  // where there are no settings
    std::vector<std::string> warnings;
};

class server {
  public:
    // `load` is asked for the configuration at each reload.
    server(conf::settings settings, std::function<reload_source()> load);
    ~server();

    // Serves until told to stop by a signal; the exit status.
    int run();

  private:
    struct open_listener {
        listening_socket socket;  // a worker's once it serves
        std::string bound;
        std::uint32_t id = 0;
        std::size_t worker = 0;
    };
    using listeners = std::map<std::string, open_listener>;  // by configured address

    // A configuration that can be had, before anybody sees it.
    struct configuration {
        conf::settings settings;
        std::map<std::string, upstream_in_use> upstreams;
        listeners opened;  // those that it adds
    };

    bool start();
    bool prepare(conf::settings next, std::string& why);
    void commit();
    bool open_missing_listeners(const conf::settings& settings, listeners& opened, std::string& why);
    void serve_listeners(listeners& opened);
    void forget_listener(const open_listener& listener, const std::string& address, bool serving);
    void await_signal();
    void on_signal(int signal);
    void reload();
    void apply(configuration next);
    std::shared_ptr<cache::memcached_tier> first_tier(const conf::cache_settings& settings);
    bool apply_admin(const conf::settings& next, std::string& why);
    void raise_descriptor_limit();
    void set_connection_limit(const conf::settings& settings);
    void drain();
    void drain_workers();
    void finish(bool clean);
    server_status gather() const;
    admin_calls admin_calls_of_this();
    admin_calls::changed change(const hand_change& what);
    admin_calls::changed purge(std::string_view content);

    std::function<reload_source()> load_;
    std::shared_ptr<const snapshot> current_;
    conf::settings first_;  // what start() begins with
    // As it was at the start: what is free later lacks what weir itself holds by then, and reading all of it at each
    // reload took a quarter of a millisecond from whoever shares the core.
    machine machine_;
    asio::io_context context_{1};
    asio::signal_set signals_;
    asio::steady_timer drain_timer_;
    log_writer logs_;
    cache::cache cache_;
    proxy::collapse collapse_;
    http::memory_budget budget_;
    http::memory_budget spool_space_;
    shared_services services_;
    std::vector<std::unique_ptr<worker>> workers_;
    std::atomic<std::size_t> turn_{0};  // the worker for the next connection
    upstream_registry registry_;
    resolver resolver_;
    health_watch health_;
    admin admin_;
    listeners listeners_;
    std::uint32_t next_listener_ = 0;
    std::uint64_t generation_ = 0;
    std::optional<configuration> pending_;  // waits for names to be looked up
    bool reload_again_ = false;
    bool last_reload_failed_ = false;
    bool draining_ = false;
    std::size_t workers_draining_ = 0;
    std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
    std::chrono::system_clock::time_point loaded_ = started_;
    int exit_status_ = 0;
};

}  // namespace weir::proxy
