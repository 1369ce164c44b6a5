// The Prometheus text of a status. Names follow the conventions there: base units, `_total` on what only grows.
#include "proxy/memcached_counts.hpp"
#include "proxy/status.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace weir::proxy {

namespace {

using label = std::pair<std::string_view, std::string_view>;
using labels = std::initializer_list<label>;
using metrics = worker_metrics;

constexpr std::array<std::string_view, 6> class_names{"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
constexpr std::array<std::string_view, 5> out_of_use_names{"unresolved", "down", "ejected", "draining", "held down"};

double seconds_since_epoch(std::chrono::system_clock::time_point time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

class exposition {
  public:
    explicit exposition(const server_status& status) : status_(status) {}

    // Starts a metric; its samples follow.
    void metric(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        fmt::format_to(std::back_inserter(text_), "# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
    }
    template <class Number>
    void sample(labels with, Number value) {
        sample_of("", with, value);
    }
    // As sample(), of a series that belongs to the metric under a longer name.
    template <class Number>
    void sample_of(std::string_view suffix, labels with, Number value) {
        text_.append(name_).append(suffix);
        char before = '{';
        for (const auto& [name, content] : with) {
            text_.push_back(std::exchange(before, ','));
            text_.append(name).append("=\"");
            append_escaped(content);
            text_.push_back('"');
        }
        if (with.size() > 0) text_.push_back('}');
        fmt::format_to(std::back_inserter(text_), " {}\n", value);
    }
    template <class Number>
    void lone(std::string_view name, std::string_view type, std::string_view help, Number value) {
        metric(name, type, help);
        sample({}, value);
    }
    // The sum over workers of what `read` takes from each.
    template <class Read>
    auto total(Read read) const {
        decltype(read(std::declval<const metrics&>())) sum = 0;
        for (const metrics* worker : status_.worker_metrics) sum += read(*worker);
        return sum;
    }
    void total_of(std::string_view name, counter metrics::*member, std::string_view help) {
        lone(name, "counter", help, total([member](const metrics& m) { return (m.*member).value(); }));
    }

    std::string take() { return std::move(text_); }

  private:
    void append_escaped(std::string_view content) {
        for (const char c : content) {
            if (c == '\\' || c == '"') text_.push_back('\\');
            if (c == '\n') {
                text_.append("\\n");
            } else {
                text_.push_back(c);
            }
        }
    }

    const server_status& status_;
    std::string_view name_;
    std::string text_;
};

void write_requests(exposition& out, const server_status& status) {
    out.total_of("weir_client_requests_total", &metrics::requests, "Requests whose head was read and understood.");
    out.total_of("weir_bad_requests_total", &metrics::bad_requests, "Requests refused for how they are written.");
    out.total_of("weir_head_timeouts_total", &metrics::head_timeouts, "Connections whose request head came too late.");
    out.metric("weir_responses_total", "counter", "Responses to clients by status class; none: ended without one.");
    for (std::size_t index = 0; index < class_names.size(); ++index)
        out.sample({{"class", class_names[index]}},
                   out.total([index](const metrics& m) { return m.responses[index].value(); }));
    out.metric("weir_requests_total", "counter",
               "Requests by upstream and status class; none: ended without a response.");
    for (const upstream_status& upstream : status.upstreams)
        for (std::size_t index = 0; index < class_names.size(); ++index)
            out.sample({{"upstream", upstream.name}, {"class", class_names[index]}}, upstream.responses[index]);
    out.metric("weir_retries_total", "counter", "Attempts that repeated one which had sent something.");
    for (const upstream_status& upstream : status.upstreams)
        out.sample({{"upstream", upstream.name}}, upstream.retries);
    out.metric("weir_endpoint_seconds_saved_total", "counter",
               "Time that servers were not held by slow clients, because requests were read and responses kept here.");
    for (const upstream_status& upstream : status.upstreams)
        out.sample({{"upstream", upstream.name}}, static_cast<double>(upstream.saved_us) / 1e6);
    out.metric("weir_responses_cut_total", "counter", "Responses that broke after their head had been passed on.");
    for (const upstream_status& upstream : status.upstreams)
        out.sample({{"upstream", upstream.name}}, upstream.cut_responses);
}

// The series of one histogram; `upstream` is its label, if not empty.
void write_histogram(exposition& out, std::string_view upstream, const histogram_sum& of) {
    std::uint64_t count = 0;
    for (std::size_t index = 0; index < of.buckets.size(); ++index) {
        count += of.buckets[index];
        const bool last = index == duration_histogram::bounds_us.size();
        const std::string bound =
            last ? "+Inf" : fmt::format("{}", static_cast<double>(duration_histogram::bounds_us[index]) / 1e6);
        if (upstream.empty()) {
            out.sample_of("_bucket", {{"le", bound}}, count);
        } else {
            out.sample_of("_bucket", {{"upstream", upstream}, {"le", bound}}, count);
        }
    }
    const double sum = static_cast<double>(of.sum_us) / 1e6;
    if (upstream.empty()) {
        out.sample_of("_sum", {}, sum);
        out.sample_of("_count", {}, count);
    } else {
        out.sample_of("_sum", {{"upstream", upstream}}, sum);
        out.sample_of("_count", {{"upstream", upstream}}, count);
    }
}

void write_durations(exposition& out, const server_status& status) {
    out.metric("weir_request_duration_seconds", "histogram",
               "From the first byte of a request to the last of its response.");
    histogram_sum all;
    for (const metrics* worker : status.worker_metrics) all.add(worker->durations);
    write_histogram(out, "", all);
    out.metric("weir_upstream_duration_seconds", "histogram",
               "From the begin of the attempt that was answered to the last byte of its response from the endpoint.");
    for (const upstream_status& upstream : status.upstreams) write_histogram(out, upstream.name, upstream.fetches);
}

void write_queues(exposition& out, const server_status& status) {
    out.metric("weir_queue_duration_seconds", "histogram", "What requests waited that found no endpoint free.");
    for (const upstream_status& upstream : status.upstreams) write_histogram(out, upstream.name, upstream.queue_waits);
    out.metric("weir_queue_refused_total", "counter", "Requests answered 503, because the queue was full or too slow.");
    for (const upstream_status& upstream : status.upstreams) {
        out.sample({{"upstream", upstream.name}, {"reason", "full"}}, upstream.queue_refusals);
        out.sample({{"upstream", upstream.name}, {"reason", "timeout"}}, upstream.queue_timeouts);
    }
}

void write_clients(exposition& out) {
    out.metric("weir_client_connections", "gauge", "Connections of clients by what they are doing.");
    const auto connections = [&](std::string_view state, gauge metrics::*member) {
        out.sample({{"state", state}}, out.total([member](const metrics& m) { return (m.*member).value(); }));
    };
    connections("idle", &metrics::connections_idle);
    connections("active", &metrics::connections_active);
    connections("tunnelling", &metrics::connections_tunnelling);
    out.total_of("weir_client_connections_accepted_total", &metrics::connections_accepted, "Connections accepted.");
    out.total_of("weir_client_connections_refused_total", &metrics::connections_refused,
                 "Connections closed because there were client.max_connections, or no descriptor or memory.");
    out.metric("weir_client_bytes_total", "counter", "Bytes exchanged with clients, heads included.");
    out.sample({{"direction", "received"}},
               out.total([](const metrics& m) { return m.client_bytes_received.value(); }));
    out.sample({{"direction", "sent"}}, out.total([](const metrics& m) { return m.client_bytes_sent.value(); }));
}

void write_upstream_connections(exposition& out) {
    out.total_of("weir_upstream_connections_opened_total", &metrics::upstream_connections_opened,
                 "Connections opened to endpoints.");
    out.total_of("weir_upstream_connections_reused_total", &metrics::upstream_connections_reused,
                 "Times a kept-alive connection to an endpoint was used again.");
    out.total_of("weir_upstream_connections_replaced_total", &metrics::upstream_connections_replaced,
                 "Times a kept-alive connection proved dead and another one took its place.");
    out.metric("weir_upstream_bytes_total", "counter", "Bytes exchanged with endpoints, heads included.");
    out.sample({{"direction", "received"}},
               out.total([](const metrics& m) { return m.upstream_bytes_received.value(); }));
    out.sample({{"direction", "sent"}}, out.total([](const metrics& m) { return m.upstream_bytes_sent.value(); }));
}

void write_endpoints(exposition& out, const server_status& status) {
    out.metric("weir_queue_length", "gauge", "Requests that wait for a slot of an endpoint.");
    for (const upstream_status& upstream : status.upstreams) out.sample({{"upstream", upstream.name}}, upstream.queued);
    const auto each = [&](std::string_view name, std::string_view type, std::string_view help, auto read) {
        out.metric(name, type, help);
        for (const upstream_status& upstream : status.upstreams)
            for (const endpoint_status& endpoint : upstream.endpoints)
                out.sample({{"upstream", upstream.name}, {"endpoint", endpoint.address}}, read(endpoint));
    };
    using e = endpoint_status;
    each("weir_endpoint_up", "gauge", "1 if requests are sent to the endpoint, else 0.",
         [](const e& endpoint) { return endpoint.out_of_use.empty() && endpoint.state != "passed over" ? 1 : 0; });
    out.metric("weir_endpoint_out_of_use", "gauge", "1 if this reason keeps requests from the endpoint, else 0.");
    for (const upstream_status& upstream : status.upstreams)
        for (const e& endpoint : upstream.endpoints)
            for (const std::string_view reason : out_of_use_names)
                out.sample({{"upstream", upstream.name}, {"endpoint", endpoint.address}, {"reason", reason}},
                           std::ranges::count(endpoint.out_of_use, reason));
    each("weir_endpoint_share_ratio", "gauge",
         "Part of its weight that the endpoint gets; below 1 during a slow start.",
         [](const e& endpoint) { return endpoint.share_percent / 100.0; });
    each("weir_endpoint_weight", "gauge", "Share of the requests, relative to the others.",
         [](const e& endpoint) { return endpoint.weight; });
    each("weir_endpoint_in_flight", "gauge", "Requests under way at the endpoint.",
         [](const e& endpoint) { return endpoint.in_flight; });
    each("weir_endpoint_max_in_flight", "gauge", "Most requests at once that the endpoint is given; 0: no limit.",
         [](const e& endpoint) { return endpoint.max_in_flight.value_or(0); });
    each("weir_endpoint_idle_connections", "gauge", "Kept-alive connections that wait for a request.",
         [](const e& endpoint) { return endpoint.idle_connections; });
    each("weir_endpoint_requests_total", "counter", "Attempts sent to the endpoint.",
         [](const e& endpoint) { return endpoint.requests; });
    each("weir_endpoint_failures_total", "counter", "Attempts that failed.",
         [](const e& endpoint) { return endpoint.failures; });
}

void write_cache(exposition& out, const server_status& status) {
    out.metric("weir_cache_requests_total", "counter", "Requests by what the cache made of them.");
    for (std::size_t index = 0; index < cache_metric_words.size(); ++index)
        out.sample({{"outcome", cache_metric_words[index]}},
                   out.total([index](const metrics& m) { return m.cache_outcomes[index].value(); }));
    out.metric("weir_cache_hits_total", "counter",
               "Requests answered with what was there already, fresh or stale, by where; page: the application's own.");
    const tier_hits hits = hits_by_tier(status);
    out.sample({{"tier", "memory"}}, hits.memory);
    out.sample({{"tier", "memcached"}}, hits.memcached);
    out.sample({{"tier", "page"}}, hits.page);
    out.lone("weir_cache_bytes", "gauge", "Memory in use by stored responses.", status.cache.bytes);
    out.lone("weir_cache_limit_bytes", "gauge", "Memory that stored responses may use; 0: off.",
             status.cache.limit_bytes);
    out.lone("weir_cache_responses", "gauge", "Stored responses.", status.cache.responses);
    out.lone("weir_cache_evictions_total", "counter", "Responses dropped to make room.", status.cache.evictions);
    out.total_of("weir_cache_refreshes_total", &metrics::refreshes,
                 "Stale responses that were asked for anew behind a client's back.");
    out.lone("weir_cache_purges_total", "counter",
             "URLs, tags, prefixes and groups that were purged, or invalidated by an unsafe method.",
             status.cache.purges);
}

void write_memcached(exposition& out, const server_status& status) {
    if (status.memcached.empty()) return;
    for (const memcached_count& count : memcached_counts) {
        const std::string name = fmt::format("weir_memcached_{}_total", count.name);
        out.metric(name, "counter", count.help);
        for (const cache::memcached_counters& server : status.memcached)
            out.sample({{"server", server.server}}, server.*count.member);
    }
    out.metric("weir_memcached_open", "gauge", "1 while the server is not asked, because it failed, else 0.");
    for (const cache::memcached_counters& server : status.memcached)
        out.sample({{"server", server.server}}, server.is_open ? 1 : 0);
    out.metric("weir_memcached_state_timestamp_seconds", "gauge",
               "When weir_memcached_open changed last, since the epoch; the start, if it never did.");
    for (const cache::memcached_counters& server : status.memcached)
        out.sample({{"server", server.server}}, seconds_since_epoch(server.since));
    out.metric("weir_memcached_duration_seconds", "histogram", "Round trips by how long they took.");
    for (const cache::memcached_counters& server : status.memcached) {
        std::uint64_t count = 0;
        for (std::size_t index = 0; index < server.latency.size(); ++index) {
            count += server.latency[index];
            const bool last = index == cache::memcached_counters::latency_bounds_us.size();
            const std::string bound =
                last
                    ? "+Inf"
                    : fmt::format("{}", static_cast<double>(cache::memcached_counters::latency_bounds_us[index]) / 1e6);
            out.sample_of("_bucket", {{"server", server.server}, {"le", bound}}, count);
        }
        out.sample_of("_sum", {{"server", server.server}}, static_cast<double>(server.latency_sum_us) / 1e6);
        out.sample_of("_count", {{"server", server.server}}, count);
    }
}

void write_purge_log(exposition& out, const std::optional<cache::purge_replica::state>& log) {
    if (!log) return;
    out.lone("weir_purge_log_in_step", "gauge",
             "1 if the log of purges in memcached was reached last time and all in it is applied, else 0.",
             log->is_in_step ? 1 : 0);
    out.lone("weir_purge_log_last_read_timestamp_seconds", "gauge",
             "When the log was read last, since the epoch; 0: not yet.", seconds_since_epoch(log->last_read));
    out.lone("weir_purge_log_waiting", "gauge", "Purges of this node that are not in the log yet.", log->waiting);
    out.lone("weir_purge_log_records_appended_total", "counter", "Records that this node added.", log->appended);
    out.lone("weir_purge_log_records_taken_total", "counter", "Records of others that were applied here.", log->taken);
    out.lone("weir_purge_log_lost_total", "counter",
             "How often the log or records of it were gone, and what memory holds had to be validated.",
             log->times_lost);
}

void write_process(exposition& out, const server_status& status) {
    out.lone("weir_buffer_bytes", "gauge", "Memory in use by content on its way.", status.buffer_bytes);
    out.lone("weir_buffer_limit_bytes", "gauge", "Memory that content on its way may use.", status.buffer_limit_bytes);
    out.lone("weir_spool_bytes", "gauge", "Content on its way that lies on disk.", status.spool_bytes);
    out.lone("weir_spool_limit_bytes", "gauge", "Disk that content on its way may use; 0: off.",
             status.spool_limit_bytes);
    out.lone("weir_spool_written_bytes_total", "counter", "Content written to disk.", status.spool_written_bytes);
    out.metric("weir_access_log_dropped_total", "counter", "Access log lines that were not written, by why.");
    out.sample({{"reason", "buffer_full"}}, out.total([](const metrics& m) { return m.log_lines_dropped.value(); }));
    out.sample({{"reason", "write_failed"}}, status.access_lines_lost);
    out.lone("weir_error_log_dropped_total", "counter", "Error log lines that were not written.",
             status.error_lines_lost);
    out.lone("weir_config_generation", "gauge", "1 at start, one more for each reload that was applied.",
             status.generation);
    out.lone("weir_config_last_reload_failed", "gauge", "1 if the last reload was refused, else 0.",
             status.last_reload_failed ? 1 : 0);
    out.lone("weir_draining", "gauge", "1 while the server waits for its last exchanges, else 0.",
             status.draining ? 1 : 0);
    out.lone("weir_workers", "gauge", "Threads that serve.", status.workers);
    out.metric("weir_build_info", "gauge", "Always 1; the version is the label.");
    out.sample({{"version", status.version}}, 1);
    out.lone("process_start_time_seconds", "gauge", "When the process started, since the epoch.",
             seconds_since_epoch(status.started));
    out.lone("process_resident_memory_bytes", "gauge", "Resident memory.", status.process.resident_bytes);
    out.lone("process_open_fds", "gauge", "Open file descriptors.", status.process.open_files);
    out.lone("process_max_fds", "gauge", "Most file descriptors that may be open.", status.process.max_files);
}

}  // namespace

std::string to_prometheus(const server_status& status) {
    exposition out(status);
    write_requests(out, status);
    write_durations(out, status);
    write_queues(out, status);
    write_clients(out);
    write_upstream_connections(out);
    write_endpoints(out, status);
    write_cache(out, status);
    write_memcached(out, status);
    write_purge_log(out, status.purge_log);
    write_process(out, status);
    return out.take();
}

}  // namespace weir::proxy
