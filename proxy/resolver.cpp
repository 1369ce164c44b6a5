#include "proxy/resolver.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <set>
#include <utility>

#include "proxy/log.hpp"

namespace weir::proxy {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// What needs no lookup; nothing for a name.
std::optional<balancer::address_list> addresses_without_dns(const conf::address& where) {
    if (where.type == conf::address::kind::unix_path)
        return balancer::address_list{asio::local::stream_protocol::endpoint(where.path)};
    boost::system::error_code error;
    const auto ip = asio::ip::make_address(where.host, error);
    if (error) return std::nullopt;
    return balancer::address_list{tcp::endpoint(ip, where.port)};
}

}  // namespace

void resolver::watch(std::vector<std::shared_ptr<balancer::endpoint>> endpoints,
                     std::optional<std::chrono::milliseconds> refresh, std::chrono::milliseconds patience,
                     std::function<void()> ready) {
    named_.clear();
    refresh_ = refresh;
    ready_ = std::move(ready);
    awaited_.clear();
    for (const auto& endpoint : endpoints) {
        if (auto known = addresses_without_dns(endpoint->address())) {
            if (!endpoint->resolved())
                endpoint->set_addresses(std::make_shared<const balancer::address_list>(std::move(*known)));
            continue;
        }
        named_.push_back(endpoint);
        if (!endpoint->resolved()) awaited_.insert(endpoint->address().host);
    }
    for (const std::string& host : awaited_) look_up(host);
    schedule_refresh();
    if (awaited_.empty()) return be_ready();
    first_timer_.expires_after(patience);
    first_timer_.async_wait([this](boost::system::error_code error) {
        if (!error) be_ready();
    });
}

void resolver::stop() {
    ready_ = nullptr;
    refresh_timer_.cancel();
    first_timer_.cancel();
    resolver_.cancel();
}

void resolver::be_ready() {
    first_timer_.cancel();
    if (ready_) std::exchange(ready_, nullptr)();
}

void resolver::look_up(const std::string& host) {
    if (std::exchange(pending_[host], true)) return;
    resolver_.async_resolve(host, "", tcp::resolver::numeric_service,
                            [this, host](boost::system::error_code error, const tcp::resolver::results_type& results) {
                                pending_.erase(host);
                                if (error != asio::error::operation_aborted) found(host, error, results);
                            });
}

void resolver::found(const std::string& host, boost::system::error_code error,
                     const tcp::resolver::results_type& results) {
    const bool failed = error || results.empty();
    if (std::exchange(failing_[host], failed) != failed) {
        if (failed) {
            log::warning("{} does not resolve: {}", host, error ? error.message() : "no address");
        } else {
            log::info("{} resolves", host);
        }
    }
    for (const auto& endpoint : named_) {
        if (failed || endpoint->address().host != host) continue;
        balancer::address_list addresses;
        for (const auto& entry : results)
            addresses.push_back(tcp::endpoint(entry.endpoint().address(), endpoint->address().port));
        const auto before = endpoint->addresses();
        if (!before || *before != addresses)
            endpoint->set_addresses(std::make_shared<const balancer::address_list>(std::move(addresses)));
    }
    if (awaited_.erase(host) > 0 && awaited_.empty()) be_ready();
}

void resolver::schedule_refresh() {
    refresh_timer_.cancel();
    if (!refresh_ || named_.empty()) return;
    refresh_timer_.expires_after(*refresh_);
    refresh_timer_.async_wait([this](boost::system::error_code error) {
        if (error) return;
        std::set<std::string> hosts;
        for (const auto& endpoint : named_) hosts.insert(endpoint->address().host);
        for (const std::string& host : hosts) look_up(host);
        schedule_refresh();
    });
}

}  // namespace weir::proxy
