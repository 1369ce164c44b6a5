#include "open_load.hpp"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <utility>

namespace bench {

namespace {

constexpr std::size_t kibibyte = 1024;
// weir closes an idle connection after 60 s; not to meet it there, the client does so earlier.
constexpr auto longest_idle = std::chrono::seconds(20);

std::vector<std::pair<std::string, double>> pairs(const std::string& text, char between) {
    std::vector<std::pair<std::string, double>> found;
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
        const std::size_t at = part.find(between);
        found.emplace_back(part.substr(0, at), at == part.npos ? 1 : std::strtod(part.c_str() + at + 1, nullptr));
    }
    return found;
}

}  // namespace

open_load::open_load(loop& runs, const arguments& given)
    : loop_(runs),
      port_(static_cast<std::uint16_t>(given.required("port"))),
      timeout_(from_seconds(given.number("timeout", 30))),
      random_(given.count("seed", 1)),
      records_(given.text("records", "")),
      pages_(given.count("pages", 0)),
      connections_(given.count("connections", 0)) {
    for (const auto& [length, rate] : pairs(given.text("phases", "10x200"), 'x'))
        phases_.push_back({std::strtod(length.c_str(), nullptr), rate});
    std::vector<double> weights;
    for (const auto& [kind, weight] : pairs(given.text("mix", "quick:1"), ':')) {
        mix_.push_back({kind, weight});
        weights.push_back(weight);
    }
    kinds_ = {weights.begin(), weights.end()};
    phase_start_ = clock::now();
    auto start = phase_start_;
    for (const auto& one : phases_) {
        std::printf("phase %.6f %g %g\n", seconds(start), one.length, one.rate);
        start += from_seconds(one.length);
    }
    std::fflush(stdout);
    loop_.wake(*this, phase_start_);
}

void open_load::on_time() {
    while (phase_ < phases_.size()) {
        const auto& now_in = phases_[phase_];
        const double offset = static_cast<double>(launched_in_phase_) / now_in.rate;
        if (now_in.rate <= 0 || offset >= now_in.length) {
            phase_start_ += from_seconds(now_in.length);
            launched_in_phase_ = 0;
            ++phase_;
            continue;
        }
        const auto due = phase_start_ + from_seconds(offset);
        if (due > clock::now()) return loop_.wake(*this, due);
        ++launched_in_phase_;
        launch(due);
    }
    if (answered_ == launched_) report();
}

void open_load::launch(clock::time_point due) {
    request next = make();
    next.due = due;
    ++launched_;
    idle_client().start(std::move(next));
}

// Sizes and content follow from the kind and the number alone, so that the applications need to know neither.
request open_load::make() {
    const std::string& kind = mix_[kinds_(random_)].kind;
    const std::string number = std::to_string(pages_ > 0 ? launched_ % pages_ : launched_);
    const auto sized = [&](std::size_t low, std::size_t high) {
        const std::size_t size = std::uniform_int_distribution<std::size_t>(low, high)(random_);
        return make_get(kind, "/" + kind + "?size=" + std::to_string(size) + "&n=" + number, size);
    };
    if (kind == "short" || kind == "chunked") return sized(0, 64 * kibibyte);
    if (kind == "long") return sized(256 * kibibyte, 1024 * kibibyte);
    if (kind == "page") return sized(1024 * kibibyte, 1024 * kibibyte);
    if (kind == "post") {
        std::string content;
        pattern("content " + number)
            .append(content, 0, std::uniform_int_distribution<std::size_t>(0, 16 * kibibyte)(random_));
        return make_post(kind, "/post?id=" + number, content);
    }
    return sized(kibibyte, kibibyte);
}

client& open_load::idle_client() {
    const auto limit = clock::now() - longest_idle;
    for (client* one : idle_) {
        if (one->idle_since() > limit) break;
        one->disconnect();
    }
    if (idle_.empty() || clients_.size() < connections_) {
        clients_.push_back(std::make_unique<client>(loop_, port_, timeout_,
                                                    [this](client& by, outcome result) { finished(by, result); }));
        return *clients_.back();
    }
    // One that weir has closed meanwhile makes a new connection.
    client& next = connections_ > 0 ? *idle_.front() : *idle_.back();
    if (connections_ > 0)
        idle_.pop_front();
    else
        idle_.pop_back();
    return next;
}

void open_load::finished(client& by, outcome result) {
    records_.add(by, result);
    ++answered_;
    idle_.push_back(&by);
    if (phase_ == phases_.size() && answered_ == launched_) report();
}

void open_load::report() const {
    std::printf("done %zu\n", answered_);
    loop_.stop();
}

}  // namespace bench
