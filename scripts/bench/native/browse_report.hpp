// What `browse` has measured: as a table for people, and as JSON.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "client.hpp"

namespace bench {

// What came of the requests for one URL, or of the loads of the page.
class tally {
  public:
    void right(clock::duration took) { latencies_.push_back(std::chrono::duration<float, std::milli>(took).count()); }
    void wrong(outcome result) { ++errors_[static_cast<std::size_t>(result)]; }

    std::size_t count() const { return latencies_.size(); }
    std::size_t errors(outcome result) const { return errors_[static_cast<std::size_t>(result)]; }
    std::size_t errors() const;
    // Milliseconds; not a number without any.
    double mean() const;
    double percentile(double share) const;

  private:
    std::vector<float> latencies_;  // of what was right, in milliseconds
    std::array<std::size_t, outcomes> errors_{};
};

struct measured_url {
    std::string text;
    tally counts;
};

struct measurement {
    std::size_t browsers = 0;
    std::size_t connections = 0;
    clock::duration think{};
    clock::duration length{};
    clock::duration own_time{};  // of a processor, that browse itself has used
    std::size_t bytes = 0;       // of content
    std::size_t retries = 0;     // on a new connection, of what a kept one had closed before a byte of response
    std::vector<measured_url> urls;
    tally pages;  // whole loads: the page and its files; one error for each in which anything was wrong

    std::size_t requests() const;
    std::size_t errors() const;
};

void print(const measurement& of);
// Ends the program if the file cannot be written.
void write_json(const measurement& of, const std::string& path);

}  // namespace bench
