#include "proxy/status.hpp"

#include "proxy/memcached_counts.hpp"
#include "proxy/time_text.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include <sys/resource.h>
#include <unistd.h>
#include <boost/json.hpp>

namespace weir::proxy {

namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 6> class_names{"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

std::string time_text(std::chrono::system_clock::time_point time) {
    std::string text(iso_time_size, '\0');
    write_iso_time(std::chrono::floor<std::chrono::seconds>(time), text.data());
    return text + 'Z';
}

std::uint64_t read(const counter& value) {
    return value.value();
}
std::int64_t read(const gauge& value) {
    return value.value();
}

template <class Member>
auto total(const server_status& status, Member member) {
    decltype(read(std::declval<const worker_metrics&>().*member)) sum = 0;
    for (const proxy::worker_metrics* worker : status.worker_metrics) sum += read(worker->*member);
    return sum;
}

template <std::size_t Size>
json::object named_totals(const server_status& status, std::array<counter, Size> worker_metrics::*member,
                          const std::array<std::string_view, Size>& names) {
    json::object object;
    for (std::size_t index = 0; index < Size; ++index) {
        std::uint64_t sum = 0;
        for (const proxy::worker_metrics* worker : status.worker_metrics) sum += (worker->*member)[index].value();
        object[names[index]] = sum;
    }
    return object;
}

json::object endpoint_object(const endpoint_status& endpoint) {
    json::object object{{"address", endpoint.address},
                        {"state", endpoint.state},
                        {"reason", endpoint.reason},
                        {"out_of_use", json::value_from(endpoint.out_of_use)},
                        {"weight", endpoint.weight},
                        {"backup", endpoint.backup},
                        {"share_percent", endpoint.share_percent},
                        {"in_flight", endpoint.in_flight},
                        {"max_in_flight", nullptr},
                        {"idle_connections", endpoint.idle_connections},
                        {"requests", endpoint.requests},
                        {"failures", endpoint.failures},
                        {"checks", nullptr}};
    if (endpoint.max_in_flight) object["max_in_flight"] = *endpoint.max_in_flight;
    if (endpoint.checks) {
        object["checks"] = {
            {"started", endpoint.checks->started}, {"done", endpoint.checks->done}, {"fault", endpoint.checks->fault}};
    }
    return object;
}

json::object upstream_object(const upstream_status& upstream) {
    json::object object{{"name", upstream.name}};
    json::array& endpoints = object["endpoints"].emplace_array();
    for (const endpoint_status& endpoint : upstream.endpoints) endpoints.push_back(endpoint_object(endpoint));
    object["queued"] = upstream.queued;
    json::object& responses = object["responses"].emplace_object();
    for (std::size_t index = 0; index < class_names.size(); ++index)
        responses[class_names[index]] = upstream.responses[index];
    object["retries"] = upstream.retries;
    object["cut_responses"] = upstream.cut_responses;
    object["seconds_saved"] = static_cast<double>(upstream.saved_us) / 1e6;
    object["queue_refusals"] = upstream.queue_refusals;
    object["queue_timeouts"] = upstream.queue_timeouts;
    return object;
}

json::object client_object(const server_status& status) {
    using m = worker_metrics;
    return {{"connections_idle", total(status, &m::connections_idle)},
            {"connections_active", total(status, &m::connections_active)},
            {"connections_tunnelling", total(status, &m::connections_tunnelling)},
            {"connections_accepted", total(status, &m::connections_accepted)},
            {"connections_refused", total(status, &m::connections_refused)},
            {"requests", total(status, &m::requests)},
            {"bad_requests", total(status, &m::bad_requests)},
            {"head_timeouts", total(status, &m::head_timeouts)},
            {"bytes_received", total(status, &m::client_bytes_received)},
            {"bytes_sent", total(status, &m::client_bytes_sent)},
            {"responses", named_totals(status, &m::responses, class_names)}};
}

json::object upstream_connections_object(const server_status& status) {
    using m = worker_metrics;
    return {{"opened", total(status, &m::upstream_connections_opened)},
            {"reused", total(status, &m::upstream_connections_reused)},
            {"replaced", total(status, &m::upstream_connections_replaced)},
            {"bytes_received", total(status, &m::upstream_bytes_received)},
            {"bytes_sent", total(status, &m::upstream_bytes_sent)}};
}

// Keys in a round trip of lookups.
double mean_batch(const cache::memcached_counters& server) {
    return server.batches == 0 ? 0 : static_cast<double>(server.batched_keys) / static_cast<double>(server.batches);
}

// As in /metrics: each bucket has those before it too; `count` is the one without a bound.
json::object latency_object(const cache::memcached_counters& server) {
    json::array buckets;
    std::uint64_t count = 0;
    for (std::size_t index = 0; index < server.latency.size(); ++index) {
        count += server.latency[index];
        if (index == cache::memcached_counters::latency_bounds_us.size()) break;
        const double bound = static_cast<double>(cache::memcached_counters::latency_bounds_us[index]) / 1e6;
        buckets.push_back(json::object{{"le", bound}, {"count", count}});
    }
    return {{"count", count},
            {"sum_seconds", static_cast<double>(server.latency_sum_us) / 1e6},
            {"buckets", std::move(buckets)}};
}

json::array memcached_array(const server_status& status) {
    json::array servers;
    for (const cache::memcached_counters& server : status.memcached) {
        json::object object{{"server", server.server},
                            {"state", server.is_open ? "given up" : "in use"},
                            {"since", time_text(server.since)}};
        for (const memcached_count& count : memcached_counts) object[count.name] = server.*count.member;
        object["mean_batch"] = mean_batch(server);
        object["latency"] = latency_object(server);
        servers.push_back(std::move(object));
    }
    return servers;
}

json::value purge_log_value(const std::optional<cache::purge_replica::state>& log) {
    if (!log) return nullptr;
    json::object object{{"in_step", log->is_in_step},   {"position", nullptr},       {"last_read", nullptr},
                        {"waiting", log->waiting},      {"appended", log->appended}, {"taken", log->taken},
                        {"times_lost", log->times_lost}};
    if (log->applied.epoch != 0) object["position"] = text(log->applied);
    if (log->last_read != std::chrono::system_clock::time_point{}) object["last_read"] = time_text(log->last_read);
    return object;
}

}  // namespace

void upstream_status::add(const upstream_metrics& worker) {
    for (std::size_t index = 0; index < responses.size(); ++index) responses[index] += worker.responses[index].value();
    retries += worker.retries.value();
    cut_responses += worker.cut_responses.value();
    saved_us += worker.saved_us.value();
    queue_refusals += worker.queue_refusals.value();
    queue_timeouts += worker.queue_timeouts.value();
    queue_waits.add(worker.queue_waits);
    fetches.add(worker.fetches);
}

void histogram_sum::add(const duration_histogram& one) {
    for (std::size_t index = 0; index < buckets.size(); ++index) buckets[index] += one.bucket(index);
    sum_us += one.sum_us();
}

process_use read_process_use() {
    process_use use;
    if (std::FILE* const file = std::fopen("/proc/self/statm", "re")) {
        unsigned long long pages = 0;
        if (std::fscanf(file, "%*u %llu", &pages) == 1)
            use.resident_bytes = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
        std::fclose(file);
    }
    std::error_code failed;
    for (std::filesystem::directory_iterator entry("/proc/self/fd", failed), end; !failed && entry != end;
         entry.increment(failed))
        ++use.open_files;
    if (use.open_files > 0) --use.open_files;  // the one that the walk itself needs
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) use.max_files = limit.rlim_cur;
    return use;
}

tier_hits hits_by_tier(const server_status& status) {
    tier_hits hits;
    for (const proxy::worker_metrics* worker : status.worker_metrics) {
        const auto count = [&](cache_metric outcome) {
            return worker->cache_outcomes[static_cast<std::size_t>(outcome)].value();
        };
        hits.memory += count(cache_metric::hit) + count(cache_metric::stale);
        hits.memcached += count(cache_metric::memcached);
        hits.page += count(cache_metric::page);
    }
    return hits;
}

std::string to_json(const std::string& upstream, const endpoint_status& endpoint) {
    json::object object = endpoint_object(endpoint);
    object["upstream"] = upstream;
    return json::serialize(object);
}

std::string to_json(const server_status& status) {
    json::object object{{"version", status.version},
                        {"state", status.draining ? "draining" : "open"},
                        {"started", time_text(status.started)},
                        {"uptime_seconds", std::chrono::floor<std::chrono::seconds>(status.uptime).count()},
                        {"generation", status.generation},
                        {"loaded", nullptr},
                        {"last_reload_failed", status.last_reload_failed},
                        {"workers", status.workers}};
    if (status.loaded != std::chrono::system_clock::time_point{}) object["loaded"] = time_text(status.loaded);
    json::array& upstreams = object["upstreams"].emplace_array();
    for (const upstream_status& upstream : status.upstreams) upstreams.push_back(upstream_object(upstream));
    object["upstream_connections"] = upstream_connections_object(status);
    object["clients"] = client_object(status);
    const tier_hits hits = hits_by_tier(status);
    object["cache"] = {{"bytes", status.cache.bytes},
                       {"limit_bytes", status.cache.limit_bytes},
                       {"responses", status.cache.responses},
                       {"evictions", status.cache.evictions},
                       {"refreshes", total(status, &worker_metrics::refreshes)},
                       {"purges", status.cache.purges},
                       {"requests", named_totals(status, &worker_metrics::cache_outcomes, cache_metric_words)},
                       {"hits", {{"memory", hits.memory}, {"memcached", hits.memcached}, {"page", hits.page}}}};
    if (!status.memcached.empty()) {
        object["memcached"] = memcached_array(status);
        object["purge_log"] = purge_log_value(status.purge_log);
    }
    object["buffering"] = {{"bytes", status.buffer_bytes},
                           {"limit_bytes", status.buffer_limit_bytes},
                           {"spool_bytes", status.spool_bytes},
                           {"spool_limit_bytes", status.spool_limit_bytes},
                           {"spool_written_bytes", status.spool_written_bytes}};
    object["log"] = {{"access_lines_dropped", total(status, &worker_metrics::log_lines_dropped)},
                     {"access_lines_lost", status.access_lines_lost},
                     {"error_lines_lost", status.error_lines_lost}};
    object["process"] = {{"resident_bytes", status.process.resident_bytes},
                         {"open_files", status.process.open_files},
                         {"max_files", status.process.max_files}};
    return json::serialize(object);
}

}  // namespace weir::proxy
