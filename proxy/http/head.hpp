// The head of a message: start line and fields, as positions in the bytes they were read from.
//
// Positions rather than pointers, so that the bytes may be moved (a buffer that grows, a stored response) by telling
// the head where they are now. Nothing here allocates once the vector of a reused head has its size; a head owns no
// bytes.
#pragma once

#include <algorithm>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/verb.hpp>
#include <cstdint>
#include <iterator>
#include <ostream>  // field.hpp and verb.hpp define operators on it without including it
#include <string>
#include <string_view>
#include <vector>

namespace weir::http {

using field_id = boost::beast::http::field;  // `unknown` for a name that Beast's table does not have
using verb = boost::beast::http::verb;       // `unknown` for a method that Beast's table does not have

struct field_view {
    field_id id;
    std::string_view name;   // in the case in which it was received
    std::string_view value;  // without the white space around it
};

// The fields of a head in the order received.
class field_list {
  public:
    class iterator {
      public:
        using value_type = field_view;
        using difference_type = std::ptrdiff_t;
        iterator() = default;
        iterator(const field_list* list, std::size_t index) : list_(list), index_(index) {}
        field_view operator*() const { return (*list_)[index_]; }
        iterator& operator++() {
            ++index_;
            return *this;
        }
        iterator operator++(int) { return {list_, index_++}; }
        bool operator==(const iterator&) const = default;

      private:
        const field_list* list_ = nullptr;
        std::size_t index_ = 0;
    };

    iterator begin() const { return {this, 0}; }
    iterator end() const { return {this, positions_.size()}; }
    std::size_t size() const { return positions_.size(); }
    field_view operator[](std::size_t index) const {
        const position& p = positions_[index];
        return {p.id, {base_ + p.name, p.name_size}, {base_ + p.value, p.value_size}};
    }

    // The value of the first field `id`, or nothing where there is none; `count` tells one from several.
    // `id` is not `unknown`; by_name compares without regard to case and finds any name.
    std::string_view value(field_id id) const { return may_have(id) ? find_value(id) : std::string_view(); }
    bool has(field_id id) const { return may_have(id) && contains(id); }
    std::size_t count(field_id id) const;
    std::string_view value(std::string_view name) const;
    bool has(std::string_view name) const;

    // The bytes that the positions refer to; they outlive every view taken from this list.
    const char* base() const { return base_; }
    void set_base(const char* base) { base_ = base; }
    void clear() {
        positions_.clear();
        seen_ = 0;
    }
    void reserve(std::size_t fields) { positions_.reserve(fields); }
    // `name` and `value` lie in the bytes after base; value may be empty.
    void add(field_id id, std::string_view name, std::string_view value) {
        seen_ |= bit_of(id);
        positions_.push_back({static_cast<std::uint32_t>(name.data() - base_),
                              static_cast<std::uint32_t>(value.data() - base_),
                              static_cast<std::uint32_t>(value.size()), static_cast<std::uint16_t>(name.size()), id});
    }

  private:
    // Most questions are for fields that are not there: a bit for each of 61 classes of names says so at once.
    static constexpr std::uint64_t bit_of(field_id id) { return std::uint64_t{1} << static_cast<unsigned>(id) % 61; }
    bool may_have(field_id id) const { return seen_ & bit_of(id); }
    std::string_view find_value(field_id id) const;
    bool contains(field_id id) const;

    struct position {
        std::uint32_t name;
        std::uint32_t value;
        std::uint32_t value_size;
        std::uint16_t name_size;
        field_id id;
    };
    const char* base_ = nullptr;
    std::uint64_t seen_ = 0;
    std::vector<position> positions_;
};

// How the end of a message body is found (RFC 9112 section 6.3).
enum class body_kind : std::uint8_t { none, length, chunked, until_close };

struct request_head {
    verb method = verb::unknown;
    std::uint8_t version = 11;  // 10 or 11
    bool keep_alive = true;     // the connection persists after this exchange (RFC 9112 section 9.3)
    bool expects_continue = false;
    bool upgrade_websocket = false;  // Upgrade: websocket, named by Connection, on a GET of HTTP/1.1 without content
    bool removes_fields = false;     // Connection names others than the hop's own: they go no further
    body_kind body = body_kind::none;
    std::uint64_t content_length = 0;  // of body_kind::length
    std::uint32_t size = 0;            // bytes of the head, its last CRLF included
    std::string own_target;            // what `target` refers to where a '/' had to be added: http://host?query
    std::string_view method_text;
    std::string_view target;  // origin-form or "*": what is forwarded; of absolute-form, what follows the authority
    std::string_view host;    // of absolute-form, or the value of Host; empty only for HTTP/1.0
    field_list fields;

    void clear();
    // Tells the head that its bytes, unchanged, are at `base` now.
    void rebase(const char* base);
};

struct response_head {
    std::uint16_t status = 0;   // 100-599
    std::uint8_t version = 11;  // 10 or 11
    bool keep_alive = true;     // the connection may be used again after this response (RFC 9112 section 9.3)
    body_kind body = body_kind::none;
    std::uint64_t content_length = 0;  // of body_kind::length; for HEAD and 304 what the field says, body is `none`
    bool has_content_length = false;
    std::uint32_t size = 0;
    std::string_view reason;
    field_list fields;

    void clear();
    void rebase(const char* base);
};

// RFC 9110 section 9.2.1 and 9.2.2.
bool is_safe(verb method);
bool is_idempotent(verb method);

bool iequals(std::string_view a, std::string_view b);  // ASCII case folded
// Every element of a comma-separated list, trimmed, empty ones left out: calls f(std::string_view) until it returns
// true; says if one did. Quoted strings keep their commas.
template <class F>
bool any_element(std::string_view list, F f);

template <class F>
bool any_element(std::string_view list, F f) {
    std::size_t start = 0;
    bool quoted = false;
    for (std::size_t i = 0; i <= list.size(); ++i) {
        if (i < list.size()) {
            if (quoted && list[i] == '\\' && i + 1 < list.size()) {
                ++i;
                continue;
            }
            if (list[i] == '"') quoted = !quoted;
            if (quoted || list[i] != ',') continue;
        }
        std::string_view element = list.substr(start, std::min(i, list.size()) - start);
        while (!element.empty() && (element.front() == ' ' || element.front() == '\t')) element.remove_prefix(1);
        while (!element.empty() && (element.back() == ' ' || element.back() == '\t')) element.remove_suffix(1);
        if (!element.empty() && f(element)) return true;
        start = i + 1;
    }
    return false;
}

}  // namespace weir::http
