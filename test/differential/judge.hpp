// Which answers a client may get.
#pragma once

#include <cstdint>
#include <string>

#include "test/differential/request.hpp"
#include "test/differential/wire.hpp"

namespace weir::differential {

// What is known before a request is sent.
struct before {
    clock::time_point sent;
    unsigned floor;    // of the page: no older version may come
    unsigned current;  // its version then
};

// What went on, for the summary: a run without hits would show nothing.
struct tally {
    std::uint64_t requests = 0, whole = 0, parts = 0, several_parts = 0, unsatisfiable = 0, not_modified = 0, hits = 0,
                  from_memcached = 0, stale = 0, collapsed = 0, cut = 0, errors = 0, left = 0, unsafe = 0, purges = 0,
                  needless = 0;
    void add(const tally& other);
};

// "" for what may come, else what is wrong with it.
std::string judge(const request& asked, const before& then, const message& got, read_end end, site& has, tally& count);

}  // namespace weir::differential
