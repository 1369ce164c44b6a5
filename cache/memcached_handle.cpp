// Where libmemcached 1.1.4 does not do what its names say, and what is done about it:
// - A time limit is for each wait of a call, so what is left of the call's time is set again before each step.
// - A server that failed is left alone for seconds, which is the breaker's decision here: every connection has a new
//   memcached_st.
// - memcached_fetch_result calls an error NOTFOUND where no value came before it, timeouts and "ERROR" included, unless
//   the count in the result is above 0; and an answer such as "OK" is a success that leaves the result as it was.
// - A storing command that is answered by another command's success ends the process (an assertion). So what stores
// goes
//   over a connection of ours.
// - VERIFY_KEY refuses bytes above 0x7F, which memcached takes, and refuses all keys of a request for one: keys are
//   checked here.
#include "cache/memcached_handle.hpp"

#include <libmemcached/memcached.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "cache/memcached_connection.hpp"

namespace weir::cache {
namespace {

using clock = memcached_connection::clock;
using outcome = memcached_value::outcome;

// memcached takes a larger number for a time since 1970.
constexpr std::chrono::seconds longest_relative_lifetime = std::chrono::hours(24 * 30);

std::time_t expiration(std::chrono::seconds lifetime) {
    return lifetime > longest_relative_lifetime ? std::time(nullptr) + lifetime.count() : lifetime.count();
}

// Whether the server is well and only does not take it.
bool is_refusal(std::string_view line) {
    constexpr std::array<std::string_view, 3> refusals{"SERVER_ERROR object too large for cache",
                                                       "SERVER_ERROR out of memory", "SERVER_ERROR Out of memory"};
    return std::ranges::any_of(refusals, [&](std::string_view one) { return line.starts_with(one); });
}

// Whether it may be that the server closed a connection that had been idle, and saw nothing of the request.
bool says_connection_ended(memcached_return_t code) {
    return code == MEMCACHED_CONNECTION_FAILURE || code == MEMCACHED_ERRNO || code == MEMCACHED_WRITE_FAILURE ||
           code == MEMCACHED_FAILURE || code == MEMCACHED_SOME_ERRORS;
}

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
        : server(address), timeout(limit), writer(address) {}
    ~conversation() { close(); }
    conversation(const conversation&) = delete;
    conversation& operator=(const conversation&) = delete;

    bool takes(std::string_view key);
    bool connect();
    void close();
    bool has_time();
    void fail(memcached_return_t code, memcached_fault what);
    template <class Ask>
    bool ask(const Ask& what);
    template <class Exchange>
    outcome write(repeat again, const Exchange& exchange);
    outcome store(const storing_command& command, std::string_view key, std::string_view bytes, std::uint32_t flags,
                  std::chrono::seconds lifetime, std::string_view unique = {});
    outcome read_answer(const answers_of& known);
    outcome fail_answer(std::string_view line);
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
    memcached_connection writer;
    std::string request;
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

// One call of those that ask: connects where that is needed, asks, closes the connection after any doubt. It is asked
// again where a connection that had served before has ended.
template <class Ask>
bool memcached_handle::conversation::ask(const Ask& what) {
    fault = memcached_fault::none;
    deadline = clock::now() + timeout;
    for (;;) {
        if (!is_open && !connect()) return false;
        const auto code = has_time() ? what() : MEMCACHED_TIMEOUT;
        const bool was_used = std::exchange(has_served, true);
        if (code == MEMCACHED_SUCCESS) return true;
        fail(code, code == MEMCACHED_TIMEOUT ? memcached_fault::timed_out : memcached_fault::broken);
        close();
        if (!was_used || !says_connection_ended(code)) return false;
        fault = memcached_fault::none;
    }
}

// One call of those that store.
template <class Exchange>
outcome memcached_handle::conversation::write(repeat again, const Exchange& exchange) {
    deadline = clock::now() + timeout;
    outcome what = outcome::failed;
    try {
        for (;;) {
            writer.begin_call(deadline);
            if (writer.is_open() && !writer.is_quiet()) writer.close();
            const bool was_used = writer.is_open();
            if (was_used || writer.open()) what = exchange();
            fault = writer.fault();
            if (fault == memcached_fault::none) return what;
            error = writer.error();
            if (fault != memcached_fault::refused || !writer.is_in_step()) writer.close();
            if (again == repeat::never || !was_used || !writer.has_ended()) return outcome::failed;
        }
    } catch (...) {
        writer.close();
        throw;
    }
}

outcome memcached_handle::conversation::fail_answer(std::string_view line) {
    writer.fail(memcached_fault::broken, "it answered \"" + std::string(line) + '"');
    return outcome::failed;
}

outcome memcached_handle::conversation::read_answer(const answers_of& known) {
    std::string_view line;
    if (!writer.read_line(line)) return outcome::failed;
    if (is_refusal(line)) {
        writer.fail(memcached_fault::refused, line);
        return outcome::failed;
    }
    if (line.empty() || !writer.is_in_step()) return fail_answer(line);
    if (line == known.found) return outcome::found;
    if (line == known.missing || line == known.also_missing) return outcome::missing;
    return fail_answer(line);
}

// `unique`: the cas number, or nothing.
outcome memcached_handle::conversation::store(const storing_command& command, std::string_view key,
                                              std::string_view bytes, std::uint32_t flags,
                                              std::chrono::seconds lifetime, std::string_view unique) {
    if (!takes(key)) return outcome::failed;
    request.assign(command.name).append(" ").append(key).append(" ").append(std::to_string(flags));
    request.append(" ").append(std::to_string(expiration(lifetime)));
    request.append(" ").append(std::to_string(bytes.size())).append(unique).append("\r\n");
    return write(command.again, [&] {
        const std::array<std::string_view, 3> parts{request, bytes, "\r\n"};
        return writer.write(parts) ? read_answer(command.known) : outcome::failed;
    });
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
    c.ask([&] {
        memcached_behavior_set(&c.memory, MEMCACHED_BEHAVIOR_SUPPORT_CAS, with_cas ? 1 : 0);
        return c.ask_for(keys, got);
    });
    return got;
}

outcome memcached_handle::set(std::string_view key, std::string_view bytes, std::uint32_t flags,
                              std::chrono::seconds lifetime) {
    return conversation_->store({"set", repeat::once, {"STORED", {}, {}}}, key, bytes, flags, lifetime);
}

outcome memcached_handle::add(std::string_view key, std::string_view bytes, std::uint32_t flags,
                              std::chrono::seconds lifetime) {
    return conversation_->store({"add", repeat::never, {"STORED", "NOT_STORED", {}}}, key, bytes, flags, lifetime);
}

outcome memcached_handle::cas(std::string_view key, std::string_view bytes, std::uint32_t flags,
                              std::chrono::seconds lifetime, std::uint64_t cas) {
    return conversation_->store({"cas", repeat::never, {"STORED", "EXISTS", "NOT_FOUND"}}, key, bytes, flags, lifetime,
                                " " + std::to_string(cas));
}

outcome memcached_handle::remove(std::string_view key) {
    auto& c = *conversation_;
    if (!c.takes(key)) return outcome::missing;
    c.request.assign("delete ").append(key).append("\r\n");
    return c.write(repeat::once, [&] {
        const std::string_view request = c.request;
        return c.writer.write({&request, 1}) ? c.read_answer({"DELETED", "NOT_FOUND", {}}) : outcome::failed;
    });
}

bool memcached_handle::answers() {
    auto& c = *conversation_;
    c.close();
    return c.ask([] { return MEMCACHED_SUCCESS; });
}

memcached_fault memcached_handle::fault() const {
    return conversation_->fault;
}

std::string_view memcached_handle::last_error() const {
    return conversation_->error;
}

}  // namespace weir::cache
