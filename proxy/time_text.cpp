#include "proxy/time_text.hpp"

#include <string_view>
#include <utility>

namespace weir::proxy {

namespace {

using std::chrono::days;
using std::chrono::hh_mm_ss;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using std::chrono::year_month_day;

char* write_clock(sys_seconds time, char* out) {
    const hh_mm_ss<seconds> clock(time - std::chrono::floor<days>(time));
    out = write_digits(static_cast<unsigned>(clock.hours().count()), 2, out);
    *out++ = ':';
    out = write_digits(static_cast<unsigned>(clock.minutes().count()), 2, out);
    *out++ = ':';
    return write_digits(static_cast<unsigned>(clock.seconds().count()), 2, out);
}

unsigned year_of(const year_month_day& date) {
    return static_cast<unsigned>(static_cast<int>(date.year()));
}

}  // namespace

char* write_digits(unsigned value, unsigned digits, char* out) {
    for (unsigned place = digits; place > 0; --place) {
        out[place - 1] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
    return out + digits;
}

std::string duration_text(std::chrono::milliseconds value) {
    constexpr std::pair<std::int64_t, std::string_view> units[] = {{3'600'000, "h"}, {60'000, "m"}, {1000, "s"}};
    for (const auto& [ms, unit] : units) {
        if (value.count() != 0 && value.count() % ms == 0) return std::to_string(value.count() / ms).append(unit);
    }
    return std::to_string(value.count()) + "ms";
}

char* write_iso_time(sys_seconds time, char* out) {
    const year_month_day date(std::chrono::floor<days>(time));
    out = write_digits(year_of(date), 4, out);
    *out++ = '-';
    out = write_digits(static_cast<unsigned>(date.month()), 2, out);
    *out++ = '-';
    out = write_digits(static_cast<unsigned>(date.day()), 2, out);
    *out++ = 'T';
    return write_clock(time, out);
}

char* write_common_time(sys_seconds time, char* out) {
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    constexpr std::string_view zone = " +0000";
    const year_month_day date(std::chrono::floor<days>(time));
    out = write_digits(static_cast<unsigned>(date.day()), 2, out);
    *out++ = '/';
    out += months.copy(out, 3, (static_cast<unsigned>(date.month()) - 1) * 3);
    *out++ = '/';
    out = write_digits(year_of(date), 4, out);
    *out++ = ':';
    out = write_clock(time, out);
    return out + zone.copy(out, zone.size());
}

}  // namespace weir::proxy
