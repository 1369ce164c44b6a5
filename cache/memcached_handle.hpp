// What weir asks one memcached server, blocking: values through libmemcached, in the text protocol, and what stores
// over a connection of ours, each opened when it is needed. Keys come back with their values and are compared; an
// answer that leaves any doubt costs the connection, since the next answer on it could be of an earlier question.
// Nothing of a broken conversation is used again: the next call begins with a new connection.
//
// Known costs: libmemcached limits the time between bytes, not that of a call, so a server that sends a byte now and
// then holds a get for longer than its time; a name is looked up by getaddrinfo in its own time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/memcached_connection.hpp"
#include "conf/settings.hpp"

namespace weir::cache {

// One answer.
struct memcached_value {
    // Of add and cas: found means done, missing means not done: it is there already, or was changed or lost meanwhile.
    enum class outcome : std::uint8_t { found, missing, failed };

    outcome what = outcome::failed;
    std::string bytes;
    std::uint32_t flags = 0;
    std::uint64_t cas = 0;
};

// 1 to 250 bytes, none of them below 0x21 or 0x7F: what may be sent as a key.
bool is_memcached_key(std::string_view key);

// Used by one thread at a time. Nothing throws but bad_alloc. What is no key is `missing` for get and remove and
// `failed` for the rest, and nothing is sent.
class memcached_handle {
  public:
    // Does not connect. `timeout` is for each call, connecting included.
    memcached_handle(const conf::memcached_server_address& server, std::chrono::milliseconds timeout);
    ~memcached_handle();
    memcached_handle(const memcached_handle&) = delete;
    memcached_handle& operator=(const memcached_handle&) = delete;

    // One request for all keys; a value each, in their order. What came before a fault counts. `with_cas`: values have
    // their cas number.
    std::vector<memcached_value> get(std::span<const std::string> keys, bool with_cas = false);
    // `lifetime`: 0 is for ever.
    memcached_value::outcome set(std::string_view key, std::string_view bytes, std::uint32_t flags,
                                 std::chrono::seconds lifetime);
    memcached_value::outcome add(std::string_view key, std::string_view bytes, std::uint32_t flags,
                                 std::chrono::seconds lifetime);
    memcached_value::outcome cas(std::string_view key, std::string_view bytes, std::uint32_t flags,
                                 std::chrono::seconds lifetime, std::uint64_t cas);
    // missing: it was not there.
    memcached_value::outcome remove(std::string_view key);
    // Whether the server greets on a new connection.
    bool answers();

    // Of the latest call.
    memcached_fault fault() const;
    // Of the latest call that had a fault: what it was, for the log.
    std::string_view last_error() const;

  private:
    struct conversation;
    std::unique_ptr<conversation> conversation_;
};

}  // namespace weir::cache
