// Counts what operator new was asked for, to show that a path does not allocate; and refuses it, to show what that
// does.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::test {

// Calls of operator new by this thread so far.
std::uint64_t allocations();

// While it lives nobody on any thread is given `size` bytes or more at once, but the first `spared` who ask.
class refused_allocations {
  public:
    explicit refused_allocations(std::size_t size, int spared = 0);
    ~refused_allocations();
    refused_allocations(const refused_allocations&) = delete;
    refused_allocations& operator=(const refused_allocations&) = delete;
};

}  // namespace weir::test
