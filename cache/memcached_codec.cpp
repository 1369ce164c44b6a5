#include "cache/memcached_codec.hpp"

#include <xxhash.h>

#include <algorithm>

#include "cache/binary.hpp"
#include "cache/key.hpp"
#include "cache/memcached_chunks.hpp"
#include "cache/tags.hpp"
#include "proxy/http/field_names.hpp"
#include "proxy/http/fields.hpp"

namespace weir::cache {

namespace {

using kind = tier_value::kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view magic = "weir";
constexpr std::uint8_t version = 1;
constexpr std::size_t checksum_bytes = 16;

// Beyond every year that a date of HTTP has, and still far from where sums of times overflow.
constexpr std::int64_t most_seconds = std::int64_t{1} << 40;
constexpr std::int64_t most_milliseconds = most_seconds * 1000;
constexpr std::uint32_t max_field_names = 64;  // of private and no-cache: see cache_control.hpp

constexpr bool cache_control::*flags[] = {
    &cache_control::no_store,        &cache_control::no_cache,        &cache_control::is_private,
    &cache_control::is_public,       &cache_control::must_revalidate, &cache_control::proxy_revalidate,
    &cache_control::must_understand, &cache_control::no_transform,    &cache_control::only_if_cached,
    &cache_control::immutable,       &cache_control::targeted,
};
constexpr optional_seconds cache_control::*durations[] = {
    &cache_control::max_age,
    &cache_control::s_maxage,
    &cache_control::min_fresh,
    &cache_control::max_stale,
    &cache_control::stale_while_revalidate,
    &cache_control::stale_if_error,
};

// The numbers of both as bits of one.
template <class Members, class Control, class F>
std::uint16_t bits_of(const Members& members, const Control& control, F is_set) {
    std::uint16_t bits = 0;
    for (std::size_t i = 0; i < std::size(members); ++i) {
        if (is_set(control.*members[i])) bits = static_cast<std::uint16_t>(bits | 1u << i);
    }
    return bits;
}

std::string checksum(std::string_view bytes) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
    return {reinterpret_cast<const char*>(canonical.digest), checksum_bytes};
}

binary_writer begin(kind what, std::string_view cache_key, std::size_t expected_bytes) {
    binary_writer out(expected_bytes + cache_key.size() + 64);
    out.raw(magic);
    out.number(version);
    out.number(static_cast<std::uint8_t>(what));
    out.text(cache_key);
    return out;
}

std::string finish(binary_writer& out) {
    out.raw(checksum(out.written()));
    return out.take();
}

void write_list(const std::vector<std::string>& texts, binary_writer& out) {
    out.number(static_cast<std::uint32_t>(texts.size()));
    for (const std::string& text : texts) out.text(text);
}

std::vector<std::string> read_list(binary_reader& in, std::uint32_t limit) {
    std::vector<std::string> texts(in.count(limit, sizeof(std::uint32_t)));
    for (std::string& text : texts) text = in.text();
    return texts;
}

void write_control(const cache_control& control, binary_writer& out) {
    out.number(bits_of(flags, control, [](bool flag) { return flag; }));
    out.number(bits_of(durations, control, [](const auto& duration) { return duration.has_value(); }));
    for (const auto member : durations) {
        if (const auto duration = control.*member) out.signed_number((*duration).count());
    }
    write_list(control.private_fields, out);
    write_list(control.no_cache_fields, out);
}

seconds read_lifetime(binary_reader& in) {
    return seconds(in.signed_number(0, most_seconds));
}

cache_control read_control(binary_reader& in) {
    cache_control control;
    const auto flag_bits = in.number<std::uint16_t>();
    const auto duration_bits = in.number<std::uint16_t>();
    if (flag_bits >> std::size(flags) != 0 || duration_bits >> std::size(durations) != 0) in.fail();
    for (std::size_t i = 0; i < std::size(flags); ++i) control.*flags[i] = (flag_bits >> i & 1) != 0;
    for (std::size_t i = 0; i < std::size(durations); ++i) {
        if ((duration_bits >> i & 1) != 0) control.*durations[i] = read_lifetime(in);
    }
    control.private_fields = read_list(in, max_field_names);
    control.no_cache_fields = read_list(in, max_field_names);
    return control;
}

bool is_vary_name(std::string_view name) {
    return http::valid_field_name(name) &&
           std::none_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

void write_vary(const stored_vary& vary, binary_writer& out) {
    out.number(static_cast<std::uint32_t>(vary.size()));
    for (const vary_view field : vary) {
        out.text(field.name);
        out.number(static_cast<std::uint8_t>(field.value.has_value()));
        if (field.value) out.text(*field.value);
    }
}

std::vector<vary_field> read_vary(binary_reader& in) {
    std::vector<vary_field> vary(in.count(max_vary_names, sizeof(std::uint32_t) + 1));
    for (vary_field& field : vary) {
        field.name = in.text();
        if (!is_vary_name(field.name)) in.fail();
        field.id = http::find_field_id(field.name);
        if (in.boolean()) field.value = in.text();
    }
    return vary;
}

void write_tags(const stored_tags& tags, binary_writer& out) {
    out.number(static_cast<std::uint32_t>(tags.size()));
    for (const std::uint64_t tag : tags) out.number(tag);
}

std::vector<std::uint64_t> read_tags(binary_reader& in) {
    std::vector<std::uint64_t> tags(in.count(max_tags, sizeof(std::uint64_t)));
    for (std::uint64_t& tag : tags) tag = in.number<std::uint64_t>();
    const auto not_above = [](std::uint64_t a, std::uint64_t b) { return a >= b; };
    if (std::adjacent_find(tags.begin(), tags.end(), not_above) != tags.end()) in.fail();
    return tags;
}

void read_response(binary_reader& in, std::string_view cache_key, tier_value& value) {
    response_parts parts{.key = cache_key};
    value.position.epoch = in.number<std::uint64_t>();
    value.position.number = in.number<std::uint64_t>();
    parts.status = in.number<std::uint16_t>();
    const bool soft_purged = in.boolean();
    const auto read_time = [&in] { return in.signed_number(-most_milliseconds, most_milliseconds); };
    parts.request_time = time_point(milliseconds(read_time()));
    parts.response_time = time_point(milliseconds(read_time()));
    parts.date = std::chrono::sys_seconds(seconds(in.signed_number(-most_seconds, most_seconds)));
    parts.corrected_initial_age = read_lifetime(in);
    parts.freshness_lifetime = read_lifetime(in);
    parts.control = read_control(in);
    const std::vector<vary_field> vary = read_vary(in);
    parts.vary = vary;
    const std::vector<std::uint64_t> tags = read_tags(in);
    parts.tags = tags;
    parts.head = in.text();
    parts.content = in.rest();
    if (in.failed()) return;
    parts.content_bytes = parts.content.size();
    const auto ids = read_stored_head(parts);
    if (!ids) return;
    parts.field_ids = *ids;
    value.response = make_response(parts);
    value.response->use.soft_purged.store(soft_purged, std::memory_order_relaxed);
    value.what = kind::response;
}

void read_varies(binary_reader& in, tier_value& value) {
    value.vary = read_list(in, max_vary_names);
    if (!in.ended_well() || value.vary.empty()) return;
    if (std::all_of(value.vary.begin(), value.vary.end(), is_vary_name)) value.what = kind::varies;
}

void read_chunked(binary_reader& in, tier_value& value) {
    value.chunks.generation = in.number<std::uint64_t>();
    value.chunks.count = in.number<std::uint32_t>();
    value.chunks.bytes = in.number<std::uint64_t>();
    const chunk_list& chunks = value.chunks;
    if (!in.ended_well() || chunks.count < 2 || chunks.count > max_chunks || chunks.bytes == 0) return;
    if ((chunks.bytes - 1) / max_item_bytes + 1 == chunks.count) value.what = kind::chunked;
}

}  // namespace

std::string encode_response(const stored_response& response, const purge_position& position) {
    binary_writer out =
        begin(kind::response, response.key,
              512 + response.head.size() + response.content_bytes + response.tags.size() * sizeof(std::uint64_t));
    out.number(position.epoch);
    out.number(position.number);
    out.number(response.status);
    out.number(static_cast<std::uint8_t>(response.use.soft_purged.load(std::memory_order_relaxed)));
    out.signed_number(response.request_time().time_since_epoch().count());
    out.signed_number(response.response_time.time_since_epoch().count());
    out.signed_number(response.date.time_since_epoch().count());
    out.signed_number(response.corrected_initial_age.count());
    out.signed_number(response.freshness_lifetime.count());
    write_control(response.whole_control(), out);
    write_vary(response.vary, out);
    write_tags(response.tags, out);
    out.text(response.head);
    for (const std::string_view piece : response.content()) out.raw(piece);
    return finish(out);
}

std::string encode_varies(std::string_view cache_key, const std::vector<vary_field>& vary) {
    binary_writer out = begin(kind::varies, cache_key, 256);
    out.number(static_cast<std::uint32_t>(vary.size()));
    for (const vary_field& field : vary) out.text(field.name);
    return finish(out);
}

std::string encode_chunked(std::string_view cache_key, const chunk_list& chunks) {
    binary_writer out = begin(kind::chunked, cache_key, 32);
    out.number(chunks.generation);
    out.number(chunks.count);
    out.number(chunks.bytes);
    return finish(out);
}

std::string encode_uncacheable(std::string_view cache_key) {
    binary_writer out = begin(kind::uncacheable, cache_key, 0);
    return finish(out);
}

tier_value decode(std::string_view bytes, std::string_view cache_key) {
    tier_value value;
    if (bytes.size() < checksum_bytes || !bytes.starts_with(magic)) return value;
    const std::string_view covered = bytes.substr(0, bytes.size() - checksum_bytes);
    binary_reader in(covered.substr(std::min(covered.size(), magic.size())));
    if (in.number<std::uint8_t>() != version) return value;
    const auto what = in.number<std::uint8_t>();
    if (in.text() != cache_key || in.failed()) return value;
    if (checksum(covered) != bytes.substr(covered.size())) return value;

    switch (static_cast<kind>(what)) {
        case kind::response:
            read_response(in, cache_key, value);
            break;
        case kind::varies:
            read_varies(in, value);
            break;
        case kind::chunked:
            read_chunked(in, value);
            break;
        case kind::uncacheable:
            if (in.ended_well()) value.what = kind::uncacheable;
            break;
        case kind::bad:
            break;
    }
    return value;
}

}  // namespace weir::cache
