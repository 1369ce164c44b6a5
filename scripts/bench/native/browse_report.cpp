#include "browse_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>

namespace bench {

namespace {

// "right" is no error, and where anything is right nothing is "wrong".
constexpr std::array kinds = {outcome::status,  outcome::cut,     outcome::closed,
                              outcome::garbled, outcome::refused, outcome::timeout};

double in_seconds(clock::duration length) {
    return std::chrono::duration<double>(length).count();
}
double in_milliseconds(clock::duration length) {
    return in_seconds(length) * 1000;
}
double a_second(std::size_t count, const measurement& of) {
    return static_cast<double>(count) / in_seconds(of.length);
}

std::size_t errors_of(const measurement& of, outcome kind) {
    std::size_t sum = 0;
    for (const auto& one : of.urls) sum += one.counts.errors(kind);
    return sum;
}

void print_row(const std::string& name, int width, const tally& counts, const measurement& of) {
    std::printf("%-*s %10zu %10.1f", width, name.c_str(), counts.count(), a_second(counts.count(), of));
    for (const double value : {counts.mean(), counts.percentile(0.5), counts.percentile(0.99)})
        std::isnan(value) ? std::printf(" %10s", "-") : std::printf(" %10.2f", value);
    std::printf(" %8zu", counts.errors());
    for (const outcome kind : kinds)
        if (const std::size_t count = counts.errors(kind); count > 0) std::printf("  %zu %s", count, to_string(kind));
    std::puts("");
}

// JSON has no number for what was not measured.
std::string number(double value) {
    if (std::isnan(value)) return "null";
    std::array<char, 32> text;
    std::snprintf(text.data(), text.size(), "%.3f", value);
    return text.data();
}

std::string latencies(const tally& counts) {
    return "\"count\": " + std::to_string(counts.count()) + ", \"mean_ms\": " + number(counts.mean()) +
           ", \"p50_ms\": " + number(counts.percentile(0.5)) + ", \"p99_ms\": " + number(counts.percentile(0.99)) +
           ", \"errors\": " + std::to_string(counts.errors());
}

}  // namespace

std::size_t tally::errors() const {
    return std::accumulate(errors_.begin(), errors_.end(), std::size_t{0});
}

double tally::mean() const {
    return std::accumulate(latencies_.begin(), latencies_.end(), 0.0) / static_cast<double>(latencies_.size());
}

double tally::percentile(double share) const {
    if (latencies_.empty()) return std::nan("");
    auto sorted = latencies_;
    const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(sorted.size() - 1));
    std::ranges::nth_element(sorted, at);
    return *at;
}

std::size_t measurement::requests() const {
    std::size_t sum = 0;
    for (const auto& one : urls) sum += one.counts.count();
    return sum;
}

std::size_t measurement::errors() const {
    std::size_t sum = 0;
    for (const auto& one : urls) sum += one.counts.errors();
    return sum;
}

void print(const measurement& of) {
    if (of.retries > 0)
        std::printf("%zu requests were sent again, since the server had closed the kept connection meanwhile\n",
                    of.retries);
    const std::string whole = of.urls.size() > 1 ? "the page with its files" : "the page";
    std::size_t longest = whole.size();
    for (const auto& one : of.urls) longest = std::max(longest, one.text.size());
    const int width = static_cast<int>(longest);
    std::printf("%zu browsers with up to %zu connections each, %.0f ms of thinking; measured for %.1f s\n\n",
                of.browsers, of.connections, in_milliseconds(of.think), in_seconds(of.length));
    std::printf("%-*s %10s %10s %10s %10s %10s %8s\n", width, "", "count", "a second", "mean ms", "p50 ms", "p99 ms",
                "errors");
    for (const auto& one : of.urls) print_row(one.text, width, one.counts, of);
    print_row(whole, width, of.pages, of);
    std::printf(
        "\ntotal: %.1f requests a second, %.1f pages a second, %.2f MB of content a second, %zu errors; browse used "
        "%.0f %% "
        "of a core\n",
        a_second(of.requests(), of), a_second(of.pages.count(), of), a_second(of.bytes, of) / 1e6, of.errors(),
        100 * in_seconds(of.own_time) / in_seconds(of.length));
}

void write_json(const measurement& of, const std::string& path) {
    std::string out = "{\"seconds\": " + number(in_seconds(of.length)) +
                      ", \"browsers\": " + std::to_string(of.browsers) +
                      ", \"connections\": " + std::to_string(of.connections) +
                      ", \"think_ms\": " + number(in_milliseconds(of.think)) +
                      ", \"own_core\": " + number(in_seconds(of.own_time) / in_seconds(of.length)) +
                      ",\n \"requests\": " + std::to_string(of.requests()) +
                      ", \"requests_per_second\": " + number(a_second(of.requests(), of)) +
                      ", \"pages\": " + std::to_string(of.pages.count()) +
                      ", \"pages_per_second\": " + number(a_second(of.pages.count(), of)) +
                      ", \"content_bytes\": " + std::to_string(of.bytes) +
                      ", \"retries\": " + std::to_string(of.retries) + ",\n \"errors\": {";
    for (const outcome kind : kinds)
        out += (kind == kinds.front() ? "\"" : ", \"") + std::string(to_string(kind)) +
               "\": " + std::to_string(errors_of(of, kind));
    out += "},\n \"page\": {" + latencies(of.pages) + "},\n \"urls\": [";
    for (const auto& one : of.urls)
        out += (&one == &of.urls.front() ? "\n  {" : ",\n  {") + ("\"url\": \"" + one.text) + "\", " +
               latencies(one.counts) + "}";
    out += "]}\n";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
    if (!file || std::fwrite(out.data(), 1, out.size(), file.get()) != out.size() || std::fflush(file.get()) != 0)
        fail(path.c_str());
}

}  // namespace bench
