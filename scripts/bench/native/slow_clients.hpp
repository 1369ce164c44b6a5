// Clients that take or give content slowly, and clients that only stay: what a server in Python must not have to wait
// for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "client.hpp"

namespace bench {

class slow_clients;

struct tally {
    std::size_t under_way = 0;  // now: a page has its head, an upload has sent its own, an idle one was answered
    std::size_t right = 0;
    std::size_t wrong = 0;  // whole, but not what it had to be
    std::size_t lost = 0;   // ended before its end, or refused
    std::size_t bytes = 0;  // of content, on their way or done
};

struct pace {
    double bytes_a_second = 0;
    milliseconds tick{};  // how often some of them
};

// What slow ones of one kind have in common: one exchange, and how it ended; from the beginning again if it repeats.
class slow_client : public task {
  public:
    slow_client(slow_clients& owner, std::string by, pace at, bool repeats, tally& counts);
    ~slow_client() override;
    void on_time() final;

  protected:
    // A target that nobody else asks for, so that content which goes astray is seen.
    std::string new_target(const std::string& path);
    virtual void begin() = 0;
    virtual void go_on() = 0;
    void is_under_way();
    void count(std::size_t bytes) { counts_.bytes += bytes; }
    // What has come, `size` at most; finishes when that was the end.
    void receive(std::size_t size);
    void finish(outcome result);

    slow_clients& owner_;
    const std::size_t at_once_;
    int socket_ = -1;
    std::string unsent_;
    response_reader reader_;

  private:
    const milliseconds tick_;
    const std::string by_;
    const bool repeats_;
    tally& counts_;
    bool counted_ = false;
};

// Reads a page little by little, through a small receive buffer.
class slow_page final : public slow_client {
    using slow_client::slow_client;
    void begin() override;
    void go_on() override;
};

// Sends content little by little; the application has to answer with its length and digest.
class slow_upload final : public slow_client {
    using slow_client::slow_client;
    void begin() override;
    void go_on() override;

    pattern content_;
    std::size_t made_ = 0;
};

// Asks once, and stays; asks again before weir would close the connection as an idle one.
class idle_client final : public task {
  public:
    idle_client(slow_clients& owner, std::string, pace, bool, tally& counts);
    void on_time() override;

  private:
    slow_clients& owner_;
    tally& counts_;
    bool counted_ = false;
    client client_;
};

// --port, --pages N, --uploads N, --idle N, --samples N (of each kind, ten times faster and again and again), --ramp
// SECONDS. Prints a line of counts each second, as JSON. Ends when every page and upload has, or by SIGTERM.
class slow_clients final : public task {
  public:
    slow_clients(loop& runs, const arguments& given);
    void on_time() override;

    loop& runs() { return loop_; }
    std::uint16_t port() const { return port_; }
    std::size_t next_number() { return number_++; }
    void say_lost(const std::string& by, outcome result, const response_reader& response);

  private:
    template <class Client>
    struct group {
        std::string name;
        std::size_t wanted;
        pace at;
        bool repeats;
        tally counts{};
        std::vector<std::unique_ptr<Client>> clients{};

        void start_share(slow_clients& owner, double share);
        std::string json() const;
        bool over() const { return repeats || counts.right + counts.wrong + counts.lost >= wanted; }
    };

    loop& loop_;
    std::uint16_t port_;
    std::size_t number_ = 0;
    std::size_t said_ = 0;
    double ramp_;
    clock::time_point started_;
    clock::time_point print_at_;
    group<idle_client> idle_;
    group<slow_page> pages_, sample_pages_;
    group<slow_upload> uploads_, sample_uploads_;
};

}  // namespace bench
