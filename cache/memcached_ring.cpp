#include "cache/memcached_ring.hpp"

#include <libmemcached/memcached.h>

#include <stdexcept>
#include <string>

namespace weir::cache {

void memcached_ring::freer::operator()(memcached_st* ring) const {
    memcached_free(ring);
}

memcached_ring::memcached_ring(std::span<const conf::memcached_server_address> servers)
    : ring_(memcached_create(nullptr)) {
    if (!ring_) throw std::runtime_error("no memory for the ring of memcached servers");
    auto code = memcached_behavior_set(ring_.get(), MEMCACHED_BEHAVIOR_KETAMA, 1);
    for (const auto& server : servers) {
        if (code != MEMCACHED_SUCCESS) break;
        code = server.unix_path.empty() ? memcached_server_add(ring_.get(), server.host.c_str(), server.port)
                                        : memcached_server_add_unix_socket(ring_.get(), server.unix_path.c_str());
    }
    if (code != MEMCACHED_SUCCESS) {
        throw std::runtime_error(std::string("no ring of memcached servers: ") + memcached_strerror(ring_.get(), code));
    }
}

std::size_t memcached_ring::server_of(std::string_view key) const {
    return memcached_generate_hash(ring_.get(), key.data(), key.size());
}

}  // namespace weir::cache
