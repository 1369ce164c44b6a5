#include "test/support/memcached_process.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "test/support/patience.hpp"

namespace weir::test {
namespace {

bool connects(const sockaddr* to, socklen_t length) {
    const int descriptor = ::socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_there = ::connect(descriptor, to, length) == 0;
    ::close(descriptor);
    return is_there;
}

bool answers_at(const std::string& path) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(to.sun_path, path.c_str(), sizeof to.sun_path - 1);
    return connects(reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

bool answers_at(const std::string& host, std::uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    ::inet_pton(AF_INET, host.c_str(), &to.sin_addr);
    to.sin_port = htons(port);
    return connects(reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

// 127.128.0.0 and on, by the number of this process (22 bits).
std::string own_host() {
    const auto pid = static_cast<unsigned>(::getpid());
    return "127." + std::to_string(128 + (pid >> 16)) + '.' + std::to_string(pid >> 8 & 255) + '.' +
           std::to_string(pid & 255);
}

// "TCP INET: 12345" among the lines that memcached writes into the file.
std::uint16_t port_in(const std::string& text) {
    constexpr std::string_view mark = "TCP INET: ";
    const auto found = text.find(mark);
    return found == std::string::npos ? std::uint16_t{0}
                                      : static_cast<std::uint16_t>(std::stoul(text.substr(found + mark.size())));
}

}  // namespace

memcached_process::memcached_process(where at, std::vector<std::string> options)
    : options_(std::move(options)), host_(at == where::localhost ? "127.0.0.1" : own_host()) {
    if (at == where::unix_socket) path_ = folder_.path("memcached.sock");
    start();
}

std::string memcached_process::address() const {
    return path_.empty() ? host_ + ':' + std::to_string(port_) : path_;
}

void memcached_process::kill() {
    program_->signal(SIGKILL);
    program_->wait();
}

void memcached_process::hang() {
    program_->signal(SIGSTOP);
    siginfo_t stopped;
    ::waitid(P_PID, static_cast<id_t>(program_->pid()), &stopped, WSTOPPED);
}

void memcached_process::go_on() {
    program_->signal(SIGCONT);
}

void memcached_process::start() {
    const auto* user = ::getpwuid(::geteuid());
    std::vector<std::string> arguments{"/usr/bin/memcached", "-u", user == nullptr ? "nobody" : user->pw_name, "-t",
                                       "2"};
    const std::string said = folder_.path("port");
    if (path_.empty()) {
        const std::string port = port_ == 0 ? "-1" : std::to_string(port_);  // -1: of the system's choice
        arguments.insert(arguments.end(), {"-l", host_, "-p", port});
    } else {
        arguments.insert(arguments.end(), {"-s", path_});
    }
    arguments.insert(arguments.end(), options_.begin(), options_.end());
    program_ = std::make_unique<process>(arguments, std::vector{"MEMCACHED_PORT_FILENAME=" + said});
    const bool is_there = eventually([&] {
        if (!path_.empty()) return answers_at(path_);
        if (port_ == 0) port_ = port_in(read_file(said));
        return port_ != 0 && answers_at(host_, port_);
    });
    if (!is_there) throw timed_out("memcached does not answer; standard error:\n" + program_->errors());
}

}  // namespace weir::test
