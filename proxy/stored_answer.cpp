#include "proxy/stored_answer.hpp"

#include <algorithm>

#include "cache/conditional.hpp"
#include "proxy/http/framing.hpp"

namespace weir::proxy {

namespace {

template <class Belongs>
void append_fields(const cache::stored_fields& fields, Belongs belongs, std::string& out) {
    for (const http::field_view field : fields) {
        if (field.id != http::field_id::content_length && belongs(field))
            http::append_field(field.name, field.value, out);
    }
}

// "HTTP/1.1 200 OK" without what stands before OK.
std::string_view reason_of(const cache::stored_response& stored) {
    constexpr std::size_t before_reason = 13;
    const std::string_view head = stored.head;
    const std::size_t end = std::max(head.find("\r\n"), before_reason);
    return head.substr(before_reason, end - before_reason);
}

void compose_unsatisfiable(const cache::stored_response& stored, std::uint64_t length, stored_answer& a) {
    a.status = 416;
    a.reason = http::reason_phrase(416);
    a.length = 0;
    a.window = {0, 0};
    append_fields(stored.fields, cache::belongs_in_unsatisfiable, a.fields);
    cache::append_unsatisfied_range(length, a.fields);
}

void compose_partial(const http::request_head& request, const cache::stored_response& stored, std::uint64_t length,
                     cache::range_plan plan, std::string_view boundary, stored_answer& a) {
    a.status = 206;
    a.reason = http::reason_phrase(206);
    const bool if_range = request.fields.has(http::field_id::if_range);
    append_fields(
        stored.fields, [&](http::field_view field) { return cache::belongs_in_partial(field, plan.what, if_range); },
        a.fields);
    if (plan.what == cache::range_plan::kind::single) {
        const cache::byte_range range = plan.ranges.front();
        cache::append_content_range(range, length, a.fields);
        a.window = {range.first, range.last + 1};
        a.length = range.bytes();
        return;
    }
    cache::append_multipart_type(boundary, a.fields);
    a.layout = cache::lay_out(plan.ranges, length, stored.fields.value(http::field_id::content_type), boundary);
    a.parts = std::move(plan.ranges);
    a.length = a.layout.total_bytes;
}

}  // namespace

std::size_t content_window::cut(std::span<std::string_view> buffers, std::uint64_t position) const {
    std::size_t kept = 0;
    for (std::string_view buffer : buffers) {
        const std::uint64_t start = std::clamp(first, position, position + buffer.size());
        const std::uint64_t stop = std::clamp(end, start, position + buffer.size());
        const std::string_view inside = buffer.substr(start - position, stop - start);
        position += buffer.size();
        if (!inside.empty()) buffers[kept++] = inside;
    }
    return kept;
}

stored_answer compose_answer(const http::request_head& request, const cache::stored_response& stored,
                             std::optional<std::uint64_t> length, cache::time_point now, std::string_view boundary) {
    stored_answer a;
    a.status = cache::evaluate_conditional(request, stored, now);
    a.length = length;
    if (a.status == 304) {
        append_fields(stored.fields, cache::belongs_in_not_modified, a.fields);
        a.reason = http::reason_phrase(304);
        a.has_content = false;
        a.window = {0, 0};
        return a;
    }
    if (length) {
        cache::range_source source = cache::source_of(stored);
        source.length = *length;
        cache::range_plan plan = cache::plan_ranges(request, source, now);
        const bool several = plan.what == cache::range_plan::kind::multiple;
        if (plan.what == cache::range_plan::kind::unsatisfiable) {
            compose_unsatisfiable(stored, *length, a);
            return a;
        }
        if (plan.what != cache::range_plan::kind::whole && !(several && boundary.empty())) {
            compose_partial(request, stored, *length, std::move(plan), boundary, a);
            return a;
        }
    }
    a.reason = reason_of(stored);
    append_fields(
        stored.fields, [](http::field_view) { return true; }, a.fields);
    a.has_content = http::may_have_content(stored.status, request.method);
    if (!a.has_content) a.window = {0, 0};
    return a;
}

std::vector<std::string_view> content_of(const stored_answer& a, const cache::stored_response& stored) {
    std::vector<std::string_view> content;
    if (!a.has_content || a.length == 0) return content;
    for (std::size_t i = 0; i < a.parts.size(); ++i) {
        content.push_back(a.layout.part_heads[i]);
        cache::append_views(stored.content(), a.parts[i], content);
    }
    if (!a.parts.empty()) {
        content.push_back(a.layout.closing);
    } else {
        cache::append_views(stored.content(), {a.window.first, std::min(a.window.end, stored.content_bytes) - 1},
                            content);
    }
    return content;
}

}  // namespace weir::proxy
