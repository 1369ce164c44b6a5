// Numbers and texts as bytes, little-endian, and back. For data that others wrote: nothing is read beyond its end, and
// nothing is reserved that is not there.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace weir::cache {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

class binary_writer {
  public:
    explicit binary_writer(std::size_t expected_bytes) { bytes_.reserve(expected_bytes); }

    template <std::unsigned_integral Number>
    void number(Number value) {
        char raw[sizeof value];
        std::memcpy(raw, &value, sizeof value);
        bytes_.append(raw, sizeof raw);
    }
    void signed_number(std::int64_t value) { number(static_cast<std::uint64_t>(value)); }
    // Shorter than 4 GiB.
    void text(std::string_view value) {
        number(static_cast<std::uint32_t>(value.size()));
        raw(value);
    }
    void raw(std::string_view value) { bytes_.append(value); }
    std::string_view written() const { return bytes_; }
    std::string take() { return std::move(bytes_); }

  private:
    std::string bytes_;
};

// What cannot be read makes this and all that follows fail, and reads as zero or empty.
class binary_reader {
  public:
    explicit binary_reader(std::string_view bytes) : rest_(bytes) {}

    template <std::unsigned_integral Number>
    Number number() {
        Number value = 0;
        const std::string_view raw = take(sizeof value);
        if (!failed_) std::memcpy(&value, raw.data(), sizeof value);
        return value;
    }
    // At most `limit`; of lists, so that no more is reserved than the rest can hold with `bytes_each` or more.
    std::uint32_t count(std::uint32_t limit, std::size_t bytes_each) {
        const auto value = number<std::uint32_t>();
        if (value > limit || value > rest_.size() / bytes_each) fail();
        return failed_ ? 0 : value;
    }
    std::int64_t signed_number(std::int64_t least, std::int64_t most) {
        const auto value = static_cast<std::int64_t>(number<std::uint64_t>());
        if (value < least || value > most) fail();
        return failed_ ? 0 : value;
    }
    bool boolean() {
        const auto value = number<std::uint8_t>();
        if (value > 1) fail();
        return !failed_ && value == 1;
    }
    std::string_view text() { return take(number<std::uint32_t>()); }
    std::string_view rest() { return take(rest_.size()); }

    void fail() { failed_ = true; }
    bool failed() const { return failed_; }
    bool ended_well() const { return !failed_ && rest_.empty(); }

  private:
    std::string_view take(std::size_t bytes) {
        if (bytes > rest_.size()) fail();
        if (failed_) return {};
        const std::string_view taken = rest_.substr(0, bytes);
        rest_.remove_prefix(bytes);
        return taken;
    }

    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace weir::cache
