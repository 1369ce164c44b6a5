// Load at a given rate, whatever becomes of it: a request is due when it is due, and its latency counts from there.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "client.hpp"
#include "records.hpp"

namespace bench {

// --port, --phases SECONDSxRATE,..., --mix KIND:WEIGHT,... of quick, short, chunked, long and post, --seed, --timeout
// SECONDS,
// --records FILE. Connections are kept and used again, the youngest first; with --connections N at least so many, in
// turn. Every request is for another page, unless there are --pages N. Ends when everything was answered.
class open_load final : public task {
  public:
    open_load(loop& runs, const arguments& given);
    void on_time() override;

  private:
    struct phase {
        double length;
        double rate;
    };
    struct share {
        std::string kind;
        double weight;
    };

    void launch(clock::time_point due);
    request make();
    void finished(client& by, outcome result);
    void report() const;
    client& idle_client();

    loop& loop_;
    std::uint16_t port_;
    clock::duration timeout_;
    std::mt19937_64 random_;
    records records_;
    std::size_t pages_;
    std::size_t connections_;
    std::vector<phase> phases_;
    std::vector<share> mix_;
    std::discrete_distribution<std::size_t> kinds_;
    std::size_t phase_ = 0;
    std::size_t launched_in_phase_ = 0;
    clock::time_point phase_start_;
    std::size_t launched_ = 0;
    std::size_t answered_ = 0;
    std::vector<std::unique_ptr<client>> clients_;
    std::deque<client*> idle_;  // the one that was used last is last
};

}  // namespace bench
