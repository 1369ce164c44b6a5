// What end-to-end tests of the cache's second level share.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "test/end_to_end/origin_and_weir.hpp"
#include "test/support/json.hpp"
#include "test/support/memcached_process.hpp"

namespace weir::test {

inline const std::string for_a_minute = "Cache-Control: max-age=60\r\n";

// Long, for the sanitizers' sake, where a test is not about servers that fail.
inline const std::string patient = "timeout: 5s";

// The section `cache`, with more keys of `memcached` and of its own.
inline std::string tier(const std::vector<std::string>& servers, const std::string& more = patient,
                        const std::string& cache = "") {
    std::string list;
    for (const std::string& one : servers) list += (list.empty() ? "" : ", ") + one;
    return "cache: {" + cache + (cache.empty() ? "" : ", ") + "purge: {allow: [127.0.0.0/8]}, memcached: {servers: [" +
           list + "]" + (more.empty() ? "" : ", ") + more + "}}\n";
}

inline std::string tier(const memcached_process& server, const std::string& more = patient,
                        const std::string& cache = "") {
    return tier(std::vector{server.address()}, more, cache);
}

// Answers every request with its number.
struct counting_origin {
    explicit counting_origin(const std::string& fields = for_a_minute)
        : origin(scripted_origin::answering([this, fields](const request& got) {
              return ok("answer " + std::to_string(++count) + " to " + got.target, fields);
          })) {}

    std::atomic<unsigned> count{0};
    scripted_origin origin;
};

inline configuration of(const counting_origin& origin, const std::string& top) {
    return {.servers = {origin.origin.address()}, .top = top, .workers = 2, .admin = true};
}

inline std::string cache_status(const response& got) {
    return got.value("Cache-Status").value_or("");
}

inline bool is_hit(const response& got) {
    return cache_status(got).starts_with("weir; hit;");
}

// From memory, where it has any.
inline bool is_memory_hit(const response& got) {
    return is_hit(got) && cache_status(got).find("detail=") == std::string::npos;
}

inline response post_purge(const weir_instance& weir, const std::string& content) {
    raw_client admin(weir.admin_port());
    return admin.ask(
        "POST /cache/purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
        std::to_string(content.size()) + "\r\n\r\n" + content);
}

// What /status has under this name, all servers together.
inline std::int64_t memcached_count(const weir_instance& weir, const char* name) {
    std::int64_t total = 0;
    const boost::json::value status = weir.status();
    for (const auto& server : status.at("memcached").as_array()) total += server.at(name).to_number<std::int64_t>();
    return total;
}

// Whether the first server is not asked.
inline bool has_given_up(const weir_instance& weir) {
    return weir.status().at("memcached").as_array().at(0).at("state").as_string() == "given up";
}

}  // namespace weir::test
