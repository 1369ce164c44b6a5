#include "cache/tags.hpp"

#include <xxhash.h>

#include <algorithm>

#include "proxy/http/structured_fields.hpp"

namespace weir::cache {

namespace {

// Seeds, so that a tag and a group of the same name are not the same.
constexpr std::uint64_t tag_seed = 1;
constexpr std::uint64_t group_seed = 2;

bool separates(char c) {
    return c == ' ' || c == '\t' || c == ',';
}

bool is_tag_field(const http::field_view& field, std::span<const std::string> tag_fields) {
    return std::any_of(tag_fields.begin(), tag_fields.end(),
                       [&](const std::string& name) { return http::iequals(name, field.name); });
}

void append_words(std::string_view value, std::vector<std::uint64_t>& tags) {
    while (!value.empty()) {
        const auto begin = std::find_if_not(value.begin(), value.end(), separates);
        const auto end = std::find_if(begin, value.end(), separates);
        if (begin != end) tags.push_back(hash_tag({begin, end}));
        value.remove_prefix(static_cast<std::size_t>(end - value.begin()));
    }
}

std::vector<std::string> string_list(const http::field_list& fields, std::string_view name) {
    const auto value = http::combined_value(fields, name);
    if (!value) return {};
    return http::parse_string_list(*value).value_or(std::vector<std::string>{});
}

std::uint64_t never_any(std::uint64_t hash) {
    return hash == any_tag ? 1 : hash;
}

}  // namespace

std::uint64_t hash_tag(std::string_view tag) {
    return never_any(XXH3_64bits_withSeed(tag.data(), tag.size(), tag_seed));
}

std::uint64_t hash_group(std::string_view origin, std::string_view group) {
    const std::uint64_t of_origin = XXH3_64bits_withSeed(origin.data(), origin.size(), group_seed);
    return never_any(XXH3_64bits_withSeed(group.data(), group.size(), of_origin));
}

std::vector<std::uint64_t> tags_of(const http::field_list& response, std::span<const std::string> tag_fields,
                                   std::string_view origin) {
    std::vector<std::uint64_t> tags;
    for (const http::field_view field : response) {
        if (is_tag_field(field, tag_fields)) append_words(field.value, tags);
    }
    for (const std::string& group : string_list(response, "Cache-Groups")) tags.push_back(hash_group(origin, group));
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
    if (tags.size() > max_tags) tags.assign(1, any_tag);
    tags.shrink_to_fit();
    return tags;
}

std::vector<std::string> groups_to_invalidate(const http::field_list& response) {
    return string_list(response, "Cache-Group-Invalidation");
}

}  // namespace weir::cache
