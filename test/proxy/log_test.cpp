#include "proxy/log.hpp"

#include "test/support/temporary_folder.hpp"

#include <regex>
#include <string>

#include <catch2/catch.hpp>

#include "proxy/log_writer.hpp"

using namespace weir::proxy;
using namespace std::chrono_literals;

namespace {

// Takes what is logged while it lives.
class captured_log {
  public:
    explicit captured_log(log::level least) { log::start(buffer_, least); }
    ~captured_log() {
        log::stop();
        log::set_level(log::level::info);
    }
    std::string take() {
        auto space = std::make_unique<char[]>(buffer_->capacity_bytes());
        const std::size_t size = buffer_->take(space);
        return {space.get(), size};
    }

  private:
    std::shared_ptr<log_buffer> buffer_ = std::make_shared<log_buffer>(std::make_shared<log_bell>());
};

}  // namespace

TEST_CASE("a line of the error log has time, level and message", "[proxy][log]") {
    captured_log log(log::level::debug);
    log::warning("endpoint {} refused {} times", "127.0.0.1:9001", 3);
    const std::regex form(
        R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning endpoint 127\.0\.0\.1:9001 refused 3 times\n)");
    CHECK(std::regex_match(log.take(), form));
    log::error("e");
    CHECK(log.take().ends_with("Z error e\n"));
    log::info("i");
    CHECK(log.take().ends_with("Z info i\n"));
    log::debug("d");
    CHECK(log.take().ends_with("Z debug d\n"));
}

TEST_CASE("lines below the level are not written", "[proxy][log]") {
    captured_log log(log::level::warning);
    log::info("not this");
    log::debug("nor this");
    CHECK(log.take().empty());
    log::set_level(log::level::info);
    log::info("this");
    CHECK_FALSE(log.take().empty());
}

TEST_CASE("a message is one line of bounded length whatever it quotes", "[proxy][log]") {
    captured_log log(log::level::info);
    log::info("peer said {}", "a\r\n2026 error forged");
    CHECK(log.take().ends_with("info peer said a\\x0D\\x0A2026 error forged\n"));
    log::info("{}", std::string(100'000, '\n'));
    const std::string line = log.take();
    CHECK(line.size() < 4200);
    CHECK(line.ends_with("...\n"));
    log::info("{}", std::string(4096, 'x'));
    CHECK(log.take().ends_with("x\n"));
    log::info("{}", std::string(4097, 'x'));
    CHECK(log.take().ends_with("x...\n"));
}

TEST_CASE("some lines go in each interval, the others are counted", "[proxy][log]") {
    log::rate_limited limit(2, 10s);
    const std::chrono::steady_clock::time_point start{1h};
    CHECK(limit.admit(start) == 0);
    CHECK(limit.admit(start + 1s) == 0);
    CHECK(limit.admit(start + 2s) == std::nullopt);
    CHECK(limit.admit(start + 9999ms) == std::nullopt);
    CHECK(limit.admit(start + 10s) == 2);
    CHECK(limit.admit(start + 11s) == 0);
    CHECK(limit.admit(start + 12s) == std::nullopt);
    CHECK(limit.admit(start + 60s) == 1);
}
