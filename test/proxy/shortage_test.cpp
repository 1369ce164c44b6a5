#include "proxy/shortage.hpp"

#include <errno.h>

#include <catch2/catch.hpp>

using namespace weir::proxy;

TEST_CASE("a shortage is told from a failure", "[proxy][shortage]") {
    for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
        CAPTURE(error);
        CHECK(is_shortage(error));
    }
    for (const int error : {0, EAGAIN, ECONNREFUSED, EADDRNOTAVAIL, EAFNOSUPPORT}) {
        CAPTURE(error);
        CHECK_FALSE(is_shortage(error));
    }
    CHECK(describe_shortage(EMFILE) != describe_shortage(ENFILE));
    CHECK(describe_shortage(ENOBUFS) == describe_shortage(ENOMEM));
}
