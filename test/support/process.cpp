#include "test/support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>

#include "test/support/patience.hpp"

extern char** environ;

namespace weir::test {
namespace {

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> all;
    for (const auto& one : strings) all.push_back(const_cast<char*>(one.c_str()));
    all.push_back(nullptr);
    return all;
}

}  // namespace

process::process(std::vector<std::string> arguments, const std::vector<std::string>& environment, unsigned open_files) {
    std::vector<std::string> everything = environment;
    for (char** one = environ; *one != nullptr; ++one) everything.emplace_back(*one);
    const auto argv = pointers(arguments);
    const auto envp = pointers(everything);
    int out[2];
    int err[2];
    if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) throw_errno("pipe2");
    pid_ = ::fork();
    if (pid_ < 0) throw_errno("fork");
    if (pid_ == 0) {
        // Between fork and exec only what is safe in a copy of one thread of several.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(out[1], STDOUT_FILENO);
        ::dup2(err[1], STDERR_FILENO);
        const rlimit limit{open_files, open_files};
        if (open_files != 0) ::setrlimit(RLIMIT_NOFILE, &limit);
        ::execve(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    ::close(out[1]);
    ::close(err[1]);
    output_.descriptor = out[0];
    errors_.descriptor = err[0];
    pid_descriptor_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    if (pid_descriptor_ < 0) throw_errno("pidfd_open");
    reader_ = std::thread([this] { gather(); });
}

process::~process() {
    if (is_running()) {
        signal(SIGKILL);
        wait_for_exit(-1);
    }
    reader_.join();
    ::close(output_.descriptor);
    ::close(errors_.descriptor);
    ::close(pid_descriptor_);
}

void process::gather() {
    char some[65536];
    for (;;) {
        pollfd both[2] = {{output_.ended ? -1 : output_.descriptor, POLLIN, 0},
                          {errors_.ended ? -1 : errors_.descriptor, POLLIN, 0}};
        if (output_.ended && errors_.ended) return;
        if (::poll(both, 2, -1) < 0 && errno != EINTR) return;
        for (int i = 0; i < 2; ++i) {
            if (both[i].revents == 0) continue;
            auto& from = i == 0 ? output_ : errors_;
            const auto got = ::read(from.descriptor, some, sizeof some);
            const std::lock_guard hold(lock_);
            if (got > 0) {
                from.text.append(some, static_cast<std::size_t>(got));
            } else if (got == 0 || errno != EINTR) {
                from.ended = true;
            }
            changed_.notify_all();
        }
    }
}

std::string process::wait_for_line(stream& from, std::string_view part, std::size_t after) {
    const auto until = clock::now() + patience;
    std::unique_lock hold(lock_);
    for (;;) {
        const auto found = from.text.find(part, after);
        const auto end = found == std::string::npos ? found : from.text.find('\n', found);
        if (end != std::string::npos) {
            const auto before = from.text.rfind('\n', found);
            const auto start = before == std::string::npos ? 0 : before + 1;
            return from.text.substr(start, end - start);
        }
        if (from.ended || changed_.wait_until(hold, until) == std::cv_status::timeout) {
            throw timed_out("no line with \"" + std::string(part) + "\"; standard output:\n" + output_.text +
                            "\nstandard error:\n" + errors_.text);
        }
    }
}

std::string process::wait_for_error_line(std::string_view part, std::size_t after) {
    return wait_for_line(errors_, part, after);
}

std::string process::wait_for_output_line(std::string_view part, std::size_t after) {
    return wait_for_line(output_, part, after);
}

std::string process::output() {
    const std::lock_guard hold(lock_);
    return output_.text;
}

std::string process::errors() {
    const std::lock_guard hold(lock_);
    return errors_.text;
}

void process::signal(int number) {
    ::kill(pid_, number);
}

bool process::wait_for_exit(int milliseconds) {
    if (status_ >= 0) return true;
    pollfd ended{pid_descriptor_, POLLIN, 0};
    while (::poll(&ended, 1, milliseconds) < 0 && errno == EINTR) {
    }
    if (ended.revents == 0) return false;
    int status = 0;
    ::waitpid(pid_, &status, 0);
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

bool process::is_running() {
    return !wait_for_exit(0);
}

int process::wait() {
    if (!wait_for_exit(static_cast<int>(std::chrono::milliseconds(patience).count()))) {
        throw timed_out("a program does not end; standard error:\n" + errors());
    }
    std::unique_lock hold(lock_);
    changed_.wait_for(hold, patience, [this] { return output_.ended && errors_.ended; });
    return status_;
}

std::size_t process::peak_resident_bytes() const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    for (std::string word; status >> word;) {
        std::size_t kibibytes = 0;
        if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
    }
    throw std::runtime_error("no peak of resident memory for process " + std::to_string(pid_));
}

}  // namespace weir::test
