// Durations, and moments that may be missing, as one number of the size that they need.
#pragma once

#include <algorithm>
#include <chrono>
#include <compare>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>

namespace weir::cache {

// `Value`: of std::chrono. What is beyond the numbers of `Number` is taken as the nearest one; its largest means
// nothing.
template <class Value, std::integral Number>
class compact_optional {
  public:
    constexpr compact_optional() = default;
    constexpr compact_optional(Value value) : number_(nearest(count_of(value))) {}
    constexpr compact_optional(std::optional<Value> value) : number_(value ? nearest(count_of(*value)) : nothing) {}

    constexpr bool has_value() const { return number_ != nothing; }
    constexpr explicit operator bool() const { return has_value(); }
    // There is a value.
    constexpr Value operator*() const { return value_of(number_); }
    constexpr Value value_or(Value other) const { return has_value() ? **this : other; }
    constexpr operator std::optional<Value>() const { return has_value() ? std::optional(**this) : std::nullopt; }

    friend constexpr bool operator==(const compact_optional&, const compact_optional&) = default;

  private:
    static constexpr Number nothing = std::numeric_limits<Number>::max();

    static constexpr std::int64_t count_of(Value value) {
        if constexpr (requires { value.time_since_epoch(); }) {
            return value.time_since_epoch().count();
        } else {
            return value.count();
        }
    }
    static constexpr Value value_of(Number number) {
        if constexpr (requires(Value value) { value.time_since_epoch(); }) {
            return Value(typename Value::duration(number));
        } else {
            return Value(number);
        }
    }
    static constexpr Number nearest(std::int64_t count) {
        return static_cast<Number>(
            std::clamp<std::int64_t>(count, std::numeric_limits<Number>::min(), std::int64_t{nothing} - 1));
    }

    Number number_ = nothing;
};

// A duration of zero or more, in whole `Duration`s of at most 2^32-1; what is beyond is taken as the nearest.
template <class Duration>
class compact_duration {
  public:
    constexpr compact_duration() = default;
    constexpr compact_duration(Duration value)
        : number_(static_cast<std::uint32_t>(std::clamp<std::int64_t>(value.count(), 0, UINT32_MAX))) {}
    constexpr operator Duration() const { return Duration(number_); }
    constexpr typename Duration::rep count() const { return number_; }

    friend constexpr bool operator==(compact_duration a, compact_duration b) { return a.number_ == b.number_; }
    friend constexpr bool operator==(compact_duration a, Duration b) { return Duration(a) == b; }
    friend constexpr auto operator<=>(compact_duration a, Duration b) { return Duration(a) <=> b; }
    friend constexpr Duration operator-(compact_duration a, Duration b) { return Duration(a) - b; }
    friend constexpr Duration operator+(compact_duration a, Duration b) { return Duration(a) + b; }

  private:
    std::uint32_t number_ = 0;
};

using compact_seconds = compact_duration<std::chrono::seconds>;
using compact_milliseconds = compact_duration<std::chrono::milliseconds>;
using optional_seconds = compact_optional<std::chrono::seconds, std::uint32_t>;
using optional_date = compact_optional<std::chrono::sys_seconds, std::int64_t>;

}  // namespace weir::cache
