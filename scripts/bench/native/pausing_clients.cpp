#include "pausing_clients.hpp"

#include <cmath>
#include <cstdio>
#include <sstream>
#include <utility>

namespace bench {

namespace {
constexpr auto report_every = std::chrono::seconds(10);
constexpr auto timeout = std::chrono::seconds(60);
constexpr std::size_t longest_content = 4096;
constexpr double posts = 0.2;
constexpr std::size_t said_at_most = 100;
}  // namespace

pausing_client::pausing_client(pausing_clients& owner, std::string prefix, double shortest, double longest)
    : owner_(owner),
      prefix_(std::move(prefix)),
      shortest_(shortest),
      longest_(longest),
      client_(owner.runs(), owner.port(), timeout, [this](client& by, outcome result) {
          owner_.finished(by, result);
          std::uniform_real_distribution<double> logarithm(std::log(shortest_), std::log(longest_));
          owner_.runs().wake(*this, clock::now() + from_seconds(std::exp(logarithm(owner_.random()))));
      }) {}

void pausing_client::on_time() {
    request next;
    if (owner_.take(prefix_, next)) client_.start(std::move(next));
}

pausing_clients::pausing_clients(loop& runs, const arguments& given)
    : loop_(runs),
      port_(static_cast<std::uint16_t>(given.required("port"))),
      random_(given.count("seed", 1)),
      requests_(given.count("requests", 1'000'000)) {
    std::istringstream lanes(given.text("lanes", ""));
    for (std::string lane; std::getline(lanes, lane, ',');) {
        std::istringstream parts(lane);
        std::string prefix;
        std::size_t count = 0;
        double shortest = 0;
        double longest = 0;
        char between = 0;
        std::getline(parts, prefix, ':');
        parts >> count >> between >> shortest >> between >> longest;
        for (std::size_t i = 0; i < count; ++i) {
            clients_.push_back(std::make_unique<pausing_client>(*this, prefix, shortest, longest));
            const double first = std::uniform_real_distribution<double>(0, longest)(random_);
            loop_.wake(*clients_.back(), clock::now() + from_seconds(first));
        }
    }
    loop_.wake(*this, clock::now() + report_every);
}

bool pausing_clients::take(const std::string& prefix, request& next) {
    if (taken_ == requests_) return false;
    const std::string number = std::to_string(taken_++);
    const std::size_t size = std::uniform_int_distribution<std::size_t>(0, longest_content)(random_);
    if (std::uniform_real_distribution<double>(0, 1)(random_) < posts) {
        std::string content;
        pattern("content " + number).append(content, 0, size);
        next = make_post("post " + prefix, prefix + "/post?n=" + number, content);
    } else {
        next = make_get("get " + prefix, prefix + "/get?size=" + std::to_string(size) + "&n=" + number, size);
    }
    next.due = clock::now();
    return true;
}

void pausing_clients::finished(const client& by, outcome result) {
    ++ended_;
    const int status = by.response().status();
    const std::string ending =
        result == outcome::status ? "status " + std::to_string(status) : std::string(to_string(result));
    ++counts_[by.asked().kind.substr(0, by.asked().kind.find(' ')) + " " + ending];
    if (result != outcome::right && said_++ < said_at_most) {
        std::printf("failed %.3f %s: %s after %.3f s\n", seconds(clock::now()), by.asked().kind.c_str(), ending.c_str(),
                    std::chrono::duration<double>(clock::now() - by.asked().due).count());
    }
    if (ended_ == requests_) report();
}

void pausing_clients::on_time() {
    std::printf("progress %zu %zu\n", ended_, ended_ - ended_before_);
    std::fflush(stdout);
    ended_before_ = ended_;
    loop_.wake(*this, clock::now() + report_every);
}

void pausing_clients::report() {
    std::printf("done {");
    const char* between = "";
    for (const auto& [name, count] : counts_) {
        std::printf("%s\"%s\": %zu", between, name.c_str(), count);
        between = ", ";
    }
    std::printf("}\n");
    loop_.stop();
}

}  // namespace bench
