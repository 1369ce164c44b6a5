// Browsers: each loads a page and then, when the page is whole, its files over a few kept connections at once, thinks,
// and loads it again. All run in one thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "browse_report.hpp"
#include "client.hpp"
#include "url.hpp"

namespace bench {

struct browsing {
    std::size_t browsers = 10;
    std::size_t connections = 6;  // of one browser to one host and port
    clock::duration think{};
    clock::duration warm = std::chrono::seconds(1);
    clock::duration length = std::chrono::seconds(10);
    clock::duration timeout = std::chrono::seconds(30);
    bool find = false;      // the files are those that the page names
    std::vector<url> urls;  // the page, then its files
};

class browsers;

class browser final : public task {
  public:
    explicit browser(browsers& owner) : owner_(owner) {}
    // Loads the page.
    void on_time() override;

  private:
    struct connection {
        std::size_t url = 0;
        bool kept = false;  // it was there before the request
        std::unique_ptr<client> link;
    };

    void ask_files();
    // One that is idle and leads there, or a new one; null when there are as many as may be.
    connection* idle_connection(std::uint16_t port);
    void ask(connection& over, clock::time_point since);
    void finished(connection& over, outcome result);
    void page_over();
    void take_cookies(const std::vector<std::string>& set);

    browsers& owner_;
    std::vector<std::unique_ptr<connection>> connections_;
    std::vector<std::pair<std::string, std::string>> cookies_;
    clock::time_point started_;
    std::vector<std::size_t> waiting_;  // files that are still to be asked for, the next one last
    bool asking_ = false;               // what is refused at once is finished before ask() returns
    std::size_t under_way_ = 0;
    outcome worst_ = outcome::right;  // of the load of this page
};

// Ends the loop when the time is over, or, without a measurement, when the page whose files are to be found does not
// come.
class browsers final : public task {
  public:
    browsers(loop& runs, browsing given);
    void on_time() override;

    bool measured() const { return stage_ == stage::over; }
    const measurement& result() const { return result_; }
    // Why there is none.
    const std::string& failure() const { return failure_; }

  private:
    friend class browser;
    enum class stage : std::uint8_t { finding, warming, measuring, over };

    void find_files();
    void found(const client& by, outcome result);
    void start();
    void count(std::size_t number, const client& by, outcome result);
    void count_page(clock::duration took, outcome worst);

    loop& loop_;
    browsing given_;
    std::vector<std::string> heads_;  // of the requests, without cookies and end
    std::unique_ptr<client> finder_;
    std::string html_;
    std::vector<std::unique_ptr<browser>> browsers_;
    stage stage_ = stage::finding;
    clock::time_point measured_since_;
    clock::duration own_time_before_{};
    measurement result_;
    std::string failure_;
};

}  // namespace bench
