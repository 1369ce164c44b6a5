#include "test/support/load.hpp"

#include "test/support/raw_client.hpp"

namespace weir::test {

load::load(std::uint16_t port, unsigned clients, make_request request, check_response check)
    : port_(port), request_(std::move(request)), check_(std::move(check)) {
    for (unsigned client = 0; client < clients; ++client) threads_.emplace_back([this, client] { run(client); });
}

load::~load() {
    stop();
}

void load::note_failure(const std::string& what) {
    ++failures_;
    const std::lock_guard hold(lock_);
    if (first_failure_.empty()) first_failure_ = what;
}

void load::run(unsigned client) {
    std::size_t n = 0;
    // A broken proxy must not make the test spin.
    while (!stopping_ && failures_ < 100) {
        try {
            run_connection(client, n);
        } catch (const std::exception& thrown) {
            note_failure("client " + std::to_string(client) + ", request " + std::to_string(n) + ": " + thrown.what());
        }
    }
}

void load::run_connection(unsigned client, std::size_t& n) {
    raw_client connection(port_);
    while (!stopping_) {
        const auto got = connection.ask(request_(client, n++));
        if (const auto wrong = check_(got); wrong.empty()) {
            ++answers_;
        } else {
            note_failure(wrong);
        }
        if (got.lists("Connection", "close")) return;
    }
}

void load::wait_for_answers(std::size_t count) {
    const auto enough = answers_ + count;
    if (!eventually([&] { return answers_ >= enough || failures_ >= 100; })) throw timed_out("clients get no answers");
}

load::result load::stop() {
    stopping_ = true;
    for (auto& one : threads_) {
        if (one.joinable()) one.join();
    }
    const std::lock_guard hold(lock_);
    return {answers_, failures_, first_failure_};
}

std::string expect_ok(const response& got) {
    return got.status == 200 ? "" : got.raw.substr(0, 2000);
}

}  // namespace weir::test
