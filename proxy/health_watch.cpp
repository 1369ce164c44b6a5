#include "proxy/health_watch.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <utility>
#include <vector>

#include "balancer/health.hpp"
#include "proxy/health_check.hpp"
#include "proxy/log.hpp"
#include "proxy/shortage.hpp"
#include "proxy/time_text.hpp"

namespace weir::proxy {

namespace {

using balancer::clock;
using balancer::out_of_use;
using timer_type = asio::basic_waitable_timer<clock, asio::wait_traits<clock>, executor>;

constexpr std::chrono::milliseconds between_ticks{100};

}  // namespace

// Shared with its coroutine, which may end a moment after the watch has let go of it.
struct health_watch::checked {
    checked(asio::io_context& control, std::shared_ptr<const balancer::upstream> of,
            std::shared_ptr<balancer::endpoint> to)
        : upstream(std::move(of)), endpoint(std::move(to)), timer(control) {
        begin_soon();
    }

    const conf::health_settings& settings() const { return *upstream->settings.health; }
    void begin_soon() {
        due = clock::now() + first_check_after(endpoint->id(), settings().interval);
        timer.cancel();
    }
    asio_awaitable<void> check();
    void note(const std::string& fault);

    std::shared_ptr<const balancer::upstream> upstream;  // of the present configuration
    const std::shared_ptr<balancer::endpoint> endpoint;
    timer_type timer;
    clock::time_point due;  // when the next check begins
    balancer::health verdict;
    checks_status status;
    std::string down_why;
    bool stopped = false;
};

// Asks once and notes what comes of it. Throws bad_alloc.
asio_awaitable<void> health_watch::checked::check() {
    const auto addresses = endpoint->addresses();
    if (!addresses || addresses->empty()) co_return;  // that is said and known without a check
    const auto asked_for = upstream;
    status.started = status.done + 1;  // also after one that counted for nothing
    question what{.to = *addresses,
                  .request = check_request(asked_for->settings, endpoint->address()),
                  .timeout = asked_for->settings.health->timeout};
    const reply answer = co_await ask(std::move(what));
    // A result under other settings says nothing of the present ones.
    if (stopped || settings() != *asked_for->settings.health) co_return;
    if (answer.shortage != 0) {
        static shortage_log said("servers cannot be checked, and keep the state they have");
        said.say(answer.shortage);
        co_return;
    }
    note(fault_of(answer, settings()));
}

void health_watch::checked::note(const std::string& fault) {
    ++status.done;
    status.fault = fault;
    const auto change = fault.empty() ? verdict.passed(settings()) : verdict.failed(settings(), fault);
    if (!change) return;
    const auto now = clock::now();
    endpoint->set(out_of_use::unhealthy, !change->up, now);
    down_why = change->up ? std::string() : change->reason;
    if (change->up) {
        log::info("{}: {} is up: {}", upstream->name, endpoint->name(), change->reason);
    } else {
        log::warning("{}: {} is down: {}", upstream->name, endpoint->name(), change->reason);
    }
    // Who waits may go to it now, or to those that stand in for it.
    balancer::offer_free_slots(*upstream, now);
}

health_watch::health_watch(asio::io_context& control) : control_(control), tasks_(control), tick_timer_(control) {}

health_watch::~health_watch() {
    stop();
}

void health_watch::watch(const std::map<std::string, upstream_in_use>& upstreams) {
    std::map<std::uint32_t, watched> before = std::exchange(watched_, {});
    std::map<std::uint32_t, std::shared_ptr<checked>> checked_before = std::exchange(checked_, {});
    for (const auto& [name, used] : upstreams) {
        const auto& upstream = used.upstream;
        watched& own = watched_[upstream->id] = std::move(before[upstream->id]);
        own.upstream = upstream;
        if (!upstream->settings.health) continue;
        for (const auto& member : upstream->members) {
            const auto known = checked_before.find(member.endpoint->id());
            if (known != checked_before.end()) {
                checked_.insert(checked_before.extract(known));
            }
            watch_endpoint(upstream, member.endpoint);
        }
    }
    for (const auto& [id, gone] : checked_before) {
        gone->stopped = true;
        gone->timer.cancel();
        gone->endpoint->set(out_of_use::unhealthy, false, clock::now());
    }
    const auto gone = [&](std::uint32_t id) {
        return std::ranges::none_of(watched_, [&](const auto& w) {
            return std::ranges::any_of(w.second.upstream->members,
                                       [&](const auto& m) { return m.endpoint->id() == id; });
        });
    };
    std::erase_if(ejected_why_, [&](const auto& known) { return gone(known.first); });
    std::erase_if(resting_, gone);
    schedule_tick();
}

void health_watch::watch_endpoint(const std::shared_ptr<const balancer::upstream>& upstream,
                                  const std::shared_ptr<balancer::endpoint>& endpoint) {
    std::shared_ptr<checked>& own = checked_[endpoint->id()];
    if (!own) {
        own = std::make_shared<checked>(control_, upstream, endpoint);
        tasks_.spawn(run_checks(own));
        return;
    }
    const bool otherwise = own->settings() != *upstream->settings.health;
    own->upstream = upstream;
    if (otherwise) own->begin_soon();
}

void health_watch::stop() {
    for (const auto& [id, one] : checked_) {
        one->stopped = true;
        one->timer.cancel();
    }
    checked_.clear();
    watched_.clear();
    tick_timer_.cancel();
}

asio_awaitable<void> health_watch::run_checks(std::shared_ptr<checked> self) {
    while (!self->stopped) {
        if (clock::now() < self->due) {
            self->timer.expires_at(self->due);
            [[maybe_unused]] const auto [cancelled] = co_await self->timer.async_wait(as_values);
            continue;
        }
        self->due = clock::now() + next_check_after(self->endpoint->id(), self->settings().interval);
        try {
            co_await self->check();
        } catch (const std::exception& e) {
            // Want of memory, most likely. It passes, but a loop that it ended would never check again.
            log::error("{}: {} was not checked: {}", self->upstream->name, self->endpoint->name(), e.what());
        }
    }
}

void health_watch::schedule_tick() {
    tick_timer_.expires_after(between_ticks);
    tick_timer_.async_wait([this](boost::system::error_code error) {
        if (error || watched_.empty()) return;
        schedule_tick();
        tick();
    });
}

void health_watch::tick() {
    const auto now = clock::now();
    for (auto& [id, one] : watched_) {
        eject(one, now);
        note_rest(one, now);
        const balancer::upstream& upstream = *one.upstream;
        const bool up = std::ranges::any_of(upstream.members, [](const auto& m) { return m.endpoint->in_use(); });
        if (up != std::exchange(one.any_up, up)) {
            up ? log::info("{}: a server is up again", upstream.name)
               : log::error("{}: no server is up; those that nobody took out by hand are tried", upstream.name);
        }
        // Endpoints also come into use without anybody's doing: one that refused is passed over for a second only, and
        // a name resolves at last.
        if (upstream.queue->waiting() != 0) balancer::offer_free_slots(upstream, now);
    }
}

void health_watch::eject(watched& one, clock::time_point now) {
    const balancer::upstream& upstream = *one.upstream;
    std::vector<balancer::outlier::standing> standings;
    for (const auto& m : upstream.members) standings.push_back({m.endpoint->id(), m.endpoint->failures.load()});
    for (const auto& change : one.failures.update(upstream.settings.eject, standings, now)) {
        const auto member =
            std::ranges::find(upstream.members, change.id, [](const auto& m) { return m.endpoint->id(); });
        if (member == upstream.members.end()) continue;
        balancer::endpoint& endpoint = *member->endpoint;
        endpoint.set(out_of_use::ejected, change.ejected, now);
        if (change.ejected) {
            ejected_why_[change.id] = change.reason;
            log::warning("{}: {} is ejected for {}: {}", upstream.name, endpoint.name(), duration_text(change.lasts),
                         change.reason);
        } else {
            ejected_why_.erase(change.id);
            log::info("{}: {} takes requests again: {}", upstream.name, endpoint.name(), change.reason);
        }
    }
}

void health_watch::note_rest(const watched& one, clock::time_point now) {
    for (const auto& m : one.upstream->members) {
        const balancer::endpoint& endpoint = *m.endpoint;
        if (endpoint.rests(now)) {
            if (resting_.insert(endpoint.id()).second)
                log::info("{}: {} rests: it answered 503", one.upstream->name, endpoint.name());
        } else if (resting_.erase(endpoint.id()) != 0) {
            log::info("{}: {} gets its share again", one.upstream->name, endpoint.name());
        }
    }
}

endpoint_notes health_watch::notes(std::uint32_t endpoint_id) const {
    endpoint_notes out;
    if (const auto found = checked_.find(endpoint_id); found != checked_.end()) {
        out.checks = found->second->status;
        out.down_why = found->second->down_why;
    }
    if (const auto found = ejected_why_.find(endpoint_id); found != ejected_why_.end()) out.ejected_why = found->second;
    return out;
}

}  // namespace weir::proxy
