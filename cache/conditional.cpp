#include "cache/conditional.hpp"

#include "cache/freshness.hpp"
#include "proxy/http/date.hpp"

namespace weir::cache {

namespace {

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::string_view without_weakness(std::string_view tag) {
    return tag.starts_with("W/") ? tag.substr(2) : tag;
}

// Takes the first entity-tag off `rest`, without its W/. A backslash escapes nothing in an entity-tag, so this cannot
// be left to a reader of quoted strings. What is not quoted ends at the comma: servers that forget the quotes get it
// back.
std::string_view take_tag(std::string_view& rest) {
    const std::size_t start = rest.find_first_not_of(" \t,");
    rest.remove_prefix(start == std::string_view::npos ? rest.size() : start);
    rest = without_weakness(rest);
    std::size_t end = rest.find(',');
    if (!rest.empty() && rest.front() == '"') {
        const std::size_t close = rest.find('"', 1);
        end = close == std::string_view::npos ? close : close + 1;
    }
    const std::string_view tag = trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end, rest.size()));
    return tag;
}

bool is_unmodified_since(std::string_view value, const selected_response& response, time_point now) {
    const auto since = http::parse_date(value, std::chrono::floor<std::chrono::seconds>(now));
    return since && response.last_modified.value_or(response.date) <= *since;
}

}  // namespace

selected_response selected(const stored_response& stored) {
    return {stored.status, stored.etag, stored.last_modified, stored.date};
}

selected_response selected(const http::response_head& arriving, time_point response_time) {
    const http::field_list& fields = arriving.fields;
    selected_response response{arriving.status, {}, std::nullopt, date_of(fields, response_time)};
    if (fields.count(http::field_id::etag) == 1) response.etag = fields.value(http::field_id::etag);
    if (fields.count(http::field_id::last_modified) == 1) {
        response.last_modified = http::parse_date(fields.value(http::field_id::last_modified),
                                                  std::chrono::floor<std::chrono::seconds>(response_time));
    }
    return response;
}

std::uint16_t evaluate_conditional(const http::request_head& request, const selected_response& response,
                                   time_point now) {
    if (response.status != 200) return response.status;
    if (!request.fields.has(http::field_id::if_none_match) && !request.fields.has(http::field_id::if_modified_since))
        return response.status;
    bool has_none_match = false;
    int since_count = 0;
    std::string_view since;
    for (const http::field_view field : request.fields) {
        if (field.id == http::field_id::if_none_match) {
            if (etag_matches(field.value, response.etag)) return 304;
            has_none_match = true;
        } else if (field.id == http::field_id::if_modified_since) {
            since = field.value;
            ++since_count;
        }
    }
    // RFC 9110 section 13.1.3: ignored beside If-None-Match, and where it has more than one member.
    if (has_none_match || since_count != 1) return response.status;
    return is_unmodified_since(since, response, now) ? 304 : response.status;
}

std::uint16_t evaluate_conditional(const http::request_head& request, const stored_response& stored, time_point now) {
    return evaluate_conditional(request, selected(stored), now);
}

bool must_forward(const http::field_list& request) {
    return request.has(http::field_id::if_match) || request.has(http::field_id::if_unmodified_since);
}

bool etag_matches(std::string_view list, std::string_view tag) {
    if (trim(list) == "*") return true;
    tag = without_weakness(tag);
    if (tag.empty()) return false;
    while (!list.empty()) {
        if (take_tag(list) == tag) return true;
    }
    return false;
}

bool belongs_in_not_modified(http::field_view field) {
    switch (field.id) {
        case http::field_id::content_type:
        case http::field_id::content_length:
        case http::field_id::content_encoding:
        case http::field_id::content_language:
        case http::field_id::content_range:
        case http::field_id::content_md5:
        case http::field_id::content_disposition:
        case http::field_id::accept_ranges:
        case http::field_id::digest:
            return false;
        case http::field_id::unknown:
            return !http::iequals(field.name, "Content-Digest") && !http::iequals(field.name, "Repr-Digest");
        default:
            return true;
    }
}

}  // namespace weir::cache
