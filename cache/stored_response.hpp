// A response as the cache keeps it: its bytes ready to be sent, and what decides over its use. Immutable once stored,
// shared by all workers.
//
// It is one piece of memory: the struct, and behind it tags, Vary, head, key and content. Where the allocator would
// round that up by much, the end of the content is a second piece. Content of more than a block stays in the blocks in
// which it came.
#pragma once

#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/cache_control.hpp"
#include "cache/compact_optional.hpp"
#include "cache/eviction.hpp"
#include "cache/stored_parts.hpp"
#include "conf/settings.hpp"
#include "proxy/http/content.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

using time_point = std::chrono::sys_time<std::chrono::milliseconds>;

// What of a request selects among stored responses.
struct request_view {
    const http::field_list& fields;
    // Where the route names session cookies: whether the request has one, which is then all that Vary: Cookie means.
    std::optional<bool> personal = std::nullopt;
};

struct stored_response;
struct response_parts;
// Owners of a response, on any thread; the last one frees it.
using response_ptr = boost::intrusive_ptr<const stored_response>;
// Of one that nobody else knows yet: it may still be changed.
using new_response_ptr = boost::intrusive_ptr<stored_response>;
new_response_ptr make_response(const response_parts& parts);

// The content of a stored response, in the order of its pieces; views that last as long as the response.
class stored_content {
  public:
    explicit stored_content(const stored_response& of) : of_(&of) {}
    std::size_t size() const;  // pieces, of which none is empty
    // Of more than two pieces all but the last have one size.
    std::string_view operator[](std::size_t piece) const;

    class iterator {
      public:
        using value_type = std::string_view;
        using difference_type = std::ptrdiff_t;
        iterator() = default;
        iterator(const stored_response* of, std::size_t piece) : of_(of), piece_(piece) {}
        std::string_view operator*() const { return stored_content(*of_)[piece_]; }
        iterator& operator++() {
            ++piece_;
            return *this;
        }
        iterator operator++(int) { return {of_, piece_++}; }
        bool operator==(const iterator&) const = default;

      private:
        const stored_response* of_ = nullptr;
        std::size_t piece_ = 0;
    };
    iterator begin() const { return {of_, 0}; }
    iterator end() const { return {of_, size()}; }

  private:
    const stored_response* of_;
};

// What the store that holds a response keeps of it, in the response itself; guarded by that store's lock, and nobody
// else's business. A response is in one store at a time.
struct stored_item : eviction_order::item {
    bool is_stored = false;
    stored_response* next = nullptr;  // in its chain of the store's table
};

// Made by make_response. What changes while it is stored comes first: a cache line of its own.
struct stored_response : stored_item {
    stored_response(const stored_response&) = delete;
    stored_response& operator=(const stored_response&) = delete;

  private:
    mutable std::atomic<std::uint32_t> references_{0};
    std::uint32_t block_count_ = 0;  // 0: the content is in memory of this response's own

  public:
    // What happens to it while it is stored; the only part that changes, from any thread.
    struct use_state {
        std::atomic<bool> soft_purged{false};          // stale, whatever its lifetime says
        std::atomic<bool> doubted{false};              // not to be used before it was validated: see purge.hpp
        std::atomic<std::uint32_t> failures{0};        // of refreshes, in a row
        std::atomic<std::int64_t> next_refresh_ms{0};  // since the epoch; until then nobody asks behind its back
        std::atomic<std::uint64_t> judged{0};          // the purge up to which it is known to be alive: see purge.hpp
    };
    mutable use_state use;

    std::uint64_t fill_number = 0;  // of the last purge before an endpoint was asked for it: see purge.hpp
    std::uint16_t status = 0;
    response_directives control;
    compact_milliseconds response_delay;    // between the request that brought it and its head
    compact_seconds corrected_initial_age;  // RFC 9111 section 4.2.3
    compact_seconds freshness_lifetime;     // section 4.2.1, after the route's own rules

  private:
    std::uint32_t first_content_bytes_ = 0;  // of content in memory of its own: so much is behind the key

  public:
    time_point response_time;       // when its head was received
    std::chrono::sys_seconds date;  // when the origin made it: see date_of
    optional_date last_modified;

    stored_text key;  // see key.hpp; compared in full on every lookup
    // Status line and fields, each with its CRLF, Date and Content-Length among them, without Age, Connection and what
    // else is hop-by-hop, and without the blank line: a hit sends it as it is, then its own Age and Cache-Status.
    stored_text head;
    stored_fields fields;  // of `head`
    stored_text etag;      // in `head`; empty where there is none
    stored_vary vary;
    stored_tags tags;                                 // that it may be purged by, hashed, sorted: see tags.hpp
    std::unique_ptr<const withheld_fields> withheld;  // null where there are none
    std::uint64_t content_bytes = 0;

    // When the request that brought it was sent.
    time_point request_time() const { return response_time - std::chrono::milliseconds(response_delay); }
    stored_content content() const { return stored_content(*this); }
    // The same where it is more than a block; else nothing.
    std::span<const http::block_ptr> blocks() const {
        return block_count_ > 0 ? std::span<const http::block_ptr>(blocks_, block_count_)
                                : std::span<const http::block_ptr>();
    }
    // `control` and `withheld`.
    cache_control whole_control() const;

    // What the memory bound counts: everything that this response occupies, the allocator's rounding included. The
    // store adds its tables.
    std::size_t memory_bytes() const { return bytes; }
    // How many owners there are at the moment.
    std::uint32_t owners() const { return references_.load(std::memory_order_relaxed); }

  private:
    stored_response() = default;
    ~stored_response();
    friend new_response_ptr make_response(const response_parts& parts);
    friend void intrusive_ptr_add_ref(const stored_response* r) {
        r->references_.fetch_add(1, std::memory_order_relaxed);
    }
    friend void intrusive_ptr_release(const stored_response* r) {
        if (r->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(r);
    }
    static void destroy(const stored_response* unused);
    friend class stored_content;
    void find_validators();

    union {
        char* rest_of_content_ = nullptr;  // owned; null where all is behind the key
        http::block_ptr* blocks_;          // behind this, of a response with blocks
    };
};

inline std::size_t stored_content::size() const {
    if (of_->block_count_ > 0) return of_->block_count_;
    return std::size_t{of_->first_content_bytes_ > 0} + std::size_t{of_->rest_of_content_ != nullptr};
}

inline std::string_view stored_content::operator[](std::size_t piece) const {
    if (of_->block_count_ > 0) return of_->blocks_[piece]->view();
    const std::size_t first_bytes = of_->first_content_bytes_;
    if (piece == 0) return {of_->key.end(), first_bytes};
    return {of_->rest_of_content_, static_cast<std::size_t>(of_->content_bytes) - first_bytes};
}

// What make_response takes; it refers to nothing of this afterwards but the blocks.
struct response_parts {
    std::string_view key{};
    std::span<const vary_field> vary{};
    std::uint16_t status = 0;
    std::string_view head{};                      // as stored_response::head
    std::span<const http::field_id> field_ids{};  // of all fields in it
    cache_control control{};
    time_point request_time{};
    time_point response_time{};
    std::chrono::sys_seconds date{};
    std::chrono::seconds corrected_initial_age{0};
    std::chrono::seconds freshness_lifetime{0};
    std::uint64_t fill_number = 0;
    std::span<const std::uint64_t> tags{};
    // Content: in blocks, which are shared where it is large, or as a whole.
    std::span<const http::block_ptr> blocks{};
    std::string_view content{};
    std::uint64_t content_bytes = 0;  // of the one or the other; of neither where it is still to come
};
// `parts` as a stored response, its validators found in the head: several of a kind, which contradict each other, are
// none. Never null. Pure.
new_response_ptr make_response(const response_parts& parts);

// What a response is made from. `response` is as received from the endpoint; the rest as in stored_response.
struct response_to_store {
    std::string_view key;
    request_view request;  // of a GET
    const http::response_head& response;
    std::span<const http::block_ptr> content{};    // shared where it is large, else copied
    std::optional<std::uint64_t> content_bytes{};  // nothing: the content arrives, and has not said its length
    time_point request_time{};
    time_point response_time{};
    std::chrono::seconds freshness_lifetime{0};
    std::uint64_t fill_number = 0;
    std::span<const std::string> tag_fields{};  // names of the fields whose words are tags
    // What the origin said, where `response` does not tell any more because the route's rules wrote over it: see
    // freshen. Null: as `response` and `request` have it.
    const cache_control* control = nullptr;
    const std::vector<vary_field>* vary = nullptr;
    const stored_response* content_of = nullptr;  // whose content it gets; null: `content`
    const stored_response* tags_of = nullptr;     // whose tags; null: those that `response` says
};
// Serialises `from`: hop-by-hop fields and those named by Connection, private or no-cache left out, a Date that is
// missing or cannot be read written as response_time, Age taken into corrected_initial_age, Content-Length written for
// what may have content and has a length. `field_rules`: the route's response_headers; what decides over storing and
// reuse is taken from the response as it came, but for the validators, which are those that clients get to see.
// Requires that vary_of gives something (see may_store). Pure.
new_response_ptr make_stored_response(const response_to_store& from, std::span<const conf::header_rule> field_rules);

// True where one of the rules sets or removes fields of this name.
bool is_ruled(std::string_view name, std::span<const conf::header_rule> field_rules);

// `arriving`, made without content, now that the content is whole: with it, and with Content-Length. Pure.
response_ptr complete_response(const stored_response& arriving, std::span<const http::block_ptr> content,
                               std::uint64_t content_bytes);

// Content that is at hand as a whole, in blocks as other content has them, which no budget is charged for.
std::vector<http::block_ptr> make_content(std::string_view bytes);

// The ids of the fields in `parts.head`, which came from elsewhere; status and content_bytes are set. Nothing, and it
// is not to be used, where it is no head as make_stored_response writes one: start line with this status, valid fields,
// none that belongs to a connection or to framing but one Content-Length with content_bytes where there may be content.
// Pure.
std::optional<std::vector<http::field_id>> read_stored_head(const response_parts& parts);

}  // namespace weir::cache
