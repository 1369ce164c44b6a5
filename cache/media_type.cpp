#include "cache/media_type.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace weir::cache {

namespace {

struct known_type {
    std::string_view extension;
    std::string_view type;
};

constexpr std::string_view html = "text/html; charset=utf-8";

// Sorted by extension.
constexpr known_type known_types[] = {
    {"aac", "audio/aac"},
    {"apng", "image/apng"},
    {"atom", "application/atom+xml"},
    {"avif", "image/avif"},
    {"bin", "application/octet-stream"},
    {"bmp", "image/bmp"},
    {"css", "text/css; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"eot", "application/vnd.ms-fontobject"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"geojson", "application/geo+json"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"htm", html},
    {"html", html},
    {"ico", "image/vnd.microsoft.icon"},
    {"ics", "text/calendar; charset=utf-8"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"jsonld", "application/ld+json"},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"m4a", "audio/mp4"},
    {"map", "application/json"},
    {"md", "text/markdown; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"rss", "application/rss+xml"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"ts", "video/mp2t"},
    {"ttf", "font/ttf"},
    {"txt", "text/plain; charset=utf-8"},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"weba", "audio/webm"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xml", "application/xml"},
    {"zip", "application/zip"},
};
constexpr auto is_before = [](const known_type& a, const known_type& b) { return a.extension < b.extension; };
static_assert(std::is_sorted(std::begin(known_types), std::end(known_types), is_before));

constexpr std::size_t longest_extension = 11;

}  // namespace

std::string_view media_type_of(std::string_view path) {
    path.remove_prefix(path.rfind('/') + 1);  // npos + 1 is 0
    const std::size_t dot = path.rfind('.');
    if (dot == path.npos) return html;
    const std::string_view extension = path.substr(dot + 1);
    constexpr std::string_view unknown = "application/octet-stream";
    if (extension.size() > longest_extension) return unknown;
    std::array<char, longest_extension> buffer;
    std::transform(extension.begin(), extension.end(), buffer.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    const known_type sought{{buffer.data(), extension.size()}, {}};
    const auto found = std::lower_bound(std::begin(known_types), std::end(known_types), sought, is_before);
    return found != std::end(known_types) && found->extension == sought.extension ? found->type : unknown;
}

}  // namespace weir::cache
