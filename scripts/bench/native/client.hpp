// One client: a connection to weir over which it sends requests one after another and checks every response.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "loop.hpp"
#include "response_reader.hpp"

namespace bench {

// A non-blocking connection to 127.0.0.1 that is under way, from one of several addresses in turn, since each has only
// 28,000 ports; -1 when the system refuses. A receive buffer other than 0 is set before the connection is made.
int connect_to(std::uint16_t port, int receive_buffer = 0);

// Closes with a reset, which leaves nothing behind on either side.
void abandon(int descriptor);

struct request {
    std::string kind;  // for the records
    std::string bytes;
    expectation expected;
    clock::time_point due;  // when it should have been sent: latency counts from here
};

// GET, or POST with content. A POST expects the answer that answer_to_post() gives.
request make_get(std::string kind, const std::string& target, std::size_t expected_size);
request make_post(std::string kind, const std::string& target, const std::string& content);
std::string answer_to_post(std::size_t size, const std::string& sha256_of_content);

enum class outcome : std::uint8_t {
    right,    // 200, and all of it is right; or 2xx where anything is
    wrong,    // 200 and whole by its framing, but not what was asked for
    status,   // another status
    cut,      // ended visibly before its end
    closed,   // no byte of a response
    garbled,  // not HTTP, or more of it than there should be
    refused,  // no connection
    timeout,
};
constexpr std::size_t outcomes = 8;
const char* to_string(outcome result);
// What the reader of a response that ended, or whose connection ended, has seen.
outcome judge(const response_reader& response);

class client final : public task {
  public:
    using finished = std::function<void(client&, outcome)>;

    // `on_finished` is called once a request, and may start the next one.
    client(loop& runs, std::uint16_t port, clock::duration timeout, finished on_finished);
    ~client() override;

    void start(request what);
    std::uint16_t port() const { return port_; }
    bool connected() const { return socket_ >= 0; }
    bool busy() const { return busy_; }
    clock::time_point idle_since() const { return idle_since_; }
    void disconnect();

    const request& asked() const { return request_; }
    const response_reader& response() const { return reader_; }

    void on_ready() override;
    void on_time() override;

  private:
    bool send();
    void receive();
    void finish(outcome result);

    loop& loop_;
    std::uint16_t port_;
    clock::duration timeout_;
    finished on_finished_;
    int socket_ = -1;
    bool busy_ = false;
    std::size_t sent_ = 0;
    clock::time_point idle_since_;
    request request_;
    response_reader reader_;
};

}  // namespace bench
