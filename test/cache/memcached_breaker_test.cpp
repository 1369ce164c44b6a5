#include "cache/memcached_breaker.hpp"

#include <catch2/catch.hpp>

namespace weir::cache {
namespace {

using std::chrono::milliseconds;
using change = memcached_breaker::change;
using fault = memcached_breaker::fault;

memcached_breaker::time_point at(int milliseconds_since) {
    return memcached_breaker::time_point(std::chrono::hours(1)) + milliseconds(milliseconds_since);
}

TEST_CASE("three failures in a row open the breaker of a memcached server", "[cache][memcached][breaker]") {
    memcached_breaker breaker;
    CHECK(breaker.note_failure(fault::failure, at(0)) == change::none);
    CHECK(breaker.note_failure(fault::failure, at(1)) == change::none);
    SECTION("a success between them counts them anew") {
        CHECK(breaker.note_success() == change::none);
        CHECK(breaker.note_failure(fault::failure, at(2)) == change::none);
        CHECK(breaker.note_failure(fault::failure, at(3)) == change::none);
        CHECK(!breaker.is_open());
    }
    CHECK(breaker.note_failure(fault::failure, at(4)) == change::opened);
    CHECK(breaker.is_open());
    SECTION("of what fails while it is open nobody is told") {
        CHECK(breaker.note_failure(fault::failure, at(5)) == change::none);
        CHECK(breaker.note_failure(fault::unreachable, at(5)) == change::none);
    }
    SECTION("a success closes it") {
        CHECK(breaker.note_success() == change::closed);
        CHECK(!breaker.is_open());
        CHECK(breaker.note_success() == change::none);
        CHECK(breaker.note_failure(fault::failure, at(6)) == change::none);
    }
}

TEST_CASE("a server that cannot be reached is not asked three times", "[cache][memcached][breaker]") {
    memcached_breaker breaker;
    CHECK(breaker.note_failure(fault::unreachable, at(0)) == change::opened);
    CHECK(breaker.is_open());
}

TEST_CASE("an open breaker lets one probe a second through", "[cache][memcached][breaker]") {
    memcached_breaker breaker;
    CHECK(!breaker.may_probe(at(10'000)));
    breaker.note_failure(fault::unreachable, at(0));
    CHECK(breaker.next_probe() == at(1000));
    CHECK(!breaker.may_probe(at(999)));
    CHECK(breaker.may_probe(at(1000)));
    CHECK(!breaker.may_probe(at(1001)));
    breaker.note_failure(fault::failure, at(1050));
    CHECK(!breaker.may_probe(at(1999)));
    CHECK(breaker.may_probe(at(2500)));
    CHECK(breaker.next_probe() == at(3500));
    CHECK(breaker.note_success() == change::closed);
    CHECK(!breaker.may_probe(at(9000)));
}

}  // namespace
}  // namespace weir::cache
