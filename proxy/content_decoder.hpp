// The content of one message, taken out of its framing as it is read from a stream (RFC 9112 section 6). Used for both
// directions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "proxy/http/chunked.hpp"
#include "proxy/http/head.hpp"
#include "proxy/read_buffer.hpp"
#include "proxy/stream.hpp"

namespace weir::proxy {

enum class content_status : std::uint8_t {
    some,       // bytes of content
    again,      // nothing here yet: wait until the stream is readable
    end,        // the content is whole; nothing behind it was consumed
    cut,        // the stream ended first, or broke
    malformed,  // the framing is not what RFC 9112 says
    late        // waited for too long (only of who waits)
};
struct content_result {
    std::size_t bytes = 0;
    content_status status = content_status::some;
};

class content_decoder {
  public:
    content_decoder() = default;
    content_decoder(http::body_kind kind, std::uint64_t length) : kind_(kind), remaining_(length) {}

    bool at_end() const {
        return kind_ == http::body_kind::none || (kind_ == http::body_kind::length && remaining_ == 0);
    }
    // Content goes to `into` (not empty), from `buffer` first, then from `from`, never waiting. `received` counts what
    // came off the stream.
    content_result read(std::span<char> into, read_buffer& buffer, stream& from, std::uint64_t& received);
    // All of the content, if all of it is in `buffer` as it is: consumed, it stays there until `buffer` is used again.
    // Before the first read().
    std::optional<std::string_view> take_whole(read_buffer& buffer);

  private:
    content_result read_plain(std::span<char> into, read_buffer& buffer, stream& from, std::uint64_t& received);
    content_result read_chunked(std::span<char> into, read_buffer& buffer, stream& from, std::uint64_t& received);

    http::body_kind kind_ = http::body_kind::none;
    std::uint64_t remaining_ = 0;
    http::chunked_decoder chunked_;
};

}  // namespace weir::proxy
