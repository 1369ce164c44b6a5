#include "proxy/http/framing.hpp"

#include "proxy/http/date.hpp"

#include <algorithm>
#include <charconv>

namespace weir::http {

std::string_view reason_phrase(unsigned status) {
    switch (status) {
        case 100:
            return "Continue";
        case 101:
            return "Switching Protocols";
        case 102:
            return "Processing";
        case 103:
            return "Early Hints";
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 203:
            return "Non-Authoritative Information";
        case 204:
            return "No Content";
        case 205:
            return "Reset Content";
        case 206:
            return "Partial Content";
        case 207:
            return "Multi-Status";
        case 208:
            return "Already Reported";
        case 226:
            return "IM Used";
        case 300:
            return "Multiple Choices";
        case 301:
            return "Moved Permanently";
        case 302:
            return "Found";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 305:
            return "Use Proxy";
        case 307:
            return "Temporary Redirect";
        case 308:
            return "Permanent Redirect";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 402:
            return "Payment Required";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 406:
            return "Not Acceptable";
        case 407:
            return "Proxy Authentication Required";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 411:
            return "Length Required";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 416:
            return "Range Not Satisfiable";
        case 417:
            return "Expectation Failed";
        case 421:
            return "Misdirected Request";
        case 422:
            return "Unprocessable Content";
        case 423:
            return "Locked";
        case 424:
            return "Failed Dependency";
        case 425:
            return "Too Early";
        case 426:
            return "Upgrade Required";
        case 428:
            return "Precondition Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 451:
            return "Unavailable For Legal Reasons";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        case 506:
            return "Variant Also Negotiates";
        case 507:
            return "Insufficient Storage";
        case 508:
            return "Loop Detected";
        case 511:
            return "Network Authentication Required";
        default:
            return "";
    }
}

void append_status_line(unsigned status, std::string_view reason, std::string& out) {
    const char digits[] = {static_cast<char>('0' + status / 100), static_cast<char>('0' + status / 10 % 10),
                           static_cast<char>('0' + status % 10), ' '};
    out += "HTTP/1.1 ";
    out.append(digits, sizeof digits);
    out += reason;
    out += "\r\n";
}

void append_field(std::string_view name, std::string_view value, std::string& out) {
    const std::size_t start = out.size();
    out.resize(start + name.size() + value.size() + 4);
    char* at = std::copy(name.begin(), name.end(), out.data() + start);
    *at++ = ':';
    *at++ = ' ';
    at = std::copy(value.begin(), value.end(), at);
    *at++ = '\r';
    *at = '\n';
}

void append_field(const field_view& field, std::string& out) {
    const char* const line = field.name.data();
    const char* const value = line + field.name.size() + 2;
    const char* const end = value + field.value.size();
    const bool as_ours =
        field.value.data() == value && value[-2] == ':' && value[-1] == ' ' && end[0] == '\r' && end[1] == '\n';
    if (!as_ours) return append_field(field.name, field.value, out);
    out.append(line, static_cast<std::size_t>(end + 2 - line));
}

void append_field(std::string_view name, std::uint64_t value, std::string& out) {
    char digits[20];
    const char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    append_field(name, std::string_view(digits, static_cast<std::size_t>(end - digits)), out);
}

void append_date(std::chrono::sys_seconds now, std::string& out) {
    char date[date_size];
    format_date(now, date);
    append_field("Date", {date, sizeof date}, out);
}

bool may_have_content(unsigned status, verb request_method) {
    return status >= 200 && status != 204 && status != 304 && request_method != verb::head;
}

}  // namespace weir::http
