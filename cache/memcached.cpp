#include "cache/memcached.hpp"

#include <utility>

#include "cache/memcached_asking_lane.hpp"
#include "cache/memcached_storing_lane.hpp"

namespace weir::cache {

struct memcached::server {
    explicit server(std::shared_ptr<memcached_peer> shared)
        : peer(std::move(shared)),
          asking(std::make_shared<memcached_asking_lane>(peer)),
          storing(std::make_shared<memcached_storing_lane>(peer)) {}

    std::shared_ptr<memcached_peer> peer;
    std::shared_ptr<memcached_asking_lane> asking;
    std::shared_ptr<memcached_storing_lane> storing;
};

memcached::memcached(const conf::memcached_settings& settings, observer observe) : ring_(settings.servers) {
    for (const auto& address : settings.servers) {
        servers_.push_back(
            std::make_unique<server>(std::make_shared<memcached_peer>(address, settings.timeout, observe)));
    }
    try {
        for (const auto& one : servers_) {
            one->asking->start();
            one->storing->start();
        }
    } catch (...) {
        stop();
        throw;
    }
}

memcached::~memcached() {
    stop();
}

void memcached::stop() {
    for (const auto& one : servers_) {
        one->asking->begin_to_stop();
        one->storing->begin_to_stop();
    }
    // All lanes have the time from then on, so together they take no longer than one.
    for (const auto& one : servers_) {
        one->asking->finish_stopping();
        one->storing->finish_stopping();
        one->peer->be_silent();
    }
}

memcached::server& memcached::server_of(std::string_view route) {
    return *servers_[ring_.server_of(route)];
}

bool memcached::get(std::string_view route, std::vector<std::string> keys, std::shared_ptr<memcached_reader> reader) {
    return server_of(route).asking->get(std::move(keys), std::move(reader));
}

bool memcached::add(std::string_view route, memcached_item item, std::shared_ptr<memcached_reader> reader) {
    return server_of(route).asking->add(std::move(item), std::move(reader));
}

void memcached::store(std::string_view route, std::uint64_t size_hint_bytes, memcached_maker make) {
    server_of(route).storing->store(size_hint_bytes, std::move(make));
}

void memcached::remove(std::string_view route, std::string key) {
    server_of(route).storing->remove(std::move(key));
}

std::vector<memcached_counters> memcached::counters() const {
    std::vector<memcached_counters> all;
    for (const auto& one : servers_) {
        auto& its = all.emplace_back();
        its.server = one->peer->address.text;
        its.is_open = one->peer->breaker.is_open();
        its.since = one->peer->changed.load(std::memory_order_relaxed);
        its.opened = one->peer->opened.load(std::memory_order_relaxed);
        one->asking->tally().add_to(its);
        one->storing->tally().add_to(its);
    }
    return all;
}

}  // namespace weir::cache
