#include "proxy/control.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "proxy/log.hpp"

namespace weir::proxy {

namespace {

constexpr std::array<std::pair<std::string_view, by_hand>, 3> actions{
    {{"drain", by_hand::drain}, {"ready", by_hand::ready}, {"down", by_hand::down}}};
constexpr std::string_view before_name = "/upstreams/";
constexpr std::string_view before_address = "/servers/";

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) return std::nullopt;
        out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
        i += 2;
    }
    return out;
}

std::string encoded(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                           std::string_view("-._~:[]").find(c) != std::string_view::npos;
        if (plain) {
            out += c;
        } else {
            out += {'%', digits[byte / 16], digits[byte % 16]};
        }
    }
    return out;
}

template <class Range, class Name>
std::string list_of(const Range& range, Name name) {
    std::string text;
    for (const auto& one : range) text += (text.empty() ? "" : ", ") + name(one);
    return text;
}

// What of `one` was changed, after it was.
void log_change(const std::string& upstream, const balancer::endpoint& one, by_hand action) {
    const auto under_way = one.in_flight();
    switch (action) {
        case by_hand::drain:
            return log::info("{}: {} is draining, by hand; requests under way: {}", upstream, one.name(), under_way);
        case by_hand::down:
            return log::info("{}: {} is held down, by hand; requests under way: {}", upstream, one.name(), under_way);
        case by_hand::ready:
            return log::info("{}: {} is ready, by hand{}", upstream, one.name(),
                             one.in_use() ? "" : "; but something else keeps it out of use");
    }
}

}  // namespace

std::string_view to_text(by_hand action) {
    return std::ranges::find(actions, action, [](const auto& a) { return a.second; })->first;
}

std::optional<hand_change> parse_hand_change(std::string_view path) {
    if (!path.starts_with(before_name)) return std::nullopt;
    path.remove_prefix(before_name.size());
    const auto middle = path.find(before_address);
    const auto last = path.rfind('/');
    if (middle == std::string_view::npos || last < middle + before_address.size()) return std::nullopt;
    const std::string_view word = path.substr(last + 1);
    const auto action = std::ranges::find(actions, word, [](const auto& a) { return a.first; });
    const auto name = decoded(path.substr(0, middle));
    const auto from = middle + before_address.size();
    const auto address = decoded(path.substr(from, last - from));
    if (action == actions.end() || !name || !address || name->empty() || address->empty()) return std::nullopt;
    // A person may write it in another way than the normal one; what is no address at all is not found later.
    std::string why;
    const auto parsed = conf::parse_address(*address, conf::address_use::server, why);
    return hand_change{*name, parsed ? parsed->text : *address, action->second};
}

std::string path_of(const hand_change& change) {
    return std::string(before_name) + encoded(change.upstream) + std::string(before_address) + encoded(change.address) +
           '/' + std::string(to_text(change.action));
}

hand_result change_by_hand(const hand_change& change, const std::map<std::string, upstream_in_use>& upstreams,
                           balancer::clock::time_point now) {
    using balancer::out_of_use;
    const auto found = upstreams.find(change.upstream);
    if (found == upstreams.end()) {
        return {.why = "there is no upstream " + change.upstream +
                       "; there are: " + list_of(upstreams, [](const auto& u) { return u.first; })};
    }
    const balancer::upstream& upstream = *found->second.upstream;
    const auto member =
        std::ranges::find(upstream.members, change.address, [](const auto& m) { return m.endpoint->name(); });
    if (member == upstream.members.end()) {
        return {.why = upstream.name + " has no server " + change.address +
                       "; it has: " + list_of(upstream.members, [](const auto& m) { return m.endpoint->name(); })};
    }
    balancer::endpoint& one = *member->endpoint;
    // The reason that comes goes before the one that leaves: for no moment is it in use between the two.
    const auto hold = [&](out_of_use why, bool holds) {
        if (one.is(why) != holds) one.set(why, holds, now);
    };
    switch (change.action) {
        case by_hand::drain:
            hold(out_of_use::draining, true);
            hold(out_of_use::held_down, false);
            break;
        case by_hand::down:
            hold(out_of_use::held_down, true);
            hold(out_of_use::draining, false);
            break;
        case by_hand::ready:
            hold(out_of_use::draining, false);
            hold(out_of_use::held_down, false);
            // It may have refused while it restarted.
            one.end_pause();
            break;
    }
    log_change(upstream.name, one, change.action);
    balancer::offer_free_slots(upstream, now);
    return {.upstream = &upstream, .member = &*member, .why = {}};
}

}  // namespace weir::proxy
