// How the head of a response becomes the one that is stored.
#include "cache/stored_response.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

#include "cache/freshness.hpp"
#include "cache/key.hpp"
#include "cache/tags.hpp"
#include "proxy/http/date.hpp"
#include "proxy/http/field_names.hpp"
#include "proxy/http/fields.hpp"
#include "proxy/http/framing.hpp"

namespace weir::cache {

namespace {

// Writes the fields of a head one after the other and remembers what they are.
class head_writer {
  public:
    explicit head_writer(std::size_t expected_bytes) {
        text_.reserve(expected_bytes);
        ids_.reserve(16);
    }

    void status_line(const http::response_head& response) {
        http::append_status_line(response.status, response.reason, text_);
    }
    void field(http::field_id id, std::string_view name, std::string_view value) {
        text_.append(name).append(": ").append(value).append("\r\n");
        ids_.push_back(id);
    }
    std::string_view text() const { return text_; }
    std::span<const http::field_id> ids() const { return ids_; }

  private:
    std::string text_;
    std::vector<http::field_id> ids_;
};

void write_date(head_writer& out, std::chrono::sys_seconds date) {
    char text[http::date_size];
    http::format_date(date, text);
    out.field(http::field_id::date, "Date", {text, http::date_size});
}

head_writer write_head(const response_to_store& from, std::span<const conf::header_rule> rules,
                       const withheld_fields& withheld, std::chrono::sys_seconds date) {
    const http::field_list& fields = from.response.fields;
    const http::connection_options connection(fields);
    const bool keeps_date = fields.count(http::field_id::date) == 1 &&
                            http::parse_date(fields.value(http::field_id::date), date).has_value();

    head_writer out(from.response.size + 128);
    out.status_line(from.response);
    for (const http::field_view field : fields) {
        if (http::is_hop_by_hop(field) || connection.names(field) || is_ruled(field.name, rules)) continue;
        if (withheld.names(field.name)) continue;
        if (field.id == http::field_id::age || field.id == http::field_id::content_length) continue;
        if (field.id == http::field_id::date && !keeps_date) continue;
        out.field(field.id, field.name, field.value);
    }
    if (!keeps_date && !is_ruled("Date", rules)) write_date(out, date);
    for (const conf::header_rule& rule : rules) {
        if (!rule.value) continue;
        out.field(http::find_field_id(rule.name), rule.name, *rule.value);
    }
    if (from.content_bytes && http::may_have_content(from.response.status, http::verb::get)) {
        out.field(http::field_id::content_length, "Content-Length", std::to_string(*from.content_bytes));
    }
    return out;
}

// Pieces as one, where there are few.
std::string joined(const stored_content& content) {
    std::string whole;
    for (const std::string_view piece : content) whole.append(piece);
    return whole;
}

// What conf lets no route set either.
bool belongs_to_connection(http::field_id id) {
    switch (id) {
        case http::field_id::connection:
        case http::field_id::keep_alive:
        case http::field_id::proxy_connection:
        case http::field_id::te:
        case http::field_id::trailer:
        case http::field_id::transfer_encoding:
        case http::field_id::upgrade:
        case http::field_id::http2_settings:
            return true;
        default:
            return false;
    }
}

bool is_status_line(std::string_view line, std::uint16_t status) {
    if (status < 200 || status > 599) return false;
    std::string expected;
    http::append_status_line(status, {}, expected);
    expected.resize(expected.size() - 2);
    return line.starts_with(expected) && http::valid_field_value(line);
}

// "name: value"
bool add_field(std::string_view line, http::field_list& fields) {
    const std::size_t colon = line.find(':');
    if (colon == line.npos || colon > std::numeric_limits<std::uint16_t>::max()) return false;
    if (colon + 1 == line.size() || line[colon + 1] != ' ') return false;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = line.substr(colon + 2);
    if (!http::valid_field_name(name) || !http::valid_field_value(value)) return false;
    fields.add(http::find_field_id(name), name, value);
    return true;
}

bool has_framing(const http::field_list& fields, const response_parts& parts) {
    const bool has_connection = std::any_of(fields.begin(), fields.end(),
                                            [](http::field_view field) { return belongs_to_connection(field.id); });
    if (has_connection) return false;
    const std::size_t lengths = fields.count(http::field_id::content_length);
    if (!http::may_have_content(parts.status, http::verb::get)) return lengths == 0 && parts.content_bytes == 0;
    return lengths == 1 && fields.value(http::field_id::content_length) == std::to_string(parts.content_bytes);
}

}  // namespace

bool is_ruled(std::string_view name, std::span<const conf::header_rule> field_rules) {
    return std::any_of(field_rules.begin(), field_rules.end(),
                       [&](const conf::header_rule& rule) { return http::iequals(rule.name, name); });
}

new_response_ptr make_stored_response(const response_to_store& from, std::span<const conf::header_rule> field_rules) {
    const http::field_list& fields = from.response.fields;
    const auto vary = from.vary ? *from.vary : vary_of(fields, from.request);
    assert(vary && "may_store refuses a Vary that selects nothing");
    response_parts parts{.key = from.key, .status = from.response.status};
    if (vary) parts.vary = *vary;
    parts.control = from.control ? *from.control : response_control(fields);
    parts.request_time = from.request_time;
    parts.response_time = from.response_time;
    parts.date = date_of(fields, from.response_time);
    parts.corrected_initial_age = corrected_initial_age(fields, from.request_time, from.response_time);
    parts.freshness_lifetime = from.freshness_lifetime;
    parts.fill_number = from.fill_number;

    const head_writer head = write_head(from, field_rules, parts.control, parts.date);
    parts.head = head.text();
    parts.field_ids = head.ids();
    std::vector<std::uint64_t> tags;
    if (from.tags_of) {
        parts.tags = {from.tags_of->tags.data(), from.tags_of->tags.size()};
    } else {
        tags = tags_of(fields, from.tag_fields, origin_of(from.key));
        parts.tags = tags;
    }
    std::string small_content;
    if (!from.content_of) {
        parts.blocks = from.content;
    } else if (from.content_of->blocks().empty()) {
        small_content = joined(from.content_of->content());
        parts.content = small_content;
    } else {
        parts.blocks = from.content_of->blocks();
    }
    parts.content_bytes = from.content_bytes.value_or(0);
    return make_response(parts);
}

response_ptr complete_response(const stored_response& arriving, std::span<const http::block_ptr> content,
                               std::uint64_t content_bytes) {
    const std::vector<vary_field> vary = arriving.vary;
    const auto known = arriving.fields.ids();
    std::vector<http::field_id> ids(known.begin(), known.end());
    std::string head(arriving.head);
    if (!arriving.fields.has(http::field_id::content_length) &&
        http::may_have_content(arriving.status, http::verb::get)) {
        http::append_field("Content-Length", content_bytes, head);
        ids.push_back(http::field_id::content_length);
    }
    return make_response({.key = arriving.key,
                          .vary = vary,
                          .status = arriving.status,
                          .head = head,
                          .field_ids = ids,
                          .control = arriving.whole_control(),
                          .request_time = arriving.request_time(),
                          .response_time = arriving.response_time,
                          .date = arriving.date,
                          .corrected_initial_age = arriving.corrected_initial_age,
                          .freshness_lifetime = arriving.freshness_lifetime,
                          .fill_number = arriving.fill_number,
                          .tags = {arriving.tags.data(), arriving.tags.size()},
                          .blocks = content,
                          .content_bytes = content_bytes});
}

std::optional<std::vector<http::field_id>> read_stored_head(const response_parts& parts) {
    std::string_view rest = parts.head;
    const auto next_line = [&rest](std::string_view& line) {
        const std::size_t end = rest.find("\r\n");
        if (end == rest.npos) return false;
        line = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        return true;
    };
    std::string_view line;
    if (!next_line(line) || !is_status_line(line, parts.status)) return std::nullopt;
    http::field_list fields;
    fields.reserve(16);
    fields.set_base(parts.head.data());
    while (!rest.empty()) {
        if (!next_line(line) || !add_field(line, fields)) return std::nullopt;
    }
    if (!has_framing(fields, parts)) return std::nullopt;
    std::vector<http::field_id> ids;
    ids.reserve(fields.size());
    for (const http::field_view field : fields) ids.push_back(field.id);
    return ids;
}

}  // namespace weir::cache
