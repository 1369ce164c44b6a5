#include "balancer/health.hpp"

#include <utility>

namespace weir::balancer {

namespace {

std::string checks(unsigned count) {
    return std::to_string(count) + (count == 1 ? " check" : " checks");
}

}  // namespace

std::optional<health::change> health::passed(const conf::health_settings& settings) {
    known_ = true;
    if (up_) {
        against_ = 0;
        return std::nullopt;
    }
    if (++against_ < settings.rise) return std::nullopt;
    up_ = true;
    return change{true, checks(std::exchange(against_, 0)) + " passed"};
}

std::optional<health::change> health::failed(const conf::health_settings& settings, std::string_view why) {
    const bool first = !std::exchange(known_, true);
    if (!up_) {
        against_ = 0;
        return std::nullopt;
    }
    if (++against_ < settings.fall && !first) return std::nullopt;
    up_ = false;
    return change{false, checks(std::exchange(against_, 0)) + " failed: " + std::string(why)};
}

}  // namespace weir::balancer
