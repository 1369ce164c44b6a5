#include "browsers.hpp"

#include <strings.h>
#include <time.h>

#include <algorithm>
#include <string_view>

#include "page_files.hpp"

namespace bench {

namespace {

// A server that refuses is asked again so much later, or the loop would do nothing else.
constexpr auto after_failure = milliseconds(100);

std::string head_of(const url& of) {
    return "GET " + of.target + " HTTP/1.1\r\nHost: " + of.host + "\r\nUser-Agent: browse\r\nAccept: */*\r\n";
}

request get(std::string bytes, clock::time_point since, std::string* kept = nullptr) {
    return {{}, std::move(bytes), {.made_of = {}, .anything = true, .kept = kept}, since};
}

clock::duration own_time() {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

// Whether the attributes of a Set-Cookie take the cookie away (RFC 6265 section 5.2.2). Expires does too, but who sends
// it sends Max-Age as well, or a value that the application no longer knows.
bool taken_away(std::string_view attributes) {
    constexpr std::string_view name = "max-age=";
    while (!attributes.empty()) {
        const auto one = trimmed(attributes.substr(0, attributes.find(';')));
        attributes.remove_prefix(std::min(attributes.find(';'), attributes.size() - 1) + 1);
        if (::strncasecmp(one.data(), name.data(), std::min(one.size(), name.size())) == 0 && one.size() > name.size())
            return one[name.size()] == '0' || one[name.size()] == '-';
    }
    return false;
}

}  // namespace

void browser::on_time() {
    started_ = clock::now();
    worst_ = outcome::right;
    connection& over = *idle_connection(owner_.given_.urls.front().port);
    over.url = 0;
    ++under_way_;
    ask(over, started_);
}

browser::connection* browser::idle_connection(std::uint16_t port) {
    std::size_t there = 0;
    for (const auto& one : connections_) {
        if (one->link->port() != port) continue;
        if (!one->link->busy()) return one.get();
        ++there;
    }
    if (there == owner_.given_.connections) return nullptr;
    auto made = std::make_unique<connection>();
    made->link =
        std::make_unique<client>(owner_.loop_, port, owner_.given_.timeout,
                                 [this, over = made.get()](client&, outcome result) { finished(*over, result); });
    return connections_.emplace_back(std::move(made)).get();
}

void browser::ask(connection& over, clock::time_point since) {
    std::string bytes = owner_.heads_[over.url];
    for (const auto& [name, value] : cookies_) {
        bytes.append(&name == &cookies_.front().first ? "Cookie: " : "; ").append(name).append("=").append(value);
    }
    bytes += cookies_.empty() ? "\r\n" : "\r\n\r\n";
    over.kept = over.link->connected();
    over.link->start(get(std::move(bytes), since));
}

void browser::finished(connection& over, outcome result) {
    // A server may close a connection that was idle just when it is used again. Browsers ask again then.
    if (result == outcome::closed && over.kept) {
        ++owner_.result_.retries;
        return ask(over, over.link->asked().due);
    }
    --under_way_;
    owner_.count(over.url, *over.link, result);
    take_cookies(over.link->response().cookies());
    if (result != outcome::right) worst_ = result;
    if (over.url == 0 && result == outcome::right)
        for (std::size_t file = owner_.given_.urls.size(); --file > 0;) waiting_.push_back(file);
    if (!asking_) ask_files();
}

void browser::ask_files() {
    asking_ = true;
    while (!waiting_.empty()) {
        connection* over = idle_connection(owner_.given_.urls[waiting_.back()].port);
        if (!over) break;
        over->url = waiting_.back();
        waiting_.pop_back();
        ++under_way_;
        ask(*over, clock::now());
    }
    asking_ = false;
    if (waiting_.empty() && under_way_ == 0) page_over();
}

void browser::page_over() {
    const auto now = clock::now();
    owner_.count_page(now - started_, worst_);
    const auto think = owner_.given_.think;
    owner_.loop_.wake(*this,
                      now + (worst_ == outcome::right ? think : std::max<clock::duration>(think, after_failure)));
}

void browser::take_cookies(const std::vector<std::string>& set) {
    for (const std::string_view one : set) {
        const auto pair = one.substr(0, one.find(';'));
        const std::size_t equals = pair.find('=');
        if (equals == pair.npos) continue;
        const std::string name(trimmed(pair.substr(0, equals)));
        std::erase_if(cookies_, [&](const auto& known) { return known.first == name; });
        if (!taken_away(one.substr(pair.size()))) cookies_.emplace_back(name, trimmed(pair.substr(equals + 1)));
    }
}

browsers::browsers(loop& runs, browsing given) : loop_(runs), given_(std::move(given)) {
    loop_.wake(*this, clock::now());
}

void browsers::on_time() {
    const auto now = clock::now();
    switch (stage_) {
        case stage::finding:
            return given_.find ? find_files() : start();
        case stage::warming:
            stage_ = stage::measuring;
            result_.retries = 0;
            measured_since_ = now;
            own_time_before_ = own_time();
            return loop_.wake(*this, now + given_.length);
        default:
            stage_ = stage::over;
            result_.length = now - measured_since_;
            result_.own_time = own_time() - own_time_before_;
            loop_.stop();
    }
}

void browsers::find_files() {
    finder_ = std::make_unique<client>(loop_, given_.urls.front().port, given_.timeout,
                                       [this](client& by, outcome result) { found(by, result); });
    finder_->start(get(head_of(given_.urls.front()) + "\r\n", clock::now(), &html_));
}

void browsers::found(const client& by, outcome result) {
    const url page = given_.urls.front();
    if (result != outcome::right) {
        failure_ = page.text() + " does not come: " + to_string(result);
        if (result == outcome::status) failure_ += " " + std::to_string(by.response().status());
        return loop_.stop();
    }
    for (auto& file : files_of(page, html_))
        if (std::ranges::find(given_.urls, file) == given_.urls.end()) given_.urls.push_back(std::move(file));
    start();
}

void browsers::start() {
    result_.browsers = given_.browsers;
    result_.connections = given_.connections;
    result_.think = given_.think;
    for (const auto& one : given_.urls) {
        heads_.push_back(head_of(one));
        result_.urls.push_back({one.text(), {}});
    }
    // Spread over the time for thinking, so that they do not keep step.
    const auto now = clock::now();
    for (std::size_t i = 0; i < given_.browsers; ++i) {
        browsers_.push_back(std::make_unique<browser>(*this));
        loop_.wake(*browsers_.back(), now + given_.think * i / given_.browsers);
    }
    stage_ = stage::warming;
    loop_.wake(*this, now + given_.warm);
}

void browsers::count(std::size_t number, const client& by, outcome result) {
    if (stage_ != stage::measuring) return;
    tally& counts = result_.urls[number].counts;
    if (result != outcome::right) return counts.wrong(result);
    counts.right(clock::now() - by.asked().due);
    result_.bytes += by.response().content_bytes();
}

void browsers::count_page(clock::duration took, outcome worst) {
    if (stage_ != stage::measuring) return;
    worst == outcome::right ? result_.pages.right(took) : result_.pages.wrong(worst);
}

}  // namespace bench
