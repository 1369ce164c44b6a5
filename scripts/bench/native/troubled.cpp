// An origin for the chaos bench that misbehaves as it is told, by lines "MODE SHARE" on its standard input, SHARE being
// how many of its requests it spoils, health checks included. What it does is appended to --journal as it does it:
// "post ID" when it has executed a POST, and "MODE TARGET" for each request that it spoiled. A target says what content
// it wants: /long?size=N&n=M.
//
//   well     answers              silent   reads the request and says nothing
//   reset    resets the connection, some POSTs having been executed
//   garbage  answers what is not HTTP, contradicts itself, or goes on after its end
//   cut      ends in the middle: the head, the content, or before the last chunk
//   slow     answers late and in pieces
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <sstream>

#include "arguments.hpp"
#include "client.hpp"
#include "server.hpp"

namespace {

using namespace bench;

// The value of a number in a query, or 0.
std::size_t query_number(const std::string& target, const std::string& name) {
    for (const char* before : {"?", "&"}) {
        const std::size_t at = target.find(before + name + "=");
        if (at != target.npos) return std::strtoull(target.c_str() + at + name.size() + 2, nullptr, 10);
    }
    return 0;
}

std::string chunked_response(const std::string& content) {
    constexpr std::size_t chunk = 5000;
    std::string out = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < content.size(); at += chunk) {
        const std::string part = content.substr(at, chunk);
        std::array<char, 24> size;
        std::snprintf(size.data(), size.size(), "%zx\r\n", part.size());
        out += size.data() + part + "\r\n";
    }
    return out + "0\r\n\r\n";
}

class troubled final : public task {
  public:
    troubled(loop& runs, const arguments& given)
        : journal_(::open(given.text("journal", "/dev/null").c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)),
          random_(given.count("seed", 1)),
          server_(runs, given.text("address", "127.0.0.1"), static_cast<std::uint16_t>(given.number("port", 0)),
                  [this](server::connection& from, const incoming& asked) { take(from, asked); }) {
        if (journal_ < 0) fail("journal");
        ::fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
        runs.watch(STDIN_FILENO, *this);
    }

    std::uint16_t port() const { return server_.port(); }

    void on_ready() override {
        std::array<char, 256> buffer;
        const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (count <= 0) return;
        std::istringstream(std::string(buffer.data(), static_cast<std::size_t>(count))) >> mode_ >> share_;
    }

  private:
    std::size_t up_to(std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most)(random_); }
    bool by_chance(double share) { return std::uniform_real_distribution<double>(0, 1)(random_) < share; }

    // One write, so that it is there even if the next thing that happens to this process is SIGKILL.
    void note(const std::string& what, const std::string& of) {
        const std::string line = what + " " + of + "\n";
        if (::write(journal_, line.data(), line.size()) < 0) fail("journal");
    }

    void take(server::connection& from, const incoming& asked) {
        const std::string mode = by_chance(share_) ? mode_ : "well";
        if (mode != "well") note(mode, asked.target);
        if (mode == "silent" || mode == "reset") {
            if (by_chance(0.5)) execute(asked);
            return from.play({{}, mode == "reset" ? ending::reset : ending::silence});
        }
        execute(asked);
        const std::string whole = response_to(asked);
        if (mode == "garbage") return from.play(garbage(whole));
        if (mode == "cut") return from.play(cut(whole));
        if (mode == "slow") return from.play(slow(whole));
        from.play({{{{}, whole}}});
    }

    void execute(const incoming& asked) {
        if (asked.method == "POST") note("post", std::to_string(query_number(asked.target, "id")));
    }

    static std::string response_to(const incoming& asked) {
        if (asked.method == "POST") return whole_response(answer_to_post(asked.content.size(), sha256(asked.content)));
        std::string content;
        pattern(asked.target).append(content, 0, query_number(asked.target, "size"));
        const bool odd_long = asked.target.starts_with("/long") && query_number(asked.target, "n") % 2 == 1;
        return odd_long || asked.target.starts_with("/chunked") ? chunked_response(content) : whole_response(content);
    }

    answer garbage(const std::string& whole) {
        std::string said;
        switch (up_to(6)) {
            case 0:
                for (int i = 0; i < 500; ++i) said += static_cast<char>(up_to(255));
                break;
            case 1:
                said = "HTTP/1.1 2x0 Hm\r\n\r\n" + whole;
                break;
            case 2:
                said = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nwrong content";
                break;
            case 3:
                said = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwrong\r\nzz\r\n";
                break;
            case 4:
                said =
                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwrong\r\n0\r\n\r\n";
                break;
            case 5:
                said = "HTTP/1.1 200 OK\r\nX-Long: " + std::string(200'000, 'x');
                break;
            default:
                said = whole + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong";
        }
        return {{{{}, said}}, by_chance(0.5) ? ending::close : ending::keep};
    }

    answer cut(const std::string& whole) {
        const std::size_t last_chunk = whole.ends_with("0\r\n\r\n") && by_chance(0.5) ? whole.size() - 5 : 0;
        const std::string part = whole.substr(0, last_chunk > 0 ? last_chunk : up_to(whole.size() - 1));
        return {{{{}, part}, {milliseconds(up_to(50)), ""}}, by_chance(0.5) ? ending::close : ending::reset};
    }

    answer slow(const std::string& whole) {
        constexpr std::size_t pieces = 8;
        answer out;
        for (std::size_t i = 0; i < pieces; ++i) {
            const std::size_t from = whole.size() * i / pieces;
            const std::size_t to = whole.size() * (i + 1) / pieces;
            out.steps.push_back({milliseconds(up_to(i == 0 ? 800 : 100)), whole.substr(from, to - from)});
        }
        return out;
    }

    int journal_;
    std::mt19937_64 random_;
    std::string mode_ = "well";
    double share_ = 1;
    server server_;
};

}  // namespace

int main(int argc, char** argv) {
    const arguments given(argc, argv, 1);
    loop runs;
    const troubled served(runs, given);
    std::printf("ready %d\n", served.port());
    std::fflush(stdout);
    runs.run();
}
