// The load of `compare`: one thread that asks as fast as it is answered, or at a rate, and checks every response:
// status, length and each byte of the content, which is all 'x' unless --content says otherwise. It costs about half of
// what wrk costs, so that it is less often the limit of what is measured: a request is one send and one recv, and no
// call to change what epoll watches.
//
// generator --port P --connections N --target T --bytes CONTENT_BYTES
//           [--content FILE]  the content that is right, instead of --bytes of x's
//           [--patience S]    seconds until an answer comes too late; 10
//           [--fields FILE]   lines that are added to the head
//           [--close 1]       a connection for each request, which the server closes
//           [--distinct 1]    the run of seven zeros in the target becomes the number of the request
// Connects, prints "ready", then takes orders on its standard input, one a line, and answers each with a line of JSON:
//   seconds S    requests N [S]    rate PER_SECOND S    waves N
// Of requests with S none is begun after so many seconds.
// A rate is kept whatever becomes of it: a request is due when it is due, and its latency counts from there. In waves,
// all connections ask at once, and again only when all are answered: what meets what in the server depends least on
// who gets a core when.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>
#include <iostream>
#include <iterator>
#include <numeric>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "native/arguments.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t digits = 7;
constexpr std::string_view zeros = "0000000";  // in a target: where the number of a request goes

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (!file) fail(path.c_str());
    return text;
}

clock_type::duration seconds(double count) {
    return std::chrono::duration_cast<clock_type::duration>(std::chrono::duration<double>(count));
}

double microseconds(clock_type::duration length) {
    return std::chrono::duration<double, std::micro>(length).count();
}

struct tally {
    std::vector<float> latencies;  // of right responses, microseconds
    std::size_t bytes = 0;
    std::size_t connect = 0, read = 0, write = 0, status = 0, content = 0, timeout = 0;

    double percentile(double share) {
        if (latencies.empty()) return 0;
        const auto at = latencies.begin() + static_cast<std::ptrdiff_t>(share * double(latencies.size() - 1));
        std::nth_element(latencies.begin(), at, latencies.end());
        return *at;
    }
    double mean() const {
        if (latencies.empty()) return 0;
        return std::accumulate(latencies.begin(), latencies.end(), 0.0) / static_cast<double>(latencies.size());
    }
    void print(clock_type::duration length) {
        const double median = percentile(0.5);
        std::printf(
            "{\"requests\": %zu, \"microseconds\": %.0f, \"bytes\": %zu, \"mean\": %.1f, \"p50\": %.1f, "
            "\"p99\": %.1f, \"connect\": %zu, \"read\": %zu, \"write\": %zu, \"status\": %zu, "
            "\"content\": %zu, \"timeout\": %zu}\n",
            latencies.size(), microseconds(length), bytes, mean(), median, percentile(0.99), connect, read, write,
            status, content, timeout);
        std::fflush(stdout);
    }
};

enum class progress { waits, done, ended, wrong_status, wrong_content };

// What has come of one response.
class response {
  public:
    // `right` is the content, nullptr for x's, and has to outlive the response.
    void expect(std::size_t content_bytes, const char* right) {
        head_.clear();
        in_content_ = false;
        left_ = content_bytes;
        right_ = right;
    }
    progress take(std::string_view bytes) {
        if (in_content_) return take_content(bytes);
        if (head_.empty()) {
            // Nearly always a head comes in one piece, and then it is not copied.
            if (const std::size_t end = bytes.find("\r\n\r\n"); end != bytes.npos)
                return judge(bytes.substr(0, end + 2), bytes.substr(end + 4));
            head_ = bytes;
            return progress::waits;
        }
        const std::string whole = head_.append(bytes);
        const std::size_t end = whole.find("\r\n\r\n");
        if (end == whole.npos) return progress::waits;
        const std::string_view view = whole;
        return judge(view.substr(0, end + 2), view.substr(end + 4));
    }

  private:
    progress judge(std::string_view head, std::string_view content) {
        if (!head.starts_with("HTTP/1.1 200 ")) return progress::wrong_status;
        if (content_length(head) != left_) return progress::wrong_content;
        in_content_ = true;
        return take_content(content);
    }
    static std::size_t content_length(std::string_view head) {
        constexpr std::string_view name = "\ncontent-length: ";
        for (std::size_t at = head.find('\n'); at != head.npos; at = head.find('\n', at + 1)) {
            if (head.size() - at <= name.size() || ::strncasecmp(head.data() + at, name.data(), name.size()) != 0)
                continue;
            std::size_t length = 0;
            std::from_chars(head.data() + at + name.size(), head.data() + head.size(), length);
            return length;
        }
        return std::string_view::npos;
    }
    progress take_content(std::string_view bytes) {
        static const std::string plain(256 * 1024, 'x');
        if (bytes.size() > left_) return progress::wrong_content;
        const char* const right = right_ ? right_ : plain.data();
        if (std::memcmp(bytes.data(), right, bytes.size()) != 0) return progress::wrong_content;
        left_ -= bytes.size();
        if (right_) right_ += bytes.size();
        return left_ == 0 ? progress::done : progress::waits;
    }

    std::string head_;  // as long as it is not whole
    bool in_content_ = false;
    std::size_t left_ = 0;
    const char* right_ = nullptr;  // what is left of it
};

struct connection {
    int descriptor = -1;
    bool busy = false;      // a request is under way, or its connection waits to be closed by the server
    bool answered = false;  // the response is whole
    std::size_t sent = 0;   // bytes of the request
    clock_type::time_point due;
    std::string request;
    response answer;
};

class generator {
  public:
    explicit generator(const bench::arguments& given)
        : port_(static_cast<std::uint16_t>(given.required("port"))),
          content_bytes_(given.count("bytes", 1024)),
          patience_(seconds(given.number("patience", 10))),
          closing_(given.count("close", 0) != 0),
          distinct_(given.count("distinct", 0) != 0),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          connections_(given.count("connections", 1)) {
        std::string head =
            "GET " + given.text("target", "/") + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) + "\r\n";
        if (const std::string path = given.text("content", ""); !path.empty()) {
            content_ = contents(path);
            content_bytes_ = content_.size();
        }
        if (const std::string path = given.text("fields", ""); !path.empty()) head += contents(path);
        if (closing_) head += "Connection: close\r\n";
        head += "\r\n";
        number_at_ = head.find(zeros);
        for (auto& one : connections_) one.request = head;
        if (!closing_)
            for (auto& one : connections_)
                if (!connect(one)) fail("generator: connect");
    }

    void run(std::size_t requests, clock_type::duration length, double rate, bool in_waves = false) {
        tally_ = {};
        idle_.clear();
        for (auto& one : connections_)
            if (!one.busy) idle_.push_back(&one);
        to_start_ = requests;
        in_waves_ = in_waves;
        started_ = finished_ = wave_end_ = 0;
        const auto start = clock_type::now();
        const auto end = length == 0s ? clock_type::time_point::max() : start + length;
        auto last_look = start;
        auto now = start;
        for (;;) {
            launch(start, end, rate);
            if (finished_ == started_ && (started_ == to_start_ || now >= end)) break;
            wait(start, end, rate);
            now = clock_type::now();
            if (now - last_look < 1s) continue;
            last_look = now;
            for (auto& one : connections_)
                if (one.busy && now - one.due > patience_) give_up(one, tally_.timeout);
        }
        tally_.print(now - start);
    }

  private:
    void launch(clock_type::time_point start, clock_type::time_point end, double rate) {
        while (!idle_.empty() && started_ < to_start_) {
            if (in_waves_ && started_ == wave_end_) {
                if (finished_ < started_) return;
                wave_end_ += connections_.size();
            }
            const auto now = clock_type::now();
            auto due = now;
            if (rate == 0 && now >= end) return;
            if (rate > 0) {
                due = due_of(started_, start, rate);
                if (due >= end) to_start_ = started_;  // all of the run are under way
                if (due > now || due >= end) return;
            }
            connection& next = *idle_.front();
            idle_.pop_front();
            ++started_;
            begin(next, due);
        }
    }
    static clock_type::time_point due_of(std::size_t number, clock_type::time_point start, double rate) {
        return start + seconds(double(number) / rate);
    }

    void begin(connection& with, clock_type::time_point due) {
        with.busy = true;
        with.answered = false;
        with.sent = 0;
        with.due = due;
        with.answer.expect(content_bytes_, content_.empty() ? nullptr : content_.data());
        if (distinct_ && number_at_ != std::string::npos) {
            std::array<char, digits + 1> number;
            std::snprintf(number.data(), number.size(), "%07zu", (started_ - 1) % 10'000'000);
            with.request.replace(number_at_, digits, number.data());
        }
        if (with.descriptor < 0 && !connect(with)) return give_up(with, tally_.connect);
        send(with);
    }

    // The connection is under way; on the loopback device it is nearly always there at once.
    bool connect(connection& with) {
        with.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (with.descriptor < 0) return false;
        const int on = 1;
        ::setsockopt(with.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        // An address has 28,000 ports towards one server, so there are several, and a port is only taken for that
        // server.
        ::setsockopt(with.descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        // Kept connections are reset at the end: no TIME_WAIT of thousands of them is left for the next run.
        const linger reset{1, 0};
        if (!closing_) ::setsockopt(with.descriptor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (connects_++ % 16));
        if (::bind(with.descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return false;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port_);
        if (::connect(with.descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
            errno != EINPROGRESS)
            return false;
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        event.data.ptr = &with;
        return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, with.descriptor, &event) == 0;
    }

    void send(connection& with) {
        const ssize_t sent =
            ::send(with.descriptor, with.request.data() + with.sent, with.request.size() - with.sent, MSG_NOSIGNAL);
        if (sent >= 0)
            with.sent += static_cast<std::size_t>(sent);
        else if (errno != EAGAIN)
            give_up(with, tally_.write);
    }

    void receive(connection& with) {
        for (;;) {
            const ssize_t received = ::recv(with.descriptor, buffer_.data(), buffer_.size(), 0);
            if (received < 0 && errno == EAGAIN) return;
            if (received <= 0) return with.answered ? finish(with) : give_up(with, tally_.read);
            const auto size = static_cast<std::size_t>(received);
            if (with.answered || !with.busy) return give_up(with, tally_.content);  // more than the response
            tally_.bytes += size;
            switch (with.answer.take({buffer_.data(), size})) {
                case progress::done:
                    return answered(with, size);
                case progress::wrong_status:
                    return give_up(with, tally_.status);
                case progress::wrong_content:
                    return give_up(with, tally_.content);
                default:
                    break;
            }
            if (size < buffer_.size()) return;  // the next byte is an event of its own
        }
    }

    void answered(connection& with, std::size_t last_read) {
        tally_.latencies.push_back(static_cast<float>(microseconds(clock_type::now() - with.due)));
        with.answered = true;
        if (!closing_) return finish(with);
        if (last_read == buffer_.size() || saw_end_) receive(with);
    }

    void finish(connection& with) {
        if (closing_) close(with);
        with.busy = false;
        with.answered = false;
        ++finished_;
        idle_.push_back(&with);
    }
    void give_up(connection& with, std::size_t& count) {
        ++count;
        close(with);
        if (with.busy) finish(with);
    }
    static void close(connection& with) {
        if (with.descriptor >= 0) ::close(with.descriptor);
        with.descriptor = -1;
    }

    // A client that has its response sends its next request at once, not after those that came with it.
    void wait(clock_type::time_point start, clock_type::time_point end, double rate) {
        timespec limit{0, 100'000'000};
        if (rate > 0 && !idle_.empty() && started_ < to_start_) {
            const auto left = due_of(started_, start, rate) - clock_type::now();
            const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
            limit.tv_nsec = std::clamp<long>(nanoseconds, 0, limit.tv_nsec);
        }
        std::array<epoll_event, 256> events;
        const int count = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &limit, nullptr);
        for (int i = 0; i < count; ++i) {
            const auto& event = events[static_cast<std::size_t>(i)];
            auto& with = *static_cast<connection*>(event.data.ptr);
            if (with.descriptor < 0) continue;  // an event before this one closed it
            saw_end_ = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
            if ((event.events & EPOLLOUT) != 0 && with.busy && with.sent < with.request.size()) send(with);
            if (with.descriptor >= 0 && (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
                receive(with);
            launch(start, end, rate);
        }
    }

    std::uint16_t port_;
    std::size_t content_bytes_;
    std::string content_;  // empty: x's
    clock_type::duration patience_;
    bool closing_;
    bool distinct_;
    int epoll_;
    std::vector<connection> connections_;
    std::deque<connection*> idle_;
    std::vector<char> buffer_ = std::vector<char>(256 * 1024);
    std::size_t number_at_ = std::string::npos;
    std::uint32_t connects_ = 0;
    std::size_t to_start_ = 0, started_ = 0, finished_ = 0;
    bool in_waves_ = false;
    std::size_t wave_end_ = 0;  // of the wave that is under way: how many were started when it was
    bool saw_end_ = false;      // the event that is looked at says that the server has closed; no other event may
    tally tally_;
};

}  // namespace

int main(int argc, char** argv) {
    generator runs(bench::arguments(argc, argv, 1));
    std::puts("ready");
    std::fflush(stdout);
    constexpr auto unlimited = static_cast<std::size_t>(-1);
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string order;
        double first = 0;
        double second = 0;
        words >> order >> first >> second;
        if (order == "seconds")
            runs.run(unlimited, seconds(first), 0);
        else if (order == "requests")
            runs.run(static_cast<std::size_t>(first), seconds(second), 0);
        else if (order == "waves")
            runs.run(static_cast<std::size_t>(first), 0s, 0, true);
        else if (order == "rate")
            runs.run(unlimited, seconds(second), first);
        else
            return 2;
    }
}
