// A scripted HTTP/1.1 origin: reads requests, one at a time on each connection, and plays the answer that it is given,
// step by step. It does on purpose what a good server would not.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loop.hpp"

namespace bench {

struct incoming {
    std::string method;
    std::string target;
    std::string content;
};

enum class ending : std::uint8_t { keep, close, reset, silence };

struct step {
    clock::duration after;  // since the step before
    std::string bytes;
};

struct answer {
    std::vector<step> steps;
    ending end = ending::keep;
};

// A whole response with a length.
std::string whole_response(const std::string& content, const std::string& cache_control = "no-store");

class server final : public task {
  public:
    class connection;
    using handler = std::function<void(connection&, const incoming&)>;

    // On `address` and `port`; 0 lets the system choose. `on_request` has to see to it that play() is called, at once
    // or later.
    server(loop& runs, const std::string& address, std::uint16_t port, handler on_request);
    ~server() override;
    std::uint16_t port() const { return port_; }
    void on_ready() override;

  private:
    friend class connection;
    loop& loop_;
    int listener_;
    std::uint16_t port_ = 0;
    handler on_request_;
    std::vector<std::unique_ptr<connection>> connections_;
    std::vector<connection*> free_;
};

class server::connection final : public task {
  public:
    explicit connection(server& owner) : owner_(owner) {}
    ~connection() override;

    // Once a request. `done`, if given, is called when the last step was played, also when the client has gone
    // meanwhile.
    void play(answer what, std::function<void()> done = {});

    void on_ready() override;
    void on_time() override;

  private:
    friend class server;
    // asked: a request is with the handler; playing: steps are left; sending: the last bytes are on their way.
    enum class stage : std::uint8_t { idle, asked, playing, sending };

    void receive();
    void next_request();
    void proceed();
    void send();
    void disconnect(bool reset);
    void retire();

    server& owner_;
    int socket_ = -1;
    stage stage_ = stage::idle;
    std::string unread_;
    std::string unsent_;
    answer answer_;
    std::size_t next_step_ = 0;
    clock::time_point stepped_at_;
    std::function<void()> done_;
};

}  // namespace bench
