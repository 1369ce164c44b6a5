#include "proxy/access_log.hpp"

#include "proxy/escape.hpp"
#include "proxy/time_text.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace weir::proxy {

namespace {

using std::chrono::microseconds;

// Room for each field as it is written; the longest line is their sum and a little, and fits into access_log::line_.
constexpr std::size_t target_room = 4096;
constexpr std::size_t referer_room = 2048;
constexpr std::size_t user_agent_room = 1024;
constexpr std::size_t word_room = 256;
constexpr std::size_t words = 10;
constexpr std::size_t frame_room = 1024;  // numbers, times, member names and punctuation
constexpr std::size_t line_room = target_room + referer_room + user_agent_room + words * word_room + frame_room;

// Writes at a position in memory that is known to be large enough.
class line_writer {
  public:
    explicit line_writer(char* out) : out_(out) {}

    line_writer& text(std::string_view plain) {
        out_ += plain.copy(out_, plain.size());
        return *this;
    }
    line_writer& number(std::uint64_t value) {
        out_ = std::to_chars(out_, out_ + 20, value).ptr;
        return *this;
    }
    line_writer& seconds(microseconds duration) {
        const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
        number(us / 1'000'000).text(".");
        out_ = write_digits(static_cast<unsigned>(us % 1'000'000), 6, out_);
        return *this;
    }
    line_writer& milliseconds(unsigned value) {
        out_ = write_digits(value, 3, out_);
        return *this;
    }
    // Between quotes or not; "-" if there is nothing.
    line_writer& escaped(std::string_view value, escape_style style, std::size_t room) {
        if (value.empty()) return text("-");
        out_ = write_escaped(value, style, out_, room);
        return *this;
    }
    // A member of a JSON object that is not the first.
    line_writer& member(std::string_view name) { return text(",\"").text(name).text("\":"); }
    line_writer& member(std::string_view name, std::string_view value, std::size_t room) {
        member(name).text("\"");
        out_ = write_json_escaped(value, out_, room);
        return text("\"");
    }
    line_writer& member(std::string_view name, std::uint64_t value) { return member(name).number(value); }

    char* position() const { return out_; }

  private:
    char* out_;
};

std::string_view version_text(unsigned version) {
    return version == 10 ? "1.0" : "1.1";
}

}  // namespace

access_log::access_log(std::shared_ptr<log_buffer> buffer, conf::log_format format)
    : buffer_(std::move(buffer)), format_(format) {
    static_assert(line_room <= std::tuple_size_v<decltype(line_)>);
}

bool access_log::write(const access_record& record) {
    if (!wanted()) return true;
    return buffer_->append(format(record));
}

std::string_view access_log::format(const access_record& record) {
    refresh_clock(std::chrono::floor<std::chrono::seconds>(record.start));
    char* const end = format_ == conf::log_format::json ? format_json(record) : format_combined(record);
    return {line_.data(), static_cast<std::size_t>(end - line_.data())};
}

char* access_log::format_combined(const access_record& record) {
    line_writer line(line_.data());
    line.escaped(record.client, escape_style::bare, word_room).text(" - - [");
    line.text({combined_clock_.data(), combined_clock_.size()}).text("] \"");
    if (record.method.empty()) {
        line.text("-");
    } else {
        line.escaped(record.method, escape_style::bare, word_room).text(" ");
        line.escaped(record.target, escape_style::bare, target_room);
        line.text(" HTTP/").text(version_text(record.version));
    }
    line.text("\" ").number(record.status).text(" ").number(record.content_bytes_sent);
    line.text(" \"").escaped(record.referer, escape_style::quoted, referer_room);
    line.text("\" \"").escaped(record.user_agent, escape_style::quoted, user_agent_room);
    line.text("\" ").seconds(record.duration).text(" ");
    if (record.upstream_duration) {
        line.seconds(*record.upstream_duration);
    } else {
        line.text("-");
    }
    line.text(" ").escaped(record.endpoint, escape_style::bare, word_room);
    line.text(" ").escaped(record.cache, escape_style::bare, word_room).text(" ");
    if (record.queue_duration.count() > 0) {
        line.seconds(record.queue_duration);
    } else {
        line.text("-");
    }
    line.text(" ").escaped(record.cache_detail, escape_style::bare, word_room).text("\n");
    return line.position();
}

char* access_log::format_json(const access_record& record) {
    const auto within = record.start - std::chrono::floor<std::chrono::seconds>(record.start);
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(within).count();
    line_writer line(line_.data());
    line.text("{\"time\":\"").text({json_clock_.data(), json_clock_.size()});
    line.text(".").milliseconds(static_cast<unsigned>(ms)).text("Z\"");
    line.member("duration").seconds(record.duration).member("upstream_duration");
    if (record.upstream_duration) {
        line.seconds(*record.upstream_duration);
    } else {
        line.text("null");
    }
    line.member("queue_duration").seconds(record.queue_duration);
    line.member("client", record.client, word_room).member("method", record.method, word_room);
    line.member("target", record.target, target_room).member("version", version_text(record.version), word_room);
    line.member("host", record.host, word_room).member("status", record.status);
    line.member("bytes_sent", record.bytes_sent).member("content_bytes_sent", record.content_bytes_sent);
    line.member("bytes_received", record.bytes_received);
    line.member("referer", record.referer, referer_room).member("user_agent", record.user_agent, user_agent_room);
    line.member("request_id", record.request_id, word_room).member("upstream", record.upstream, word_room);
    line.member("endpoint", record.endpoint, word_room).member("cache", record.cache, word_room);
    line.member("cache_detail", record.cache_detail, word_room).member("error", record.error, word_room);
    line.text("}\n");
    return line.position();
}

void access_log::refresh_clock(std::chrono::sys_seconds second) {
    if (second == clock_second_) return;
    clock_second_ = second;
    write_common_time(second, combined_clock_.data());
    write_iso_time(second, json_clock_.data());
}

}  // namespace weir::proxy
