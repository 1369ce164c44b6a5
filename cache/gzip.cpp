#include "cache/gzip.hpp"

#include <zlib.h>

#include <algorithm>

namespace weir::cache {

namespace {

// "q=0", "q=0.000": not acceptable (RFC 9110 section 12.4.2).
bool is_refused(std::string_view parameters) {
    while (!parameters.empty()) {
        const std::size_t end = std::min(parameters.find(';'), parameters.size());
        std::string_view parameter = parameters.substr(0, end);
        parameters.remove_prefix(std::min(end + 1, parameters.size()));
        const std::size_t begin = std::min(parameter.find_first_not_of(" \t"), parameter.size());
        parameter.remove_prefix(begin);
        if (!http::iequals(parameter.substr(0, 2), "q=")) continue;
        return parameter.substr(2).find_first_not_of("0. \t") == parameter.npos;
    }
    return false;
}

}  // namespace

bool takes_gzip(const http::field_list& request) {
    bool named = false, any = false, taken = false;
    for (const http::field_view field : request) {
        if (field.id != http::field_id::accept_encoding) continue;
        http::any_element(field.value, [&](std::string_view element) {
            const std::size_t end = std::min(element.find_first_of("; \t"), element.size());
            const std::string_view coding = element.substr(0, end);
            const bool welcome = !is_refused(element.substr(end));
            if (http::iequals(coding, "gzip") || http::iequals(coding, "x-gzip")) {
                taken = named ? taken && welcome : welcome;
                named = true;
            } else if (coding == "*") {
                any = welcome;
            }
            return false;
        });
    }
    return named ? taken : any;
}

bool is_gzip(std::string_view bytes) {
    return bytes.starts_with("\x1f\x8b\x08");  // RFC 1952 section 2.3.1; 8: deflate, the only method
}

std::optional<std::string> gunzip(std::string_view bytes, std::size_t max_bytes) {
    z_stream stream{};
    constexpr int gzip_only = 16 + MAX_WBITS;
    if (bytes.size() > max_bytes || inflateInit2(&stream, gzip_only) != Z_OK) return std::nullopt;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));  // zlib does not write there
    stream.avail_in = static_cast<uInt>(bytes.size());
    std::string text;
    int result = Z_OK;
    while (result == Z_OK && text.size() < max_bytes) {
        const std::size_t old = text.size();
        text.resize(std::min(max_bytes, std::max<std::size_t>(2 * old, 4 * bytes.size() + 256)));
        stream.next_out = reinterpret_cast<Bytef*>(text.data() + old);
        stream.avail_out = static_cast<uInt>(text.size() - old);
        result = inflate(&stream, Z_NO_FLUSH);
        text.resize(text.size() - stream.avail_out);
    }
    inflateEnd(&stream);
    if (result != Z_STREAM_END || stream.avail_in != 0) return std::nullopt;
    return text;
}

}  // namespace weir::cache
