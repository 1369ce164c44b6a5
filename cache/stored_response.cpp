#include "cache/stored_response.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <new>

#include "proxy/http/date.hpp"

namespace weir::cache {

namespace {

// jemalloc's last class of small sizes.
constexpr std::size_t largest_small_class = 14 * 1024;

// What jemalloc takes for a block of `bytes`: up to 128 rounded up to 16, from there to one of four classes between two
// powers of two, and a page more from 16 KiB on.
constexpr std::size_t heap_bytes(std::size_t bytes) {
    const std::size_t step = bytes <= 128 ? 16 : std::bit_floor(bytes - 1) / 4;
    const std::size_t rounded = (bytes + step - 1) / step * step;
    return rounded <= largest_small_class ? rounded : rounded + 4096;
}

// Its largest class that `bytes` fill. `bytes` is above 128.
constexpr std::size_t filled_class(std::size_t bytes) {
    const std::size_t step = std::bit_floor(bytes) / 4;
    return std::min(bytes / step * step, largest_small_class);
}

std::size_t heap_bytes(const std::vector<std::string>& texts) {
    std::size_t bytes = heap_bytes(texts.capacity() * sizeof(std::string));
    for (const std::string& text : texts) {
        const bool is_in_place = text.capacity() <= std::string().capacity();
        if (!is_in_place) bytes += heap_bytes(text.capacity() + 1);
    }
    return bytes;
}

constexpr std::size_t rounded_up(std::size_t at, std::size_t alignment) {
    return (at + alignment - 1) / alignment * alignment;
}

// Where the parts of a response lie, counted from its beginning, what needs the largest alignment first.
struct layout {
    std::size_t blocks, tags, vary, ids, head, key, content;

    layout(const response_parts& parts, std::size_t block_count) {
        blocks = sizeof(stored_response);
        tags = blocks + block_count * sizeof(http::block_ptr);
        vary = tags + parts.tags.size_bytes();
        ids = rounded_up(vary + stored_vary::bytes_of(parts.vary), alignof(http::field_id));
        head = ids + parts.field_ids.size_bytes();
        key = head + parts.head.size();
        content = key + parts.key.size();
    }
};
static_assert(alignof(stored_response) >= alignof(http::block_ptr));
static_assert(alignof(http::block_ptr) % alignof(std::uint64_t) == 0);
static_assert(alignof(std::uint64_t) % stored_vary::alignment == 0);

// How many of `own_bytes` of content go behind what takes `others_bytes`: all, or where a second piece of memory for
// the end of it leaves less unused, so many that a class is full. One more buffer in each write has to be worth it.
std::size_t first_piece_bytes(std::size_t others_bytes, std::size_t own_bytes) {
    const std::size_t all = others_bytes + own_bytes;
    const std::size_t filled = filled_class(all);
    if (filled <= others_bytes || filled == all) return own_bytes;
    const std::size_t worth_it = std::max<std::size_t>(32, all / 64);
    return filled + heap_bytes(all - filled) + worth_it <= heap_bytes(all) ? filled - others_bytes : own_bytes;
}

// Content at hand, piece by piece into memory.
void copy_content(const response_parts& parts, char* first, std::size_t first_bytes, char* rest) {
    const auto copy = [&](std::string_view bytes) {
        const std::size_t now = std::min(bytes.size(), first_bytes);
        first = std::copy_n(bytes.data(), now, first);
        first_bytes -= now;
        rest = std::copy_n(bytes.data() + now, bytes.size() - now, rest);
    };
    copy(parts.content);
    for (const http::block_ptr& block : parts.blocks) copy(block->view());
}

std::size_t content_at_hand(const response_parts& parts) {
    std::size_t bytes = parts.content.size();
    for (const http::block_ptr& block : parts.blocks) bytes += block->size();
    return bytes;
}

template <class T>
T* copied(std::span<const T> from, char* memory) {
    T* const to = reinterpret_cast<T*>(memory);
    std::uninitialized_copy(from.begin(), from.end(), to);
    return to;
}

}  // namespace

stored_response::~stored_response() {
    if (block_count_ > 0) {
        std::destroy_n(blocks_, block_count_);
    } else {
        ::operator delete(rest_of_content_);
    }
}

void stored_response::destroy(const stored_response* unused) {
    auto* const memory = const_cast<stored_response*>(unused);
    memory->~stored_response();
    ::operator delete(memory);
}

cache_control stored_response::whole_control() const {
    cache_control whole;
    static_cast<response_directives&>(whole) = control;
    if (withheld) static_cast<withheld_fields&>(whole) = *withheld;
    return whole;
}

// Of several validators that contradict each other none is used: a 304 for the wrong one would keep an old response
// alive.
void stored_response::find_validators() {
    if (fields.count(http::field_id::etag) == 1) {
        const std::string_view value = fields.value(http::field_id::etag);
        etag.set(value.data(), value.size());
    }
    if (fields.count(http::field_id::last_modified) == 1) {
        last_modified = http::parse_date(fields.value(http::field_id::last_modified),
                                         std::chrono::floor<std::chrono::seconds>(response_time));
    }
}

new_response_ptr make_response(const response_parts& parts) {
    const std::size_t own_bytes = content_at_hand(parts);
    const bool is_large = own_bytes > http::block::usual_capacity;
    std::vector<http::block_ptr> made;
    if (is_large && !parts.content.empty()) made = make_content(parts.content);
    const std::span<const http::block_ptr> blocks = !is_large      ? std::span<const http::block_ptr>()
                                                    : made.empty() ? parts.blocks
                                                                   : std::span<const http::block_ptr>(made);
    const layout at(parts, blocks.size());
    const std::size_t first_bytes = is_large ? 0 : first_piece_bytes(at.content, own_bytes);
    char* const memory = static_cast<char*>(::operator new(at.content + first_bytes));
    const new_response_ptr response(::new (memory) stored_response);
    stored_response& r = *response;
    r.bytes = heap_bytes(at.content + first_bytes);

    r.status = parts.status;
    r.control = parts.control;
    r.response_delay = parts.response_time - parts.request_time;
    r.response_time = parts.response_time;
    r.date = parts.date;
    r.corrected_initial_age = parts.corrected_initial_age;
    r.freshness_lifetime = parts.freshness_lifetime;
    r.fill_number = parts.fill_number;
    if (const withheld_fields& withheld = parts.control; withheld != withheld_fields{}) {
        r.withheld = std::make_unique<const withheld_fields>(withheld);
        r.bytes += heap_bytes(sizeof(withheld_fields)) + heap_bytes(r.withheld->private_fields) +
                   heap_bytes(r.withheld->no_cache_fields);
    }
    r.tags.set(copied(parts.tags, memory + at.tags), parts.tags.size());
    r.vary.write(parts.vary, memory + at.vary);
    r.fields.set(copied(parts.field_ids, memory + at.ids), parts.field_ids.size());
    r.head.set(copied(std::span(parts.head), memory + at.head), parts.head.size());
    r.key.set(copied(std::span(parts.key), memory + at.key), parts.key.size());
    r.find_validators();

    r.content_bytes = parts.content_bytes;
    if (is_large) {
        r.blocks_ = copied(blocks, memory + at.blocks);
        r.block_count_ = static_cast<std::uint32_t>(blocks.size());
        for (const http::block_ptr& block : blocks) r.bytes += heap_bytes(block->memory_bytes());
    } else {
        assert(own_bytes == 0 || own_bytes == parts.content_bytes);
        if (first_bytes < own_bytes) {
            r.rest_of_content_ = static_cast<char*>(::operator new(own_bytes - first_bytes));
            r.bytes += heap_bytes(own_bytes - first_bytes);
        }
        copy_content(parts, memory + at.content, first_bytes, r.rest_of_content_);
        r.first_content_bytes_ = static_cast<std::uint32_t>(first_bytes);
    }
    return response;
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

}  // namespace weir::cache
