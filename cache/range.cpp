#include "cache/range.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <chrono>
#include <initializer_list>
#include <limits>
#include <optional>

#include "proxy/http/date.hpp"

namespace weir::cache {

namespace {

using std::chrono::seconds;

constexpr std::size_t max_ranges = 16;

// int-range, or suffix-range without a first position.
struct range_spec {
    std::optional<std::uint64_t> first;
    std::uint64_t last_or_length;
};

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// What is larger than any length is the largest number there is.
std::uint64_t number_of(std::string_view digits) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc() ? number : std::numeric_limits<std::uint64_t>::max();
}

std::optional<range_spec> parse_spec(std::string_view text) {
    const std::size_t dash = text.find('-');
    if (dash == text.npos) return std::nullopt;
    const std::string_view first = text.substr(0, dash);
    const std::string_view last = text.substr(dash + 1);
    if (!last.empty() && !is_digits(last)) return std::nullopt;
    if (first.empty()) return last.empty() ? std::nullopt : std::optional(range_spec{{}, number_of(last)});
    if (!is_digits(first)) return std::nullopt;
    const std::uint64_t begin = number_of(first);
    const std::uint64_t end = last.empty() ? std::numeric_limits<std::uint64_t>::max() : number_of(last);
    if (end < begin) return std::nullopt;
    return range_spec{begin, end};
}

// Nothing for what is to be ignored.
std::vector<range_spec> parse_ranges(std::string_view value) {
    const std::size_t equals = value.find('=');
    if (equals == value.npos || !http::iequals(value.substr(0, equals), "bytes")) return {};
    const std::string_view set = value.substr(equals + 1);
    if (set.starts_with(' ') || set.starts_with('\t')) return {};
    std::vector<range_spec> specs;
    const bool refused = http::any_element(set, [&specs](std::string_view element) {
        const auto spec = parse_spec(element);
        if (!spec || specs.size() == max_ranges) return true;
        specs.push_back(*spec);
        return false;
    });
    if (refused) specs.clear();
    return specs;
}

// Nothing where it cannot be satisfied; `length` is not zero.
std::optional<byte_range> satisfied(const range_spec& spec, std::uint64_t length) {
    if (!spec.first) {
        if (spec.last_or_length == 0) return std::nullopt;
        return byte_range{length - std::min(spec.last_or_length, length), length - 1};
    }
    if (*spec.first >= length) return std::nullopt;
    return byte_range{*spec.first, std::min(spec.last_or_length, length - 1)};
}

bool touch(byte_range a, byte_range b) {
    return a.first <= b.last + 1 && b.first <= a.last + 1;
}

// Takes `range` in at the place of the first that it touches; what it connects becomes one. No two of `into` touch, so
// one pass finds all that it connects.
void coalesce(byte_range range, std::vector<byte_range>& into) {
    auto kept = std::find_if(into.begin(), into.end(), [&](byte_range other) { return touch(other, range); });
    if (kept == into.end()) {
        into.push_back(range);
        return;
    }
    *kept = {std::min(kept->first, range.first), std::max(kept->last, range.last)};
    for (auto later = kept + 1; later != into.end();) {
        if (!touch(*kept, *later)) {
            ++later;
            continue;
        }
        *kept = {std::min(kept->first, later->first), std::max(kept->last, later->last)};
        later = into.erase(later);
    }
}

bool if_range_holds(const http::field_list& request, const range_source& of, time_point now) {
    const std::size_t count = request.count(http::field_id::if_range);
    if (count != 1) return count == 0;
    const std::string_view value = request.value(http::field_id::if_range);
    if (value.starts_with('"')) return value == of.etag;
    const auto date = http::parse_date(value, std::chrono::floor<seconds>(now));
    return date && date == of.last_modified && of.date - *of.last_modified >= seconds(1);
}

}  // namespace

range_source source_of(const stored_response& stored) {
    return {selected(stored), stored.content_bytes};
}

range_plan plan_ranges(const http::request_head& request, const range_source& of, time_point now) {
    using kind = range_plan::kind;
    const http::field_list& fields = request.fields;
    if (request.method != http::verb::get || of.status != 200 || fields.count(http::field_id::range) != 1) return {};
    const std::vector<range_spec> specs = parse_ranges(fields.value(http::field_id::range));
    if (specs.empty() || !if_range_holds(fields, of, now)) return {};
    if (of.length == 0) {
        // The last bytes of nothing are nothing, which no Content-Range can say.
        const bool suffix = std::any_of(specs.begin(), specs.end(),
                                        [](const range_spec& spec) { return !spec.first && spec.last_or_length > 0; });
        return {suffix ? kind::whole : kind::unsatisfiable, {}};
    }
    range_plan plan;
    for (const range_spec& spec : specs) {
        if (const auto range = satisfied(spec, of.length)) coalesce(*range, plan.ranges);
    }
    if (plan.ranges.empty()) {
        plan.what = kind::unsatisfiable;
    } else {
        plan.what = plan.ranges.size() == 1 ? kind::single : kind::multiple;
    }
    return plan;
}

multipart_layout lay_out(std::span<const byte_range> ranges, std::uint64_t length, std::string_view content_type,
                         std::string_view boundary) {
    multipart_layout layout;
    for (const byte_range range : ranges) {
        std::string& head = layout.part_heads.emplace_back(layout.part_heads.empty() ? "--" : "\r\n--");
        head.append(boundary).append("\r\n");
        if (!content_type.empty()) head.append("Content-Type: ").append(content_type).append("\r\n");
        append_content_range(range, length, head);
        head.append("\r\n");
        layout.total_bytes += head.size() + range.bytes();
    }
    layout.closing.append("\r\n--").append(boundary).append("--\r\n");
    layout.total_bytes += layout.closing.size();
    return layout;
}

void append_content_range(byte_range range, std::uint64_t length, std::string& out) {
    out.append("Content-Range: bytes ").append(std::to_string(range.first)) += '-';
    out.append(std::to_string(range.last)) += '/';
    out.append(std::to_string(length)).append("\r\n");
}

void append_unsatisfied_range(std::uint64_t length, std::string& out) {
    out.append("Content-Range: bytes */").append(std::to_string(length)).append("\r\n");
}

void append_multipart_type(std::string_view boundary, std::string& out) {
    out.append("Content-Type: multipart/byteranges; boundary=").append(boundary).append("\r\n");
}

bool belongs_in_partial(http::field_view field, range_plan::kind what, bool if_range) {
    switch (field.id) {
        case http::field_id::content_length:
        case http::field_id::content_range:
        case http::field_id::content_md5:
            return false;
        case http::field_id::content_type:
            return what != range_plan::kind::multiple && !if_range;
        case http::field_id::content_encoding:
        case http::field_id::content_language:
        case http::field_id::last_modified:
        case http::field_id::digest:
            return !if_range;
        case http::field_id::unknown:
            // RFC 9530: the former is of the bytes of one message, the latter of the representation.
            if (http::iequals(field.name, "Content-Digest")) return false;
            return !if_range || !http::iequals(field.name, "Repr-Digest");
        default:
            return true;
    }
}

bool belongs_in_unsatisfiable(http::field_view field) {
    const auto is_any = [&](std::initializer_list<std::string_view> names) {
        return std::any_of(names.begin(), names.end(),
                           [&](std::string_view name) { return http::iequals(field.name, name); });
    };
    switch (field.id) {
        case http::field_id::content_type:
        case http::field_id::content_length:
        case http::field_id::content_encoding:
        case http::field_id::content_language:
        case http::field_id::content_location:
        case http::field_id::content_range:
        case http::field_id::content_md5:
        case http::field_id::content_disposition:
        case http::field_id::digest:
        case http::field_id::etag:
        case http::field_id::last_modified:
        case http::field_id::age:
        case http::field_id::expires:
        case http::field_id::cache_control:
        case http::field_id::pragma:
            return false;
        case http::field_id::unknown:
            return !is_any({"Content-Digest", "Repr-Digest", "CDN-Cache-Control", "Weir-Cache-Control"});
        default:
            return true;
    }
}

void append_views(const stored_content& content, byte_range range, std::vector<std::string_view>& out) {
    const std::size_t pieces = content.size();
    std::uint64_t left = range.bytes();
    std::uint64_t skip = range.first;
    std::size_t i = 0;
    if (pieces > 2) {  // all but the last have one size
        i = skip / content[0].size();
        skip %= content[0].size();
    }
    for (; left > 0 && i < pieces; ++i) {
        const std::string_view piece = content[i];
        const std::string_view view = piece.substr(std::min<std::uint64_t>(skip, piece.size()), left);
        if (!view.empty()) out.push_back(view);
        left -= view.size();
        skip -= std::min<std::uint64_t>(skip, piece.size());
    }
}

}  // namespace weir::cache
