#include "cache/memcached_page.hpp"

#include <xxhash.h>

#include <algorithm>

#include "cache/gzip.hpp"
#include "cache/hex.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/http/head_parser.hpp"

namespace weir::cache {

namespace {

constexpr std::uint32_t gzip_flag = 2;
constexpr std::uint32_t no_text_flags = 1 | 4 | 8;
constexpr std::string_view form_mark = "WEIR/";
constexpr std::string_view form_start = "WEIR/1 ";
constexpr std::string_view position_name = "Weir-Purge-Position";
constexpr http::head_limits limits;

std::string etag_of(std::string_view content) {
    const XXH128_hash_t hash = XXH3_128bits(content.data(), content.size());
    std::string tag = "\"";
    append_hex(hash.high64, tag);
    append_hex(hash.low64, tag);
    return tag += '"';
}

// What a head has of the route's own, and what it has not because of that.
class ruled_head {
  public:
    ruled_head(std::string& out, std::span<const conf::header_rule> rules) : out_(out), rules_(rules) {}
    void field(std::string_view name, std::string_view value) {
        if (!is_ruled(name, rules_)) http::append_field(name, value, out_);
    }
    void finish() {
        for (const conf::header_rule& rule : rules_) {
            if (rule.value) http::append_field(rule.name, *rule.value, out_);
        }
    }

  private:
    std::string& out_;
    std::span<const conf::header_rule> rules_;
};

void write_plain_head(const page_source& from, std::string_view content, bool codings, bool gzip, std::string& head) {
    head.reserve(512);
    http::append_status_line(200, http::reason_phrase(200), head);
    if (!is_ruled("Date", from.field_rules))
        http::append_date(std::chrono::floor<std::chrono::seconds>(from.now), head);
    ruled_head out(head, from.field_rules);
    out.field("Content-Type", from.content_type);
    out.field("ETag", etag_of(content));
    if (gzip) out.field("Content-Encoding", "gzip");
    if (codings) out.field("Vary", "Accept-Encoding");
    out.finish();
    http::append_field("Content-Length", content.size(), head);
}

// Not by way of make_stored_response, whose parsing would cost a hit as much as all else.
memcached_page read_plain(const page_source& from) {
    const bool coded = (from.flags & gzip_flag) != 0;
    std::optional<std::string> inflated;
    if (coded) {
        if (!is_gzip(from.bytes)) return {};
        if (!from.takes_gzip && !(inflated = gunzip(from.bytes, max_inflated_bytes))) return {};
    }
    const std::string_view content = inflated ? std::string_view(*inflated) : from.bytes;
    std::string head;
    write_plain_head(from, content, coded, coded && !inflated, head);
    response_parts parts{.key = from.cache_key, .status = 200, .head = head};
    parts.request_time = parts.response_time = from.now;
    parts.date = std::chrono::floor<std::chrono::seconds>(from.now);
    parts.content = content;
    parts.content_bytes = content.size();
    const auto ids = read_stored_head(parts);
    if (!ids) return {};
    parts.field_ids = *ids;
    return {make_response(parts), std::nullopt};
}

// The head of our form as that of a response of HTTP, for the parser.
struct form_head {
    std::string text;
    std::optional<purge_position> position;
    bool good = false;
};

// `head` is whole: see find_end_of_head.
form_head translate(std::string_view head) {
    form_head form;
    constexpr std::size_t digits = 3;
    const std::string_view status = head.substr(form_start.size(), digits);
    if (!head.starts_with(form_start) || head.substr(form_start.size() + digits, 2) != "\r\n") return form;
    unsigned number = 0;
    for (const char c : status) {
        if (c < '0' || c > '9') return form;
        number = number * 10 + static_cast<unsigned>(c - '0');
    }
    // A part, and what only follows from a request's conditions, is no answer to every request.
    if (number < 200 || number == 206 || number == 304 || number > 599) return form;
    form.text.reserve(head.size() + 128);
    http::append_status_line(number, http::reason_phrase(number), form.text);
    std::string_view rest = head.substr(form_start.size() + digits + 2);
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n') + 1);
        rest.remove_prefix(line.size());
        const std::size_t colon = std::min(line.find(':'), line.size());
        if (!http::iequals(line.substr(0, colon), position_name)) {
            form.text.append(line);
            continue;
        }
        std::string_view value = line.substr(colon + 1, line.size() - colon - 3);
        value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
        if (form.position) return form;
        form.position = parse_purge_position(value);
        if (!form.position) return form;
    }
    form.good = true;
    return form;
}

memcached_page read_form(const page_source& from) {
    const http::head_end end = http::find_end_of_head(from.bytes, 0, limits.max_bytes);
    if (end.state != http::head_end::state::complete) return {};
    form_head form = translate(from.bytes.substr(0, end.size));
    if (!form.good) return {};
    const std::string_view content = from.bytes.substr(end.size);

    // After the end of the head, so that fields which lack may refer to them.
    constexpr std::string_view etag_name = "ETag", type_name = "Content-Type";
    const std::size_t head_size = form.text.size();
    const std::string etag = etag_of(content);
    form.text.append(etag_name).append(etag).append(type_name).append(from.content_type);
    const std::string_view text = form.text;
    http::response_head head;
    if (http::parse_response_head(text.substr(0, head_size), {limits.max_bytes + 128, limits.max_fields},
                                  http::verb::get, head) != http::head_error::none) {
        return {};
    }
    // A length that is said has to be right: the value may have been cut.
    if (head.has_content_length && head.content_length != content.size()) return {};
    if (!http::may_have_content(head.status, http::verb::get) && !content.empty()) return {};
    const auto add_lacking = [&](http::field_id id, std::string_view name, std::string_view value) {
        if (head.fields.has(id)) return;
        const std::size_t at = text.find(name, head_size);
        head.fields.add(id, text.substr(at, name.size()), text.substr(at + name.size(), value.size()));
    };
    if (head.status == 200) add_lacking(http::field_id::etag, etag_name, etag);
    if (!content.empty()) add_lacking(http::field_id::content_type, type_name, from.content_type);
    static const std::vector<vary_field> no_vary;  // the page's own key has selected it
    static const http::field_list no_fields;
    const std::vector<http::block_ptr> blocks = make_content(content);
    auto response = make_stored_response({.key = from.cache_key,
                                          .request = {no_fields},
                                          .response = head,
                                          .content = blocks,
                                          .content_bytes = content.size(),
                                          .request_time = from.now,
                                          .response_time = from.now,
                                          .tag_fields = from.tag_fields,
                                          .vary = &no_vary},
                                         from.field_rules);
    return {std::move(response), form.position};
}

}  // namespace

bool is_page_key(std::string_view key) {
    constexpr std::size_t longest = 250;
    return !key.empty() && key.size() <= longest && std::none_of(key.begin(), key.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x21 || byte == 0x7f;
    });
}

memcached_page read_page(const page_source& from) {
    if ((from.flags & no_text_flags) != 0) return {};
    return from.bytes.starts_with(form_mark) ? read_form(from) : read_plain(from);
}

}  // namespace weir::cache
