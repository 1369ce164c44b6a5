#include "proxy/content_decoder.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weir::proxy {

content_result content_decoder::read(std::span<char> into, read_buffer& buffer, stream& from, std::uint64_t& received) {
    if (at_end()) return {0, content_status::end};
    return kind_ == http::body_kind::chunked ? read_chunked(into, buffer, from, received)
                                             : read_plain(into, buffer, from, received);
}

std::optional<std::string_view> content_decoder::take_whole(read_buffer& buffer) {
    if (at_end()) return std::string_view();
    const std::string_view unread = buffer.unread();
    if (kind_ != http::body_kind::length || unread.size() < remaining_) return std::nullopt;
    const std::string_view content = unread.substr(0, std::exchange(remaining_, 0));
    buffer.consume(content.size());
    return content;
}

content_result content_decoder::read_plain(std::span<char> into, read_buffer& buffer, stream& from,
                                           std::uint64_t& received) {
    const bool counted = kind_ == http::body_kind::length;
    if (counted) into = into.first(std::min<std::uint64_t>(into.size(), remaining_));
    std::size_t bytes = 0;
    if (const std::string_view unread = buffer.unread(); !unread.empty()) {
        bytes = std::min(into.size(), unread.size());
        std::memcpy(into.data(), unread.data(), bytes);
        buffer.consume(bytes);
    } else {
        const io_result read = from.try_read(into);
        if (read.status == io_status::again) return {0, content_status::again};
        if (read.status == io_status::end && !counted) {
            kind_ = http::body_kind::none;
            return {0, content_status::end};
        }
        if (read.status != io_status::ok) return {0, content_status::cut};
        bytes = read.bytes;
        received += bytes;
    }
    if (counted) remaining_ -= bytes;
    return {bytes, content_status::some};
}

content_result content_decoder::read_chunked(std::span<char> into, read_buffer& buffer, stream& from,
                                             std::uint64_t& received) {
    for (;;) {
        std::string_view unread = buffer.unread();
        if (unread.empty()) {
            // The bulk of a large chunk goes straight to where it is wanted.
            const std::uint64_t rest = chunked_.chunk_remaining();
            const bool straight = rest >= into.size();
            const std::span<char> room = straight ? into : buffer.room();
            const io_result read = from.try_read(room);
            if (read.status == io_status::again) return {0, content_status::again};
            if (read.status != io_status::ok) return {0, content_status::cut};
            received += read.bytes;
            if (straight) {
                chunked_.skip_content(read.bytes);
                return {read.bytes, content_status::some};
            }
            buffer.read(read.bytes);
            unread = buffer.unread();
        }
        const auto step = chunked_.decode(unread.substr(0, into.size()));
        if (chunked_.failed()) return {0, content_status::malformed};
        if (!step.content.empty()) std::memcpy(into.data(), step.content.data(), step.content.size());
        buffer.consume(step.consumed);
        if (chunked_.done()) kind_ = http::body_kind::none;
        if (!step.content.empty()) return {step.content.size(), content_status::some};
        if (chunked_.done()) return {0, content_status::end};
    }
}

}  // namespace weir::proxy
