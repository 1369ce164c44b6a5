#include "conf/health.hpp"

#include "conf/match.hpp"
#include "conf/units.hpp"
#include "conf/words.hpp"

namespace weir::conf {
namespace {

constexpr range any_streak{1, 100};  // of checks

// "200" or "200-399".
void read_expect(mapping_reader& from, health_settings& out) {
    const node* value = from.take_scalar("expect");
    if (value == nullptr) return;
    const std::string_view text = value->text;
    const auto dash = text.find('-');
    std::string why;
    const auto first = parse_status(text.substr(0, dash), why);
    const auto last = dash == std::string_view::npos ? first : parse_status(text.substr(dash + 1), why);
    if (!first || !last)
        from.fault(*value, "expect", why + "; write one, or a range such as 200-399");
    else if (*first > *last)
        from.fault(
            *value, "expect",
            in_quotes(text) + " ends before it begins; write " + std::to_string(*last) + "-" + std::to_string(*first));
    else {
        out.expect_from = *first;
        out.expect_to = *last;
    }
}

}  // namespace

void read_health(mapping_reader& health, health_settings& out) {
    if (const node* path = health.take_scalar("path")) {
        std::string why;
        if (check_request_target(path->text, why))
            out.path = path->text;
        else
            health.fault(*path, "path", why);
    }
    health.duration("interval", out.interval);
    health.duration("timeout", out.timeout);
    health.number("rise", quantity::whole, out.rise, any_streak);
    health.number("fall", quantity::whole, out.fall, any_streak);
    read_expect(health, out);
}

void read_eject(mapping_reader& eject, eject_settings& out) {
    eject.number("failures", quantity::whole, out.failures, {1, 1'000});
    eject.duration("window", out.window);
    eject.duration("duration", out.duration);
    eject.number("max_ejected", quantity::percent, out.max_ejected_percent, {0, 100});
}

}  // namespace weir::conf
