// One value to be stored in memcached.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace weir::cache {

struct memcached_item {
    std::string key;
    std::string bytes;
    std::uint32_t flags = 0;
    std::chrono::seconds lifetime{0};  // 0: for ever
};

}  // namespace weir::cache
