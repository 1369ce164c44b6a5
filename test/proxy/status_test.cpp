#include "proxy/status.hpp"

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace weir::proxy;

namespace {

server_status busy(const worker_metrics& one, const worker_metrics& other) {
    server_status status;
    status.version = "0.1.0";
    status.started = std::chrono::system_clock::from_time_t(1'795'291'200);
    status.uptime = std::chrono::milliseconds(61'500);
    status.generation = 3;
    status.workers = 2;
    upstream_status app;
    app.name = "a\"p\\p\n";
    app.endpoints.resize(2);
    app.endpoints[0].address = "127.0.0.1:9001";
    app.endpoints[0].requests = 12;
    app.endpoints[1].address = "unix:/run/app.sock";
    app.endpoints[1].state = "unresolved";
    app.endpoints[1].reason = "no such host";
    app.endpoints[1].out_of_use = {"unresolved"};
    app.queued = 6;
    app.responses = {1, 0, 20, 3, 4, 5};
    app.retries = 2;
    status.upstreams.push_back(app);
    status.cache = {.bytes = 1000, .limit_bytes = 2000, .responses = 3, .evictions = 4, .purges = 5};
    status.worker_metrics = {&one, &other};
    return status;
}

struct exposition {
    std::map<std::string, std::string> types;
    std::map<std::string, double> samples;  // by name and labels as written
};

// Reads the text format as its specification has it and fails the test at the first line that is none.
exposition parse(const std::string& text) {
    static const std::regex comment(R"(# (HELP|TYPE) ([a-z_]+) (.+))");
    static const std::regex sample(
        R"re(([a-z_]+)(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? (-?[0-9.e+-]+))re");
    REQUIRE(text.ends_with('\n'));
    exposition read;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        CAPTURE(line);
        std::smatch match;
        if (std::regex_match(line, match, comment)) {
            if (match[1] == "TYPE") CHECK(read.types.emplace(match[2], match[3]).second);
            continue;
        }
        REQUIRE(std::regex_match(line, match, sample));
        const std::string name = std::regex_replace(match[1].str(), std::regex("_(bucket|sum|count)$"), "");
        REQUIRE(read.types.contains(name));
        CHECK((read.types[name] == "counter") == name.ends_with("_total"));
        CHECK(read.samples.emplace(match[1].str() + match[2].str(), std::stod(match[3])).second);
    }
    return read;
}

}  // namespace

TEST_CASE("every line of the exposition is one that Prometheus reads", "[proxy][status]") {
    worker_metrics one;
    worker_metrics other;
    one.cache(cache_metric::hit).add(4);
    other.cache(cache_metric::hit).add(5);
    for (std::size_t i = 0; i < cache_metric_count; ++i) one.cache(static_cast<cache_metric>(i)).add(100 + i);
    one.refreshes.add(2);
    other.refreshes.add(1);
    one.connections_idle.add(6);
    other.connections_idle.add(1);
    one.client_bytes_sent.add(1'000'000'000'000);
    one.durations.record(std::chrono::microseconds(300));
    one.durations.record(std::chrono::seconds(2));
    other.durations.record(std::chrono::seconds(100));
    one.log_lines_dropped.add(8);
    one.responses[2].add(9);

    auto samples = parse(to_prometheus(busy(one, other))).samples;
    const std::string app = R"(upstream="a\"p\\p\n")";

    SECTION("workers are added up") {
        CHECK(samples.at(R"(weir_cache_requests_total{outcome="hit"})") == 109);
        CHECK(samples.at("weir_cache_refreshes_total") == 3);
        CHECK(samples.at(R"(weir_client_connections{state="idle"})") == 7);
        CHECK(samples.at(R"(weir_client_bytes_total{direction="sent"})") == 1e12);
        CHECK(samples.at(R"(weir_access_log_dropped_total{reason="buffer_full"})") == 8);
        CHECK(samples.at(R"(weir_responses_total{class="2xx"})") == 9);
    }
    SECTION("what the cache made of requests has a sample each") {
        double expected = 101;
        for (const char* outcome :
             {"stale", "validated", "expired", "collapsed", "miss", "pass", "memcached", "page", "off"}) {
            CAPTURE(outcome);
            CHECK(samples.at(R"(weir_cache_requests_total{outcome=")" + std::string(outcome) + R"("})") == expected++);
        }
    }
    SECTION("label values are escaped") {
        CHECK(samples.at("weir_requests_total{" + app + R"(,class="2xx"})") == 20);
        CHECK(samples.at("weir_requests_total{" + app + R"(,class="none"})") == 1);
        CHECK(samples.at("weir_retries_total{" + app + "}") == 2);
    }
    SECTION("endpoints are up or not") {
        CHECK(samples.at("weir_endpoint_up{" + app + R"(,endpoint="127.0.0.1:9001"})") == 1);
        CHECK(samples.at("weir_endpoint_up{" + app + R"(,endpoint="unix:/run/app.sock"})") == 0);
    }
    SECTION("what keeps requests away has a sample each") {
        const std::string of = "weir_endpoint_out_of_use{" + app + R"(,endpoint="unix:/run/app.sock",reason=")";
        CHECK(samples.at(of + R"(unresolved"})") == 1);
        CHECK(samples.at(of + R"(draining"})") == 0);
        CHECK(samples.at("weir_queue_length{" + app + "}") == 6);
    }
    SECTION("buckets are cumulative and end with all") {
        CHECK(samples.at(R"(weir_request_duration_seconds_bucket{le="0.0001"})") == 0);
        CHECK(samples.at(R"(weir_request_duration_seconds_bucket{le="0.0005"})") == 1);
        CHECK(samples.at(R"(weir_request_duration_seconds_bucket{le="60"})") == 2);
        CHECK(samples.at(R"(weir_request_duration_seconds_bucket{le="+Inf"})") == 3);
        CHECK(samples.at("weir_request_duration_seconds_count") == 3);
        CHECK(samples.at("weir_request_duration_seconds_sum") == Approx(102.0003));
    }
    SECTION("numbers of the whole server are there") {
        CHECK(samples.at("weir_config_generation") == 3);
        CHECK(samples.at("weir_cache_bytes") == 1000);
        CHECK(samples.at("weir_cache_purges_total") == 5);
        CHECK(samples.at("weir_draining") == 0);
        CHECK(samples.at("process_start_time_seconds") == 1'795'291'200);
    }
}

TEST_CASE("the status is one JSON object", "[proxy][status]") {
    worker_metrics one;
    worker_metrics other;
    one.requests.add(2);
    other.requests.add(3);
    const std::string text = to_json(busy(one, other));
    CHECK(text.find('\n') == std::string::npos);
    const auto status = boost::json::parse(text);
    CHECK(status.at("version") == "0.1.0");
    CHECK(status.at("state") == "open");
    CHECK(status.at("started") == "2026-11-21T20:00:00Z");
    CHECK(status.at("uptime_seconds") == 61);
    CHECK(status.at("loaded").is_null());
    CHECK(status.at("clients").at("requests") == 5);
    const auto& upstream = status.at("upstreams").at(0);
    CHECK(upstream.at("name") == "a\"p\\p\n");
    CHECK(upstream.at("responses").at("3xx") == 3);
    CHECK(upstream.at("endpoints").at(0).at("state") == "up");
    CHECK(upstream.at("endpoints").at(1).at("reason") == "no such host");
    CHECK(upstream.at("endpoints").at(1).at("out_of_use").at(0) == "unresolved");
    CHECK(upstream.at("queued") == 6);
    CHECK(status.at("cache").at("limit_bytes") == 2000);
    CHECK(status.at("cache").at("purges") == 5);
    CHECK(status.at("cache").at("refreshes") == 0);
}

namespace {

// A server that is in use and one that was given up.
void add_memcached(server_status& status) {
    status.memcached.resize(2);
    auto& first = status.memcached[0];
    first.server = "127.0.0.1:11211";
    first.since = status.started;
    first.batches = 4;
    first.batched_keys = 10;
    first.timeouts = 1;
    first.latency[0] = 5;
    first.latency[3] = 2;
    first.latency.back() = 1;
    first.latency_sum_us = 1'500'000;
    status.memcached[1].server = "unix:/run/m.sock";
    status.memcached[1].is_open = true;
    status.memcached[1].since = status.started + std::chrono::seconds(61);
    status.purge_log = weir::cache::purge_replica::state{.is_in_step = true,
                                                         .applied = {0xf3c0de5eed1e57, 42},
                                                         .waiting = 3,
                                                         .appended = 4,
                                                         .taken = 5,
                                                         .times_lost = 6,
                                                         .last_read = status.started + std::chrono::seconds(1)};
}

}  // namespace

TEST_CASE("the status says how each memcached server does", "[proxy][status][memcached]") {
    worker_metrics one;
    worker_metrics other;
    one.cache(cache_metric::hit).add(4);
    other.cache(cache_metric::stale).add(1);
    one.cache(cache_metric::memcached).add(2);
    other.cache(cache_metric::page).add(3);
    server_status status = busy(one, other);
    CHECK_FALSE(boost::json::parse(to_json(status)).as_object().contains("memcached"));
    CHECK_FALSE(boost::json::parse(to_json(status)).as_object().contains("purge_log"));
    CHECK(to_prometheus(status).find("weir_purge_log") == std::string::npos);
    add_memcached(status);

    SECTION("as JSON") {
        const auto read = boost::json::parse(to_json(status));
        const auto& first = read.at("memcached").at(0);
        CHECK(first.at("server") == "127.0.0.1:11211");
        CHECK(first.at("state") == "in use");
        CHECK(first.at("since") == "2026-11-21T20:00:00Z");
        CHECK(first.at("timeouts") == 1);
        CHECK(first.at("mean_batch") == 2.5);
        const auto& latency = first.at("latency");
        CHECK(latency.at("count") == 8);
        CHECK(latency.at("sum_seconds") == 1.5);
        CHECK(latency.at("buckets").as_array().size() == weir::cache::memcached_counters::latency_bounds_us.size());
        CHECK(latency.at("buckets").at(0).at("le").to_number<double>() == Approx(0.0001));
        CHECK(latency.at("buckets").at(0).at("count") == 5);
        CHECK(latency.at("buckets").at(3).at("count") == 7);
        CHECK(latency.at("buckets").as_array().back().at("le").to_number<double>() == Approx(0.25));
        CHECK(latency.at("buckets").as_array().back().at("count") == 7);
        const auto& second = read.at("memcached").at(1);
        CHECK(second.at("state") == "given up");
        CHECK(second.at("since") == "2026-11-21T20:01:01Z");
        CHECK(second.at("mean_batch") == 0.0);
        CHECK(second.at("latency").at("count") == 0);
        CHECK(read.at("cache").at("hits") == boost::json::value{{"memory", 5}, {"memcached", 2}, {"page", 3}});
        CHECK(read.at("purge_log") == boost::json::value{{"in_step", true},
                                                         {"position", "00f3c0de5eed1e57 42"},
                                                         {"last_read", "2026-11-21T20:00:01Z"},
                                                         {"waiting", 3},
                                                         {"appended", 4},
                                                         {"taken", 5},
                                                         {"times_lost", 6}});
    }
    SECTION("before the log was reached") {
        status.purge_log.emplace();
        const auto log = boost::json::parse(to_json(status)).at("purge_log");
        CHECK(log.at("in_step") == false);
        CHECK(log.at("position").is_null());
        CHECK(log.at("last_read").is_null());
        CHECK(parse(to_prometheus(status)).samples.at("weir_purge_log_last_read_timestamp_seconds") == 0);
    }
    SECTION("without a log") {
        status.purge_log.reset();
        CHECK(boost::json::parse(to_json(status)).at("purge_log").is_null());
        CHECK(to_prometheus(status).find("weir_purge_log") == std::string::npos);
    }
    SECTION("as metrics") {
        auto samples = parse(to_prometheus(status)).samples;
        const std::string first = R"({server="127.0.0.1:11211"})";
        CHECK(samples.at("weir_memcached_timeouts_total" + first) == 1);
        CHECK(samples.at("weir_memcached_keys_total" + first) == 10);
        CHECK(samples.at("weir_memcached_batches_total" + first) == 4);
        CHECK(samples.at("weir_memcached_open" + first) == 0);
        CHECK(samples.at(R"(weir_memcached_open{server="unix:/run/m.sock"})") == 1);
        CHECK(samples.at(R"(weir_memcached_state_timestamp_seconds{server="unix:/run/m.sock"})") == 1'795'291'261);
        CHECK(samples.at(R"(weir_memcached_duration_seconds_bucket{server="127.0.0.1:11211",le="0.001"})") == 7);
        CHECK(samples.at(R"(weir_memcached_duration_seconds_bucket{server="127.0.0.1:11211",le="+Inf"})") == 8);
        CHECK(samples.at(R"(weir_cache_hits_total{tier="memory"})") == 5);
        CHECK(samples.at(R"(weir_cache_hits_total{tier="memcached"})") == 2);
        CHECK(samples.at(R"(weir_cache_hits_total{tier="page"})") == 3);
        CHECK(samples.at("weir_purge_log_in_step") == 1);
        CHECK(samples.at("weir_purge_log_waiting") == 3);
        CHECK(samples.at("weir_purge_log_last_read_timestamp_seconds") == 1'795'291'201);
        CHECK(samples.at("weir_purge_log_records_appended_total") == 4);
        CHECK(samples.at("weir_purge_log_records_taken_total") == 5);
        CHECK(samples.at("weir_purge_log_lost_total") == 6);
    }
}

TEST_CASE("an upstream adds up what its workers counted", "[proxy][status]") {
    upstream_metrics worker;
    worker.responses[5].add(2);
    worker.retries.add();
    worker.cut_responses.add(3);
    upstream_status upstream;
    upstream.add(worker);
    upstream.add(worker);
    CHECK(upstream.responses[5] == 4);
    CHECK(upstream.retries == 2);
    CHECK(upstream.cut_responses == 6);
}

TEST_CASE("the process knows its memory and its open files", "[proxy][status]") {
    const process_use use = read_process_use();
    CHECK(use.resident_bytes > 100'000);
    CHECK(use.open_files >= 3);
    CHECK(use.open_files <= use.max_files);
}
