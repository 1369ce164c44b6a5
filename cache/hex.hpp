// Numbers as text of a fixed length.
#pragma once

#include <cstdint>
#include <string>

namespace weir::cache {

// 16 lower-case hex digits.
inline void append_hex(std::uint64_t number, std::string& out) {
    for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[number >> shift & 0xf];
}

}  // namespace weir::cache
