// Every setting of weir: plain values with their defaults. conf/load makes them from YAML and has checked ranges and
// references by then, so readers need not. Each comment says the default, the range and the effect.
//
// An empty optional means what its comment says: `off` (no limit, no such feature) or `auto`.
// Timeouts are 1ms to 30 days, sizes 1KiB to 1024GiB (in bytes here), unless said otherwise.
#pragma once

#include "conf/address.hpp"
#include "conf/cidr.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace weir::conf {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr std::uint64_t kibibyte = 1024;
inline constexpr std::uint64_t mebibyte = 1024 * kibibyte;
inline constexpr std::uint64_t gibibyte = 1024 * mebibyte;

// One entry of `listen`.
struct listen_address {
    conf::address address;
    // Permission bits of a unix socket, 0 to 0777, written in octal. Empty: what the umask leaves.
    std::optional<unsigned> mode;

    bool operator==(const listen_address&) const = default;
};

// The listener for metrics, status and control.
struct admin_settings {
    // Default: off. Loopback or a unix socket, unless `token` is set.
    std::optional<conf::address> listen;
    // Default: off. The bearer token asked for by what changes anything; 1 to 512 visible ASCII characters.
    std::optional<std::string> token;

    bool operator==(const admin_settings&) const = default;
};

// Where log lines go.
struct log_target {
    enum class kind { off, standard_output, standard_error, file };

    kind type = kind::off;
    std::string path;  // of a file, absolute; it is reopened on SIGUSR1

    bool operator==(const log_target&) const = default;
};

enum class log_format { combined, json };
enum class log_level { debug, info, warning, error };

struct log_settings {
    log_target access{log_target::kind::standard_output, {}};  // default: stdout; one line for each exchange
    log_format format = log_format::combined;                  // default: combined; of access lines
    log_target errors{log_target::kind::standard_error, {}};   // default: stderr
    log_level level = log_level::info;                         // default: info; the least that `errors` gets

    bool operator==(const log_settings&) const = default;
};

// What a client may do and for how long.
struct client_settings {
    // Default: 10s. From accept, or from the first byte of a later request, to the end of the head; then 408.
    milliseconds head_timeout{10'000};
    // Default: 60s. How long a kept-alive connection may lie between two requests.
    milliseconds idle_timeout{60'000};
    // Default: 30s. No byte of request content arrives for this long.
    milliseconds read_timeout{30'000};
    // Default: 30s. The client takes no byte for this long.
    milliseconds write_timeout{30'000};
    // Default: off (empty). 1B to 1GiB a second, averaged over 10 s in which weir waited for the client: a transfer of
    // content below it, in either direction, is dropped.
    std::optional<std::uint64_t> min_rate_bytes;
    // Default: auto (empty), what RLIMIT_NOFILE allows. 1 to 10,000,000 client connections over all workers.
    std::optional<std::uint64_t> max_connections;
    // Default: 32KiB. 1KiB to 64KiB: request line and fields together; 431 or 414 beyond it.
    std::uint64_t max_head_bytes = 32 * kibibyte;
    // Default: 128. 1 to 10,000 fields in a head; 431 beyond it.
    unsigned max_fields = 128;
    // Default: 100MiB. 1B to 1024TiB of request content as decoded; 413 beyond it. Empty: off, no limit.
    std::optional<std::uint64_t> max_content_bytes = 100 * mebibyte;
    // Default: none. Peers whose X-Forwarded-*, Forwarded and X-Request-ID are believed; what others send is replaced.
    std::vector<cidr> trusted_proxies;

    bool operator==(const client_settings&) const = default;
};

// Where content on its way is kept, on one route. Resolved by the loader: a route's own value or that of
// the top-level `buffering`.
struct route_buffering {
    // Default: 64KiB. Memory for the content of one request, which is read whole before an endpoint is taken; what is
    // more goes to the spool. Empty: off, content is streamed to the endpoint as it comes, and Expect: 100-continue and
    // early answers are relayed.
    std::optional<std::uint64_t> request_bytes = 64 * kibibyte;
    // Default: 256KiB. Memory for one response read ahead of its client; what is more goes to the spool. Empty: off,
    // the client's pace holds the endpoint.
    std::optional<std::uint64_t> response_bytes = 256 * kibibyte;

    bool operator==(const route_buffering&) const = default;
};

struct buffering_settings {
    route_buffering content;  // `request` and `response`, for routes that do not say otherwise
    // Default: 64MiB. 1MiB or more: memory for content on its way, over all transfers and workers.
    std::uint64_t memory_max_bytes = 64 * mebibyte;
    // Default: /var/tmp. An absolute path: the folder of the spool, which holds what memory does not.
    std::string spool_dir = "/var/tmp";
    // Default: 10GiB. 1MiB or more: disk for content on its way, over all workers. Empty: off, there is no spool, and
    // what memory does not hold waits.
    std::optional<std::uint64_t> spool_max_bytes = 10 * gibibyte;

    bool operator==(const buffering_settings&) const = default;
};

struct dns_settings {
    // Default: 30s. 1s or more: how often the names among the servers are resolved again. Empty: off, only at start and
    // at reload.
    std::optional<milliseconds> refresh{30'000};

    bool operator==(const dns_settings&) const = default;
};

// One endpoint: a line under `servers` or in a `servers_file`.
struct server_settings {
    conf::address address;
    unsigned weight = 1;  // default: 1. 1 to 1000: its share of the requests, relative to the others
    bool backup = false;  // default: false. Used only while no server that is not a backup is up
    // Requests at once, over all workers, 1 to 100,000; empty: off. The upstream's, unless the server says otherwise.
    std::optional<unsigned> max_in_flight;

    bool operator==(const server_settings&) const = default;
};

// Idle connections kept to one server.
struct keepalive_settings {
    // Default: 32. 1 to 100,000 idle connections per server over all workers.
    unsigned max_idle = 32;
    // Empty, the default: auto, weir learns when the server closes and closes first.
    std::optional<milliseconds> idle_timeout;

    bool operator==(const keepalive_settings&) const = default;
};

struct timeout_settings {
    milliseconds connect{1'000};      // default: 1s. To one address of one endpoint
    milliseconds first_byte{60'000};  // default: 60s. From the request's last byte to the response's first; then 504
    milliseconds read{60'000};        // default: 60s. No byte of the response arrives for this long
    milliseconds write{30'000};       // default: 30s. The endpoint takes no byte of the request for this long
    milliseconds tunnel{3'600'000};   // default: 1h. No byte in either direction after 101

    bool operator==(const timeout_settings&) const = default;
};

// Repeating an attempt that sent something, which only idempotent requests allow (RFC 9110 section 9.2.2). What sent
// no byte goes on to every other server once, whatever these say.
struct retry_settings {
    unsigned retries = 1;  // default: 1. 0 to 10 further attempts; `retry: off` is 0
    unsigned budget_percent =
        20;  // default: 20%. 0 to 100: retries as a share of requests, never less than 10 a second

    bool operator==(const retry_settings&) const = default;
};

// Who gets the next request.
enum class balance_policy {
    round_robin,     // in turn, by weight
    least_requests,  // who has the fewest under way, by weight
    hash             // the same server for the same `hash_on`
};

// What requests share that go to the same server, for balance: hash.
struct hash_source {
    enum class kind { uri, client, header, cookie };

    kind type = kind::uri;  // default: uri, host and target; client: its address
    std::string name;       // of the field or the cookie

    bool operator==(const hash_source&) const = default;
};

// Who waits while every server that may be asked has max_in_flight requests.
struct queue_settings {
    unsigned length = 1000;        // default: 1000. 1 to 1,000,000 requests; then 503
    milliseconds timeout{10'000};  // default: 10s. The longest that a request waits; then 503

    bool operator==(const queue_settings&) const = default;
};

// Active health checks.
struct health_settings {
    std::string path = "/";        // default: /. The target that is asked for with GET
    milliseconds interval{2'000};  // default: 2s. Between two checks of a server
    milliseconds timeout{1'000};   // default: 1s. For one check in all
    unsigned rise = 2;             // default: 2. 1 to 100: good checks in a row after which a server is up
    unsigned fall = 3;             // default: 3. 1 to 100: bad ones after which it is down
    unsigned expect_from = 200;    // default: 200-399. Statuses, both included, that are good
    unsigned expect_to = 399;

    bool operator==(const health_settings&) const = default;
};

// Passive health: a server that fails too often gets no requests for a while.
struct eject_settings {
    unsigned failures = 5;          // default: 5. 1 to 1,000: so many failures
    milliseconds window{10'000};    // default: 10s. within this time
    milliseconds duration{10'000};  // default: 10s. For so long; twice, three times ... as long when it happens again
    // default: 50%. 0 to 100: of the upstream's servers at a time. Above 0 it is one at least where there are two or
    // more; never a lone one
    unsigned max_ejected_percent = 50;

    bool operator==(const eject_settings&) const = default;
};

// The Host that the upstream sees.
struct host_rule {
    enum class kind { preserve, server, literal };

    kind type = kind::preserve;  // default: preserve, as the client sent it; server: the endpoint's host and port
    std::string literal;

    bool operator==(const host_rule&) const = default;
};

// A group of endpoints that can all do the same work.
struct upstream_settings {
    // At least one; no two with the same address; in the order of the file, those of `servers_file` after the others
    // (the loader has read it, so it does not appear here).
    std::vector<server_settings> servers;
    balance_policy balance = balance_policy::round_robin;  // default: round_robin
    hash_source hash_on;                                   // default: uri; for balance: hash
    // Default: off (empty). The name of the cookie that keeps a client at one server while that is up.
    std::optional<std::string> sticky_cookie;
    // Default: 1000 and 10s, which matter only with max_in_flight. Empty: off, nobody waits.
    std::optional<queue_settings> queue = queue_settings{};
    std::optional<keepalive_settings> keepalive = keepalive_settings{};  // empty: off, a connection for each request
    timeout_settings timeouts;
    retry_settings retry;
    std::optional<health_settings> health;  // default: off
    // Default: off. How long a server that came back gets less than its share, which grows from a tenth to all of it.
    std::optional<milliseconds> slow_start;
    std::optional<eject_settings> eject = eject_settings{};  // default: on
    host_rule host;

    bool operator==(const upstream_settings&) const = default;
};

// What leaves memory when it is full.
enum class eviction_policy {
    lru,    // what was not used for the longest time
    s3fifo  // what was not used again soon after it came
};

// One of cache.memcached.servers. The ring is made of host and port as they are spelt, so every program that shares the
// servers has to spell them alike.
struct memcached_server_address {
    std::string text;            // as spelt
    std::string host;            // a name or an address, without brackets
    std::uint16_t port = 11211;  // default: 11211
    std::string unix_path;       // of a unix socket, absolute; then host and port do not count

    bool operator==(const memcached_server_address&) const = default;
};

// The second tier, which several weirs share.
struct memcached_settings {
    std::vector<memcached_server_address> servers;  // at least one, no two the same
    std::string prefix = "weir";                    // default: weir. Of every key; 1 to 32 of A-Za-z0-9._-
    milliseconds timeout{50};  // default: 50ms. 1ms to 10s: what a lookup may cost a request; then it is a miss
    // Default: 8MiB. 1KiB or more: a longer response is not stored there.
    std::uint64_t max_response_bytes = 8 * mebibyte;
    // Default: 5s. How long one node's fetch keeps the others from asking the origin. Empty: off, each node asks
    // itself.
    std::optional<milliseconds> fill_lock{5'000};
    bool purge_log = true;  // default: true. Whether purges go to all nodes over the same servers

    bool operator==(const memcached_settings&) const = default;
};

// The cache, shared by all routes.
struct cache_settings {
    // Default: 256MiB. 1MiB or more, bookkeeping included. Empty: off, nothing is stored on any route.
    std::optional<std::uint64_t> memory_bytes = 256 * mebibyte;
    // Default: 16MiB. 1KiB or more: a longer response is not stored.
    std::uint64_t max_response_bytes = 16 * mebibyte;
    eviction_policy eviction = eviction_policy::s3fifo;  // default: s3fifo. A change needs a restart
    // Default: 10s. How long a request waits for the fetch of another; then it asks an endpoint itself.
    milliseconds collapse_timeout{10'000};
    // Default: 64. 1 to 10,000 responses per key that differ by Vary.
    unsigned max_variants = 64;
    // Default: 1m. How long requests for a key whose response could not be stored do not wait for each other. Empty:
    // off, every one of them waits to see.
    std::optional<milliseconds> uncacheable_memory{60'000};
    // Default: none. Clients (resolved through client.trusted_proxies) that may send PURGE.
    std::vector<cidr> purge_allow;
    // Default: none, no second tier.
    std::optional<memcached_settings> memcached;

    bool operator==(const cache_settings&) const = default;
};

// How long a response stays fresh beyond what it says itself (RFC 9111 section 4.2.1). Whole seconds, 0s to 10 years.
struct freshness_settings {
    // Default: off. The lifetime of a response that says nothing, if its status is among `statuses`.
    std::optional<seconds> default_lifetime;
    // Default: off. Replaces what the response says; never beats no-store, private, Set-Cookie or Authorization.
    std::optional<seconds> override_lifetime;
    // Default: off. No lifetime, wherever it is from, is longer.
    std::optional<seconds> max_lifetime;
    // Default: those that RFC 9110 section 15.1 calls heuristically cacheable, less 206, 405, 414 and 501. Final
    // statuses, 200 to 599, sorted, each once.
    std::vector<unsigned> statuses{200, 203, 204, 300, 301, 308, 404, 410};
    // Default: none. The lifetime by status of a response that says nothing; goes before `default_lifetime`.
    std::map<unsigned, seconds> by_status;
    // Default: off. 1 to 100: the share, in percent, of the time since Last-Modified (RFC 9111 section 4.2.2).
    std::optional<unsigned> heuristic_percent;

    bool operator==(const freshness_settings&) const = default;
};

// How long beyond its freshness lifetime a response may be used that does not say so itself (RFC 5861), unless it says
// that it may not. Whole seconds, 0s to 10 years; empty, the default: off.
struct stale_settings {
    std::optional<seconds> while_revalidate;  // answered at once, while one request asks an endpoint behind it
    std::optional<seconds> if_error;          // answered where endpoints fail, or there is none

    bool operator==(const stale_settings&) const = default;
};

// What of a request tells stored responses apart, beside scheme, host and path. What a key leaves out of the query is
// not forwarded either.
struct key_settings {
    enum class query_parts { all, none, listed };

    query_parts query = query_parts::all;   // default: all
    std::vector<std::string> query_names;   // for listed, each once
    std::vector<std::string> ignore_query;  // default: none. Names that do not count; a final * stands for any rest
    std::vector<std::string> headers;       // default: none. Request fields that count, lower case, sorted, each once
    std::vector<std::string> cookies;       // default: none. Cookies that count, sorted, each once

    bool operator==(const key_settings&) const = default;
};

// A request with one of these goes to the upstream, and what comes is not stored.
struct bypass_settings {
    std::vector<std::string> headers;  // default: none; lower case
    std::vector<std::string> cookies;  // default: none

    bool operator==(const bypass_settings&) const = default;
};

enum class directives_policy {
    ignore,  // of a request's Cache-Control only only-if-cached and no-store count
    honour   // all that RFC 9111 section 5.2.1 has
};

enum class range_policy {
    whole,  // a range request that finds nothing fetches all of it
    pass    // it is passed on, and its answer is not stored
};

// What one route caches and how.
struct route_cache_settings {
    freshness_settings freshness;
    stale_settings stale;
    key_settings key;
    // Default: none. A request with one of these cookies is personal: passed on and not stored, unless the response
    // says public. All other cookies do not count then. None: Vary: Cookie means what RFC 9111 says.
    std::vector<std::string> session_cookies;
    bool store_set_cookie = false;  // default: false. Whether responses with Set-Cookie may be stored
    unsigned min_uses = 1;          // default: 1. 1 to 255: stored at the n-th request for it
    directives_policy client_directives = directives_policy::ignore;  // default: ignore
    bypass_settings bypass;
    range_policy ranges = range_policy::whole;  // default: whole
    // Response fields whose words are the response's tags. Default: these three.
    std::vector<std::string> tag_fields{"Surrogate-Key", "Cache-Tag", "xkey"};
    bool cache_status = true;  // default: true. Cache-Status (RFC 9211) on responses

    bool operator==(const route_cache_settings&) const = default;
};

// Where an application's own pages are looked for in memcached, before it is asked.
struct page_settings {
    struct piece {
        enum class kind { literal, scheme, host, path, query };

        kind what = kind::literal;
        std::string text;  // of a literal, visible ASCII

        bool operator==(const piece&) const = default;
    };

    // The key, in its order. Each kind but literal at most once, the path always; a placeholder follows another only as
    // {host}{path} or {scheme}{path}, a host or a query behind the path only behind a ?, and the query last, so that
    // two requests have one key only if they agree in all that it names.
    std::vector<piece> key;
    // Of pages that do not say it themselves. Empty, the default: auto, by the name of the file.
    std::optional<std::string> content_type;

    bool operator==(const page_settings&) const = default;
};

// How the request target changes on its way to the upstream.
struct rewrite_settings {
    std::string strip;  // a prefix by whole segments that is taken off; empty: none
    // Put before what is left; empty: nothing. {scheme}, {host} and {port} stand for those that the client used; no
    // other braces occur.
    std::string add;

    bool operator==(const rewrite_settings&) const = default;
};

// One entry of request_headers or response_headers. The name is a token, the value has no control characters, and
// neither framing nor hop-by-hop fields occur.
struct header_rule {
    std::string name;                  // in the case of the file
    std::optional<std::string> value;  // replaces all fields of that name; empty: they are removed

    bool operator==(const header_rule&) const = default;
};

// In the upstream's queue: who has a higher one goes first.
enum class priority { low, normal, high };

// The first route whose host and path match takes the request; none: 404.
struct route_settings {
    std::string host = "*";  // default: "*". A name, "*.suffix", or "*" for any; lower case, without a port
    std::string path = "/";  // default: "/". A prefix by whole segments ("/a" matches /a and /a/b, not /ab), or if
    bool exact = false;      // `exact` ("= /a" in the file) the one path itself
    std::string upstream;    // a key of settings::upstreams
    conf::priority priority = conf::priority::normal;                    // default: normal
    std::optional<route_cache_settings> cache = route_cache_settings{};  // empty: off, nothing is looked up or stored
    std::optional<page_settings> memcached_pages;                        // default: off
    std::optional<rewrite_settings> rewrite;                             // default: off
    std::vector<header_rule> request_headers;                            // in the order of the file
    std::vector<header_rule> response_headers;
    timeout_settings timeouts;  // the upstream's, unless the route says otherwise
    route_buffering buffering;  // the top-level one, unless the route says otherwise

    bool operator==(const route_settings&) const = default;
};

struct settings {
    // Default: auto (empty), one thread per core the process may use. 1 to 1024. A change needs a restart.
    std::optional<unsigned> workers;
    // Default: 30s. 0s to 30 days: how long SIGTERM waits for exchanges in progress.
    milliseconds drain_timeout{30'000};
    // Default: 127.0.0.1:8880. At least one, no two the same.
    std::vector<listen_address> listen;
    admin_settings admin;
    log_settings log;
    client_settings client;
    buffering_settings buffering;
    dns_settings dns;
    std::map<std::string, upstream_settings> upstreams;  // by name; at least one
    cache_settings cache;
    std::vector<route_settings> routes;  // first match wins; at least one

    bool operator==(const settings&) const = default;
};

}  // namespace weir::conf
