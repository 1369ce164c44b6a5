// Connections that send the head of a request one byte at a time and never end it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "client.hpp"

namespace bench {

class slow_heads;

class slow_head final : public task {
  public:
    explicit slow_head(slow_heads& owner) : owner_(owner) {}
    ~slow_head() override { abandon(socket_); }
    void start();
    void on_ready() override;
    void on_time() override;

  private:
    void finish(bool connected);

    slow_heads& owner_;
    int socket_ = -1;
    std::size_t sent_ = 0;
    bool connected_ = false;
    clock::time_point connected_at_;
    std::string answer_;
};

// --port, --count N, --over SECONDS in which they come, --interval SECONDS between bytes, --limit SECONDS after which
// it gives up on those that are still there. Prints a line for each that ended: "gone SECONDS STATUS", STATUS being 0
// without an answer; then "over OPEN_AT_MOST LEFT REFUSED".
class slow_heads final : public task {
  public:
    slow_heads(loop& runs, const arguments& given);
    void on_time() override;

    loop& loop_;
    std::uint16_t port_;
    clock::duration interval_;
    std::size_t open_ = 0;
    std::size_t most_open_ = 0;
    std::size_t ended_ = 0;
    std::size_t refused_ = 0;

  private:
    std::size_t count_;
    double over_;
    clock::time_point started_;
    clock::time_point limit_;
    std::vector<std::unique_ptr<slow_head>> heads_;
};

}  // namespace bench
