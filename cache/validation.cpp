#include "cache/validation.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "cache/cache_control.hpp"
#include "cache/key.hpp"
#include "cache/tags.hpp"
#include "proxy/http/date.hpp"
#include "proxy/http/fields.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/http/head_parser.hpp"

namespace weir::cache {

namespace {

using std::chrono::seconds;

bool is_weak(std::string_view etag) {
    return etag.starts_with("W/");
}

std::string_view without_weakness(std::string_view etag) {
    return is_weak(etag) ? etag.substr(2) : etag;
}

bool same_last_modified(const stored_response& old, std::string_view value) {
    const auto date = http::parse_date(value, std::chrono::floor<seconds>(old.response_time));
    return date && old.last_modified == *date;
}

// Section 4.3.4: a strong validator names the one response that it is about, a weak one is compared weakly; what has
// none answers our own precondition, which named no other. Validators that the route rewrites are not the origin's.
bool is_about(const stored_response& old, const http::field_list& update,
              std::span<const conf::header_rule> field_rules) {
    if (update.has(http::field_id::etag) && !is_ruled("ETag", field_rules)) {
        const std::string_view etag = update.value(http::field_id::etag);
        if (update.count(http::field_id::etag) > 1 || old.etag.empty()) return false;
        return is_weak(etag) ? without_weakness(etag) == without_weakness(old.etag) : etag == old.etag;
    }
    if (update.has(http::field_id::last_modified) && old.last_modified && !is_ruled("Last-Modified", field_rules)) {
        return same_last_modified(old, update.value(http::field_id::last_modified));
    }
    return true;
}

// What of an update the stored response does not take over: what ends at this hop, and what describes the content that
// is here, byte by byte (section 3.2).
class update_filter {
  public:
    update_filter(const stored_response& old, const http::field_list& update)
        : connection_(update), keeps_etag_(old.fields.has(http::field_id::etag)) {}

    bool takes(http::field_view field) const {
        switch (field.id) {
            case http::field_id::content_encoding:
            case http::field_id::content_type:
            case http::field_id::content_range:
                return false;
            case http::field_id::etag:
                return !keeps_etag_;
            default:
                return !http::is_hop_by_hop(field) && !connection_.names(field);
        }
    }

  private:
    http::connection_options connection_;
    bool keeps_etag_;
};

// The head as the origin would have sent it whole: what the route's rules wrote is left out, for they write it again. A
// Date of before would make the response older than it is.
std::string merge_heads(const stored_response& old, const http::field_list& update,
                        std::span<const conf::header_rule> field_rules) {
    const update_filter filter(old, update);
    const auto is_replaced = [&](std::string_view name) {
        return std::any_of(update.begin(), update.end(), [&](http::field_view field) {
            return http::iequals(field.name, name) && filter.takes(field);
        });
    };
    const std::string_view head = old.head;
    std::string text(head.substr(0, head.find("\r\n") + 2));
    for (const http::field_view field : old.fields) {
        if (field.id == http::field_id::content_length || field.id == http::field_id::date) continue;
        if (!is_ruled(field.name, field_rules) && !is_replaced(field.name)) {
            http::append_field(field.name, field.value, text);
        }
    }
    for (const http::field_view field : update) {
        if (filter.takes(field)) http::append_field(field.name, field.value, text);
    }
    return text += "\r\n";
}

// What the origin said before stays where the update does not say it anew, whatever the route's rules made of it.
cache_control merge_controls(const stored_response& old, const http::field_list& update) {
    cache_control control = response_control(update);
    const bool says = control.targeted || update.has(http::field_id::cache_control);
    return says && (control.targeted || !old.control.targeted) ? control : old.whole_control();
}

// An Expires of before that a rule took away, say: it was storable then, and can be asked about again.
storability or_stale(storability judged) {
    const bool no_lifetime = judged.reason == not_stored::no_freshness || judged.reason == not_stored::status;
    return no_lifetime ? storability{} : judged;
}

}  // namespace

bool can_be_validated(const stored_response& stored) {
    return !stored.etag.empty() || stored.last_modified.has_value();
}

void append_validators(const stored_response& stored, std::string& fields) {
    if (!stored.etag.empty()) http::append_field("If-None-Match", stored.etag, fields);
    if (stored.last_modified) {
        // As it came: there are origins that compare the text.
        http::append_field("If-Modified-Since", stored.fields.value(http::field_id::last_modified), fields);
    }
}

freshened freshen(const stored_response& old, const http::request_head& request, const http::response_head& update,
                  const conf::route_cache_settings& rules, bool personal,
                  std::span<const conf::header_rule> field_rules, time_point request_time, time_point response_time) {
    if (!is_about(old, update.fields, field_rules)) return {};
    const std::string text = merge_heads(old, update.fields, field_rules);
    http::response_head merged;
    const http::head_limits no_limits{std::numeric_limits<std::uint32_t>::max(),
                                      std::numeric_limits<std::uint32_t>::max()};
    if (http::parse_response_head(text, no_limits, http::verb::get, merged) != http::head_error::none) return {};

    const cache_control control = merge_controls(old, update.fields);
    freshened result;
    result.judged = or_stale(may_keep(request, merged, control, rules, personal, request_time, response_time));
    const request_view view{request.fields,
                            rules.session_cookies.empty() ? std::nullopt : std::optional<bool>(personal)};
    // Where a new Vary is refused, the response is only to be answered with, and may keep the old one.
    std::optional<std::vector<vary_field>> vary;
    if (update.fields.has(http::field_id::vary)) vary = vary_of(merged.fields, view);
    if (!vary) vary = old.vary;
    // A 304 need not repeat the tags, and a rule may hide those of before.
    const bool keeps_tags = tags_of(update.fields, rules.tag_fields, origin_of(old.key)).empty();
    result.response = make_stored_response({.key = old.key,
                                            .request = view,
                                            .response = merged,
                                            .content_bytes = old.content_bytes,
                                            .request_time = request_time,
                                            .response_time = response_time,
                                            .freshness_lifetime = result.judged.freshness_lifetime,
                                            .fill_number = old.fill_number,
                                            .tag_fields = rules.tag_fields,
                                            .control = &control,
                                            .vary = &*vary,
                                            .content_of = &old,
                                            .tags_of = keeps_tags ? &old : nullptr},
                                           field_rules);
    return result;
}

head_verdict judge_head(const stored_response& stored, const http::response_head& head,
                        std::span<const conf::header_rule> field_rules) {
    if (head.status != 200 || stored.status != 200) return head_verdict::none;
    const http::field_list& fields = head.fields;
    const bool same_etag =
        !fields.has(http::field_id::etag) || is_ruled("ETag", field_rules) ||
        (fields.count(http::field_id::etag) == 1 && fields.value(http::field_id::etag) == stored.etag);
    const bool same_modified = !fields.has(http::field_id::last_modified) || is_ruled("Last-Modified", field_rules) ||
                               same_last_modified(stored, fields.value(http::field_id::last_modified));
    const bool same_length = !head.has_content_length || head.content_length == stored.content_bytes;
    if (!same_etag || !same_modified || !same_length) return head_verdict::invalidate;
    // Without a validator nothing vouches for the content.
    const bool vouched = fields.has(http::field_id::etag) || fields.has(http::field_id::last_modified);
    return vouched ? head_verdict::freshen : head_verdict::none;
}

}  // namespace weir::cache
