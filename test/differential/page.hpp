// What the origin of the differential test has: pages of many kinds, each with a version that changes with time and by
// requests, and whose content says for whom and from what it was made. Origin and clients share it, so that a client
// knows which answers it may get.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weir::differential {

using clock = std::chrono::steady_clock;

// A hash that is the same in every run.
std::uint64_t mix(std::uint64_t a, std::uint64_t b = 0);
std::uint64_t mix(std::string_view text);

enum class kind : std::uint8_t {
    plain,       // max-age
    expires,     // Expires alone
    smaxage,     // s-maxage, which wins over a long max-age
    must,        // max-age, must-revalidate
    targeted,    // CDN-Cache-Control with a lifetime beside Cache-Control: no-store
    untargeted,  // CDN-Cache-Control: no-store beside a lifetime in Cache-Control
    lang,        // Vary: Accept-Language
    xvar,        // Vary: X-Variant
    both,        // both, in two lines
    coding,      // Vary: Accept-Encoding
    shift,       // Vary: X-Variant in every other version
    star,        // Vary: *
    priv,        // private
    nostore,
    nocache,    // to be validated each time
    setcookie,  // a lifetime beside Set-Cookie
    auth,       // 401 without Authorization
    qualified,  // private="x-user", a field that is the user's own
    swr,        // stale-while-revalidate
    sie,        // stale-if-error, of an origin that fails at times
    status,     // 200, 404, 410 or 301 by version
    big,        // beyond max_response
    slow,       // comes in pieces
    cut,        // at times ends before its end
    passrange,  // on a route with ranges: pass
    honour,     // on a route with client_directives: honour
    stream,     // on a route without buffering
    count
};
std::string_view name(kind what);

struct page {
    unsigned number;
    kind what;
    std::string host;
    std::string path;
    std::string target;  // path and the part of the query that is forwarded
    std::string tag;     // for purging by tag
    std::string group;   // Cache-Groups, of its host
    unsigned lifetime;   // seconds
    unsigned stale;      // seconds for which it may be used after that
    unsigned period_ms;  // its version changes so often by itself; 0: never
    bool open;           // says public
    bool has_etag;
    bool weak_etag;
    bool has_last_modified;
    bool chunked;
    bool has_date;
    bool takes_ranges;
    bool varies_by_cookie;

    std::string prefix() const { return path.substr(0, path.rfind('/') + 1); }
    // For answers to requests with Authorization (RFC 9111 section 3.5).
    bool open_to_authorized() const { return open || what == kind::smaxage || what == kind::must; }
};

// What of a request decides over its answer.
struct asker {
    std::string nonce;  // of the request
    std::optional<std::string> language, variant, coding;
    std::string user;  // of the session cookie; empty: none
    bool authorized = false;
    bool editor = false;  // has the field that bypasses the cache
};

// Who may see an answer.
enum class audience { anyone, me, me_or_anyone };
audience audience_of(const page& of, const asker& by);

// What the negotiating fields chose, as the content says it.
std::string choice(const page& of, unsigned version, const asker& by);

// An answer's content: a line that says all of it, then bytes that follow from the line.
struct rendition {
    const page& of;
    unsigned version;
    unsigned status;
    std::string chosen;
    std::string made_for;  // the nonce of the one request, or "-"

    std::size_t size() const;
    std::string line() const;  // without its end
    std::string etag() const;  // empty where the page has none, or it is for one request
    std::string last_modified() const;
    std::string content() const;
};
unsigned status_of(const page& of, unsigned version, const asker& by);
// Whether its origin breaks the answer off.
bool is_cut(const page& of, const asker& by);
std::size_t size_of(const page& of, unsigned version);
std::string http_date(std::int64_t seconds);
std::string last_modified_of(unsigned version);
std::string etag_of(const page& of, unsigned version, const std::string& chosen);

// The parts of an X-Model line that cannot be known beforehand.
struct seen_line {
    unsigned version;
    unsigned status;
    std::string made_for;
};
std::optional<seen_line> read_line(std::string_view line);

// The pages and their versions. Any thread.
class site {
  public:
    explicit site(const std::vector<kind>& kinds);

    const std::vector<page>& pages() const { return pages_; }
    const page* find(std::string_view host, std::string_view target) const;
    // One of `what`; 0 <= `share` < 1, and small ones are asked for most.
    const page& pick(kind what, double share, unsigned host) const;

    unsigned version(const page& of);
    unsigned change(const page& of);
    // When the version was last the current one: now if it is. Nothing for one that was not made yet.
    std::optional<clock::time_point> last_current(const page& of, unsigned version);

    // The oldest version that may be given to who asks from now on.
    unsigned floor(const page& of);
    void raise_floor(const page& of, unsigned version);

    // Its origin has a 500, or nothing at all, to say now; a moment later perhaps not.
    bool fails(const page& of) const;

  private:
    struct state {
        std::mutex lock;
        clock::time_point next_change;
        std::vector<clock::time_point> ended;  // when each version that is not current ceased to be
        unsigned floor = 0;
    };
    void age(const page& of, state& its) const;

    clock::time_point start_ = clock::now();
    std::vector<page> pages_;
    std::vector<state> states_;
    std::vector<std::vector<unsigned>> by_kind_;
    std::unordered_map<std::string, unsigned> by_url_;
};

}  // namespace weir::differential
