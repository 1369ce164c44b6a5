// One line for each exchange, as the combined format of other servers and some more, or as a JSON object.
#pragma once

#include "conf/settings.hpp"
#include "proxy/log_buffer.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace weir::proxy {

// What is known of an exchange at its end. Views need to live for the call only; empty ones are what is not known.
struct access_record {
    std::chrono::system_clock::time_point start;                   // first byte of the request
    std::chrono::microseconds duration{0};                         // to the last byte of the response
    std::optional<std::chrono::microseconds> upstream_duration{};  // empty: no endpoint was asked
    std::chrono::microseconds queue_duration{0};                   // waited for a slot; 0: it did not
    std::string_view client{};                                     // address, by the trusted hops
    std::string_view method{};                                     // empty: no request line was understood
    std::string_view target{};                                     // as received
    std::string_view host{};
    std::string_view referer{};
    std::string_view user_agent{};
    std::string_view request_id{};
    std::string_view upstream{};
    std::string_view endpoint{};
    std::string_view cache{};         // "hit", "miss", ...: see cache_metric
    std::string_view cache_detail{};  // the reason, as in Cache-Status
    std::string_view error{};         // the word of Proxy-Status
    unsigned version = 11;            // 10 or 11
    unsigned status = 0;              // 0: ended without a response
    std::uint64_t bytes_sent = 0;     // to the client, head included
    std::uint64_t content_bytes_sent = 0;
    std::uint64_t bytes_received = 0;  // from the client, head included
};

// Formats records for one worker, which alone uses it; allocates nothing after construction.
//
// combined: client - - [21/Nov/2026:20:15:03 +0000] "GET /a HTTP/1.1" 200 content_bytes "referer" "user agent" seconds
// upstream_seconds endpoint cache queue_seconds cache_detail; what is not known is "-". Quotes, backslashes, control
// and non-ASCII characters are written \xXX, so a line cannot be forged. JSON: one object a line with a member for each
// member of access_record (`start` is `time`); bytes that are no UTF-8 are written \u00XX. A field that would take very
// much room is cut and ends in "...".
class access_log {
  public:
    access_log(std::shared_ptr<log_buffer> buffer, conf::log_format format);

    // At a reload.
    void set_format(conf::log_format format) { format_ = format; }
    // False while there is no access log: no need to fill a record.
    bool wanted() const noexcept { return buffer_->wanted(); }
    // False if the line was dropped because the writer does not keep up (worker_metrics::log_lines_dropped).
    bool write(const access_record& record);

    // What write() appends, "\n" included; valid until the next call.
    std::string_view format(const access_record& record);

  private:
    char* format_combined(const access_record& record);
    char* format_json(const access_record& record);
    void refresh_clock(std::chrono::sys_seconds second);

    std::shared_ptr<log_buffer> buffer_;
    conf::log_format format_;
    // The second of the record before, written out in both forms: most lines of a busy worker share it.
    std::chrono::sys_seconds clock_second_ = std::chrono::sys_seconds::min();
    std::array<char, 26> combined_clock_{};  // 21/Nov/2026:20:15:03 +0000
    std::array<char, 19> json_clock_{};      // 2026-11-21T20:15:03
    std::array<char, 16 * 1024> line_;
};

}  // namespace weir::proxy
