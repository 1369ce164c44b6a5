// browse [OPTIONS] PAGE [FILE ...]: simulated browsers, in one thread. The options are those of scripts/bench/browse,
// which builds and runs it. Prints a table, and exits with 1 if anything was not answered rightly, or nothing was.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "browsers.hpp"

namespace {

using namespace bench;

constexpr const char* about =
    "Simulates browsers: each loads a page and then, when it is whole, its files over a few kept connections at once,\n"
    "thinks, and loads it again. A response is right if its status is 2xx and it is whole; redirects are not "
    "followed.\n"
    "Cookies that are set are sent back by the same browser. Prints how many requests and pages came rightly within "
    "the\n"
    "measured seconds, how long they took, and what failed: status (another one), cut (ended before its end), closed "
    "(no\n"
    "byte of a response), garbled (not HTTP), refused (no connection), timeout.";

std::string url_fault(const std::string& text) {
    return parse_url(text) ? "" : "\"" + text + "\" is no URL of this machine, such as http://127.0.0.1:8080/page";
}

void raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

int browse(const browsing& given, const std::string& json) {
    raise_descriptor_limit();
    loop runs;
    const browsers load(runs, given);
    runs.run();
    if (!load.measured()) {
        std::fprintf(stderr, "browse: %s\n", load.failure().empty() ? "interrupted" : load.failure().c_str());
        return 1;
    }
    const measurement& result = load.result();
    print(result);
    if (!json.empty()) write_json(result, json);
    return result.errors() > 0 || result.requests() == 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App application(about, "scripts/bench/browse");
    browsing given;
    double think_milliseconds = 0;
    double seconds = 10;
    double warm = 1;
    double timeout = 30;
    std::string json;
    std::vector<std::string> urls;
    application.add_option("--browsers", given.browsers, "default: 10")->check(CLI::Range(1, 100'000));
    application.add_option("--connections", given.connections, "of a browser to a host and port, at most; default: 6")
        ->check(CLI::Range(1, 100));
    application.add_option("--think", think_milliseconds, "milliseconds between a page and the next; default: 0")
        ->check(CLI::NonNegativeNumber);
    application.add_option("--seconds", seconds, "that are measured; default: 10")->check(CLI::PositiveNumber);
    application.add_option("--warm", warm, "seconds before them; default: 1")->check(CLI::NonNegativeNumber);
    application.add_option("--timeout", timeout, "seconds for a response; default: 30")->check(CLI::PositiveNumber);
    application.add_option("--json", json, "FILE to which every figure is written");
    application.add_flag(
        "--find", given.find,
        "the files are also those on the same host that the page names when it starts: img and script by "
        "src, link by href (style sheets and icons)");
    application.add_option("urls", urls, "PAGE, and each FILE: http://127.0.0.1:PORT/PATH")
        ->required()
        ->check(CLI::Validator(url_fault, "URL"));
    try {
        application.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return application.exit(error) == 0 ? 0 : 2;
    }
    for (const auto& text : urls) given.urls.push_back(*parse_url(text));
    given.think = from_seconds(think_milliseconds / 1000);
    given.length = from_seconds(seconds);
    given.warm = from_seconds(warm);
    given.timeout = from_seconds(timeout);
    return browse(given, json);
}
