#include "proxy/ctl_roll.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <thread>
#include <utility>

#include "proxy/ask.hpp"
#include "proxy/time_text.hpp"

namespace weir::proxy {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds between_looks{100};
constexpr std::chrono::milliseconds connect_patience{1000};

volatile sig_atomic_t stop_signal = 0;

void note_signal(int number) {
    stop_signal = number;
}

// What it was told to ignore (nohup) it goes on ignoring.
void handle(int number, void (*handler)(int)) {
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) return;
    action = {};
    action.sa_handler = handler;
    ::sigaction(number, &action, nullptr);
}

void say(const std::string& line) {
    // At once, also into a pipe: the command writes to the same place.
    std::cout << line << std::endl;
}

bool gets_requests(const endpoint_status& one) {
    return one.state == "up" || one.state == "resting" || one.state == "slow start";
}

bool is(const endpoint_status& one, const char* why) {
    return std::ranges::find(one.out_of_use, why) != one.out_of_use.end();
}

// How a command ended, if not well.
std::string command_fault(int status) {
    if (status == -1) return "the command cannot be run";
    if (WIFSIGNALED(status)) return "the command was ended by signal " + std::to_string(WTERMSIG(status));
    if (WEXITSTATUS(status) != 0) return "the command failed with status " + std::to_string(WEXITSTATUS(status));
    return {};
}

class roll {
  public:
    roll(const ctl_client& client, const roll_options& options) : client_(client), options_(options) {}
    int run();

  private:
    // Each returns why it cannot go on, or nothing.
    std::string begin();
    std::string one(const std::string& address);
    std::string await_permission(const std::string& address);
    std::string drain(const std::string& address);
    std::string run_command(const std::string& address);
    std::string await_answers(const std::string& address);
    std::string put_back(const std::string& address);
    std::string await_up(const std::string& address);
    std::string change(const std::string& address, by_hand action);

    std::optional<upstream_status> look(std::string& why) const;
    std::optional<endpoint_status> look(const std::string& address, std::string& why) const;
    // Looks until `done` says so; false when the time is over or a signal came.
    static bool wait_until(std::chrono::milliseconds limit, const std::function<bool()>& done);
    void report_failure(const std::string& address, const std::string& why);

    const ctl_client& client_;
    const roll_options& options_;
    std::vector<std::string> to_do_;
    std::vector<std::pair<std::string, std::string>> left_;  // address and what was done there, in order
};

std::optional<upstream_status> roll::look(std::string& why) const {
    auto all = client_.status(why);
    if (!all) return std::nullopt;
    const auto found = std::ranges::find(all->upstreams, options_.upstream, &upstream_status::name);
    if (found != all->upstreams.end()) return std::move(*found);
    why = "there is no upstream " + options_.upstream + "; there are:";
    for (const upstream_status& one : all->upstreams) why += ' ' + one.name;
    return std::nullopt;
}

std::optional<endpoint_status> roll::look(const std::string& address, std::string& why) const {
    const auto upstream = look(why);
    if (!upstream) return std::nullopt;
    const auto found = std::ranges::find(upstream->endpoints, address, &endpoint_status::address);
    if (found != upstream->endpoints.end()) return *found;
    why = "it is no longer in the configuration";
    return std::nullopt;
}

bool roll::wait_until(std::chrono::milliseconds limit, const std::function<bool()>& done) {
    const auto until = steady_clock::now() + limit;
    while (!stop_signal) {
        if (done()) return true;
        if (steady_clock::now() >= until) return false;
        std::this_thread::sleep_for(between_looks);
    }
    return false;
}

std::string roll::begin() {
    std::string why;
    const auto upstream = look(why);
    if (!upstream) return why;
    std::string names;
    for (const endpoint_status& one : upstream->endpoints) {
        names += ' ' + one.address;
        left_.emplace_back(one.address, "not touched");
        if (!to_do_.empty() || options_.from.empty() || one.address == options_.from) to_do_.push_back(one.address);
    }
    if (to_do_.empty()) return options_.upstream + " has no server " + options_.from + "; it has:" + names;
    // Before anything is done: a command that does not fit the third server is of no use to the first two.
    for (const std::string& address : to_do_) {
        if (!command_for(options_.command, address, why)) return why;
    }
    if (upstream->endpoints.size() == 1 && !options_.force)
        return names.substr(1) + " is the only server of " + options_.upstream +
               ": nobody would serve meanwhile; --force does it all the same";
    say(options_.upstream + ": servers to do: " + std::to_string(to_do_.size()));
    return {};
}

std::string roll::await_permission(const std::string& address) {
    if (options_.force) return {};
    std::string why;
    bool decided = false;
    wait_until(options_.wait, [&] {
        const auto upstream = look(why);
        if (!upstream) return false;
        const may_drain_result may = may_drain(*upstream, address);
        why = may.why_not;
        decided = may.is != may_drain_result::verdict::not_yet;
        return decided;
    });
    return decided || !why.empty() ? why : "stopped";
}

std::string roll::change(const std::string& address, by_hand action) {
    std::string why;
    return client_.change({options_.upstream, address, action}, why) ? std::string() : why;
}

std::string roll::drain(const std::string& address) {
    if (auto why = change(address, by_hand::drain); !why.empty()) return why;
    say(address + ": draining");
    std::string why;
    std::uint64_t under_way = 0;
    int idle_looks = 0;
    // Twice: a worker may have chosen it just before it heard.
    const bool idle = wait_until(options_.drain_timeout, [&] {
        const auto now = look(address, why);
        if (!now) return false;
        why.clear();
        under_way = now->in_flight;
        idle_looks = under_way == 0 ? idle_looks + 1 : 0;
        return idle_looks == 2;
    });
    if (stop_signal) return "stopped";
    if (idle || idle_looks > 0) {
        say(address + ": nothing is under way there");
    } else if (!why.empty()) {
        return why;
    } else {
        say(address + ": after " + duration_text(options_.drain_timeout) +
            " requests or tunnels are still under way: " + std::to_string(under_way) + "; going on");
    }
    return {};
}

std::string roll::run_command(const std::string& address) {
    std::string why;
    const auto command = command_for(options_.command, address, why);
    if (!command) return why;
    say(address + ": running: " + *command);
    return command_fault(::system(command->c_str()));
}

std::string roll::await_answers(const std::string& address) {
    std::string why;
    std::optional<std::uint64_t> started;  // checks by the end of the command; later ones tell of the new server
    const bool answers = wait_until(options_.wait, [&] {
        const auto now = look(address, why);
        if (!now) return false;
        if (now->checks) {
            if (!started) started = now->checks->started;
            const bool checked = now->checks->done > *started;
            why = checked ? now->checks->fault : "no check was made";
            return checked && why.empty() && !is(*now, "down");
        }
        std::string no_address;
        const auto parsed = conf::parse_address(address, conf::address_use::server, no_address);
        if (!parsed) return false;
        auto to = addresses_of(*parsed, why);
        if (to.empty()) return false;
        why = connect_and_wait(std::move(to), connect_patience);
        return why.empty();
    });
    if (stop_signal) return "stopped";
    if (answers) return {};
    return "it does not answer after " + duration_text(options_.wait) + (why.empty() ? "" : ": " + why);
}

std::string roll::put_back(const std::string& address) {
    if (auto why = change(address, by_hand::ready); !why.empty()) return why;
    say(address + ": answers; it is ready");
    return {};
}

std::string roll::await_up(const std::string& address) {
    std::string why;
    auto until = steady_clock::now() + options_.wait;
    bool slow = false;
    bool up = false;
    while (!up && !stop_signal && steady_clock::now() < until) {
        const auto now = look(address, why);
        if (now) {
            why = now->reason;
            const bool whole = now->share_percent == 100;
            up = gets_requests(*now) && whole;
            // That ends by itself, however long it takes.
            if (gets_requests(*now) && !whole) {
                until = steady_clock::now() + options_.wait;
                if (!std::exchange(slow, true)) say(address + ": starts slowly");
            }
        }
        if (!up) std::this_thread::sleep_for(between_looks);
    }
    if (stop_signal) return "stopped";
    if (!up) return "it is not up after " + duration_text(options_.wait) + ": " + why;
    say(address + ": up");
    return {};
}

std::string roll::one(const std::string& address) {
    auto& done = std::ranges::find(left_, address, [](const auto& l) { return l.first; })->second;
    std::string why;
    const auto now = look(address, why);
    if (!now) return why;
    if (is(*now, "held down")) {
        say(address + ": held down by hand, so it is left out");
        done = "left out";
        return {};
    }
    why = await_permission(address);
    if (!why.empty()) return why;
    const std::array<std::pair<std::string (roll::*)(const std::string&), const char*>, 5> steps{
        {{&roll::drain, "to be drained"},
         {&roll::run_command, "drained, and the command was run"},
         {&roll::await_answers, "drained, and the command was run"},
         {&roll::put_back, "the command was run, and it answers"},
         {&roll::await_up, "the command was run, and it was made ready"}}};
    for (const auto& [step, what] : steps) {
        done = what;
        why = (this->*step)(address);
        if (!why.empty()) return why;
    }
    done = "done";
    return {};
}

void roll::report_failure(const std::string& address, const std::string& why) {
    std::cerr << "weir ctl: " << address << ": " << why << '\n';
    std::string unknown;
    const auto upstream = look(unknown);
    for (const auto& [name, what] : left_) {
        std::string state = "its state is not known: " + unknown;
        if (upstream) {
            const auto now = std::ranges::find(upstream->endpoints, name, &endpoint_status::address);
            state = now == upstream->endpoints.end() ? "no longer configured" : "it is " + now->state;
        }
        std::cerr << "  " << name << ": " << what << "; " << state << '\n';
    }
    const roll_options usual;
    std::string more = " --exec " + shell_quoted(options_.command);
    if (options_.wait != usual.wait) more += " --wait " + duration_text(options_.wait);
    if (options_.drain_timeout != usual.drain_timeout)
        more += " --drain-timeout " + duration_text(options_.drain_timeout);
    if (options_.force) more += " --force";
    std::cerr << "to give it requests again as it is:\n  " << options_.again << " ready "
              << shell_quoted(options_.upstream) << ' ' << shell_quoted(address)
              << "\nto go on there when it is mended:\n  " << options_.again << " roll "
              << shell_quoted(options_.upstream) << " --from " << shell_quoted(address) << more << '\n';
}

int roll::run() {
    if (const auto why = begin(); !why.empty()) {
        std::cerr << "weir ctl: " << why << '\n';
        return 1;
    }
    for (const std::string& address : to_do_) {
        const auto why = stop_signal ? "stopped" : one(address);
        if (why.empty()) continue;
        report_failure(address, why);
        return 1;
    }
    say(options_.upstream + ": all done");
    return 0;
}

}  // namespace

std::string shell_quoted(const std::string& text) {
    const auto plain = [](char c) {
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
               std::string_view("-._:/").find(c) != std::string_view::npos;
    };
    if (!text.empty() && std::ranges::all_of(text, plain)) return text;
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'') {
            out += "'\\''";
        } else {
            out += c;
        }
    }
    return out + '\'';
}

std::optional<std::string> command_for(const std::string& command, const std::string& address, std::string& why) {
    std::string ignored;
    const auto parsed = conf::parse_address(address, conf::address_use::server, ignored);
    const bool has_port = parsed && parsed->type == conf::address::kind::host_port;
    const std::array<std::pair<std::string_view, std::string>, 3> known{
        {{"{address}", address},
         {"{host}", has_port ? parsed->host : ""},
         {"{port}", has_port ? std::to_string(parsed->port) : ""}}};
    std::string out;
    for (std::size_t at = 0; at < command.size();) {
        const auto here = std::ranges::find_if(
            known, [&](const auto& k) { return std::string_view(command).substr(at).starts_with(k.first); });
        if (here == known.end()) {
            out += command[at++];
            continue;
        }
        if (here->second.empty()) {
            why = address + " has no " + std::string(here->first.substr(1, here->first.size() - 2)) +
                  " to put in the place of " + std::string(here->first);
            return std::nullopt;
        }
        out += shell_quoted(here->second);
        at += here->first.size();
    }
    return out;
}

may_drain_result may_drain(const upstream_status& upstream, const std::string& address) {
    using verdict = may_drain_result::verdict;
    const auto own = std::ranges::find(upstream.endpoints, address, &endpoint_status::address);
    // Who gets no requests, come what may, is not missed. One that is down or ejected may get them for want of better.
    const auto never = [](const endpoint_status& one) {
        return is(one, "draining") || is(one, "held down") || is(one, "unresolved");
    };
    if (own != upstream.endpoints.end() && never(*own)) return {verdict::yes, {}};
    const bool last_resort = own != upstream.endpoints.end() && !own->out_of_use.empty();
    bool soon = false;
    for (const endpoint_status& other : upstream.endpoints) {
        if (other.address == address) continue;
        if (gets_requests(other) || (last_resort && !never(other))) return {verdict::yes, {}};
        soon = soon || other.state == "passed over";
    }
    return {soon ? verdict::not_yet : verdict::no,
            "no other server of " + upstream.name +
                " gets requests, so nobody would serve meanwhile; --force does it all the same"};
}

int ctl_roll(const ctl_client& client, const roll_options& options) {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) handle(number, note_signal);
    // Who reads the output may go away; the roll does not stop in the middle for it. A handler, for the command would
    // inherit SIG_IGN.
    handle(SIGPIPE, [](int) {});
    return roll(client, options).run();
}

}  // namespace weir::proxy
