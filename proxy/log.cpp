#include "proxy/log.hpp"

#include "proxy/escape.hpp"
#include "proxy/time_text.hpp"

#include <array>
#include <atomic>
#include <string_view>

#include <fmt/format.h>
#include <unistd.h>

namespace weir::proxy::log {

namespace {

constexpr std::size_t message_room = 4096;
constexpr std::size_t prefix_room = iso_time_size + 16;  // .123Z, the level, spaces

std::atomic<level> least_level{level::info};
std::atomic<log_buffer*> current_buffer{nullptr};

// Owns what current_buffer points to or did last. Never destroyed, and kept by stop(): a writing thread that was
// abandoned may log until the process ends.
std::shared_ptr<log_buffer>& buffer_owner() {
    static auto* const owner = new std::shared_ptr<log_buffer>;
    return *owner;
}

std::string_view level_word(level of) {
    switch (of) {
        case level::debug:
            return "debug";
        case level::info:
            return "info";
        case level::warning:
            return "warning";
        case level::error:
            break;
    }
    return "error";
}

char* write_prefix(level of, char* out) {
    const auto now = std::chrono::system_clock::now();
    const auto second = std::chrono::floor<std::chrono::seconds>(now);
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(now - second).count();
    out = write_iso_time(second, out);
    *out++ = '.';
    out = write_digits(static_cast<unsigned>(ms), 3, out);
    *out++ = 'Z';
    *out++ = ' ';
    const std::string_view word = level_word(of);
    out += word.copy(out, word.size());
    *out++ = ' ';
    return out;
}

void write_line(std::string_view line) {
    if (log_buffer* const buffer = current_buffer.load(std::memory_order_acquire)) {
        buffer->append(line);
        return;
    }
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void start(std::shared_ptr<log_buffer> buffer, level least) {
    set_level(least);
    current_buffer.store(buffer.get(), std::memory_order_release);
    buffer_owner() = std::move(buffer);
}

void stop() {
    current_buffer.store(nullptr, std::memory_order_release);
}

void set_level(level least) {
    least_level.store(least, std::memory_order_relaxed);
}

bool enabled(level wanted) noexcept {
    return wanted >= least_level.load(std::memory_order_relaxed);
}

void write(level of, fmt::string_view text, fmt::format_args arguments) {
    // One more than is shown, so that cutting is noticed where escapes are counted.
    std::array<char, message_room + 1> message;
    const auto made = fmt::vformat_to_n(message.data(), message.size(), text, arguments);
    const std::string_view whole(message.data(), std::min(made.size, message.size()));
    std::array<char, prefix_room + message_room + 1> line;
    char* end = write_prefix(of, line.data());
    end = write_escaped(whole, escape_style::message, end, message_room);
    *end++ = '\n';
    write_line({line.data(), static_cast<std::size_t>(end - line.data())});
}

std::optional<std::uint64_t> rate_limited::admit(std::chrono::steady_clock::time_point now) {
    if (!began_ || now - *began_ >= interval_) {
        began_ = now;
        written_ = 0;
    }
    if (written_ == lines_) {
        ++held_back_;
        return std::nullopt;
    }
    ++written_;
    return std::exchange(held_back_, 0);
}

}  // namespace weir::proxy::log
