// One row a fault: a configuration, where its one fault is, and what is said.
#include "test/conf/loading.hpp"

#include <catch2/catch.hpp>

using weir::test::configuration;
using weir::test::one_upstream;

namespace {

// That loading gives one fault, at `where` ("line:column") and with `says` in it.
void check_fault(const std::string& yaml, const std::string& where, const std::string& says) {
    CAPTURE(yaml, says);
    const configuration written(yaml);
    const auto faults = written.faults();
    CAPTURE(faults);
    REQUIRE(faults.size() == 1);
    CHECK_THAT(faults[0], Catch::StartsWith("weir.yaml:" + where + ": "));
    CHECK_THAT(faults[0], Catch::Contains(says));
    CHECK_FALSE(written.load().value);
}

// The same for lines added to a configuration that is right; `yaml` begins at line 2.
void check_added(const std::string& yaml, const std::string& where, const std::string& says) {
    check_fault(std::string(one_upstream) + yaml, where, says);
}

std::string upstream(const std::string& lines) {
    return "upstreams:\n  app:\n    servers: [a:1]\n" + lines;
}

}  // namespace

TEST_CASE("what is not YAML has one fault with its place", "[conf][faults]") {
    const auto [yaml, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"client:\n  max_fields: 1\n max_head: 1KiB\n", "3:2", "look at the indentation"},
        {"client:\n\tmax_fields: 1\n", "2:12", "indent with spaces, not tabs"},
        {"listen: [a, b\n", "2:1", "the brackets"},
        {"listen: \"x\n", "1:9", "this quote is never closed"},
        {"listen: 'it''s\n\n", "1:9", "this quote is never closed"},
        {"host: *\n", "1:8", "written in quotes, such as \"*\""},
        {"host: *.example.com\n", "1:7", "written in quotes, such as \"*\""},
        {"a: @x\n", "1:4", "begins with @, ` or % is written in quotes"},
        {"a: b: c\n", "1:5", "has \": \" in it is written in quotes"},
        {"listen: [::1]:8880\n", "1:14", "an IPv6 address is written in quotes"},
        {"listen:\n  - [::1]:8880\n", "2:10", "an IPv6 address is written in quotes"},
        {"a: 1\n]\n", "2:1", "not YAML"},
        {"a: &x [*x]\n", "1:8", "an alias stands inside what it repeats"},
        {"workers: 1\n---\nworkers: 2\n", "2:1", "a second document begins here"},
        {"- workers\n", "1:1", "a configuration is a mapping of keys"},
        {"workers\n", "1:1", "a configuration is a mapping of keys"},
        {std::string("listen: a\0b\n", 12), "1:10", "byte 0x00 is neither printable nor UTF-8"},
        {"workers: 1\nlisten: \xff\xfe\n", "2:9", "byte 0xff"},
        {"listen: \xc0\xaf\n", "1:9", "byte 0xc0"},
        {"listen: \xed\xa0\x80\n", "1:9", "byte 0xed"},
        {"\x1f\x8b\x08\n", "1:1", "byte 0x1f"},
    }));
    check_fault(yaml, where, says);
}

TEST_CASE("YAML that a configuration does not need is refused", "[conf][faults]") {
    const auto [yaml, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"workers: 1\nworkers: 2\n", "3:1", "\"workers\" is given twice; the first is at weir.yaml:2:1"},
        {"client:\n  max_fields: 1\n  max_fields: 1\n", "4:3", "the first is at weir.yaml:3:3"},
        {"client: {max_fields: 1, \"max_fields\": 2}\n", "2:25", "the first is at weir.yaml:2:10"},
        {"<<: {workers: 1}\n", "2:1", "merge keys (<<) are not supported"},
        {"? [workers]\n: 1\n", "2:3", "a list cannot be a key"},
        {"? {workers: 1}\n: 1\n", "2:3", "a key has to be a word"},
        {"~: 1\n", "2:1", "a key has to be a word"},
        {"workers: !!int 3\n", "2:10", "the tag \"tag:yaml.org,2002:int\" has no meaning here"},
        {"workers: !mine 3\n", "2:10", "the tag \"!mine\" has no meaning here"},
        {"log: {access: \"/a\\x01\"}\n", "2:15", "has control characters"},
        {"workers: ${WEIR_TEST_UNSET}\n", "2:10", "the environment variable WEIR_TEST_UNSET is not set"},
    }));
    ::unsetenv("WEIR_TEST_UNSET");
    const configuration written(std::string(one_upstream) + yaml);
    const auto faults = written.faults();
    CAPTURE(yaml, faults);
    // A value that could not be filled in is wrong for its key too.
    REQUIRE_FALSE(faults.empty());
    CHECK(std::any_of(faults.begin(), faults.end(), [&, &place = where, &text = says](const std::string& fault) {
        return fault.rfind("weir.yaml:" + place + ": ", 0) == 0 && fault.find(text) != std::string::npos;
    }));
}

TEST_CASE("unknown keys are named with what was meant", "[conf][faults]") {
    const auto [yaml, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"wrokers: 1\n", "2:1", "unknown key \"wrokers\" at the top level, did you mean \"workers\"?"},
        {"inculde: []\n", "2:1", "did you mean \"include\"?"},
        {"colour: red\n", "2:1", "unknown key \"colour\" at the top level"},
        {"client:\n  max_haed: 1KiB\n", "3:3", "unknown key \"max_haed\" in client, did you mean \"max_head\"?"},
        {"dns: {ttl: 1s}\n", "2:7", "unknown key \"ttl\" in dns; it may have refresh"},
        {"log: {acess: off}\n", "2:7", "in log, did you mean \"access\"?"},
        {"admin: {adress: off}\n", "2:9", "in admin; it may have listen or token"},
        {"buffering: {requests: off}\n", "2:13", "in buffering, did you mean \"request\"?"},
        {"cache: {memroy: off}\n", "2:9", "in cache, did you mean \"memory\"?"},
        {"listen: {address: :1, port: 2}\n", "2:23", "unknown key \"port\" in listen"},
        {"routes:\n  - upsteam: app\n    upstream: app\n", "3:5", "in route, did you mean \"upstream\"?"},
        {"routes:\n  - upstream: app\n    match: {paht: /}\n", "4:13", "in route.match, did you mean \"path\"?"},
        {"routes:\n  - upstream: app\n    cache: {frehsness: {}}\n", "4:13",
         "in route.cache, did you mean \"freshness\"?"},
        {"routes:\n  - upstream: app\n    cache: {freshness: {defualt: 1s}}\n", "4:25",
         "in route.cache.freshness, did you mean \"default\"?"},
        {"routes:\n  - upstream: app\n    rewrite: {stirp: /a}\n", "4:15", "in route.rewrite, did you mean \"strip\"?"},
        {"routes:\n  - upstream: app\n    timeouts: {reed: 1s}\n", "4:16", "in route.timeouts, did you mean \"read\"?"},
        {"routes:\n  - upstream: app\n    buffering: {memory_max: 1MiB}\n", "4:17", "in route.buffering"},
    }));
    check_added(yaml, where, says);
}

TEST_CASE("values of the wrong type or form are named with the cure", "[conf][faults]") {
    const auto [yaml, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"workers: many\n", "2:10", "workers: \"many\" is no whole number"},
        {"workers: -1\n", "2:10", "no whole number"},
        {"workers: 0\n", "2:10", "out of range; it may be 1 to 1024"},
        {"workers: 1025\n", "2:10", "out of range"},
        {"workers: off\n", "2:10", "cannot be off"},
        {"workers: [1]\n", "2:10", "has to be a single value, not a list"},
        {"workers:\n", "2:1", "workers has no value; give one or leave the key out"},
        {"workers: \"\"\n", "2:1", "workers has no value"},
        {"drain_timeout: 30\n", "2:16", "drain_timeout: \"30\" has no unit"},
        {"drain_timeout: 721h\n", "2:16", "out of range; it may be 0ms to 720h"},
        {"client: 1\n", "2:9", "client has to be a mapping of keys, not a single value"},
        {"client: [a]\n", "2:9", "client has to be a mapping of keys, not a list"},
        {"client: {head_timeout: 0s}\n", "2:24", "out of range; it may be 1ms to 720h"},
        {"client: {head_timeout: off}\n", "2:24", "cannot be off"},
        {"client: {idle_timeout: 5 s}\n", "2:24", "client.idle_timeout: \"5 s\" is no duration"},
        {"client: {max_head: 32}\n", "2:20", "client.max_head: \"32\" has no unit"},
        {"client: {max_head: 1MiB}\n", "2:20", "it may be 1KiB to 64KiB"},
        {"client: {max_fields: 0}\n", "2:22", "it may be 1 to 10000"},
        {"client: {max_connections: 0}\n", "2:27", "it may be 1 to 10000000"},
        {"client: {min_rate: 1KiB}\n", "2:20",
         "client.min_rate: \"1KiB\" is no rate; write a size a second, such as 1KiB/s"},
        {"client: {min_rate: 10/s}\n", "2:20", "is no rate"},
        {"client: {min_rate: /s}\n", "2:20", "is no rate"},
        {"client: {min_rate: 2GiB/s}\n", "2:20", "it may be 1B/s to 1GiB/s"},
        {"client: {trusted_proxies: [10.0.0.1/8]}\n", "2:28", "the block is 10.0.0.0/8"},
        {"client: {trusted_proxies: [[a]]}\n", "2:28", "a block is written as 10.0.0.0/8"},
        {"buffering: {memory_max: off}\n", "2:25", "cannot be off"},
        {"buffering: {request: 1B}\n", "2:22", "it may be 1KiB to 1024GiB"},
        {"buffering: {spool_dir: spool}\n", "2:24", "\"spool\" is no absolute path; write one such as /var/tmp"},
        {"buffering: {spool_dir: off}\n", "2:24", "cannot be off; for no spool write \"spool_max: off\""},
        {"buffering: {spool_max: 1KiB}\n", "2:24", "it may be 1MiB to 1024GiB"},
        {"dns: {refresh: 1ms}\n", "2:16", "it may be 1s to 720h"},
        {"log: {access: access.log}\n", "2:15", "the absolute path of a file"},
        {"log: {format: jsno}\n", "2:15", "\"jsno\" is not known, did you mean \"json\"?"},
        {"log: {format: xml}\n", "2:15", "it may be combined or json"},
        {"log: {level: warn}\n", "2:14", "it may be debug, info, warning or error"},
        {"cache: {memory: 1KiB}\n", "2:17", "it may be 1MiB to 1024GiB"},
        {"cache: {max_variants: 1.5}\n", "2:23", "no whole number"},
        {"cache: {eviction: lfu}\n", "2:19", "\"lfu\" is not known, did you mean \"lru\"?"},
        {"cache: {eviction: arc}\n", "2:19", "it may be lru or s3fifo"},
        {"cache: {collapse_timeout: off}\n", "2:27", "cannot be off"},
        {"cache: {collapse_timeout: 10}\n", "2:27", "has no unit"},
        {"cache: {uncacheable_memory: 0s}\n", "2:29", "it may be 1ms to 720h"},
        {"cache: {purge: 10.0.0.0/8}\n", "2:16", "cache.purge has to be a mapping of keys, not a single value"},
        {"cache: {purge: {alow: []}}\n", "2:17", "in cache.purge, did you mean \"allow\"?"},
        {"cache: {purge: {allow: [10.0.0.1/8]}}\n", "2:25", "cache.purge.allow: \"10.0.0.1/8\""},
        {"cache: {purge: {allow: [localhost]}}\n", "2:25", "cache.purge.allow: "},
    }));
    check_added(yaml, where, says);
}

TEST_CASE("listeners are checked one by one and together", "[conf][faults]") {
    const auto [yaml, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"listen: localhost\n", "2:9", "listen: \"localhost\" has no port"},
        {"listen: [127.0.0.1:1, 127.0.0.1:1]\n", "2:23",
         "127.0.0.1:1 is taken already by 127.0.0.1:1 at weir.yaml:2:10"},
        {"listen: [\"[::1]:1\", \"[0::1]:1\"]\n", "2:21", "[::1]:1 is taken already"},
        {"listen: [127.0.0.1:1, :1]\n", "2:23", ":1 is taken already by 127.0.0.1:1"},
        {"listen: [[a]]\n", "2:10", "listen has to be a mapping of keys, not a list"},
        {"listen: [{mode: 0660}]\n", "2:10", "an entry needs an address"},
        {"listen: {address: unix:/a, mode: rw}\n", "2:34", "no file mode; write it in octal, such as 0660"},
        {"listen: {address: unix:/a, mode: 0888}\n", "2:34", "no file mode"},
        {"listen: {address: unix:/a, mode: 1777}\n", "2:34", "no file mode"},
        {"listen: {address: :1, mode: 0660}\n", "2:9", "only a unix socket has a mode"},
        {"admin: {listen: :8881}\n", "2:17", "can be reached from other machines; set admin.token"},
        {"admin: {listen: 10.0.0.1:8881, token: off}\n", "2:17", "something other than off"},
        {"admin: {token: \"a b\"}\n", "2:16", "visible ASCII characters"},
        {"admin: {listen: 127.0.0.1:8880}\n", "2:9",
         "admin.listen: 127.0.0.1:8880 is taken already by 127.0.0.1:8880 of listen"},
    }));
    check_added(yaml, where, says);
}

TEST_CASE("upstreams are checked", "[conf][faults]") {
    const auto [yaml, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"", "1:1", "there are no upstreams; add one"},
        {"# nothing\n", "1:1", "there are no upstreams"},
        {"upstreams: {}\n", "1:1", "there are no upstreams"},
        {"upstreams: [127.0.0.1:1]\n", "1:12", "has to be a mapping of names"},
        {"upstreams:\n  app:\n", "3:1", "upstreams.app.servers has no server; add one"},
        {"upstreams:\n  app:\n    servers: []\n", "3:5", "upstreams.app.servers has no server"},
        {"upstreams:\n  a b:\n    servers: [a:1]\n", "2:3", "\"a b\" is no name"},
        {"upstreams:\n  app:\n    servers: [\"9001\"]\n", "3:15", "has no port"},
        {"upstreams:\n  app:\n    servers: [a:1, b:2, A:1]\n", "3:25", "a:1 is there already at weir.yaml:3:15"},
        {"upstreams:\n  app:\n    servers: [{weight: 1}]\n", "3:15", "a server needs an address"},
        {"upstreams:\n  app:\n    servers: [{address: a:1, weight: 0}]\n", "3:38", "it may be 1 to 1000"},
        {"upstreams:\n  app:\n    servers: [{address: a:1, backup: maybe}]\n", "3:38", "neither true nor false"},
        {"upstreams:\n  app:\n    servers: [{address: a:1, max_in_flight: 0}]\n", "3:45", "it may be 1 to 100000"},
        {"upstreams:\n  app:\n    servers: [{adress: a:1, address: a:1}]\n", "3:16", "did you mean \"address\"?"},
        {"upstreams: {a: {servers: [a:1]}, b: {servers: [b:1]}}\n", "1:1", "several upstreams and no routes"},
        {upstream("    server: b:1\n"), "4:5", "in upstreams.app, did you mean \"servers\"?"},
        {upstream("    balance: round_robbin\n"), "4:14", "did you mean \"round_robin\"?"},
        {upstream("    keepalive: on\n"), "4:16", "has to be a mapping"},
        {upstream("    keepalive: {max_idle: 0}\n"), "4:27", "it may be 1 to 100000"},
        {upstream("    keepalive: {idle_timeout: off}\n"), "4:31", "cannot be off"},
        {upstream("    timeouts: {connect: 1}\n"), "4:25", "upstreams.app.timeouts.connect: \"1\" has no unit"},
        {upstream("    retry: {budget: 20}\n"), "4:21", "from 0% to 100%, such as 20%"},
        {upstream("    retry: {retries: 11}\n"), "4:22", "it may be 0 to 10"},
        {upstream("    host: perserve\n"), "4:11", "did you mean \"preserve\"?"},
        {upstream("    host: a b\n"), "4:11", "it may be preserve, server or a host name"},
        {upstream("    servers_file: none.yaml\n"), "4:19", "No such file or directory"},
    }));
    check_fault(yaml, where, says);
}

TEST_CASE("admission, choice and health are checked", "[conf][faults]") {
    const auto [yaml, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"    max_in_flight: lots\n", "4:20", "upstreams.app.max_in_flight: \"lots\" is no whole number"},
        {"    max_in_flight: 0\n", "4:20", "it may be 1 to 100000"},
        {"    queue: 10\n", "4:12", "upstreams.app.queue has to be a mapping of keys"},
        {"    queue: {length: 0}\n", "4:21", "it may be 1 to 1000000"},
        {"    queue: {timeout: off}\n", "4:22", "cannot be off"},
        {"    queue: {lenght: 10}\n", "4:13", "in upstreams.app.queue, did you mean \"length\"?"},
        {"    balance: least\n", "4:14", "it may be round_robin, least_requests or hash"},
        {"    hash_on: client\n", "4:14",
         "upstreams.app.hash_on: this does nothing without \"balance: hash\"; write that too, or remove this"},
        {"    balance: least_requests\n    hash_on: cookie:id\n", "5:14", "does nothing without \"balance: hash\""},
        {"    balance: hash\n    hash_on: cookies:id\n", "5:14", "is not known, did you mean \"cookie\"?"},
        {"    balance: hash\n    hash_on: path\n", "5:14", "it may be uri, client, header:NAME or cookie:NAME"},
        {"    balance: hash\n    hash_on: header\n", "5:14", "needs the name of a field, such as header:X-Tenant"},
        {"    balance: hash\n    hash_on: \"header:\"\n", "5:14", "needs the name of a field"},
        {"    balance: hash\n    hash_on: \"header:a b\"\n", "5:14", "\"a b\" is no name of a field"},
        {"    balance: hash\n    hash_on: \"cookie:a=b\"\n", "5:14", "\"a=b\" is no name of a cookie"},
        {"    sticky: on\n", "4:13", "it may be off or cookie:NAME"},
        {"    sticky: \"cookie:\"\n", "4:13", "needs the name of a cookie, such as cookie:session_id"},
        {"    sticky: \"cookie:a;b\"\n", "4:13", "\"a;b\" is no name of a cookie"},
        {"    health: on\n", "4:13", "upstreams.app.health has to be a mapping"},
        {"    health: {path: up}\n", "4:20", "has to begin with a slash, as in \"/health\""},
        {"    health: {path: \"/a b\"}\n", "4:20", "percent-encode them"},
        {"    health: {path: \"/a#b\"}\n", "4:20", "characters that a request may not have"},
        {"    health: {path: \"/a%2\"}\n", "4:20", "has a % without two hexadecimal digits"},
        {"    health: {interval: 2}\n", "4:24", "has no unit"},
        {"    health: {timeout: off}\n", "4:23", "cannot be off"},
        {"    health: {rise: 0}\n", "4:20", "it may be 1 to 100"},
        {"    health: {fall: 101}\n", "4:20", "it may be 1 to 100"},
        {"    health: {expect: 2xx}\n", "4:22", "\"2xx\" is no status from 200 to 599; write one, or a range"},
        {"    health: {expect: 200-}\n", "4:22", "\"\" is no status"},
        {"    health: {expect: 100-399}\n", "4:22", "\"100\" is no status"},
        {"    health: {expect: 399-200}\n", "4:22", "ends before it begins; write 200-399"},
        {"    health: {uri: /}\n", "4:14", "unknown key \"uri\" in upstreams.app.health"},
        {"    slow_start: 10\n", "4:17", "upstreams.app.slow_start: \"10\" has no unit"},
        {"    eject: {failures: 0}\n", "4:23", "it may be 1 to 1000"},
        {"    eject: {max_ejected: 50}\n", "4:26", "from 0% to 100%"},
        {"    eject: {window: off}\n", "4:21", "cannot be off"},
        {"    eject: on\n", "4:12", "has to be a mapping"},
    }));
    check_fault(upstream(yaml), where, says);
}

TEST_CASE("routes are checked", "[conf][faults]") {
    const auto [yaml, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"routes: app\n", "2:9", "routes: this has to be a list, not a single value"},
        {"routes: [app]\n", "2:10", "route has to be a mapping of keys"},
        {"routes: [{}]\n", "2:10", "route.upstream is missing; it may be app"},
        {"routes: [{upstream: }]\n", "2:11", "route.upstream has no value"},
        {"routes: [{upstream: ap}]\n", "2:21", "there is no upstream \"ap\", did you mean \"app\"?"},
        {"routes: [{upstream: other}]\n", "2:21", "there is no upstream \"other\"; there is app"},
        {"routes: [{upstream: app, match: /}]\n", "2:33", "route.match has to be a mapping"},
        {"routes: [{upstream: app, match: {path: app}}]\n", "2:40", "has to begin with a slash"},
        {"routes: [{upstream: app, match: {path: /a/../b}}]\n", "2:40", "has the segment \"..\""},
        {"routes: [{upstream: app, match: {host: a.com:80}}]\n", "2:40", "has a port; write the host alone"},
        {"routes: [{upstream: app, match: {host: \"a.*\"}}]\n", "2:40", "has a * inside"},
        {"routes: [{upstream: app, cache: on}]\n", "2:33", "has to be a mapping"},
        {"routes: [{upstream: app, cache: {cache_status: 1}}]\n", "2:48", "neither true nor false"},
        {"routes: [{upstream: app, cache: {freshness: {default: 500ms}}}]\n", "2:55", "no number of whole seconds"},
        {"routes: [{upstream: app, cache: {freshness: {max: 99999h}}}]\n", "2:51", "out of range"},
        {"routes: [{upstream: app, cache: {freshness: {statuses: [99]}}}]\n", "2:57", "no status from 200 to 599"},
        {"routes: [{upstream: app, cache: {freshness: {statuses: 200}}}]\n", "2:56", "has to be a list"},
        {"routes: [{upstream: app, cache: {freshness: {by_status: {4O4: 1s}}}}]\n", "2:58", "no status from"},
        {"routes: [{upstream: app, cache: {freshness: {by_status: {404: off}}}}]\n", "2:63", "is no duration"},
        {"routes: [{upstream: app, cache: {freshness: {by_status: []}}}]\n", "2:57", "has to be a mapping"},
        {"routes: [{upstream: app, cache: {freshness: {heuristic: 0.1}}}]\n", "2:57", "from 0% to 100%"},
        {"routes: [{upstream: app, rewrite: on}]\n", "2:35", "has to be a mapping"},
        {"routes: [{upstream: app, rewrite: {}}]\n", "2:35", "needs strip or add"},
        {"routes: [{upstream: app, rewrite: {strip: a}}]\n", "2:43", "has to begin with a slash"},
        {"routes: [{upstream: app, rewrite: {strip: /a/}}]\n", "2:43", "ends in a slash"},
        {"routes: [{upstream: app, rewrite: {add: \"/{hots}\"}}]\n", "2:41", "none of {scheme}, {host} and {port}"},
        {"routes: [{upstream: app, rewrite: {add: \"/a?b\"}}]\n", "2:41", "has a query"},
        {"routes: [{upstream: app, priority: urgent}]\n", "2:36", "it may be low, normal or high"},
        {"routes: [{upstream: app, timeouts: {read: 1}}]\n", "2:43", "has no unit"},
        {"routes: [{upstream: app, buffering: {request: 64}}]\n", "2:47", "has no unit"},
    }));
    check_added(yaml, where, says);
}

TEST_CASE("what a route caches is checked", "[conf][faults]") {
    // The map begins at column 33.
    const auto [yaml, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"{stale: on}", "2:41", "route.cache.stale has to be a mapping"},
        {"{stale: {if_error: 500ms}}", "2:52", "no number of whole seconds"},
        {"{stale: {if_error: 99999h}}", "2:52", "out of range"},
        {"{stale: {while_revalidating: 1s}}", "2:42", "did you mean \"while_revalidate\"?"},
        {"{key: off}", "2:39", "route.cache.key has to be a mapping"},
        {"{key: {query: some}}", "2:47", "\"some\" is not known; it may be all or none"},
        {"{key: {query: {a: b}}}", "2:47", "has to be a single value, not a mapping"},
        {"{key: {query: []}}", "2:47", "this lists no name; write \"query: none\", or all"},
        {"{key: {query: [page, [a]]}}", "2:54", "route.cache.key.query: this has to be a list of names"},
        {"{key: {query: [page=1]}}", "2:48", "\"page=1\" is no name of a parameter; write what stands before the ="},
        {"{key: {query: [a b]}}", "2:48", "is no name of a parameter"},
        {"{key: {query: [\"\"]}}", "2:48", "\"\" is no name of a parameter"},
        {"{key: {query: [utm_*]}}", "2:48", "only ignore_query takes patterns"},
        {"{key: {query: [a%20b]}}", "2:48", "has a %; write the name itself"},
        {"{key: {ignore_query: fbclid}}", "2:54", "has to be a list, not a single value"},
        {"{key: {ignore_query: [utm_*_x]}}", "2:55", "has a * inside; it may only end a pattern, such as utm_*"},
        {"{key: {ignore_query: [utm_**]}}", "2:55", "has a * inside"},
        {"{key: {ignore_query: [\"*\"]}}", "2:55", "ignores every parameter; write \"query: none\" instead"},
        {"{key: {ignore_query: [a&b]}}", "2:55", "is no name of a parameter"},
        {"{key: {query: none, ignore_query: [a]}}", "2:67",
         "with \"query: none\" no parameter counts anyway; remove one of the two"},
        {"{key: {headers: [X A]}}", "2:50", "\"X A\" is no field name"},
        {"{key: {headers: [Host]}}", "2:50", "Host is in every key already; remove this"},
        {"{key: {headers: [cookie]}}", "2:50", "use key.cookies"},
        {"{key: {headers: [Range]}}", "2:50", "asks for a part of what is stored"},
        {"{key: {headers: [If-Range]}}", "2:50", "asks for a part of what is stored"},
        {"{key: {headers: [If-None-Match]}}", "2:50", "is a condition on what is stored"},
        {"{key: {headers: [If-Modified-Since]}}", "2:50", "is a condition on what is stored"},
        {"{key: {headers: [If-Match]}}", "2:50", "is a condition on what is stored"},
        {"{key: {headers: [If-Unmodified-Since]}}", "2:50", "is a condition on what is stored"},
        {"{key: {headers: [Connection]}}", "2:50", "belongs to one message or connection"},
        {"{key: {headers: [TE]}}", "2:50", "belongs to one message or connection"},
        {"{key: {headers: [Upgrade]}}", "2:50", "belongs to one message or connection"},
        {"{key: {headers: [Content-Length]}}", "2:50", "belongs to one message or connection"},
        {"{key: {headers: [Cache-Control]}}", "2:50", "see client_directives"},
        {"{key: {headers: [X-Forwarded-Host]}}", "2:50", "is set by weir itself"},
        {"{key: {headers: [Forwarded]}}", "2:50", "is set by weir itself"},
        {"{key: {headers: [X_Site]}}", "2:50", "has an underscore"},
        {"{key: {cookies: [a=b]}}", "2:50", "\"a=b\" is no name of a cookie"},
        {"{key: {cookie: [a]}}", "2:40", "did you mean \"cookies\"?"},
        {"{session_cookies: [\"a b\"]}", "2:52", "route.cache.session_cookies: \"a b\" is no name of a cookie"},
        {"{session_cookies: session_id}", "2:51", "has to be a list"},
        {"{session_cookies: [~]}", "2:52", "has to be a list of names"},
        {"{store_set_cookie: 1}", "2:52", "neither true nor false"},
        {"{min_uses: 0}", "2:44", "it may be 1 to 255"},
        {"{min_uses: 256}", "2:44", "it may be 1 to 255"},
        {"{client_directives: honor}", "2:53", "did you mean \"honour\"?"},
        {"{bypass: [X-A]}", "2:42", "route.cache.bypass has to be a mapping"},
        {"{bypass: {headers: [\"X:\"]}}", "2:53", "is no field name"},
        {"{bypass: {cookies: [\"a;b\"]}}", "2:53", "is no name of a cookie"},
        {"{ranges: part}", "2:42", "it may be whole or pass"},
        {"{tag_fields: [\"a b\"]}", "2:47", "is no field name"},
    }));
    check_added("routes: [{upstream: app, cache: " + yaml + "}]\n", where, says);
}

TEST_CASE("header rules cannot break messages", "[conf][faults][rfc9110-7.6.1]") {
    const auto [yaml, where, says] = GENERATE(table<std::string, std::string, std::string>({
        {"    request_headers: [X-A]\n", "4:22", "has to be a mapping of field names to values"},
        {"    request_headers: {\"X A\": b}\n", "4:23", "\"X A\" is no field name"},
        {"    request_headers: {\"X:\": b}\n", "4:23", "is no field name"},
        {"    request_headers: {\"\": b}\n", "4:23", "is no field name"},
        {"    request_headers: {X-A: [b]}\n", "4:28", "needs a single value"},
        {"    request_headers: {X-A: \"b\\r\\nX-B: c\"}\n", "4:28", "has a line break or another control character"},
        {"    response_headers:\n      X-A: |\n        b\n", "5:12", "has a line break"},
        {"    request_headers: {X-A: b, x-a: c}\n", "4:31",
         "is given twice, in whatever case; the first is at weir.yaml:4:23"},
        {"    request_headers: {content-length: 1}\n", "4:23", "belongs to the framing"},
        {"    request_headers: {Host: a}\n", "4:23", "is set by \"host\" of the upstream"},
        {"    request_headers: {Expect: a}\n", "4:23", "is answered by weir"},
        {"    response_headers: {Transfer-Encoding: chunked}\n", "4:24", "belongs to the framing"},
        {"    response_headers: {Connection: null}\n", "4:24", "belongs to one connection"},
        {"    response_headers: {Upgrade: h2c}\n", "4:24", "belongs to one connection"},
    }));
    const configuration written(std::string(one_upstream) + "routes:\n  - upstream: app\n" + yaml);
    const auto faults = written.faults();
    CAPTURE(yaml, faults);
    REQUIRE_FALSE(faults.empty());
    CHECK_THAT(faults[0], Catch::StartsWith("weir.yaml:" + where + ": "));
    CHECK_THAT(faults[0], Catch::Contains(says));
}

TEST_CASE("all faults come at once, in the order of the file", "[conf][faults]") {
    const configuration written(
        "wrokers: 1\n"
        "listen: nowhere\n"
        "client:\n"
        "  max_head: 32\n"
        "  head_timeout: 10\n"
        "  head_timeout: 10s\n"
        "upstreams:\n"
        "  app:\n"
        "    servers: [a:1, a:1]\n"
        "    health: {path: up}\n"
        "routes:\n"
        "  - upstream: ap\n"
        "    request_headers: {Connection: x}\n");
    std::vector<std::string> places;
    for (const std::string& fault : written.faults()) places.push_back(fault.substr(0, fault.find(": ")));
    CHECK(places == std::vector<std::string>{"weir.yaml:1:1", "weir.yaml:2:9", "weir.yaml:4:13", "weir.yaml:5:17",
                                             "weir.yaml:6:3", "weir.yaml:9:20", "weir.yaml:10:20", "weir.yaml:12:15",
                                             "weir.yaml:13:23"});
}

TEST_CASE("a file that cannot be read is a fault of its own", "[conf][faults]") {
    const weir::test::temporary_folder folder;
    const auto missing = weir::conf::load_file(folder.path("none.yaml"));
    REQUIRE(missing.faults.size() == 1);
    CHECK(weir::conf::text(missing.faults[0]) == folder.path("none.yaml") + ":1:1: cannot read \"" +
                                                     folder.path("none.yaml") + "\": No such file or directory");
    const auto directory = weir::conf::load_file(folder.path(""));
    REQUIRE(directory.faults.size() == 1);
    CHECK_THAT(directory.faults[0].what, Catch::Contains("is a directory, not a file"));
    CHECK_FALSE(directory.value);
}
