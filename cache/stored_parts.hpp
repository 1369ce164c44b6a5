// Parts of a stored response that differ in length: they lie behind it, in the memory that was allocated with it, and
// are found by their distance from where they are named, which takes half of what a pointer and a length do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/head.hpp"

namespace weir::cache {

// `count` objects that lie behind this one, less than 4 GiB away; owned by whoever has the memory. It must not move.
template <class T>
class behind {
  public:
    behind() = default;
    behind(const behind&) = delete;
    behind& operator=(const behind&) = delete;

    void set(const T* first, std::size_t count) {
        distance_ =
            static_cast<std::uint32_t>(reinterpret_cast<const char*>(first) - reinterpret_cast<const char*>(this));
        count_ = static_cast<std::uint32_t>(count);
    }
    const T* data() const { return reinterpret_cast<const T*>(reinterpret_cast<const char*>(this) + distance_); }
    const T* begin() const { return data(); }
    const T* end() const { return data() + count_; }
    std::size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }

  private:
    std::uint32_t distance_ = 0;
    std::uint32_t count_ = 0;
};

class stored_text : public behind<char> {
  public:
    operator std::string_view() const { return {data(), size()}; }
};
inline bool operator==(const stored_text& a, const stored_text& b) {
    return std::string_view(a) == std::string_view(b);
}
inline bool operator==(const stored_text& a, std::string_view b) {
    return std::string_view(a) == b;
}

using stored_tags = behind<std::uint64_t>;

// The fields of a stored head, in the order received: beside the head itself only their ids.
class stored_fields {
  public:
    class iterator {
      public:
        using value_type = http::field_view;
        using difference_type = std::ptrdiff_t;
        iterator() = default;
        // `line`: where the field `*id` begins.
        iterator(const http::field_id* id, const char* line) : id_(id), line_(line) {}
        http::field_view operator*() const;
        iterator& operator++();
        iterator operator++(int) {
            const iterator before = *this;
            ++*this;
            return before;
        }
        bool operator==(const iterator& other) const { return id_ == other.id_; }

      private:
        const http::field_id* id_ = nullptr;
        const char* line_ = nullptr;
    };

    iterator begin() const;
    iterator end() const { return {ids_.end(), nullptr}; }
    std::size_t size() const { return ids_.size(); }

    // As of http::field_list.
    std::string_view value(http::field_id id) const;
    bool has(http::field_id id) const { return count(id) > 0; }
    std::size_t count(http::field_id id) const;
    std::string_view value(std::string_view name) const;
    bool has(std::string_view name) const;

    std::span<const http::field_id> ids() const { return {ids_.data(), ids_.size()}; }
    // The head with these fields, "name: value" and CRLF each after its first line, follows the ids at once.
    void set(const http::field_id* first, std::size_t count) { ids_.set(first, count); }

  private:
    behind<http::field_id> ids_;
};

// One field that the response's Vary names, with what the request that brought it said (RFC 9111 section 4.1): the
// values of all lines joined by ", ", or nothing where the request had none.
struct vary_view {
    std::string_view name;  // lower case
    std::optional<std::string_view> value;
    http::field_id id = http::field_id::unknown;  // of the name
};
// The same with texts of its own.
struct vary_field {
    std::string name;
    std::optional<std::string> value;
    http::field_id id = http::field_id::unknown;

    operator vary_view() const { return {name, value, id}; }
};

// All of those of a stored response.
class stored_vary {
    struct entry {
        std::uint32_t name_bytes;
        std::uint32_t value_bytes;  // `no_value`: there is none
        http::field_id id;
    };

  public:
    class iterator {
      public:
        using value_type = vary_view;
        using difference_type = std::ptrdiff_t;
        iterator() = default;
        vary_view operator*() const;
        iterator& operator++();
        iterator operator++(int) {
            const iterator before = *this;
            ++*this;
            return before;
        }
        bool operator==(const iterator& other) const { return entry_ == other.entry_; }

      private:
        friend class stored_vary;
        iterator(const entry* e, const char* text) : entry_(e), text_(text) {}
        const entry* entry_ = nullptr;
        const char* text_ = nullptr;  // name and value
    };

    iterator begin() const { return {entries_.begin(), reinterpret_cast<const char*>(entries_.end())}; }
    iterator end() const { return {entries_.end(), nullptr}; }
    std::size_t size() const { return entries_.size(); }
    bool empty() const { return entries_.empty(); }
    operator std::vector<vary_field>() const;

    static constexpr std::size_t alignment = alignof(entry);
    static std::size_t bytes_of(std::span<const vary_field> vary);
    // Writes bytes_of(vary) to `memory`, which lies behind this.
    void write(std::span<const vary_field> vary, char* memory);

  private:
    static constexpr std::uint32_t no_value = UINT32_MAX;
    behind<entry> entries_;  // the texts follow them
};

}  // namespace weir::cache
