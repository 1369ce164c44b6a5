// Pages that an application put into memcached itself, as responses.
//
// A value is a plain body, as nginx's memcached module has it, or of a form of ours:
//
//     WEIR/1 200                                     and CRLF after each line
//     Content-Type: text/html                        any fields of a response
//     Surrogate-Key: user-7                          tags, if a purge shall reach it
//     Weir-Purge-Position: 00f3c0de5eed1e57 42       if so: where the purge log was before the page was made
//
//     content
//
// What is neither is no page: the application is asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cache/purge_position.hpp"
#include "cache/stored_response.hpp"
#include "conf/settings.hpp"

namespace weir::cache {

// May this be a key? 1 to 250 bytes, which is memcached's limit, all of them above space and not DEL. The application
// goes by the same rule.
bool is_page_key(std::string_view key);

// What a page that is to be inflated may have; the application is asked for a larger one.
inline constexpr std::size_t max_inflated_bytes = 16 * 1024 * 1024;

struct page_source {
    std::string_view bytes;
    // nginx's memcached_gzip_flag, 2: the body is gzip. Python's clients mark with 1, 4 and 8 what is no text: a
    // pickled object, a number, their own compression.
    std::uint32_t flags = 0;
    std::string_view content_type;  // of a plain body, and of the other form where that gives none
    std::string_view cache_key;     // of the request
    bool takes_gzip = false;        // the client does; see gzip.hpp
    time_point now;
    std::span<const std::string> tag_fields{};
    std::span<const conf::header_rule> field_rules{};  // the route's response_headers
};

struct memcached_page {
    new_response_ptr response;               // null: no page
    std::optional<purge_position> position;  // of our form, where it says one; nothing: purges do not reach it
};

// A plain body is a 200 with Content-Type and Date: now. Both forms get Content-Length and, being 200 and without one,
// a strong ETag of their content. The response's freshness_lifetime is zero and its fill_number 0: that the page is
// there makes it usable. Pure; throws nothing but std::bad_alloc.
memcached_page read_page(const page_source& from);

}  // namespace weir::cache
