#include "cache/stored_parts.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace weir::cache {

namespace {

// Behind the line that begins here, which ends with CRLF.
const char* next_line(const char* line) {
    return static_cast<const char*>(::rawmemchr(line, '\n')) + 1;
}

}  // namespace

http::field_view stored_fields::iterator::operator*() const {
    const char* const colon = static_cast<const char*>(::rawmemchr(line_, ':'));
    const char* const value = colon + 2;
    const char* const end = next_line(value) - 2;
    return {*id_, {line_, colon}, {value, end}};
}

stored_fields::iterator& stored_fields::iterator::operator++() {
    ++id_;
    line_ = next_line(line_);
    return *this;
}

stored_fields::iterator stored_fields::begin() const {
    if (ids_.empty()) return end();
    return {ids_.begin(), next_line(reinterpret_cast<const char*>(ids_.end()))};
}

std::size_t stored_fields::count(http::field_id id) const {
    return static_cast<std::size_t>(std::count(ids_.begin(), ids_.end(), id));
}

std::string_view stored_fields::value(http::field_id id) const {
    if (!has(id)) return {};
    return (*std::find_if(begin(), end(), [id](http::field_view field) { return field.id == id; })).value;
}

std::string_view stored_fields::value(std::string_view name) const {
    for (const http::field_view field : *this) {
        if (http::iequals(field.name, name)) return field.value;
    }
    return {};
}

bool stored_fields::has(std::string_view name) const {
    return std::any_of(begin(), end(), [name](http::field_view field) { return http::iequals(field.name, name); });
}

vary_view stored_vary::iterator::operator*() const {
    vary_view field{{text_, entry_->name_bytes}, std::nullopt, entry_->id};
    if (entry_->value_bytes != no_value) field.value.emplace(text_ + entry_->name_bytes, entry_->value_bytes);
    return field;
}

stored_vary::iterator& stored_vary::iterator::operator++() {
    text_ += entry_->name_bytes + (entry_->value_bytes == no_value ? 0 : entry_->value_bytes);
    ++entry_;
    return *this;
}

stored_vary::operator std::vector<vary_field>() const {
    std::vector<vary_field> vary;
    vary.reserve(size());
    for (const vary_view field : *this) {
        vary.push_back({std::string(field.name), std::nullopt, field.id});
        if (field.value) vary.back().value.emplace(*field.value);
    }
    return vary;
}

std::size_t stored_vary::bytes_of(std::span<const vary_field> vary) {
    std::size_t bytes = vary.size() * sizeof(entry);
    for (const vary_field& field : vary) bytes += field.name.size() + (field.value ? field.value->size() : 0);
    return bytes;
}

void stored_vary::write(std::span<const vary_field> vary, char* memory) {
    auto* const first = reinterpret_cast<entry*>(memory);
    entry* place = first;
    char* text = memory + vary.size() * sizeof(entry);
    const auto append = [&text](std::string_view bytes) {
        std::memcpy(text, bytes.data(), bytes.size());
        text += bytes.size();
        return static_cast<std::uint32_t>(bytes.size());
    };
    for (const vary_field& field : vary) {
        ::new (place++) entry{static_cast<std::uint32_t>(field.name.size()),
                              field.value ? static_cast<std::uint32_t>(field.value->size()) : no_value, field.id};
        append(field.name);
        if (field.value) append(*field.value);
    }
    entries_.set(first, vary.size());
}

}  // namespace weir::cache
