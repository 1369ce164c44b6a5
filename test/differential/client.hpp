// The clients of the differential test: each a connection to weir in a thread of its own, over which it asks, one
// request after another, and judges every answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/differential/judge.hpp"

namespace weir::differential {

struct course {
    std::uint64_t seed;
    std::uint64_t requests;
    unsigned connections;
    std::uint64_t rate;  // the most requests a second; 0: as fast as it goes
    std::vector<kind> kinds;
    std::uint16_t port;
    std::uint16_t admin_port;
};

class clients {
  public:
    clients(const course& given, site& has);
    ~clients();
    clients(const clients&) = delete;
    clients& operator=(const clients&) = delete;

    std::uint64_t begun() const { return std::min(next_.load(), course_.requests); }
    std::uint64_t fault_count() const { return fault_count_; }
    bool finished() const { return running_ == 0; }
    // One of each sort, and how often there was such a one. After enough faults nobody asks any more.
    std::vector<std::string> faults();
    tally counts();

  private:
    void run();
    void ask(const request& asked, wire& stream, std::string& last, tally& count);
    void send_purge(const request& asked, tally& count);
    void note_changes(const message& got);
    // `last`: what was asked before on the same connection, which may have left something behind.
    void note(const request& asked, const message& got, const std::string& what, const std::string& last = {});

    const course course_;
    site& site_;
    const clock::time_point start_ = clock::now();
    std::atomic<std::uint64_t> next_{0};
    std::atomic<std::uint64_t> fault_count_{0};
    std::atomic<unsigned> running_;
    std::mutex lock_;
    struct sort_of_fault {
        std::string first;
        std::uint64_t count = 0;
    };
    std::map<std::string, sort_of_fault> faults_;  // by what they say, without numbers; guarded by lock_, like counts_
    tally counts_;
    std::vector<std::thread> threads_;
};

}  // namespace weir::differential
