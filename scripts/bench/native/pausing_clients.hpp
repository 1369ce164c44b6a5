// Clients that ask, wait a while, and ask again: connections to the servers are idle for every length of time that
// matters.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "client.hpp"

namespace bench {

class pausing_clients;

class pausing_client final : public task {
  public:
    pausing_client(pausing_clients& owner, std::string prefix, double shortest, double longest);
    void on_time() override;

  private:
    pausing_clients& owner_;
    std::string prefix_;
    double shortest_, longest_;
    client client_;
};

// --port, --requests N in all, --lanes PREFIX:CLIENTS:SHORTEST:LONGEST,... (pauses in seconds, their logarithm evenly
// spread),
// --seed. A fifth are POST. Prints "progress" each 10 s, a line for each failure, and at the end "done" with the counts
// as JSON.
class pausing_clients final : public task {
  public:
    pausing_clients(loop& runs, const arguments& given);
    void on_time() override;

    loop& runs() { return loop_; }
    std::uint16_t port() const { return port_; }
    std::mt19937_64& random() { return random_; }
    // The next request, or none when there were enough.
    bool take(const std::string& prefix, request& next);
    void finished(const client& by, outcome result);

  private:
    void report();

    loop& loop_;
    std::uint16_t port_;
    std::mt19937_64 random_;
    std::size_t requests_;
    std::size_t taken_ = 0;
    std::size_t ended_ = 0;
    std::size_t ended_before_ = 0;
    std::size_t said_ = 0;
    std::map<std::string, std::size_t> counts_;
    std::vector<std::unique_ptr<pausing_client>> clients_;
};

}  // namespace bench
