#include "cache/media_type.hpp"

#include <catch2/catch.hpp>
#include <string>

namespace weir::cache {
namespace {

TEST_CASE("a media type follows from the name", "[cache][memcached][media_type]") {
    const auto [path, type] = GENERATE(table<std::string, std::string>({
        {"/", "text/html; charset=utf-8"},
        {"", "text/html; charset=utf-8"},
        {"/users/7", "text/html; charset=utf-8"},
        {"/v1.2/users", "text/html; charset=utf-8"},
        {"/v1.2/", "text/html; charset=utf-8"},
        {"/a.html", "text/html; charset=utf-8"},
        {"/a.HTM", "text/html; charset=utf-8"},
        {"/static/app.min.js", "text/javascript; charset=utf-8"},
        {"/static/app.css", "text/css; charset=utf-8"},
        {"/a.aac", "audio/aac"},
        {"/a.zip", "application/zip"},
        {"/photo.JPEG", "image/jpeg"},
        {"/f.woff2", "font/woff2"},
        {"/site.webmanifest", "application/manifest+json"},
        {"/a.tar.gz", "application/gzip"},
        {"/a.unknown", "application/octet-stream"},
        {"/a.", "application/octet-stream"},
        {"/a." + std::string(1000, 'x'), "application/octet-stream"},
        {"/a.ht\xfcml", "application/octet-stream"},
    }));
    CAPTURE(path);
    CHECK(media_type_of(path) == type);
}

}  // namespace
}  // namespace weir::cache
