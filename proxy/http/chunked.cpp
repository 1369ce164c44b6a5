#include "proxy/http/chunked.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <limits>

#include "proxy/http/fields.hpp"

namespace weir::http {

namespace {

constexpr std::uint64_t max_chunk = std::numeric_limits<std::int64_t>::max();

int hex(unsigned char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const unsigned char letter = c | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

bool is_token(unsigned char c) {
    const char text = static_cast<char>(c);
    return valid_field_name({&text, 1});
}

// What may stand in a field value or a quoted string: no control but HTAB, so no CR and no LF either.
bool is_text(unsigned char c) {
    return (c >= ' ' && c != 0x7f) || c == '\t';
}

}  // namespace

chunked_decoder::step chunked_decoder::decode(std::string_view bytes) {
    std::size_t i = 0;
    while (i < bytes.size() && state_ != state::done && state_ != state::failed) {
        if (state_ != state::data) {
            feed(static_cast<unsigned char>(bytes[i++]));
            continue;
        }
        const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size() - i));
        skip_content(n);
        return {i + n, bytes.substr(i, n)};
    }
    return {i, {}};
}

void chunked_decoder::skip_content(std::uint64_t size) {
    assert(state_ == state::data && size <= remaining_);
    remaining_ -= size;
    if (remaining_ == 0) state_ = state::data_cr;
}

void chunked_decoder::feed(unsigned char c) {
    switch (state_) {
        case state::size_first:
        case state::size:
            return feed_size(c);
        case state::size_lf:
            extension_bytes_ = 0;
            return expect(c, '\n', remaining_ == 0 ? state::trailer_start : state::data);
        case state::data_cr:
            return expect(c, '\r', state::data_lf);
        case state::data_lf:
            return expect(c, '\n', state::size_first);
        case state::trailer_start:
        case state::trailer_name:
        case state::trailer_value:
        case state::trailer_lf:
            return feed_trailer(c);
        case state::last_lf:
            return expect(c, '\n', state::done);
        case state::data:
        case state::done:
        case state::failed:
            return;
        default:
            return feed_extension(c);
    }
}

void chunked_decoder::expect(unsigned char c, char wanted, state next) {
    state_ = c == static_cast<unsigned char>(wanted) ? next : state::failed;
}

// 1*HEXDIG, then CRLF or an extension.
void chunked_decoder::feed_size(unsigned char c) {
    const int digit = hex(c);
    if (state_ == state::size_first) {
        remaining_ = static_cast<std::uint64_t>(digit);
        state_ = digit < 0 ? state::failed : state::size;
    } else if (digit >= 0) {
        // Zeros before the first other digit have no end of their own, so they count as an extension does.
        if (remaining_ == 0 && ++extension_bytes_ > limits_.max_extension) state_ = state::failed;
        if (remaining_ > max_chunk >> 4) state_ = state::failed;
        remaining_ = remaining_ << 4 | static_cast<std::uint64_t>(digit);
    } else if (c == ';') {
        state_ = state::extension_name_first;
    } else {
        expect(c, '\r', state::size_lf);
    }
}

// *( ";" token [ "=" ( token / quoted-string ) ] ). RFC 9112 section 7.1.1 lets a recipient accept white space around
// these; a front end that does, before a server that does not, is how chunk lines are smuggled.
void chunked_decoder::feed_extension(unsigned char c) {
    if (++extension_bytes_ > limits_.max_extension && c != '\r') {
        state_ = state::failed;
        return;
    }
    const auto after_value = [this, c] {
        if (c == ';') {
            state_ = state::extension_name_first;
        } else {
            expect(c, '\r', state::size_lf);
        }
    };
    switch (state_) {
        case state::extension_name_first:
            state_ = is_token(c) ? state::extension_name : state::failed;
            return;
        case state::extension_name:
            if (is_token(c)) return;
            if (c == '=') {
                state_ = state::extension_value_first;
            } else {
                after_value();
            }
            return;
        case state::extension_value_first:
            state_ = c == '"' ? state::extension_quoted : is_token(c) ? state::extension_value : state::failed;
            return;
        case state::extension_value:
            if (!is_token(c)) after_value();
            return;
        case state::extension_quoted:
            if (!is_text(c)) state_ = state::failed;
            if (c == '\\') state_ = state::extension_escape;
            if (c == '"') state_ = state::extension_quoted_end;
            return;
        case state::extension_escape:
            state_ = is_text(c) ? state::extension_quoted : state::failed;
            return;
        default:
            after_value();
    }
}

// *( field-name ":" field-value CRLF ) CRLF, dropped: what a trailer says may not be said after the head (RFC 9110
// section 6.5.1).
void chunked_decoder::feed_trailer(unsigned char c) {
    if (++trailer_bytes_ > limits_.max_trailer && state_ != state::trailer_start) {
        state_ = state::failed;
        return;
    }
    switch (state_) {
        case state::trailer_start:
            if (c == '\r') {
                state_ = state::last_lf;
            } else {
                state_ = is_token(c) && trailer_bytes_ <= limits_.max_trailer ? state::trailer_name : state::failed;
            }
            return;
        case state::trailer_name:
            if (is_token(c)) return;
            expect(c, ':', state::trailer_value);
            return;
        case state::trailer_value:
            if (is_text(c)) return;
            expect(c, '\r', state::trailer_lf);
            return;
        default:
            expect(c, '\n', state::trailer_start);
    }
}

std::string_view chunk_start(std::uint64_t size, bool first, std::span<char, 20> out) {
    char* p = out.data();
    if (!first) {
        *p++ = '\r';
        *p++ = '\n';
    }
    p = std::to_chars(p, out.data() + out.size() - 2, size, 16).ptr;
    *p++ = '\r';
    *p++ = '\n';
    return {out.data(), static_cast<std::size_t>(p - out.data())};
}

std::string_view last_chunk(bool any) {
    constexpr std::string_view text = "\r\n0\r\n\r\n";
    return any ? text : text.substr(2);
}

}  // namespace weir::http
