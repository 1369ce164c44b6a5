// What weir asks one memcached server, blocking. Keys come back with their values and are compared; an answer that
// leaves any doubt costs the connection, since the next answer on it could be of an earlier question. Nothing of a
// broken conversation is used again: the next call begins with a new connection.
//
// Known cost: a name is looked up by getaddrinfo in its own time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
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

// Used by one thread at a time. Nothing throws but bad_alloc, after which the connection is a new one. What is no key
// is `missing` for get and remove and `failed` for the rest, and nothing is sent.
class memcached_handle {
  public:
    // Does not connect. `timeout` is for each call as a whole, connecting included.
    memcached_handle(const conf::memcached_server_address& server, std::chrono::milliseconds timeout)
        : timeout_(timeout), connection_(server) {}

    // One request for all keys; a value each, in their order. Of an answer that breaks off because its time is over
    // counts what came before; of one that is broken nothing. `with_cas`: values have their cas number.
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
    memcached_fault fault() const { return connection_.fault(); }
    // Of the latest call that had a fault: what it was, for the log.
    std::string_view last_error() const { return connection_.error(); }

  private:
    using outcome = memcached_value::outcome;
    // Whether a request may be sent twice.
    enum class repeat : std::uint8_t { once, never };
    // What a command is answered with; empty: with nothing of the kind.
    struct answers_of {
        std::string_view found;
        std::string_view missing;
        std::string_view also_missing;
    };
    struct storing_command {
        std::string_view name;
        repeat again;
        answers_of known;
    };

    bool takes(std::string_view key);
    template <class Exchange>
    outcome ask(repeat again, const Exchange& exchange);
    outcome store(const storing_command& command, std::string_view key, std::string_view bytes, std::uint32_t flags,
                  std::chrono::seconds lifetime, std::string_view unique = {});
    outcome read_answer(const answers_of& known);
    outcome read_values(std::span<const std::string> wanted, bool with_cas, std::vector<memcached_value>& got);
    outcome nonsense(std::string_view line);

    const std::chrono::milliseconds timeout_;
    memcached_connection connection_;
    std::string request_;              // kept for their memory
    std::vector<std::size_t> places_;  // of keys that are asked for
};

}  // namespace weir::cache
