#include "proxy/server.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "proxy/changes.hpp"
#include "proxy/doctor.hpp"
#include "proxy/log.hpp"
#include "proxy/notify.hpp"
#include "proxy/purge_request.hpp"

namespace weir::proxy {

namespace {

// How long start and reload wait for names that are new; those that take longer are down until they resolve.
constexpr std::chrono::milliseconds name_patience{2000};

std::size_t worker_count(const conf::settings& settings) {
    if (settings.workers) return *settings.workers;
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
    return static_cast<std::size_t>(std::max(1, CPU_COUNT(&allowed)));
}

}  // namespace

server::server(conf::settings settings, std::function<reload_source()> load)
    : load_(std::move(load)),
      first_(std::move(settings)),
      signals_(context_),
      drain_timer_(context_),
      logs_([](const std::string& what) { log::error("{}", what); }),
      cache_(first_.cache),
      budget_(first_.buffering.memory_max_bytes),
      services_{.cache = cache_, .collapse = collapse_, .budget = budget_, .spool_space = spool_space_},
      registry_(worker_count(first_)),
      resolver_(context_),
      health_(context_),
      admin_(context_, admin_calls_of_this()) {
    for (std::size_t i = 0; i < worker_count(first_); ++i) {
        workers_.push_back(std::make_unique<worker>(static_cast<std::uint32_t>(i), services_, logs_.access_buffer()));
    }
}

server::~server() {
    for (const auto& [address, listener] : listeners_) forget_listener(listener, address, true);
    // The last who use the cache.
    workers_.clear();
    current_.reset();
}

int server::run() {
    if (!start()) {
        log::stop();
        logs_.stop();
        return 1;
    }
    for (;;) {
        try {
            context_.run();
            return exit_status_;
        } catch (const std::exception& e) {
            if (!current_) throw;  // it serves nobody yet, and never would
            log::error("internal error: {}", e.what());
        }
    }
}

bool server::start() {
    ::signal(SIGPIPE, SIG_IGN);
    if (const auto why = logs_.reconfigure(first_.log)) {
        log::error("{}", *why);
        return false;
    }
    log::start(logs_.error_buffer(), first_.log.level);
    raise_descriptor_limit();
    machine_ = read_machine(first_);
    warn_of_limits(first_, machine_);

    std::string why;
    if (!prepare(std::move(first_), why)) {
        log::error("{}", why);
        return false;
    }
    await_signal();
    return true;
}

// Everything of `next` that may fail; what does not is committed when its names were looked up.
bool server::prepare(conf::settings next, std::string& why) {
    listeners opened;
    if (!open_missing_listeners(next, opened, why) || !apply_admin(next, why)) {
        for (const auto& [address, listener] : opened) forget_listener(listener, address, false);
        return false;
    }
    auto upstreams = registry_.make(next);
    const auto refresh = next.dns.refresh;
    const auto endpoints = all_endpoints(upstreams);
    pending_ = {.settings = std::move(next), .upstreams = std::move(upstreams), .opened = std::move(opened)};
    resolver_.watch(endpoints, refresh, name_patience, [this] { asio::post(context_, [this] { commit(); }); });
    return true;
}

void server::commit() {
    if (!pending_) return;  // told to stop meanwhile
    configuration next = std::move(*pending_);
    pending_.reset();
    if (!current_) {
        for (const auto& worker : workers_) worker->start();
    }
    apply(std::move(next));
    notify::ready();
    if (std::exchange(reload_again_, false)) reload();
}

bool server::open_missing_listeners(const conf::settings& settings, listeners& opened, std::string& why) {
    for (const conf::listen_address& where : settings.listen) {
        const bool is_unix = where.address.type == conf::address::kind::unix_path;
        if (listeners_.contains(where.address.text)) {
            if (is_unix && where.mode) ::chmod(where.address.path.c_str(), *where.mode);
            continue;
        }
        const listening_socket socket = open_listening_socket(where, why);
        if (socket.descriptor < 0) {
            const std::string port = ":" + std::to_string(where.address.port);
            for (const auto& [address, own] : listeners_) {
                if (!is_unix && address.ends_with(port))
                    why += "; weir itself listens on " + address + ", and going over takes a restart";
            }
            return false;
        }
        opened[where.address.text] = {.socket = socket, .bound = bound_text(socket, where)};
    }
    return true;
}

void server::serve_listeners(listeners& opened) {
    for (auto& [address, listener] : opened) {
        listener.id = next_listener_++;
        listener.worker = listener.id % workers_.size();
        workers_[listener.worker]->open_listener(listener.id, listener.socket, [this]() -> worker& {
            return *workers_[turn_.fetch_add(1, std::memory_order_relaxed) % workers_.size()];
        });
        log::info("listening on {}", listener.bound);
        listeners_[address] = listener;
    }
}

// `serving`: the worker that has it closes it.
void server::forget_listener(const open_listener& listener, const std::string& address, bool serving) {
    if (serving) {
        workers_[listener.worker]->close_listener(listener.id);
    } else {
        ::close(listener.socket.descriptor);
    }
    if (address.starts_with("unix:")) ::unlink(address.substr(5).c_str());
}

bool server::apply_admin(const conf::settings& next, std::string& why) {
    const auto& wanted = next.admin.listen;
    if (current_ && current_->settings.admin.listen == wanted) return true;
    if (!wanted) {
        admin_.close();
        return true;
    }
    if (const auto failed = admin_.open(*wanted)) {
        why = *failed;
        return false;
    }
    log::info("admin on {}", admin_.bound()->text);
    return true;
}

// As many as the system lets us have: each client is one, and so is each connection to an endpoint.
void server::raise_descriptor_limit() {
    rlimit limit;
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void server::set_connection_limit(const conf::settings& settings) {
    rlimit limit{1024, 1024};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const std::uint64_t descriptors = limit.rlim_cur == RLIM_INFINITY ? UINT32_MAX : limit.rlim_cur;
    services_.max_connections.store(settings.client.max_connections.value_or(clients_within(descriptors)));
}

void server::await_signal() {
    for (const int signal : {SIGHUP, SIGTERM, SIGINT, SIGUSR1}) signals_.add(signal);
    const auto wait = [this](auto self) -> void {
        signals_.async_wait([this, self](boost::system::error_code error, int signal) {
            if (error) return;
            self(self);
            on_signal(signal);
        });
    };
    wait(wait);
}

void server::on_signal(int signal) {
    switch (signal) {
        case SIGHUP:
            reload();
            break;
        case SIGUSR1:
            logs_.reopen();
            log::info("logs reopened");
            break;
        default:
            draining_ ? finish(false) : drain();
    }
}

void server::reload() {
    if (draining_) return;
    if (pending_) {
        reload_again_ = true;
        return;
    }
    notify::reloading();
    reload_source loaded = load_();
    for (const std::string& warning : loaded.warnings) log::warning("{}", warning);
    const auto refuse = [this](const std::string& why) {
        log::error("not reloaded: {}", why);
        last_reload_failed_ = true;
        notify::ready();
    };
    if (!loaded.settings) {
        for (const std::string& fault : loaded.faults) log::error("{}", fault);
        return refuse("the configuration has faults; serving goes on with the one before");
    }
    std::string why;
    if (const auto failed = logs_.reconfigure(loaded.settings->log)) return refuse(*failed);
    if (!prepare(std::move(*loaded.settings), why)) {
        logs_.reconfigure(current_->settings.log);
        return refuse(why);
    }
}

// From here on the next request of every worker sees `next`; those under way keep what they started with.
void server::apply(configuration next) {
    const std::shared_ptr<const snapshot> before = current_;
    std::shared_ptr<cache::memcached_tier> tier = before ? before->tier : first_tier(next.settings.cache);
    current_ = make_snapshot(++generation_, std::move(next.settings), std::move(next.upstreams), std::move(tier));
    const conf::settings& settings = current_->settings;
    log::set_level(settings.log.level);
    budget_.set_limit(settings.buffering.memory_max_bytes);
    spool_space_.set_limit(settings.buffering.spool_max_bytes.value_or(0));
    cache_.apply(settings.cache);
    set_connection_limit(settings);
    const std::vector<std::uint32_t> gone = registry_.put_to_use(current_->upstreams);
    health_.watch(current_->upstreams);
    for (const auto& worker : workers_) worker->apply(current_, gone);
    serve_listeners(next.opened);
    for (auto listener = listeners_.begin(); listener != listeners_.end();) {
        const bool stays =
            std::any_of(settings.listen.begin(), settings.listen.end(),
                        [&](const conf::listen_address& where) { return where.address.text == listener->first; });
        if (!stays) {
            forget_listener(listener->second, listener->first, true);
            log::info("no longer listening on {}", listener->second.bound);
        }
        listener = stays ? std::next(listener) : listeners_.erase(listener);
    }
    last_reload_failed_ = false;
    loaded_ = std::chrono::system_clock::now();
    if (before) {
        read_spool(settings.buffering, machine_);
        warn_of_limits(settings, machine_);
        log::info("reloaded: generation {}: {}", generation_, describe_changes(before->settings, settings));
        if (before->settings.workers != settings.workers) log::warning("workers changed: that takes a restart");
        if (before->settings.cache.eviction != settings.cache.eviction)
            log::warning("cache.eviction changed: that takes a restart");
        if (before->settings.cache.memcached != settings.cache.memcached)
            log::warning("cache.memcached changed: that takes a restart");
    }
}

// It stays to the end: what was purged here is known to those who have followed the log from their start on.
std::shared_ptr<cache::memcached_tier> server::first_tier(const conf::cache_settings& settings) {
    if (!settings.memcached) return nullptr;
    return std::make_shared<cache::memcached_tier>(*settings.memcached, cache_.purges(),
                                                   [](const std::string& what) { log::warning("{}", what); });
}

void server::drain() {
    draining_ = true;
    notify::stopping();
    log::info("stopping: no new connections; exchanges in progress have {} ms",
              current_ ? current_->settings.drain_timeout.count() : 0);
    resolver_.stop();
    if (pending_) {
        for (const auto& [address, listener] : pending_->opened) forget_listener(listener, address, false);
        pending_.reset();
    }
    if (!current_) return finish(true);
    for (const auto& [address, listener] : listeners_) forget_listener(listener, address, true);
    listeners_.clear();
    drain_workers();
    drain_timer_.expires_after(current_->settings.drain_timeout);
    drain_timer_.async_wait([this](boost::system::error_code error) {
        if (!error) finish(false);
    });
}

void server::drain_workers() {
    workers_draining_ = workers_.size();
    for (const auto& worker : workers_) {
        worker->drain([this] {
            asio::post(context_, [this] {
                if (--workers_draining_ != 0) return;
                // A listener that closed may have given a connection to a worker that had nothing left.
                if (services_.connections.load() != 0) return drain_workers();
                finish(true);
            });
        });
    }
}

// `clean`: nothing is under way any more. Otherwise what is under way ends with the process, as a lookup in getaddrinfo
// does.
void server::finish(bool clean) {
    if (!clean) log::warning("stopped with exchanges in progress");
    log::info("stopped");
    admin_.close();
    health_.stop();
    const bool tier_ended = !current_ || !current_->tier || current_->tier->stop();
    if (!clean || !tier_ended || resolver_.busy() || services_.connections.load() != 0) {
        logs_.stop();
        ::_exit(exit_status_);
    }
    for (const auto& worker : workers_) worker->stop();
    log::stop();
    logs_.stop();
    context_.stop();
}

server_status server::gather() const {
    server_status status;
    status.version = WEIR_VERSION;
    status.started = started_;
    status.uptime = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now() - started_);
    status.generation = generation_;
    status.loaded = loaded_;
    status.last_reload_failed = last_reload_failed_;
    status.workers = static_cast<unsigned>(workers_.size());
    status.draining = draining_;
    status.buffer_bytes = budget_.used();
    status.access_lines_lost = logs_.access_lines_lost();
    status.error_lines_lost = logs_.error_lines_lost();
    for (const auto& worker : workers_) status.worker_metrics.push_back(&std::as_const(*worker).metrics());
    const auto use = cache_.use();
    status.cache = {.bytes = use.bytes,
                    .limit_bytes = use.limit_bytes,
                    .responses = use.responses,
                    .evictions = use.evictions,
                    .purges = cache_.purges().now()};
    if (!current_) return status;
    if (current_->tier) {
        status.memcached = current_->tier->counters();
        status.purge_log = current_->tier->purge_log_state();
    }
    status.buffer_limit_bytes = current_->settings.buffering.memory_max_bytes;
    status.spool_limit_bytes = current_->settings.buffering.spool_max_bytes.value_or(0);
    for (const auto& worker : workers_) {
        status.spool_bytes += worker->spool_use().bytes_in_use();
        status.spool_written_bytes += worker->spool_use().bytes_written();
    }
    const auto now = steady::now();
    for (const auto& [name, used] : current_->upstreams) {
        upstream_status& one = status.upstreams.emplace_back(describe(*used.upstream, *used.counters));
        for (const auto& member : used.upstream->members)
            one.endpoints.push_back(describe(member, health_.notes(member.endpoint->id()), now));
    }
    return status;
}

admin_calls server::admin_calls_of_this() {
    return {.gather = [this] { return gather(); },
            .change = [this](const hand_change& what) { return change(what); },
            .purge = [this](std::string_view content) { return purge(content); },
            .token = [this] { return current_ ? current_->settings.admin.token : std::nullopt; }};
}

admin_calls::changed server::change(const hand_change& what) {
    static const std::map<std::string, upstream_in_use> none_yet;
    const auto now = steady::now();
    const hand_result done = change_by_hand(what, current_ ? current_->upstreams : none_yet, now);
    if (!done.member) return {.json = {}, .why_not = done.why};
    const endpoint_status of = describe(*done.member, health_.notes(done.member->endpoint->id()), now);
    return {.json = to_json(done.upstream->name, of), .why_not = {}};
}

admin_calls::changed server::purge(std::string_view content) {
    static const snapshot none_yet;
    std::string why;
    const auto order = parse_purge(content, current_ ? *current_ : none_yet, why);
    if (!order) return {.json = {}, .why_not = why};
    return {.json = carry_out(*order, cache_.purges()), .why_not = {}};
}

}  // namespace weir::proxy
