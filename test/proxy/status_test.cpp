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
