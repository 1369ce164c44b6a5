#include "cache/stored_response.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <limits>

#include "cache/freshness.hpp"
#include "cache/key.hpp"
#include "cache/memory_store.hpp"
#include "cache/tags.hpp"
#include "proxy/http/date.hpp"
#include "proxy/http/fields.hpp"
#include "proxy/http/framing.hpp"

namespace weir::cache {

namespace {

using std::chrono::floor;
using std::chrono::seconds;

// What jemalloc takes for a block of `bytes`: up to 128 rounded up to 16, from there to one of four classes between two
// powers of two, and a page more from 16 KiB on.
constexpr std::size_t heap_bytes(std::size_t bytes) {
    const std::size_t step = bytes <= 128 ? 16 : std::bit_floor(bytes - 1) / 4;
    const std::size_t rounded = (bytes + step - 1) / step * step;
    return rounded < 16 * 1024 ? rounded : rounded + 4096;
}

std::size_t heap_bytes(const std::string& text) {
    const std::size_t in_place = std::string().capacity();
    return text.capacity() > in_place ? heap_bytes(text.capacity() + 1) : 0;
}

std::size_t heap_bytes(const std::vector<std::string>& texts) {
    std::size_t bytes = heap_bytes(texts.capacity() * sizeof(std::string));
    for (const std::string& text : texts) bytes += heap_bytes(text);
    return bytes;
}

// Writes the fields of a head one after the other and remembers where they are, for field_list needs the finished text.
class head_writer {
  public:
    explicit head_writer(std::size_t expected_bytes) { text_.reserve(expected_bytes); }

    void status_line(const http::response_head& response) {
        http::append_status_line(response.status, response.reason, text_);
    }
    void field(http::field_id id, std::string_view name, std::string_view value) {
        const std::size_t at = text_.size();
        text_.append(name).append(": ").append(value).append("\r\n");
        places_.push_back({id, at, name.size(), at + name.size() + 2, value.size()});
    }
    void finish(stored_response& into) {
        text_.shrink_to_fit();
        into.head = std::move(text_);
        const std::string_view head = into.head;
        http::field_list fields;
        fields.set_base(head.data());
        for (const place& p : places_) {
            fields.add(p.id, head.substr(p.name, p.name_size), head.substr(p.value, p.value_size));
        }
        into.fields = fields;  // a copy takes just the room it needs
    }

  private:
    struct place {
        http::field_id id;
        std::size_t name, name_size, value, value_size;
    };
    std::string text_;
    std::vector<place> places_;
};

void write_date(head_writer& out, const stored_response& stored) {
    char text[http::date_size];
    http::format_date(stored.date, text);
    out.field(http::field_id::date, "Date", {text, http::date_size});
}

void write_head(const response_to_store& from, std::span<const conf::header_rule> rules, stored_response& stored) {
    const http::field_list& fields = from.response.fields;
    const http::connection_options connection(fields);
    const bool keeps_date = fields.count(http::field_id::date) == 1 &&
                            http::parse_date(fields.value(http::field_id::date), stored.date).has_value();

    head_writer out(from.response.size + 128);
    out.status_line(from.response);
    for (const http::field_view field : fields) {
        if (http::is_hop_by_hop(field) || connection.names(field) || is_ruled(field.name, rules)) continue;
        if (stored.control.names(field.name)) continue;
        if (field.id == http::field_id::age || field.id == http::field_id::content_length) continue;
        if (field.id == http::field_id::date && !keeps_date) continue;
        out.field(field.id, field.name, field.value);
    }
    if (!keeps_date && !is_ruled("Date", rules)) write_date(out, stored);
    for (const conf::header_rule& rule : rules) {
        if (!rule.value) continue;
        out.field(boost::beast::http::string_to_field({rule.name.data(), rule.name.size()}), rule.name, *rule.value);
    }
    if (from.content_bytes && http::may_have_content(from.response.status, http::verb::get)) {
        out.field(http::field_id::content_length, "Content-Length", std::to_string(*from.content_bytes));
    }
    out.finish(stored);
}

// Of several that contradict each other none is used: a 304 for the wrong one would keep an old response alive.
void find_validators(stored_response& stored) {
    if (stored.fields.count(http::field_id::etag) == 1) stored.etag = stored.fields.value(http::field_id::etag);
    if (stored.fields.count(http::field_id::last_modified) == 1) {
        stored.last_modified =
            http::parse_date(stored.fields.value(http::field_id::last_modified), floor<seconds>(stored.response_time));
    }
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
    fields.add(boost::beast::http::string_to_field({name.data(), name.size()}), name, value);
    return true;
}

bool has_framing(const stored_response& stored) {
    const bool has_connection = std::any_of(stored.fields.begin(), stored.fields.end(),
                                            [](http::field_view field) { return belongs_to_connection(field.id); });
    if (has_connection) return false;
    const std::size_t lengths = stored.fields.count(http::field_id::content_length);
    if (!http::may_have_content(stored.status, http::verb::get)) return lengths == 0 && stored.content_bytes == 0;
    return lengths == 1 && stored.fields.value(http::field_id::content_length) == std::to_string(stored.content_bytes);
}

}  // namespace

std::size_t stored_response::memory_bytes() const {
    constexpr std::size_t control_block_bytes = 2 * sizeof(void*);  // beside the response, by make_shared
    constexpr std::size_t field_position_bytes = 16;
    std::size_t bytes = heap_bytes(sizeof(stored_response) + control_block_bytes) + store_bookkeeping_bytes;
    bytes += heap_bytes(key) + heap_bytes(head) + heap_bytes(fields.size() * field_position_bytes);
    bytes += heap_bytes(vary.capacity() * sizeof(vary_field));
    for (const vary_field& field : vary) bytes += heap_bytes(field.name) + (field.value ? heap_bytes(*field.value) : 0);
    bytes += heap_bytes(control.private_fields) + heap_bytes(control.no_cache_fields);
    bytes += heap_bytes(tags.capacity() * sizeof(std::uint64_t));
    bytes += heap_bytes(content.capacity() * sizeof(http::block_ptr));
    for (const http::block_ptr& block : content) bytes += heap_bytes(block->memory_bytes());
    return bytes;
}

bool is_ruled(std::string_view name, std::span<const conf::header_rule> field_rules) {
    return std::any_of(field_rules.begin(), field_rules.end(),
                       [&](const conf::header_rule& rule) { return http::iequals(rule.name, name); });
}

std::shared_ptr<stored_response> make_stored_response(const response_to_store& from,
                                                      std::span<const conf::header_rule> field_rules) {
    const http::field_list& fields = from.response.fields;
    auto stored = std::make_shared<stored_response>();
    stored->key = from.key;
    auto vary = from.vary ? *from.vary : vary_of(fields, from.request);
    assert(vary && "may_store refuses a Vary that selects nothing");
    if (vary) stored->vary = std::move(*vary);

    stored->status = from.response.status;
    stored->content = from.content;  // a copy takes just the room it needs
    stored->content_bytes = from.content_bytes.value_or(0);
    stored->control = from.control ? *from.control : response_control(fields);
    stored->request_time = from.request_time;
    stored->response_time = from.response_time;
    stored->date = date_of(fields, from.response_time);
    stored->corrected_initial_age = corrected_initial_age(fields, from.request_time, from.response_time);
    stored->freshness_lifetime = from.freshness_lifetime;
    stored->fill_number = from.fill_number;
    stored->tags = tags_of(fields, from.tag_fields, origin_of(from.key));
    write_head(from, field_rules, *stored);
    find_validators(*stored);
    return stored;
}

std::shared_ptr<const stored_response> complete_response(const stored_response& arriving,
                                                         std::vector<http::block_ptr> content,
                                                         std::uint64_t content_bytes) {
    auto whole = std::make_shared<stored_response>();
    whole->key = arriving.key;
    whole->vary = arriving.vary;
    whole->status = arriving.status;
    whole->content = std::move(content);
    whole->content.shrink_to_fit();
    whole->content_bytes = content_bytes;
    whole->control = arriving.control;
    whole->request_time = arriving.request_time;
    whole->response_time = arriving.response_time;
    whole->date = arriving.date;
    whole->corrected_initial_age = arriving.corrected_initial_age;
    whole->freshness_lifetime = arriving.freshness_lifetime;
    whole->fill_number = arriving.fill_number;
    whole->tags = arriving.tags;

    constexpr std::string_view name = "Content-Length";
    const bool lacks_length = !arriving.fields.has(http::field_id::content_length) &&
                              http::may_have_content(arriving.status, http::verb::get);
    const std::string length = std::to_string(content_bytes);
    const std::size_t start = arriving.head.size();
    whole->head.reserve(start + (lacks_length ? name.size() + length.size() + 4 : 0));
    whole->head = arriving.head;
    if (lacks_length) http::append_field(name, length, whole->head);
    whole->fields = arriving.fields;
    whole->fields.set_base(whole->head.data());
    if (lacks_length) {
        const std::string_view line = std::string_view(whole->head).substr(start);
        whole->fields.add(http::field_id::content_length, line.substr(0, name.size()),
                          line.substr(name.size() + 2, length.size()));
    }
    find_validators(*whole);
    return whole;
}

std::vector<http::block_ptr> make_content(std::string_view bytes) {
    std::vector<http::block_ptr> content;
    content.reserve((bytes.size() + http::block::usual_capacity - 1) / http::block::usual_capacity);
    while (!bytes.empty()) {
        const std::string_view part = bytes.substr(0, http::block::usual_capacity);
        const auto size = static_cast<std::uint32_t>(part.size());
        content.push_back(http::block::make(size, nullptr));
        std::memcpy(content.back()->data(), part.data(), size);
        content.back()->grow(size);
        bytes.remove_prefix(size);
    }
    return content;
}

bool read_stored_head(stored_response& response) {
    std::string_view rest = response.head;
    const auto next_line = [&rest](std::string_view& line) {
        const std::size_t end = rest.find("\r\n");
        if (end == rest.npos) return false;
        line = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        return true;
    };
    std::string_view line;
    if (!next_line(line) || !is_status_line(line, response.status)) return false;
    http::field_list fields;
    fields.reserve(16);
    fields.set_base(response.head.data());
    while (!rest.empty()) {
        if (!next_line(line) || !add_field(line, fields)) return false;
    }
    response.fields = fields;  // a copy takes just the room it needs
    if (!has_framing(response)) return false;
    find_validators(response);
    return true;
}

}  // namespace weir::cache
