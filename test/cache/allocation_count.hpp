// Counts what operator new was asked for, to show that a path does not allocate.
#pragma once

#include <cstdint>

namespace weir::test {

// Calls of operator new by this thread so far.
std::uint64_t allocations();

}  // namespace weir::test
