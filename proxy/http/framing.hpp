// Writing heads: the start line and framing of our own for every message that is forwarded (RFC 9112 sections 3, 4 and
// 6).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/http/head.hpp"

namespace weir::http {

// The standard reason phrase, or "" for a status without one.
std::string_view reason_phrase(unsigned status);

void append_status_line(unsigned status, std::string_view reason, std::string& out);
void append_field(std::string_view name, std::string_view value, std::string& out);
// One of a head that was read: in one piece where it is written as we would.
void append_field(const field_view& field, std::string& out);
void append_field(std::string_view name, std::uint64_t value, std::string& out);

// Date: `now`.
void append_date(std::chrono::sys_seconds now, std::string& out);

// True where a response of this status to this method may have content (RFC 9110 section 6.4.1).
bool may_have_content(unsigned status, verb request_method);

}  // namespace weir::http
