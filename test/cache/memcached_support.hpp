// What the tests of the memcached tier share.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cache/memcached.hpp"
#include "test/support/memcached_process.hpp"
#include "test/support/patience.hpp"

namespace weir::test {

// Far more than a server on this machine takes, so that nothing but a fault makes a call fail.
inline constexpr std::chrono::seconds ample{5};

inline conf::memcached_server_address address_of(const memcached_process& server) {
    return {server.address(), server.host(), server.port(), server.path()};
}

inline conf::memcached_settings settings_for(std::vector<conf::memcached_server_address> servers,
                                             std::chrono::milliseconds timeout = ample) {
    conf::memcached_settings settings;
    settings.servers = std::move(servers);
    settings.timeout = timeout;
    return settings;
}

// Keeps what it is given, for a test to wait for.
class keeping_reader final : public cache::memcached_reader {
  public:
    void finish(std::vector<cache::memcached_value> got) noexcept override {
        const std::lock_guard hold(mutex_);
        got_ = std::move(got);
        ++times_;
        finished_.notify_all();
    }
    // Throws timed_out.
    std::vector<cache::memcached_value> wait() {
        std::unique_lock hold(mutex_);
        if (!finished_.wait_for(hold, patience, [this] { return times_ > 0; })) throw timed_out("no answer came");
        return got_;
    }
    // Of the first value.
    cache::memcached_value::outcome outcome() { return wait().at(0).what; }
    int times() {
        const std::lock_guard hold(mutex_);
        return times_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable finished_;
    std::vector<cache::memcached_value> got_;
    int times_ = 0;
};

inline std::shared_ptr<keeping_reader> ask(cache::memcached& tier, const std::string& key) {
    auto reader = std::make_shared<keeping_reader>();
    return tier.get(key, {key}, reader) ? reader : nullptr;
}

// Waits until all that was stored and removed before has been done: a store of its own is.
inline void settle(cache::memcached& tier, const std::string& route) {
    auto done = std::make_shared<gate>();
    tier.store(route, 0, [done] {
        done->open();
        return std::vector<cache::memcached_item>{};
    });
    done->wait();
}

}  // namespace weir::test
