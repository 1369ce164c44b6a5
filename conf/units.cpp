#include "conf/units.hpp"

#include "conf/words.hpp"

#include <charconv>
#include <limits>
#include <span>

namespace weir::conf {
namespace {

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr unit duration_units[] = {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}};
constexpr unit size_units[] = {{"B", 1},      {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20},  {"GiB", 1ULL << 30},
                               {"KB", 1'000}, {"MB", 1'000'000},   {"GB", 1'000'000'000}};

// Digits and a unit; `what` and `example` are for the sentence that says what is wrong.
std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const unit> units, std::uint64_t most,
                                             std::string_view what, std::string_view example, std::string& why) {
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto name = text.substr(digits);
    const std::string wrong = in_quotes(text) + " is no " + std::string(what);
    if (digits == 0) {
        why = wrong + "; write " + std::string(example);
        return std::nullopt;
    }
    if (name.empty()) {
        why = in_quotes(text) + " has no unit; write " + std::string(example);
        return std::nullopt;
    }
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
    for (const unit& candidate : units) {
        if (candidate.name != name) continue;
        if (error != std::errc() || number > most / candidate.factor) {
            why = in_quotes(text) + " is too large";
            return std::nullopt;
        }
        return number * candidate.factor;
    }
    why = wrong + ": its unit is not one of";
    for (const unit& candidate : units) why += (&candidate == units.data() ? " " : ", ") + std::string(candidate.name);
    if (name.front() == '.')
        why = wrong + ": it has to be whole; take a smaller unit, such as in " + std::string(example);
    return std::nullopt;
}

std::string with_largest_unit(std::uint64_t value, std::span<const unit> units) {
    const unit* best = &units.front();
    for (const unit& candidate : units)
        if (value != 0 && value % candidate.factor == 0 && candidate.factor > best->factor) best = &candidate;
    return std::to_string(value / best->factor) + std::string(best->name);
}

}  // namespace

std::optional<std::uint64_t> parse_whole(std::string_view text, std::string& why) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
        why = in_quotes(text) + " is no whole number";
        return std::nullopt;
    }
    if (error != std::errc()) {
        why = in_quotes(text) + " is too large";
        return std::nullopt;
    }
    // YAML reads 017 as octal, people do not.
    if (text.size() > 1 && text.front() == '0') {
        why = in_quotes(text) + " begins with 0; write " + std::to_string(number);
        return std::nullopt;
    }
    return number;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text, std::string& why) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::chrono::milliseconds::rep>::max());
    const auto value = parse_with_unit(text, duration_units, most, "duration", "250ms, 5s, 2m or 1h", why);
    if (!value) return std::nullopt;
    return std::chrono::milliseconds(*value);
}

std::optional<std::uint64_t> parse_size(std::string_view text, std::string& why) {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    return parse_with_unit(text, size_units, most, "size", "512B, 64KiB, 256MiB or 1GiB", why);
}

std::optional<std::uint64_t> parse_rate(std::string_view text, std::string& why) {
    constexpr std::string_view a_second = "/s";
    std::string unused;
    const auto size =
        text.ends_with(a_second) ? parse_size(text.substr(0, text.size() - a_second.size()), unused) : std::nullopt;
    if (!size) why = in_quotes(text) + " is no rate; write a size a second, such as 1KiB/s";
    return size;
}

std::optional<unsigned> parse_status(std::string_view text, std::string& why) {
    std::string unused;
    const auto status = parse_whole(text, unused);
    if (status && *status >= 200 && *status <= 599) return static_cast<unsigned>(*status);
    why = in_quotes(text) + " is no status from 200 to 599";
    return std::nullopt;
}

std::optional<unsigned> parse_percent(std::string_view text, std::string& why) {
    std::string unused;
    const bool has_sign = !text.empty() && text.back() == '%';
    const auto value = has_sign ? parse_whole(text.substr(0, text.size() - 1), unused) : std::nullopt;
    if (!value || *value > 100) {
        why = in_quotes(text) + " is no share; write a whole number from 0% to 100%, such as 20%";
        return std::nullopt;
    }
    return static_cast<unsigned>(*value);
}

std::string duration_text(std::chrono::milliseconds value) {
    return with_largest_unit(static_cast<std::uint64_t>(value.count()), duration_units);
}

std::string size_text(std::uint64_t bytes) {
    return with_largest_unit(bytes, std::span(size_units).first(4));
}

std::string rate_text(std::uint64_t bytes_a_second) {
    return size_text(bytes_a_second) + "/s";
}

}  // namespace weir::conf
