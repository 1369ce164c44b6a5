#include "proxy/http/date.hpp"

#include <algorithm>
#include <array>

#include "proxy/http/head.hpp"

namespace weir::http {

namespace {

using namespace std::chrono;

constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> weekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                      "Thursday", "Friday", "Saturday"};

// Takes a date apart from the front; the first piece that does not fit makes every later answer false.
// Names are matched without regard to case: RFC 9110 writes them in one, RFC 9111 section 4.2 asks caches to be
// lenient.
class scanner {
  public:
    explicit scanner(std::string_view text) : text_(text) {}

    bool literal(std::string_view expected) {
        if (!iequals(text_.substr(0, expected.size()), expected)) return false;
        text_.remove_prefix(expected.size());
        return true;
    }
    bool number(std::size_t digits, unsigned& value) {
        if (text_.size() < digits) return false;
        value = 0;
        for (const char c : text_.substr(0, digits)) {
            if (c < '0' || c > '9') return false;
            value = value * 10 + static_cast<unsigned>(c - '0');
        }
        text_.remove_prefix(digits);
        return true;
    }
    bool weekday(bool whole) {
        return std::any_of(weekdays.begin(), weekdays.end(),
                           [this, whole](std::string_view name) { return literal(whole ? name : name.substr(0, 3)); });
    }
    bool month(unsigned& value) {
        for (value = 1; value <= months.size(); ++value) {
            if (literal(months[value - 1])) return true;
        }
        return false;
    }
    bool time(seconds& value) {
        unsigned hour = 0, minute = 0, second = 0;
        if (!(number(2, hour) && literal(":") && number(2, minute) && literal(":") && number(2, second))) return false;
        value = hours(hour) + minutes(minute) + seconds(second);
        return hour < 24 && minute < 60 && second <= 60;  // 60: a leap second
    }
    bool end() const { return text_.empty(); }

  private:
    std::string_view text_;
};

struct parts {
    unsigned year = 0, month = 0, day = 0;
    seconds time{};

    std::optional<sys_seconds> value() const {
        const year_month_day date(std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                                  std::chrono::day(day));
        if (!date.ok()) return {};
        return sys_days(date) + time;
    }
};

// Sun, 06 Nov 1994 08:49:37 GMT
std::optional<sys_seconds> parse_fixdate(scanner s) {
    parts p;
    if (s.weekday(false) && s.literal(", ") && s.number(2, p.day) && s.literal(" ") && s.month(p.month) &&
        s.literal(" ") && s.number(4, p.year) && s.literal(" ") && s.time(p.time) && s.literal(" GMT") && s.end()) {
        return p.value();
    }
    return {};
}

// Sunday, 06-Nov-94 08:49:37 GMT
std::optional<sys_seconds> parse_rfc850(scanner s, sys_seconds now) {
    parts p;
    if (!(s.weekday(true) && s.literal(", ") && s.number(2, p.day) && s.literal("-") && s.month(p.month) &&
          s.literal("-") && s.number(2, p.year) && s.literal(" ") && s.time(p.time) && s.literal(" GMT") && s.end())) {
        return {};
    }
    const year_month_day today(floor<days>(now));
    const sys_seconds latest = sys_days(today + years(50)) + (now - floor<days>(now));
    p.year += static_cast<unsigned>(static_cast<int>(today.year()) / 100 + 1) * 100;
    std::optional<sys_seconds> value = p.value();
    while (p.year >= 100 && (!value || *value > latest)) {
        p.year -= 100;
        value = p.value();
    }
    return value;
}

// Sun Nov  6 08:49:37 1994
std::optional<sys_seconds> parse_asctime(scanner s) {
    parts p;
    if (s.weekday(false) && s.literal(" ") && s.month(p.month) && s.literal(" ") &&
        (s.literal(" ") ? s.number(1, p.day) : s.number(2, p.day)) && s.literal(" ") && s.time(p.time) &&
        s.literal(" ") && s.number(4, p.year) && s.end()) {
        return p.value();
    }
    return {};
}

char* write_digits(unsigned value, unsigned digits, char* out) {
    for (char* p = out + digits; p != out; value /= 10) *--p = static_cast<char>('0' + value % 10);
    return out + digits;
}

char* write_text(std::string_view text, char* out) {
    return std::copy(text.begin(), text.end(), out);
}

}  // namespace

std::optional<sys_seconds> parse_date(std::string_view text, sys_seconds now) {
    if (text.size() < 4) return {};
    if (text[3] == ',') return parse_fixdate(scanner(text));
    if (text[3] == ' ') return parse_asctime(scanner(text));
    return parse_rfc850(scanner(text), now);
}

char* format_date(sys_seconds time, char* out) {
    const sys_days day = floor<days>(time);
    const year_month_day date(day);
    const hh_mm_ss clock(time - day);
    out = write_text(weekdays[weekday(day).c_encoding()].substr(0, 3), out);
    out = write_text(", ", out);
    out = write_digits(static_cast<unsigned>(date.day()), 2, out);
    *out++ = ' ';
    out = write_text(months[static_cast<unsigned>(date.month()) - 1], out);
    *out++ = ' ';
    out = write_digits(static_cast<unsigned>(static_cast<int>(date.year())), 4, out);
    *out++ = ' ';
    out = write_digits(static_cast<unsigned>(clock.hours().count()), 2, out);
    *out++ = ':';
    out = write_digits(static_cast<unsigned>(clock.minutes().count()), 2, out);
    *out++ = ':';
    out = write_digits(static_cast<unsigned>(clock.seconds().count()), 2, out);
    return write_text(" GMT", out);
}

}  // namespace weir::http
