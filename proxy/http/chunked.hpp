// The chunked transfer coding (RFC 9112 section 7.1): a strict decoder over any cut of the bytes, and what an encoder
// writes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace weir::http {

// Feeds on bytes as they come; never looks back, so it needs no buffer. Extensions are skipped, at most max_extension
// bytes a chunk; trailer fields are checked and dropped, at most max_trailer bytes together. Bare LF, white space
// around a size, sizes past 2^63-1 and data that is not followed by CRLF are errors.
class chunked_decoder {
  public:
    struct limits {
        std::uint32_t max_extension = 1024;
        std::uint32_t max_trailer = 8192;
    };
    chunked_decoder() = default;
    explicit chunked_decoder(limits l) : limits_(l) {}

    struct step {
        std::size_t consumed = 0;  // of the bytes given, framing included
        std::string_view content;  // a view into them, empty when only framing was consumed
    };
    // Consumes framing and at most one run of content. Call again with what is left, until everything is consumed,
    // done() or failed().
    step decode(std::string_view bytes);

    bool done() const { return state_ == state::done; }
    bool failed() const { return state_ == state::failed; }
    // Content bytes of the present chunk that are still to come: what may be read straight into a buffer of content.
    std::uint64_t chunk_remaining() const { return state_ == state::data ? remaining_ : 0; }
    // `size` bytes of the present chunk were read past the decoder; at most chunk_remaining().
    void skip_content(std::uint64_t size);

  private:
    enum class state : std::uint8_t {
        size_first,
        size,
        size_lf,
        data,
        data_cr,
        data_lf,
        extension_name_first,
        extension_name,
        extension_value_first,
        extension_value,
        extension_quoted,
        extension_escape,
        extension_quoted_end,
        trailer_start,
        trailer_name,
        trailer_value,
        trailer_lf,
        last_lf,
        done,
        failed
    };
    void feed(unsigned char c);
    void feed_size(unsigned char c);
    void feed_extension(unsigned char c);
    void feed_trailer(unsigned char c);
    void expect(unsigned char c, char wanted, state next);

    limits limits_;
    state state_ = state::size_first;
    std::uint64_t remaining_ = 0;
    std::uint32_t extension_bytes_ = 0;
    std::uint32_t trailer_bytes_ = 0;
};

// Writes the line that starts a chunk of `size` (> 0) bytes into `out`, preceded by the CRLF that ends the one before
// unless it is the `first`; returns what was written.
std::string_view chunk_start(std::uint64_t size, bool first, std::span<char, 20> out);
// Ends a chunked body. `any` tells whether a chunk was written before it.
std::string_view last_chunk(bool any);

}  // namespace weir::http
