#include "cache/memcached_lifetime.hpp"

#include <catch2/catch.hpp>

#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

using std::chrono::seconds;
using namespace std::chrono_literals;

TEST_CASE("a response is kept as long as anybody has use for it", "[cache][memcached][lifetime]") {
    constexpr seconds hour = 1h, month = 24h * 30;
    const auto [fields, freshness, while_revalidate, if_error, after, expected] =
        GENERATE_COPY(table<std::string, seconds, seconds, seconds, seconds, seconds>({
            {"", 60s, 0s, 0s, 0s, 60s},
            {"", 60s, 0s, 0s, 20s, 40s},
            {"Age: 10", 60s, 0s, 0s, 20s, 30s},
            {"", 60s, 0s, 0s, 60s, 0s},
            {"", 60s, 0s, 0s, 100s, -40s},
            {"", 60s, 30s, 0s, 0s, 90s},
            {"", 60s, 30s, 600s, 0s, 660s},
            {"", 60s, 30s, 600s, 100s, 560s},
            {"ETag: \"a\"", 60s, 0s, 0s, 0s, 60s + hour},
            {"ETag: \"a\"", 0s, 0s, 0s, 0s, hour},
            {"Last-Modified: " + test::http_date(), 60s, 0s, 0s, 0s, 60s + hour},
            {"ETag: \"a\"", 60s, 30s, 0s, 0s, 90s + hour},
            {"", 0s, 0s, 0s, 0s, 0s},
            {"", month + 1s, 0s, 0s, 0s, month},
            {"ETag: \"a\"", month, 0s, 0s, 0s, month},
            {"", 60s, seconds::max(), seconds::max(), 0s, month},
        }));
    CAPTURE(fields, freshness.count(), while_revalidate.count(), if_error.count(), after.count());
    const auto stored = test::make_stored({.response_fields = fields, .freshness_lifetime = freshness});
    CHECK(memcached_lifetime(*stored, {while_revalidate, if_error}, test::at(after)) == expected);
}

}  // namespace
}  // namespace weir::cache
