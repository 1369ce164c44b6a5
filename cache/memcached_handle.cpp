// Where libmemcached 1.1.4 does not do what its names say, and what is done about it:
// - A time limit is for each wait of a call, so what is left of the call's time is set again before each step.
// - A server that failed is left alone for seconds, which is the breaker's decision here: every connection has a new
//   memcached_st.
// - memcached_fetch_result calls an error NOTFOUND where no value came before it, timeouts and "ERROR" included, unless
//   the count in the result is above 0; and an answer such as "OK" is a success that leaves the result as it was.
// - A storing command that is answered by another command's success ends the process (an assertion). So a connection is
//   used only once its server has greeted as a memcached does; what greets so and then talks nonsense is not survived.
// - VERIFY_KEY refuses bytes above 0x7F, which memcached takes, and refuses all keys of a request for one: keys are
//   checked here.
#include "cache/memcached_handle.hpp"

#include <libmemcached/memcached.h>

#include <algorithm>
#include <ctime>
#include <initializer_list>
#include <utility>

namespace weir::cache {
namespace {

using clock = std::chrono::steady_clock;
using outcome = memcached_value::outcome;

// memcached takes a larger number for a time since 1970.
constexpr std::chrono::seconds longest_relative_lifetime = std::chrono::hours(24 * 30);

std::time_t expiration(std::chrono::seconds lifetime) {
    return lifetime > longest_relative_lifetime ? std::time(nullptr) + lifetime.count() : lifetime.count();
}

// Whether it may be that the server closed a connection that had been idle, and saw nothing of the request.
bool says_connection_ended(memcached_return_t code) {
    return code == MEMCACHED_CONNECTION_FAILURE || code == MEMCACHED_ERRNO || code == MEMCACHED_WRITE_FAILURE ||
           code == MEMCACHED_FAILURE || code == MEMCACHED_SOME_ERRORS;
}

memcached_fault fault_of(memcached_return_t code) {
    if (code == MEMCACHED_E2BIG || code == MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE) return memcached_fault::refused;
    return code == MEMCACHED_TIMEOUT ? memcached_fault::timed_out : memcached_fault::broken;
}

// Whether a request may be sent twice.
enum class repeat : std::uint8_t { once, never };

// libmemcached's message without its places in memory and source, and without what would break a line of the log.
std::string readable(std::string_view message) {
    if (message.starts_with("(0x")) message.remove_prefix(std::min(message.find(')') + 2, message.size()));
    message = message.substr(0, std::min(message.rfind(" -> "), message.rfind(",  host: ")));
    constexpr std::size_t longest = 200;
    std::string text(message.substr(0, longest));
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, ' ');
    return text;
}

}  // namespace

bool is_memcached_key(std::string_view key) {
    return !key.empty() && key.size() < MEMCACHED_MAX_KEY &&
           std::ranges::all_of(key, [](unsigned char c) { return c > 0x20 && c != 0x7F; });
}

struct memcached_handle::conversation {
    conversation(const conf::memcached_server_address& address, std::chrono::milliseconds limit)
        : server(address), timeout(limit) {}
    ~conversation() { close(); }
    conversation(const conversation&) = delete;
    conversation& operator=(const conversation&) = delete;

    bool takes(std::string_view key);
    bool connect();
    void close();
    bool has_time();
    void fail(memcached_return_t code, memcached_fault what);
    template <class Ask>
    outcome ask(repeat again, std::initializer_list<memcached_return_t> misses, const Ask& what);
    memcached_return_t ask_for(std::span<const std::string> wanted, std::vector<memcached_value>& got);

    const conf::memcached_server_address server;
    const std::chrono::milliseconds timeout;
    bool is_open = false;
    bool has_served = false;     // this connection has answered a call
    memcached_st memory;         // while it is open, like result
    memcached_result_st result;  // keeps its buffer from value to value
    clock::time_point deadline;  // of the call
    memcached_fault fault = memcached_fault::none;
    std::string error;
    std::vector<const char*> keys;  // kept for their memory, like lengths and places
    std::vector<std::size_t> lengths;
    std::vector<std::size_t> places;
};

bool memcached_handle::conversation::takes(std::string_view key) {
    if (is_memcached_key(key)) return true;
    fault = memcached_fault::refused;
    error = "that is no key";
    return false;
}

// Sets what is left of the call's time for the next step. False: nothing.
bool memcached_handle::conversation::has_time() {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now());
    if (left.count() <= 0) return false;
    memcached_behavior_set(&memory, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, static_cast<std::uint64_t>(left.count()));
    return true;
}

void memcached_handle::conversation::fail(memcached_return_t code, memcached_fault what) {
    fault = what;
    const bool is_told = memcached_last_error(&memory) != MEMCACHED_SUCCESS;
    error = readable(is_told ? memcached_last_error_message(&memory) : memcached_strerror(&memory, code));
}

// Connects and has the server greet.
bool memcached_handle::conversation::connect() {
    memcached_create(&memory);
    memcached_result_create(&memory, &result);
    is_open = true;
    has_served = false;
    const auto limit = static_cast<std::uint64_t>(std::max<std::int64_t>(timeout.count(), 1));
    memcached_behavior_set(&memory, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, limit);
    memcached_behavior_set(&memory, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, limit);
    memcached_behavior_set(&memory, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    auto code = server.unix_path.empty() ? memcached_server_add(&memory, server.host.c_str(), server.port)
                                         : memcached_server_add_unix_socket(&memory, server.unix_path.c_str());
    if (code == MEMCACHED_SUCCESS) code = memcached_version(&memory);
    constexpr std::uint8_t unknown = UINT8_MAX;  // a success is also what begins with a digit, as other protocols greet
    const bool has_greeted =
        code == MEMCACHED_SUCCESS &&
        memcached_server_major_version(memcached_server_instance_by_position(&memory, 0)) != unknown;
    if (has_greeted) return true;
    const bool is_late = memcached_last_error(&memory) == MEMCACHED_TIMEOUT;
    fail(code, is_late ? memcached_fault::timed_out : memcached_fault::unreachable);
    if (code == MEMCACHED_SUCCESS) error = "it does not greet like a memcached";
    close();
    return false;
}

void memcached_handle::conversation::close() {
    if (!is_open) return;
    // A farewell is sent, for which a server that hangs is not waited.
    memcached_behavior_set(&memory, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 1);
    memcached_result_free(&result);
    memcached_free(&memory);
    is_open = false;
}

// One call: connects where that is needed, asks, closes the connection after any doubt. `misses`: the codes, beside
// success, that answer it. What may be repeated is asked again where a connection that had served before has ended.
template <class Ask>
outcome memcached_handle::conversation::ask(repeat again, std::initializer_list<memcached_return_t> misses,
                                            const Ask& what) {
    fault = memcached_fault::none;
    deadline = clock::now() + timeout;
    for (;;) {
        if (!is_open && !connect()) return outcome::failed;
        const auto code = has_time() ? what() : MEMCACHED_TIMEOUT;
        const bool was_used = std::exchange(has_served, true);
        if (code == MEMCACHED_SUCCESS) return outcome::found;
        if (std::ranges::find(misses, code) != misses.end()) return outcome::missing;
        fail(code, fault_of(code));
        if (fault == memcached_fault::refused) return outcome::failed;
        close();
        if (again == repeat::never || !was_used || !says_connection_ended(code)) return outcome::failed;
        fault = memcached_fault::none;
    }
}

// Asks for `wanted` at once. Whether all is well is known only at the end: a value whose length was wrong looks right
// until what follows is read. Values that came before the time ran out are kept.
memcached_return_t memcached_handle::conversation::ask_for(std::span<const std::string> wanted,
                                                           std::vector<memcached_value>& got) {
    for (const auto place : places) got[place] = {};
    auto code = memcached_mget(&memory, keys.data(), lengths.data(), keys.size());
    if (code != MEMCACHED_SUCCESS) return code;
    code = MEMCACHED_TIMEOUT;
    std::size_t next = 0;  // they come in the order in which they were asked for, without those that are missing
    while (has_time()) {
        memcached_result_reset(&result);
        result.count = 1;
        const auto* one = memcached_fetch_result(&memory, &result, &code);
        if (one == nullptr) break;
        const std::string_view key(memcached_result_key_value(one), memcached_result_key_length(one));
        while (next < places.size() && wanted[places[next]] != key) ++next;
        if (next == places.size()) {
            code = MEMCACHED_PROTOCOL_ERROR;
            break;
        }
        auto& value = got[places[next++]];
        value.what = outcome::found;
        value.bytes.assign(memcached_result_value(one), memcached_result_length(one));
        value.flags = memcached_result_flags(one);
        value.cas = memcached_result_cas(one);
        code = MEMCACHED_TIMEOUT;
    }
    if (code == MEMCACHED_END) {
        for (const auto place : places) {
            if (got[place].what == outcome::failed) got[place].what = outcome::missing;
        }
        return MEMCACHED_SUCCESS;
    }
    if (code == MEMCACHED_TIMEOUT) return code;
    for (const auto place : places) got[place] = {};
    // No code of another command's answer is one of this.
    return says_connection_ended(code) ? code : MEMCACHED_PROTOCOL_ERROR;
}

memcached_handle::memcached_handle(const conf::memcached_server_address& server, std::chrono::milliseconds timeout)
    : conversation_(std::make_unique<conversation>(server, timeout)) {}

memcached_handle::~memcached_handle() = default;

std::vector<memcached_value> memcached_handle::get(std::span<const std::string> keys, bool with_cas) {
    auto& c = *conversation_;
    std::vector<memcached_value> got(keys.size());
    c.keys.clear();
    c.lengths.clear();
    c.places.clear();
    c.fault = memcached_fault::none;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (!is_memcached_key(keys[i])) {
            got[i].what = outcome::missing;
            continue;
        }
        c.keys.push_back(keys[i].data());
        c.lengths.push_back(keys[i].size());
        c.places.push_back(i);
    }
    if (c.places.empty()) return got;
    c.ask(repeat::once, {}, [&] {
        memcached_behavior_set(&c.memory, MEMCACHED_BEHAVIOR_SUPPORT_CAS, with_cas ? 1 : 0);
        return c.ask_for(keys, got);
    });
    return got;
}

outcome memcached_handle::set(std::string_view key, std::string_view bytes, std::uint32_t flags,
                              std::chrono::seconds lifetime) {
    auto& c = *conversation_;
    if (!c.takes(key)) return outcome::failed;
    return c.ask(repeat::once, {}, [&] {
        return memcached_set(&c.memory, key.data(), key.size(), bytes.data(), bytes.size(), expiration(lifetime),
                             flags);
    });
}

outcome memcached_handle::add(std::string_view key, std::string_view bytes, std::uint32_t flags,
                              std::chrono::seconds lifetime) {
    auto& c = *conversation_;
    if (!c.takes(key)) return outcome::failed;
    return c.ask(repeat::never, {MEMCACHED_NOTSTORED}, [&] {
        return memcached_add(&c.memory, key.data(), key.size(), bytes.data(), bytes.size(), expiration(lifetime),
                             flags);
    });
}

outcome memcached_handle::cas(std::string_view key, std::string_view bytes, std::uint32_t flags,
                              std::chrono::seconds lifetime, std::uint64_t cas) {
    auto& c = *conversation_;
    if (!c.takes(key)) return outcome::failed;
    return c.ask(repeat::never, {MEMCACHED_DATA_EXISTS, MEMCACHED_NOTFOUND}, [&] {
        return memcached_cas(&c.memory, key.data(), key.size(), bytes.data(), bytes.size(), expiration(lifetime), flags,
                             cas);
    });
}

outcome memcached_handle::remove(std::string_view key) {
    auto& c = *conversation_;
    if (!c.takes(key)) return outcome::missing;
    return c.ask(repeat::once, {MEMCACHED_NOTFOUND},
                 [&] { return memcached_delete(&c.memory, key.data(), key.size(), 0); });
}

bool memcached_handle::answers() {
    auto& c = *conversation_;
    c.close();
    return c.ask(repeat::never, {}, [] { return MEMCACHED_SUCCESS; }) == outcome::found;
}

memcached_fault memcached_handle::fault() const {
    return conversation_->fault;
}

std::string_view memcached_handle::last_error() const {
    return conversation_->error;
}

}  // namespace weir::cache
