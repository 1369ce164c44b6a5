#include "test/differential/request.hpp"

#include <algorithm>
#include <array>

namespace weir::differential {
namespace {

// So many requests change and purge pages, and so many after them leave all as it is, for long enough that responses
// become stale before they are purged.
constexpr std::uint64_t phase = 10'000;

// Numbers that follow from a seed in the same way everywhere, which the distributions of <random> do not.
class dice {
  public:
    dice(std::uint64_t seed, std::uint64_t number) : state_(mix(seed, number)) {}
    std::uint64_t next() { return state_ = mix(state_, 7); }
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }
    bool one_in(std::uint64_t count) { return below(count) == 0; }
    double share() { return static_cast<double>(next() >> 11) / 9007199254740992.0; }
    template <std::size_t Count>
    const char* of(const std::array<const char*, Count>& choices) {
        return choices[below(Count)];
    }

  private:
    std::uint64_t state_;
};

constexpr std::array<unsigned, static_cast<std::size_t>(kind::count)> weights{
    14, 3, 3, 3, 3, 2, 5, 5, 3,  // plain to both
    5,  4, 2, 4, 3, 4, 3, 3, 3,  // coding to qualified
    6,  5, 4, 1, 2, 3, 3, 4, 2,  // swr to stream
};

kind some_kind(dice& roll, const std::vector<kind>& kinds) {
    unsigned sum = 0;
    for (const kind one : kinds) sum += weights[static_cast<std::size_t>(one)];
    std::uint64_t left = roll.below(sum);
    for (const kind one : kinds) {
        if (left < weights[static_cast<std::size_t>(one)]) return one;
        left -= weights[static_cast<std::size_t>(one)];
    }
    return kinds.back();
}

void add(request& to, std::string_view name, std::string_view value) {
    to.bytes.append(name).append(": ").append(value).append("\r\n");
}

// Parameters that do not count, anywhere in the query.
std::string adorned(const std::string& target, dice& roll) {
    if (!roll.one_in(6)) return target;
    const auto mark = target.find('?');
    const std::string extra = "utm_source=" + std::to_string(roll.below(1000));
    if (mark == std::string::npos) return target + '?' + extra;
    if (roll.one_in(2)) return target + '&' + extra;
    return target.substr(0, mark + 1) + extra + '&' + target.substr(mark + 1);
}

// Who asks: cookies, credentials, and what the page negotiates by.
void add_asker(request& to, dice& roll) {
    asker& by = to.by;
    if (roll.one_in(7)) by.user = 'u' + std::to_string(roll.below(20));
    by.nonce = (by.user.empty() ? "anybody" : by.user) + '-' + std::to_string(to.number);
    add(to, "X-Nonce", by.nonce);
    if (!by.user.empty()) {
        add(to, "Cookie", roll.one_in(2) ? "session_id=" + by.user : "_ga=" + by.nonce + "; session_id=" + by.user);
    } else if (roll.one_in(4)) {
        add(to, "Cookie", "_ga=" + by.nonce);
    }
    by.authorized = to.of->what == kind::auth ? !roll.one_in(3) : roll.one_in(25);
    if (by.authorized) add(to, "Authorization", "Basic " + std::to_string(mix(by.nonce)));
    by.editor = roll.one_in(40);
    if (by.editor) add(to, "X-Editor", "1");

    if (!roll.one_in(5)) {
        by.language = roll.of<7>({"en", "de", "fr", "de,en", "de, en", "en-GB, fr;q=0.5", "de-AT,de;q=0.8"});
        add(to, "Accept-Language", *by.language);
    }
    if (!roll.one_in(4)) {
        by.variant = roll.of<6>({"a", "b", "A", "", "a, b", "a,b"});
        if (*by.variant == "a, b" && roll.one_in(2)) {
            add(to, "X-Variant", "a");
            add(to, "X-Variant", "b");
        } else {
            add(to, "X-Variant", *by.variant);
        }
    }
    if (!roll.one_in(4)) {
        by.coding = roll.of<5>({"gzip", "br", "gzip, br", "gzip, deflate", "identity"});
        add(to, "Accept-Encoding", *by.coding);
    }
}

void add_conditions(request& to, dice& roll, unsigned version) {
    const auto near = [&] { return version - static_cast<unsigned>(std::min<std::uint64_t>(version, roll.below(3))); };
    if (roll.one_in(6)) {
        const auto tag = [&] {
            const unsigned of = near();
            return etag_of(*to.of, of, choice(*to.of, of, to.by));
        };
        if (roll.one_in(8)) {
            to.if_none_match = {"*"};
        } else if (roll.one_in(3)) {
            to.if_none_match = {"\"none\"", tag(), tag()};
        } else {
            to.if_none_match = {tag()};
        }
        std::string list;
        for (const auto& one : to.if_none_match) list += (list.empty() ? "" : ", ") + one;
        add(to, "If-None-Match", list);
    }
    if (roll.one_in(12)) {
        to.if_modified_since = near();
        add(to, "If-Modified-Since", last_modified_of(*to.if_modified_since));
    }
}

byte_range some_range(dice& roll, std::size_t size) {
    const std::size_t bound = size + size / 4 + 2;
    const std::size_t first = roll.below(bound);
    switch (roll.below(4)) {
        case 0:
            return {first, std::nullopt};
        case 1:
            return {std::nullopt, 1 + roll.below(bound)};
        default:
            return {first, first + roll.below(bound)};
    }
}

void add_ranges(request& to, dice& roll, unsigned version) {
    if (to.method != "GET" || !roll.one_in(to.of->what == kind::passrange ? 3 : 8)) return;
    const std::size_t count = roll.one_in(4) ? 2 + roll.below(2) : 1;
    std::string list;
    for (std::size_t i = 0; i < count; ++i) {
        const byte_range one = to.ranges.emplace_back(some_range(roll, size_of(*to.of, version)));
        if (i > 0) list += roll.one_in(2) ? "," : ", ";
        if (one.first) list += std::to_string(*one.first);
        list += '-';
        if (one.last) list += std::to_string(*one.last);
    }
    add(to, "Range", "bytes=" + list);
    if (!roll.one_in(3)) return;
    const unsigned of = version - static_cast<unsigned>(std::min<std::uint64_t>(version, roll.below(3)));
    to.if_range = roll.one_in(3) ? last_modified_of(of) : etag_of(*to.of, of, choice(*to.of, of, to.by));
    add(to, "If-Range", *to.if_range);
}

void add_directives(request& to, dice& roll) {
    const bool honours = to.of->what == kind::honour;
    if (!roll.one_in(honours ? 3 : 15)) return;
    switch (roll.below(honours ? 5 : 4)) {
        case 0:
            add(to, "Cache-Control", "no-store");
            break;
        case 1:
            to.only_if_cached = true;
            add(to, "Cache-Control", "only-if-cached");
            add(to, "X-Only-If-Cached", "1");
            break;
        case 2:
            add(to, "Cache-Control", "max-age=0");  // what is not a second old yet will do
            break;
        default:
            add(to, "Cache-Control", "no-cache");
            to.wants_current = honours;
    }
}

// What an origin might believe, and must not get to see where it is no part of the key.
void add_poison(request& to, dice& roll) {
    if (!roll.one_in(20)) return;
    add(to,
        roll.of<6>({"X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method",
                    "X-Host"}),
        "/poison");
}

void start_line(request& to, const std::string& target, const std::string& host) {
    to.bytes = to.method + ' ' + target + " HTTP/1.1\r\n";
    add(to, "Host", host);
}

// {"url": ...} and so on, as the admin listener takes it.
std::string purge_content(const page& of, purge_order order) {
    std::string what;
    switch (order.scope) {
        case purge_scope::url:
            what = "\"url\": \"http://" + of.host + of.target + '"';
            break;
        case purge_scope::tag:
            what = "\"tag\": \"" + of.tag + '"';
            break;
        case purge_scope::prefix:
            what = "\"prefix\": \"http://" + of.host + of.prefix() + '"';
            break;
        default:
            what = "\"all\": true";
    }
    return '{' + what + (order.soft ? ", \"mode\": \"soft\"}" : "}");
}

void make_purge(request& to, dice& roll) {
    const auto scope = roll.below(50);
    purge_order order{};
    order.scope = scope == 0   ? purge_scope::all
                  : scope < 8  ? purge_scope::prefix
                  : scope < 20 ? purge_scope::tag
                               : purge_scope::url;
    order.by_method =
        order.scope == purge_scope::tag ? roll.one_in(2) : order.scope == purge_scope::url && !roll.one_in(3);
    order.soft = roll.one_in(4);
    to.purge = order;
    if (order.by_method) {
        to.method = "PURGE";
        const bool absolute = roll.one_in(3);
        const std::string target = adorned(to.of->target, roll);
        start_line(to, absolute ? "http://" + to.of->host + target : target, to.of->host);
        if (order.scope == purge_scope::tag) add(to, "Surrogate-Key", to.of->tag);
        if (order.soft) add(to, "Fastly-Soft-Purge", "1");
        to.bytes += "\r\n";
        return;
    }
    to.method = "POST";
    const std::string content = purge_content(*to.of, order);
    start_line(to, "/cache/purge", "127.0.0.1");
    add(to, "Content-Type", "application/json");
    add(to, "Content-Length", std::to_string(content.size()));
    to.bytes += "\r\n" + content;
}

void add_content(request& to, dice& roll) {
    const std::string content(roll.below(2000), 'x');
    if (roll.one_in(4)) {
        to.bytes += "Transfer-Encoding: chunked\r\n\r\n";
        if (!content.empty()) to.bytes += "3\r\nxxx\r\n";
        to.bytes += "0\r\n\r\n";
    } else {
        add(to, "Content-Length", std::to_string(content.size()));
        to.bytes += "\r\n" + content;
    }
}

}  // namespace

request make_request(std::uint64_t seed, std::uint64_t number, const std::vector<kind>& kinds, site& of) {
    dice roll(seed, number);
    request made{};
    made.number = number;
    // A third ask for what others ask for at the same time.
    dice herd(seed + 1, roll.one_in(3) ? number / 16 : seed * 1'000'000'000 + number);
    const double share = herd.share();
    const kind what = some_kind(herd, kinds);
    made.of = &of.pick(what, share, static_cast<unsigned>(herd.below(3)));
    const bool quiet = number / phase % 2 == 1;
    if (!quiet && roll.one_in(150)) {
        make_purge(made, roll);
        return made;
    }
    const auto method = roll.below(quiet ? 97 : 100);
    made.method = method < 88   ? "GET"
                  : method < 96 ? "HEAD"
                  : method < 97 ? "OPTIONS"
                                : roll.of<5>({"POST", "PUT", "DELETE", "PATCH", "FROB"});
    std::string host = made.of->host;
    if (roll.one_in(10)) host[0] = static_cast<char>(host[0] - 32);
    // Other methods' targets are not the cache's to change.
    const bool reads = made.method == "GET" || made.method == "HEAD";
    start_line(made, reads ? adorned(made.of->target, roll) : made.of->target, host);
    add_asker(made, roll);
    add_poison(made, roll);
    if (!made.safe()) {
        add_content(made, roll);
        return made;
    }
    if (made.method != "OPTIONS") {
        const unsigned version = of.version(*made.of);
        add_conditions(made, roll, version);
        add_ranges(made, roll, version);
        add_directives(made, roll);
    }
    made.bytes += "\r\n";
    if (roll.one_in(25)) {
        made.leaves_after = roll.one_in(3) ? 0 : 1 + roll.below(20'000);
        made.leaves_by_reset = roll.one_in(2);
    }
    return made;
}

}  // namespace weir::differential
