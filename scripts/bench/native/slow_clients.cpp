#include "slow_clients.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace bench {

namespace {

constexpr std::size_t page_bytes = 1024 * 1024;
constexpr std::size_t upload_bytes = 256 * 1024;
constexpr std::size_t idle_bytes = 1024;
constexpr double page_rate = 5000;
constexpr double upload_rate = 1000;
constexpr double faster = 10;
constexpr auto page_tick = milliseconds(250);
constexpr auto upload_tick = milliseconds(1000);
constexpr auto idle_pause = std::chrono::seconds(45);
constexpr std::size_t smallest_buffer = 4096;  // the system takes twice that; the default would take a page whole
constexpr std::size_t said_at_most = 20;

}  // namespace

slow_client::slow_client(slow_clients& owner, std::string by, pace at, bool repeats, tally& counts)
    : owner_(owner),
      at_once_(static_cast<std::size_t>(at.bytes_a_second * std::chrono::duration<double>(at.tick).count())),
      tick_(at.tick),
      by_(std::move(by)),
      repeats_(repeats),
      counts_(counts) {}

slow_client::~slow_client() {
    abandon(socket_);
}

std::string slow_client::new_target(const std::string& path) {
    return path + "&by=" + by_ + "&n=" + std::to_string(owner_.next_number());
}

void slow_client::on_time() {
    if (socket_ < 0) {
        reader_ = response_reader();
        socket_ = connect_to(owner_.port(), static_cast<int>(std::max(smallest_buffer, 4 * at_once_)));
        if (socket_ < 0) return finish(outcome::refused);
        begin();
    } else {
        go_on();
    }
    if (socket_ >= 0) owner_.runs().wake(*this, clock::now() + tick_);
}

void slow_client::is_under_way() {
    if (!std::exchange(counted_, true)) ++counts_.under_way;
}

void slow_client::receive(std::size_t size) {
    static std::array<char, 64 * 1024> buffer;
    const ssize_t count = ::recv(socket_, buffer.data(), std::min(size, buffer.size()), 0);
    if (count < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
    if (count == 0) reader_.end();
    if (count <= 0) return finish(judge(reader_));
    reader_.feed({buffer.data(), static_cast<std::size_t>(count)});
    if (reader_.complete() || reader_.garbled() || reader_.mismatch()) finish(judge(reader_));
}

void slow_client::finish(outcome result) {
    abandon(std::exchange(socket_, -1));
    if (std::exchange(counted_, false)) --counts_.under_way;
    if (result == outcome::right)
        ++counts_.right;
    else if (result == outcome::wrong)
        ++counts_.wrong;
    else
        ++counts_.lost;
    if (result != outcome::right) owner_.say_lost(by_, result, reader_);
    if (repeats_) owner_.runs().wake(*this, clock::now() + tick_);
}

void slow_page::begin() {
    const request asked = make_get("page", new_target("/page?size=" + std::to_string(page_bytes)), page_bytes);
    reader_.start(asked.expected);
    unsent_ = asked.bytes;
}

void slow_page::go_on() {
    if (!unsent_.empty()) {
        const ssize_t count = ::send(socket_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
        if (count > 0) unsent_.erase(0, static_cast<std::size_t>(count));
        return;
    }
    const std::size_t before = reader_.content_bytes();
    receive(at_once_);
    if (socket_ < 0) return;
    count(reader_.content_bytes() - before);
    if (reader_.status() == 200) is_under_way();
}

void slow_upload::begin() {
    const std::string target = new_target("/upload?size=" + std::to_string(upload_bytes));
    content_ = pattern(target);
    made_ = 0;
    unsent_ =
        "POST " + target + " HTTP/1.1\r\nHost: bench\r\nContent-Length: " + std::to_string(upload_bytes) + "\r\n\r\n";
    std::string all;
    content_.append(all, 0, upload_bytes);
    reader_.start({{}, 0, answer_to_post(upload_bytes, sha256(all))});
}

void slow_upload::go_on() {
    const std::size_t size = std::min(at_once_, upload_bytes - made_);
    content_.append(unsent_, made_, size);
    made_ += size;
    const ssize_t sent = ::send(socket_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent > 0) unsent_.erase(0, static_cast<std::size_t>(sent));
    count(size);
    is_under_way();
    receive(1024);
}

idle_client::idle_client(slow_clients& owner, std::string, pace, bool, tally& counts)
    : owner_(owner),
      counts_(counts),
      client_(owner.runs(), owner.port(), std::chrono::seconds(60), [this](client& by, outcome result) {
          if (result == outcome::right && !std::exchange(counted_, true)) ++counts_.under_way;
          if (result != outcome::right) {
              ++counts_.lost;
              owner_.say_lost("idle", result, by.response());
          }
          owner_.runs().wake(*this, clock::now() + idle_pause);
      }) {}

void idle_client::on_time() {
    if (counted_ && !client_.connected()) {  // it was to stay
        counted_ = false;
        --counts_.under_way;
        ++counts_.lost;
        owner_.say_lost("idle", outcome::closed, {});
    }
    client_.start(make_get("idle", "/kept?size=" + std::to_string(idle_bytes), idle_bytes));
}

slow_clients::slow_clients(loop& runs, const arguments& given)
    : loop_(runs),
      port_(static_cast<std::uint16_t>(given.required("port"))),
      ramp_(given.number("ramp", 20)),
      started_(clock::now()),
      print_at_(started_),
      idle_{"idle", given.count("idle", 6000), {}, true},
      pages_{"page", given.count("pages", 2000), {page_rate, page_tick}, false},
      sample_pages_{"sample_page", given.count("samples", 20), {page_rate * faster, page_tick}, true},
      uploads_{"upload", given.count("uploads", 2000), {upload_rate, upload_tick}, false},
      sample_uploads_{"sample_upload", given.count("samples", 20), {upload_rate * faster, upload_tick}, true} {
    loop_.wake(*this, started_);
}

template <class Client>
void slow_clients::group<Client>::start_share(slow_clients& owner, double share) {
    while (clients.size() < wanted && static_cast<double>(clients.size()) < share * static_cast<double>(wanted)) {
        clients.push_back(std::make_unique<Client>(owner, name, at, repeats, counts));
        owner.runs().wake(*clients.back(), clock::now());
    }
}

template <class Client>
std::string slow_clients::group<Client>::json() const {
    const auto field = [](const char* of, std::size_t value) {
        return std::string("\"") + of + "\": " + std::to_string(value);
    };
    return "\"" + name + "\": {" + field("wanted", wanted) + ", " + field("under_way", counts.under_way) + ", " +
           field("right", counts.right) + ", " + field("wrong", counts.wrong) + ", " + field("lost", counts.lost) +
           ", " + field("bytes", counts.bytes) + "}";
}

void slow_clients::on_time() {
    const auto now = clock::now();
    const double share = std::chrono::duration<double>(now - started_).count() / std::max(ramp_, 0.001);
    idle_.start_share(*this, share);
    pages_.start_share(*this, share);
    uploads_.start_share(*this, share);
    sample_pages_.start_share(*this, share);
    sample_uploads_.start_share(*this, share);
    if (now >= print_at_) {
        print_at_ += std::chrono::seconds(1);
        std::printf("{\"at\": %.3f, %s, %s, %s, %s, %s}\n", seconds(now), idle_.json().c_str(), pages_.json().c_str(),
                    uploads_.json().c_str(), sample_pages_.json().c_str(), sample_uploads_.json().c_str());
        std::fflush(stdout);
        if (share >= 1 && pages_.over() && uploads_.over()) return loop_.stop();
    }
    loop_.wake(*this, now + milliseconds(10));
}

void slow_clients::say_lost(const std::string& by, outcome result, const response_reader& response) {
    if (said_++ < said_at_most)
        std::printf("lost %s: %s, status %d, %zu bytes\n", by.c_str(), to_string(result), response.status(),
                    response.content_bytes());
}

}  // namespace bench
