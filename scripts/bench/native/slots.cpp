// An origin whose capacity is known by definition: it works on `--slots` requests at once (10), `--milliseconds` each
// (50), so 200 a second. What comes beyond that waits in line, as it would for a thread of CherryPy, and is counted:
// whoever is in front should not have sent it. Its answers say `--cache-control` (no-store). /stats answers at once
// with the counts. Prints "ready PORT" and serves until it is told to end.
#include <cstdio>
#include <deque>
#include <utility>

#include "arguments.hpp"
#include "content.hpp"
#include "server.hpp"

namespace {

using namespace bench;

constexpr std::size_t content_bytes = 1024;

class slots {
  public:
    slots(loop& runs, std::size_t count, clock::duration work, std::string cache_control)
        : count_(count),
          work_(work),
          cache_control_(std::move(cache_control)),
          server_(runs, "127.0.0.1", 0,
                  [this](server::connection& from, const incoming& asked) { take(from, asked); }) {}

    std::uint16_t port() const { return server_.port(); }

  private:
    struct waiting {
        server::connection* from;
        std::string target;
    };

    void take(server::connection& from, const incoming& asked) {
        if (asked.target == "/stats") return from.play({{{{}, whole_response(stats())}}});
        ++requests_;
        if (busy_ == count_) {
            ++violations_;
            line_.push_back({&from, asked.target});
            most_ = std::max(most_, busy_ + line_.size());
        } else {
            work({&from, asked.target});
        }
    }

    void work(const waiting& on) {
        ++busy_;
        most_ = std::max(most_, busy_);
        std::string content;
        pattern(on.target).append(content, 0, content_bytes);
        on.from->play({{{work_, whole_response(content, cache_control_)}}}, [this] { release(); });
    }

    void release() {
        --busy_;
        if (line_.empty()) return;
        const waiting next = line_.front();
        line_.pop_front();
        work(next);
    }

    std::string stats() const {
        return "{\"requests\": " + std::to_string(requests_) + ", \"violations\": " + std::to_string(violations_) +
               ", \"most_at_once\": " + std::to_string(most_) + "}\n";
    }

    std::size_t count_;
    clock::duration work_;
    std::string cache_control_;
    server server_;
    std::size_t busy_ = 0;
    std::size_t most_ = 0;
    std::size_t requests_ = 0;
    std::size_t violations_ = 0;
    std::deque<waiting> line_;
};

}  // namespace

int main(int argc, char** argv) {
    const arguments given(argc, argv, 1);
    loop runs;
    const slots served(runs, given.count("slots", 10), milliseconds(given.count("milliseconds", 50)),
                       given.text("cache-control", "no-store"));
    std::printf("ready %d\n", served.port());
    std::fflush(stdout);
    runs.run();
}
