#include "cache/memcached_handle.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <optional>
#include <system_error>

namespace weir::cache {
namespace {

using clock = memcached_connection::clock;

constexpr std::size_t longest_key = 250;
// memcached knows no larger item.
constexpr std::uint64_t largest_value_bytes = 1024 * conf::mebibyte;
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

// The line before a value: VALUE <key> <flags> <bytes>[ <cas>]
struct value_head {
    std::string_view key;
    std::uint32_t flags = 0;
    std::uint64_t bytes = 0;
    std::uint64_t cas = 0;
};

// From the front of `text`, after a space.
template <class Number>
bool take_number(std::string_view& text, Number& number) {
    if (!text.starts_with(' ')) return false;
    const auto [end, code] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return code == std::errc{};
}

std::optional<value_head> parse_value_head(std::string_view line, bool with_cas) {
    constexpr std::string_view word = "VALUE ";
    if (!line.starts_with(word)) return std::nullopt;
    line.remove_prefix(word.size());
    value_head head;
    head.key = line.substr(0, line.find(' '));
    line.remove_prefix(head.key.size());
    const bool is_whole = take_number(line, head.flags) && take_number(line, head.bytes) &&
                          (!with_cas || take_number(line, head.cas)) && line.empty();
    if (!is_whole || head.bytes > largest_value_bytes) return std::nullopt;
    return head;
}

}  // namespace

bool is_memcached_key(std::string_view key) {
    return !key.empty() && key.size() <= longest_key &&
           std::ranges::all_of(key, [](unsigned char c) { return c > 0x20 && c != 0x7F; });
}

bool memcached_handle::takes(std::string_view key) {
    connection_.begin_call(clock::time_point::max());
    return is_memcached_key(key) || connection_.fail(memcached_fault::refused, "that is no key");
}

// One call: connects where that is needed, asks, closes the connection after any doubt. What may be repeated is asked
// again where a connection that had been open before has ended.
template <class Exchange>
memcached_handle::outcome memcached_handle::ask(repeat again, const Exchange& exchange) {
    const auto deadline = clock::now() + timeout_;
    try {
        for (;;) {
            connection_.begin_call(deadline);
            if (connection_.is_open() && !connection_.is_quiet()) connection_.close();
            const bool was_used = connection_.is_open();
            if (!was_used && !connection_.open()) return outcome::failed;
            const auto what = exchange();
            if (fault() == memcached_fault::none) return what;
            if (fault() != memcached_fault::refused || !connection_.is_in_step()) connection_.close();
            if (again == repeat::never || !was_used || !connection_.has_ended()) return outcome::failed;
        }
    } catch (...) {
        connection_.close();
        throw;
    }
}

memcached_handle::outcome memcached_handle::nonsense(std::string_view line) {
    connection_.fail(memcached_fault::broken, "it answered \"" + std::string(line) + '"');
    return outcome::failed;
}

memcached_handle::outcome memcached_handle::read_answer(const answers_of& known) {
    std::string_view line;
    if (!connection_.read_line(line)) return outcome::failed;
    if (is_refusal(line)) {
        connection_.fail(memcached_fault::refused, line);
        return outcome::failed;
    }
    if (line.empty() || !connection_.is_in_step()) return nonsense(line);
    if (line == known.found) return outcome::found;
    if (line == known.missing || line == known.also_missing) return outcome::missing;
    return nonsense(line);
}

// Whether all is well is known only at the end: a value whose length was wrong looks right until what follows is read.
memcached_handle::outcome memcached_handle::read_values(std::span<const std::string> wanted, bool with_cas,
                                                        std::vector<memcached_value>& got) {
    for (const auto place : places_) got[place] = {};
    std::size_t next = 0;  // they come in the order in which they were asked for, without those that are missing
    for (std::string_view line; connection_.read_line(line);) {
        if (line == "END" && connection_.is_in_step()) {
            for (const auto place : places_) {
                if (got[place].what == outcome::failed) got[place].what = outcome::missing;
            }
            return outcome::found;
        }
        const auto head = parse_value_head(line, with_cas);
        while (head && next < places_.size() && wanted[places_[next]] != head->key) ++next;
        if (!head || next == places_.size()) {
            nonsense(line);
            break;
        }
        memcached_value& value = got[places_[next]];
        if (!connection_.read_data(value.bytes, head->bytes)) break;
        ++next;
        value.flags = head->flags;
        value.cas = head->cas;
        value.what = outcome::found;
    }
    const bool is_late = fault() == memcached_fault::timed_out;
    for (const auto place : places_) {
        if (!is_late || got[place].what != outcome::found) got[place] = {};
    }
    return outcome::failed;
}

std::vector<memcached_value> memcached_handle::get(std::span<const std::string> keys, bool with_cas) {
    std::vector<memcached_value> got(keys.size());
    places_.clear();
    request_ = with_cas ? "gets" : "get";
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (!is_memcached_key(keys[i])) {
            got[i].what = outcome::missing;
            continue;
        }
        places_.push_back(i);
        request_.append(" ").append(keys[i]);
    }
    request_ += "\r\n";
    if (places_.empty()) {
        connection_.begin_call(clock::time_point::max());
        return got;
    }
    ask(repeat::once, [&] {
        const std::string_view request = request_;
        return connection_.write({&request, 1}) ? read_values(keys, with_cas, got) : outcome::failed;
    });
    return got;
}

// `unique`: the cas number, or nothing.
memcached_handle::outcome memcached_handle::store(const storing_command& command, std::string_view key,
                                                  std::string_view bytes, std::uint32_t flags,
                                                  std::chrono::seconds lifetime, std::string_view unique) {
    if (!takes(key)) return outcome::failed;
    request_.assign(command.name).append(" ").append(key).append(" ").append(std::to_string(flags));
    request_.append(" ").append(std::to_string(expiration(lifetime)));
    request_.append(" ").append(std::to_string(bytes.size())).append(unique).append("\r\n");
    return ask(command.again, [&] {
        const std::array<std::string_view, 3> parts{request_, bytes, "\r\n"};
        return connection_.write(parts) ? read_answer(command.known) : outcome::failed;
    });
}

memcached_handle::outcome memcached_handle::set(std::string_view key, std::string_view bytes, std::uint32_t flags,
                                                std::chrono::seconds lifetime) {
    return store({"set", repeat::once, {"STORED", {}, {}}}, key, bytes, flags, lifetime);
}

memcached_handle::outcome memcached_handle::add(std::string_view key, std::string_view bytes, std::uint32_t flags,
                                                std::chrono::seconds lifetime) {
    return store({"add", repeat::never, {"STORED", "NOT_STORED", {}}}, key, bytes, flags, lifetime);
}

memcached_handle::outcome memcached_handle::cas(std::string_view key, std::string_view bytes, std::uint32_t flags,
                                                std::chrono::seconds lifetime, std::uint64_t cas) {
    return store({"cas", repeat::never, {"STORED", "EXISTS", "NOT_FOUND"}}, key, bytes, flags, lifetime,
                 " " + std::to_string(cas));
}

memcached_handle::outcome memcached_handle::remove(std::string_view key) {
    if (!takes(key)) return outcome::missing;
    request_.assign("delete ").append(key).append("\r\n");
    return ask(repeat::once, [&] {
        const std::string_view request = request_;
        return connection_.write({&request, 1}) ? read_answer({"DELETED", "NOT_FOUND", {}}) : outcome::failed;
    });
}

bool memcached_handle::answers() {
    connection_.close();
    return ask(repeat::never, [] { return outcome::found; }) == outcome::found;
}

}  // namespace weir::cache
