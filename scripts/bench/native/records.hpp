// One line for every request that a generator made, for the scripts that judge them:
// KIND DUE_SECONDS LATENCY_MICROSECONDS STATUS OUTCOME CONTENT_BYTES RETRY_AFTER
#pragma once

#include <cstdio>
#include <string>

#include "client.hpp"

namespace bench {

class records {
  public:
    // Nothing is recorded without a path.
    explicit records(const std::string& path) : file_(path.empty() ? nullptr : std::fopen(path.c_str(), "w")) {
        if (!path.empty() && !file_) fail(path.c_str());
    }
    ~records() {
        if (file_) std::fclose(file_);
    }
    records(const records&) = delete;
    records& operator=(const records&) = delete;

    void add(const client& by, outcome result) { add(by.asked().kind, by.asked().due, by.response(), result); }
    void add(const std::string& kind, clock::time_point due, const response_reader& response, outcome result) {
        if (!file_) return;
        const auto latency = duration_cast<microseconds>(clock::now() - due).count();
        std::fprintf(file_, "%s %.6f %lld %d %s %zu %d\n", kind.c_str(), seconds(due), static_cast<long long>(latency),
                     response.status(), to_string(result), response.content_bytes(),
                     response.has_retry_after() ? 1 : 0);
    }

  private:
    std::FILE* file_;
};

}  // namespace bench
