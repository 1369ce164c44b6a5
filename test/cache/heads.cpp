#include "test/cache/heads.hpp"

#include <algorithm>
#include <stdexcept>

#include "proxy/http/date.hpp"
#include "proxy/http/head_parser.hpp"

namespace weir::test {

namespace {

void append_lines(std::string_view fields, std::string& text) {
    while (!fields.empty()) {
        const std::size_t end = std::min(fields.find('\n'), fields.size());
        text.append(fields.substr(0, end)).append("\r\n");
        fields.remove_prefix(std::min(end + 1, fields.size()));
    }
    text.append("\r\n");
}

void require_parsed(http::head_error error, const std::string& text) {
    if (error == http::head_error::none) return;
    throw std::logic_error("the test's own head is refused: " + std::string(http::text(error)) + "\n" + text);
}

}  // namespace

std::string http_date(std::chrono::seconds after_start) {
    std::string text(http::date_size, ' ');
    http::format_date(std::chrono::floor<std::chrono::seconds>(start) + after_start, text.data());
    return text;
}

request::request(std::string_view fields, std::string_view method, std::string_view target) {
    text_.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: example.org\r\n");
    append_lines(fields, text_);
    require_parsed(http::parse_request_head(text_, {1024 * 1024, 10'000}, head_), text_);
}

response::response(std::string_view fields, int status, std::string_view reason) {
    text_.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason).append("\r\n");
    append_lines(fields, text_);
    require_parsed(http::parse_response_head(text_, {1024 * 1024, 10'000}, http::verb::get, head_), text_);
}

cache::response_ptr make_stored(const stored_parts& parts) {
    const request asked(parts.request_fields);
    const response answer(parts.response_fields, parts.status, parts.reason);
    std::vector<http::block_ptr> content;
    if (!parts.content.empty()) {
        content.push_back(http::block::make(static_cast<std::uint32_t>(parts.content.size()), nullptr));
        std::copy(parts.content.begin(), parts.content.end(), content.back()->data());
        content.back()->grow(static_cast<std::uint32_t>(parts.content.size()));
    }
    return cache::make_stored_response({parts.key,
                                        {asked.head().fields},
                                        answer.head(),
                                        content,
                                        parts.content.size(),
                                        parts.response_time,
                                        parts.response_time,
                                        parts.freshness_lifetime,
                                        parts.fill_number},
                                       parts.rules);
}

std::string whole_content(const cache::stored_response& response) {
    std::string content;
    for (const std::string_view piece : response.content()) content.append(piece);
    return content;
}

}  // namespace weir::test
