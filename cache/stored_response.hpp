// A response as the cache keeps it: its bytes ready to be sent, and what decides over its use. Immutable once stored,
// shared by all workers.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/cache_control.hpp"
#include "conf/settings.hpp"
#include "proxy/http/content.hpp"
#include "proxy/http/head.hpp"

namespace weir::cache {

using time_point = std::chrono::sys_time<std::chrono::milliseconds>;

// One field that the response's Vary names, with what the request that brought it said (RFC 9111 section 4.1): the
// values of all lines joined by ", ", or nothing where the request had none.
struct vary_field {
    std::string name;  // lower case
    std::optional<std::string> value;
    http::field_id id = http::field_id::unknown;  // of the name
};

// What of a request selects among stored responses.
struct request_view {
    const http::field_list& fields;
    // Where the route names session cookies: whether the request has one, which is then all that Vary: Cookie means.
    std::optional<bool> personal = std::nullopt;
};

struct stored_response {
    stored_response() = default;
    // `fields` and `etag` point into `head`.
    stored_response(const stored_response&) = delete;
    stored_response& operator=(const stored_response&) = delete;

    std::string key;  // see key.hpp; compared in full on every lookup
    std::vector<vary_field> vary;

    std::uint16_t status = 0;
    // Status line and fields, each with its CRLF, Date and Content-Length among them, without Age, Connection and what
    // else is hop-by-hop, and without the blank line: a hit sends it as it is, then its own Age and Cache-Status.
    std::string head;
    http::field_list fields;  // positions in `head`
    std::vector<http::block_ptr> content;
    std::uint64_t content_bytes = 0;

    cache_control control;
    time_point request_time;                        // when the request that brought it was sent
    time_point response_time;                       // when its head was received
    std::chrono::sys_seconds date;                  // when the origin made it: see date_of
    std::chrono::seconds corrected_initial_age{0};  // RFC 9111 section 4.2.3
    std::chrono::seconds freshness_lifetime{0};     // section 4.2.1, after the route's own rules
    std::optional<std::chrono::sys_seconds> last_modified;
    std::string_view etag;  // in `head`; empty where there is none

    std::uint64_t fill_number = 0;    // of the last purge before an endpoint was asked for it: see purge.hpp
    std::vector<std::uint64_t> tags;  // that it may be purged by, hashed, sorted: see tags.hpp

    // What happens to it while it is stored; the only part that changes, from any thread.
    struct use_state {
        std::atomic<bool> soft_purged{false};          // stale, whatever its lifetime says
        std::atomic<bool> doubted{false};              // not to be used before it was validated: see purge.hpp
        std::atomic<std::int64_t> next_refresh_ms{0};  // since the epoch; until then nobody asks behind its back
        std::atomic<std::uint32_t> failures{0};        // of refreshes, in a row
        std::atomic<std::uint64_t> judged{0};          // the purge up to which it is known to be alive: see purge.hpp
    };
    mutable use_state use;

    // What the memory bound counts: everything that this response occupies, the allocator's rounding and the store's
    // bookkeeping for it included. The store adds its tables.
    std::size_t memory_bytes() const;
};

// What a response is made from. `response` is as received from the endpoint; the rest as in stored_response.
struct response_to_store {
    std::string_view key;
    request_view request;  // of a GET
    const http::response_head& response;
    std::vector<http::block_ptr> content{};
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
};
// Serialises `from`: hop-by-hop fields and those named by Connection, private or no-cache left out, a Date that is
// missing or cannot be read written as response_time, Age taken into corrected_initial_age, Content-Length written for
// what may have content and has a length. `field_rules`: the route's response_headers; what decides over storing and
// reuse is taken from the response as it came, but for the validators, which are those that clients get to see.
// Requires that vary_of gives something (see may_store). Pure.
std::shared_ptr<stored_response> make_stored_response(const response_to_store& from,
                                                      std::span<const conf::header_rule> field_rules);

// True where one of the rules sets or removes fields of this name.
bool is_ruled(std::string_view name, std::span<const conf::header_rule> field_rules);

// `arriving`, made without content, now that the content is whole: with it, and with Content-Length. Pure.
std::shared_ptr<const stored_response> complete_response(const stored_response& arriving,
                                                         std::vector<http::block_ptr> content,
                                                         std::uint64_t content_bytes);

// Content that is at hand as a whole, in blocks as other content has them, which no budget is charged for.
std::vector<http::block_ptr> make_content(std::string_view bytes);

// Finds what follows from `response.head`, which came from elsewhere: fields, etag, last_modified. status,
// content_bytes and response_time are set. False, and the response is not to be used, where it is no head as
// make_stored_response writes one: start line with this status, valid fields, none that belongs to a connection or to
// framing but one Content-Length with content_bytes where there may be content. Pure.
bool read_stored_head(stored_response& response);

}  // namespace weir::cache
