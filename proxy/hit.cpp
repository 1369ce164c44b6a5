#include "proxy/hit.hpp"

#include <charconv>
#include <cstring>

#include "cache/conditional.hpp"
#include "proxy/http/framing.hpp"

namespace weir::proxy {

hit_response::hit_response(const http::request_head& request, const cache::lookup_result& found, bool cache_status,
                           bool keep_alive, wall_time now, std::string& scratch) {
    const cache::stored_response& stored = *found.response;
    status_ = cache::evaluate_conditional(request, stored, now);
    if (status_ != 304) {
        add(stored.head);
    } else {
        scratch.clear();
        http::append_status_line(304, http::reason_phrase(304), scratch);
        for (const http::field_view field : stored.fields) {
            if (cache::belongs_in_not_modified(field)) http::append_field(field.name, field.value, scratch);
        }
        add(scratch);
    }
    write_tail(request, found, cache_status, keep_alive);
    add(tail());
    if (status_ == 304 || request.method == http::verb::head) return;
    content_bytes_ = stored.content_bytes;
    for (const std::string_view piece : stored.content()) {
        if (used_ == vectors_.size()) break;
        add(piece);
    }
}

void hit_response::write_tail(const http::request_head& request, const cache::lookup_result& found, bool cache_status,
                              bool keep_alive) {
    char* out = tail_.data();
    const auto text = [&out](std::string_view bytes) {
        std::memcpy(out, bytes.data(), bytes.size());
        out += bytes.size();
    };
    const auto number = [&out](std::int64_t value) { out = std::to_chars(out, out + 20, value).ptr; };
    // What the application stored itself has no age: that it is there makes it usable.
    const bool ages = found.what != cache::outcome::page;
    if (ages) {
        text("Age: ");
        number(found.age.count());
        text("\r\n");
    }
    if (cache_status) {
        text("Cache-Status: weir; hit");
        if (ages) {
            text("; ttl=");
            number(found.ttl.count());
        }
        if (!found.detail.empty()) {
            text("; detail=");
            text(found.detail);
        }
        text("\r\n");
    }
    if (!keep_alive) {
        text("Connection: close\r\n");
    } else if (request.version == 10) {
        text("Connection: keep-alive\r\n");
    }
    text("\r\n");
    tail_size_ = static_cast<std::size_t>(out - tail_.data());
}

}  // namespace weir::proxy
