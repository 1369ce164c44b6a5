#include "test/differential/page.hpp"

#include <array>
#include <charconv>
#include <ctime>
#include <random>

namespace weir::differential {
namespace {

constexpr unsigned hosts = 3;
constexpr unsigned pages_of_a_kind = 30;  // on each host
constexpr std::size_t longest = 2 * 1024 * 1024;
constexpr std::int64_t first_modified = 1'577'836'800;  // 2020-01-01

constexpr std::array<std::string_view, static_cast<std::size_t>(kind::count)> names{
    "plain",  "expires", "smaxage", "must", "targeted", "untargeted", "lang",      "xvar",   "both",
    "coding", "shift",   "star",    "priv", "nostore",  "nocache",    "setcookie", "auth",   "qualified",
    "swr",    "sie",     "status",  "big",  "slow",     "cut",        "passrange", "honour", "stream"};

// Bytes that the contents are cut from.
const std::string& noise() {
    static const std::string bytes = [] {
        std::string made;
        std::mt19937_64 random(1);
        while (made.size() < 2 * longest) {
            const std::uint64_t some = random();
            made.append(reinterpret_cast<const char*>(&some), sizeof some);
        }
        return made;
    }();
    return bytes;
}

// The members of a list, without the space around them.
std::vector<std::string> members(std::string_view list) {
    std::vector<std::string> found;
    while (!list.empty()) {
        const auto end = std::min(list.find(','), list.size());
        auto one = list.substr(0, end);
        while (one.starts_with(' ')) one.remove_prefix(1);
        while (one.ends_with(' ')) one.remove_suffix(1);
        found.emplace_back(one);
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return found;
}

std::string chosen_language(const asker& by) {
    for (const auto& one : members(by.language.value_or(""))) {
        if (one.starts_with("de")) return "de";
        if (one.starts_with("fr")) return "fr";
    }
    return "en";
}

std::string chosen_variant(const asker& by) {
    if (!by.variant) return "absent";
    std::string joined;
    for (const auto& one : members(*by.variant)) joined += one + '+';
    return joined;
}

std::string chosen_coding(const asker& by) {
    bool gzip = false;
    for (const auto& one : members(by.coding.value_or(""))) {
        if (one == "br") return "br";
        gzip = gzip || one == "gzip";
    }
    return gzip ? "gzip" : "identity";
}

}  // namespace

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    std::uint64_t x = a * 0x9e3779b97f4a7c15 + b + 0x632be59bd9b4e019;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

std::uint64_t mix(std::string_view text) {
    std::uint64_t hash = text.size();
    for (const char c : text) hash = mix(hash, static_cast<unsigned char>(c));
    return hash;
}

std::string_view name(kind what) {
    return names[static_cast<std::size_t>(what)];
}

audience audience_of(const page& of, const asker& by) {
    switch (of.what) {
        case kind::untargeted:
        case kind::star:
        case kind::priv:
        case kind::nostore:
        case kind::setcookie:
        case kind::auth:
            return audience::me;
        default:
            break;
    }
    if (by.editor || (!by.user.empty() && !of.open)) return audience::me;
    // What was stored for others may be used (RFC 9111 section 3.5 forbids the other way round only).
    if (by.authorized && !of.open_to_authorized()) return audience::me_or_anyone;
    return audience::anyone;
}

std::string choice(const page& of, unsigned version, const asker& by) {
    switch (of.what) {
        case kind::lang:
            return chosen_language(by);
        case kind::xvar:
            return chosen_variant(by);
        case kind::both:
            return chosen_language(by) + '/' + chosen_variant(by);
        case kind::coding:
            return chosen_coding(by);
        case kind::shift:
            return version % 2 == 1 ? chosen_variant(by) : "all";
        default:
            return "all";
    }
}

unsigned status_of(const page& of, unsigned version, const asker& by) {
    if (of.what == kind::auth && !by.authorized) return 401;
    if (of.what != kind::status) return 200;
    constexpr std::array<unsigned, 4> statuses{200, 404, 410, 301};
    return statuses[mix(of.number, version) % 4];
}

bool is_cut(const page& of, const asker& by) {
    return of.what == kind::cut && mix(by.nonce) % 2 == 0;
}

std::size_t size_of(const page& of, unsigned version) {
    if (of.what == kind::big) return longest - version % 1000;
    const std::uint64_t some = mix(of.number + 1'000'000, version);
    const std::uint64_t of_bucket = some >> 16;
    if (of.what == kind::slow) return 1000 + of_bucket % 60'000;
    // Most are longer than what weir holds back until it is whole: those are passed on as cut as they came.
    if (of.what == kind::cut) return 1000 + of_bucket % 400'000;
    switch (some % 20) {
        case 0:
            return 0;
        case 1:
        case 2:
            return of_bucket % 200;
        case 3:
        case 4:
        case 5:
            return of_bucket % (64 * 1024);
        case 6:
            return of_bucket % (300 * 1024);
        default:
            return 200 + of_bucket % 4000;
    }
}

std::string http_date(std::int64_t seconds) {
    const std::time_t at = seconds;
    std::tm parts{};
    ::gmtime_r(&at, &parts);
    char text[40];
    return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

std::string last_modified_of(unsigned version) {
    return http_date(first_modified + version);
}

std::string etag_of(const page& of, unsigned version, const std::string& chosen) {
    return std::string(of.weak_etag ? "W/" : "") + '"' + std::to_string(of.number) + '-' + std::to_string(version) +
           '-' + std::to_string(mix(chosen) % 1'000'000) + '"';
}

std::size_t rendition::size() const {
    return size_of(of, version);
}

std::string rendition::line() const {
    return "v=" + std::to_string(version) + " status=" + std::to_string(status) + " for=" + made_for +
           " size=" + std::to_string(size()) + " chosen=" + chosen + " url=" + of.host + of.target;
}

std::string rendition::etag() const {
    return of.has_etag && made_for == "-" ? etag_of(of, version, chosen) : std::string();
}

std::string rendition::last_modified() const {
    return of.has_last_modified && made_for == "-" ? last_modified_of(version) : std::string();
}

std::string rendition::content() const {
    std::string bytes = line() + '\n';
    const std::size_t wanted = size();
    if (bytes.size() < wanted) bytes.append(noise(), mix(bytes) % longest, wanted - bytes.size());
    bytes.resize(wanted);
    return bytes;
}

std::optional<seen_line> read_line(std::string_view line) {
    seen_line seen;
    const auto number = [&](std::string_view mark, unsigned& to) {
        const auto at = line.find(mark);
        if (at == line.npos) return false;
        const char* begin = line.data() + at + mark.size();
        return std::from_chars(begin, line.data() + line.size(), to).ec == std::errc();
    };
    if (!line.starts_with("v=") || !number("v=", seen.version) || !number(" status=", seen.status)) return std::nullopt;
    const auto from = line.find(" for=");
    const auto to = line.find(" size=");
    if (from == line.npos || to == line.npos || to < from) return std::nullopt;
    seen.made_for = line.substr(from + 5, to - from - 5);
    return seen;
}

// The pages of all hosts have the same paths; that of one number is the same in every run.
site::site(const std::vector<kind>& kinds)
    : states_(kinds.size() * hosts * pages_of_a_kind), by_kind_(static_cast<std::size_t>(kind::count)) {
    for (const kind what : kinds) {
        for (unsigned n = 0; n < hosts * pages_of_a_kind; ++n) {
            const unsigned k = n / hosts;
            const std::uint64_t some = mix(k, static_cast<std::uint64_t>(what));
            const auto one_in = [&](unsigned count, unsigned salt) { return mix(some, salt) % count == 0; };
            page made{};
            made.number = static_cast<unsigned>(pages_.size());
            made.what = what;
            made.host = std::string(1, static_cast<char>('a' + n % hosts)) + ".example";
            made.path = '/' + std::string(name(what)) + "/g" + std::to_string(k % 5) + "/p" + std::to_string(k);
            made.target = made.path;
            if (k % 3 == 0) made.target += "?id=" + std::to_string(k);
            if (k % 6 == 0) made.target += "&part=1";
            made.tag = 't' + std::to_string(made.number % 50);
            made.group = 'g' + std::to_string(made.number % 40);
            made.lifetime = what == kind::nocache ? 0 : static_cast<unsigned>(1 + some % 3);
            if (what == kind::swr) made.stale = 2;
            if (what == kind::sie) made.stale = 3;
            made.period_ms = one_in(4, 1) ? 0 : static_cast<unsigned>(200 + mix(some, 2) % 4000);
            made.open = one_in(4, 3);
            made.has_etag = !one_in(3, 4);
            made.weak_etag = one_in(5, 5);
            made.has_last_modified = !one_in(3, 6);
            made.chunked = one_in(3, 7);
            made.has_date = !one_in(5, 8);
            made.takes_ranges = !one_in(3, 9);
            made.varies_by_cookie = what == kind::plain && one_in(3, 10);
            by_url_[made.host + made.target] = made.number;
            by_kind_[static_cast<std::size_t>(what)].push_back(made.number);
            states_[made.number].next_change = start_ + std::chrono::milliseconds(made.period_ms);
            pages_.push_back(std::move(made));
        }
    }
}

const page* site::find(std::string_view host, std::string_view target) const {
    const auto found = by_url_.find(std::string(host) + std::string(target));
    return found == by_url_.end() ? nullptr : &pages_[found->second];
}

const page& site::pick(kind what, double share, unsigned host) const {
    const auto k = static_cast<unsigned>(share * share * share * share * pages_of_a_kind);
    return pages_[by_kind_[static_cast<std::size_t>(what)][k * hosts + host % hosts]];
}

void site::age(const page& of, state& its) const {
    if (of.period_ms == 0) return;
    const auto now = clock::now();
    if (now < its.next_change) return;
    its.ended.push_back(now);
    its.next_change = now + std::chrono::milliseconds(of.period_ms);
}

unsigned site::version(const page& of) {
    state& its = states_[of.number];
    const std::lock_guard hold(its.lock);
    age(of, its);
    return static_cast<unsigned>(its.ended.size());
}

unsigned site::change(const page& of) {
    state& its = states_[of.number];
    const std::lock_guard hold(its.lock);
    its.ended.push_back(clock::now());
    return static_cast<unsigned>(its.ended.size());
}

std::optional<clock::time_point> site::last_current(const page& of, unsigned version) {
    state& its = states_[of.number];
    const std::lock_guard hold(its.lock);
    if (version > its.ended.size()) return std::nullopt;
    return version == its.ended.size() ? clock::now() : its.ended[version];
}

unsigned site::floor(const page& of) {
    state& its = states_[of.number];
    const std::lock_guard hold(its.lock);
    return its.floor;
}

void site::raise_floor(const page& of, unsigned version) {
    state& its = states_[of.number];
    const std::lock_guard hold(its.lock);
    its.floor = std::max(its.floor, version);
}

// For 300 ms of each 1.2 s, but at other times for other pages.
bool site::fails(const page& of) const {
    if (of.what != kind::sie) return false;
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - start_).count();
    return (static_cast<std::uint64_t>(ms) / 300 + of.number) % 4 == 0;
}

}  // namespace weir::differential
