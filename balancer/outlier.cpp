#include "balancer/outlier.hpp"

#include <algorithm>

namespace weir::balancer {

namespace {

constexpr unsigned longest_times = 10;

std::string text_of(std::chrono::milliseconds time) {
    return time.count() % 1000 == 0 ? std::to_string(time.count() / 1000) + "s" : std::to_string(time.count()) + "ms";
}

std::string reason_of(std::uint64_t failures, std::chrono::milliseconds window) {
    return std::to_string(failures) + (failures == 1 ? " failure in " : " failures in ") + text_of(window);
}

std::size_t most_ejected(const conf::eject_settings& settings, std::size_t endpoints) {
    if (endpoints < 2 || settings.max_ejected_percent == 0) return 0;
    return std::max<std::size_t>(1, endpoints * settings.max_ejected_percent / 100);
}

}  // namespace

std::vector<outlier::change> outlier::update(const std::optional<conf::eject_settings>& settings,
                                             std::span<const standing> endpoints, clock::time_point now) {
    std::vector<change> changes;
    if (!settings) {
        for (const standing& s : endpoints) {
            const auto found = records_.find(s.id);
            if (found != records_.end() && found->second.back) changes.push_back({s.id, false, "ejection is off"});
        }
        records_.clear();
        return changes;
    }
    for (const standing& s : endpoints) {
        const auto [found, added] = records_.try_emplace(s.id);
        record& own = found->second;
        if (added) own.counted = s.failures;
        count(own, s.failures, *settings, now);
        if (own.back && now >= *own.back) {
            own.back.reset();
            own.calm_since = now;
            changes.push_back({s.id, false, "its time is over"});
        } else if (!own.back && own.times > 0 && now - own.calm_since >= settings->duration * own.times) {
            --own.times;
            own.calm_since = now;
        }
    }
    if (records_.size() > endpoints.size()) forget_absent(endpoints);
    const std::size_t most = most_ejected(*settings, endpoints.size());
    std::size_t ejected = end_excess(most, now, changes);
    for (const standing& s : endpoints) {
        record& own = records_[s.id];
        if (own.back || own.in_window < settings->failures) continue;
        if (ejected >= most) break;
        ++ejected;
        own.times = std::min(own.times + 1, longest_times);
        const std::chrono::milliseconds lasts = settings->duration * own.times;
        own.back = now + lasts;
        changes.push_back({s.id, true, reason_of(own.in_window, settings->window), lasts});
        own.recent.clear();
        own.in_window = 0;
    }
    return changes;
}

std::size_t outlier::end_excess(std::size_t most, clock::time_point now, std::vector<change>& changes) {
    std::vector<std::pair<clock::time_point, std::uint32_t>> ejected;
    for (const auto& [id, known] : records_) {
        if (known.back) ejected.emplace_back(*known.back, id);
    }
    if (ejected.size() <= most) return ejected.size();
    std::ranges::sort(ejected);
    ejected.resize(ejected.size() - most);
    for (const auto& [back, id] : ejected) {
        record& own = records_[id];
        own.back.reset();
        own.calm_since = now;
        changes.push_back({id, false, "too many are ejected"});
    }
    return most;
}

void outlier::count(record& one, std::uint64_t failures, const conf::eject_settings& settings, clock::time_point now) {
    const std::uint64_t more = failures - one.counted;
    one.counted = failures;
    // What an ejected one still gets was sent before, or for want of another: it is no news.
    if (one.back) return;
    if (more > 0) one.recent.push_back({now, more});
    one.in_window += more;
    while (!one.recent.empty() && (now - one.recent.front().at > settings.window ||
                                   one.in_window - one.recent.front().failures >= settings.failures)) {
        one.in_window -= one.recent.front().failures;
        one.recent.pop_front();
    }
}

void outlier::forget_absent(std::span<const standing> endpoints) {
    std::erase_if(records_, [&](const auto& known) {
        return std::ranges::find(endpoints, known.first, &standing::id) == endpoints.end();
    });
}

}  // namespace weir::balancer
