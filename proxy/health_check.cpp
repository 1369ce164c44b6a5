#include "proxy/health_check.hpp"

#include <algorithm>

namespace weir::proxy {

namespace {

// Within this long after start or reload each endpoint has been checked once.
constexpr std::chrono::milliseconds soon{1000};

// 0 to 999: multiples of the golden ratio lie apart from each other however many there are.
std::int64_t place_of(std::uint32_t id) {
    return static_cast<std::int64_t>(std::uint64_t{id} * 619 % 1000);
}

}  // namespace

std::string check_request(const conf::upstream_settings& upstream, const conf::address& endpoint) {
    std::string host = endpoint.type == conf::address::kind::unix_path ? "localhost" : endpoint.text;
    if (upstream.host.type == conf::host_rule::kind::literal) host = upstream.host.literal;
    return "GET " + upstream.health->path + " HTTP/1.1\r\nHost: " + host +
           "\r\nUser-Agent: weir-health\r\nConnection: close\r\n\r\n";
}

std::string fault_of(const reply& answer, const conf::health_settings& expected) {
    if (!answer.fault.empty()) return answer.fault;
    if (answer.status >= expected.expect_from && answer.status <= expected.expect_to) return {};
    return "status " + std::to_string(answer.status);
}

std::chrono::milliseconds first_check_after(std::uint32_t endpoint_id, std::chrono::milliseconds interval) {
    return std::min(interval, soon) * place_of(endpoint_id) / 1000;
}

std::chrono::milliseconds next_check_after(std::uint32_t endpoint_id, std::chrono::milliseconds interval) {
    // 95 to 105 percent: those that began at once drift apart.
    return interval * (9500 + place_of(endpoint_id)) / 10'000;
}

}  // namespace weir::proxy
