// A program that a test starts: its output is gathered as it comes, and it never outlives the test.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace weir::test {

// Start it from a test's main thread only: the program dies with the thread that started it.
class process {
  public:
    // `arguments[0]` is the path of the program. `environment` is added to the test's own ("NAME=value").
    // `open_files` is its RLIMIT_NOFILE, soft and hard; 0: the test's own.
    explicit process(std::vector<std::string> arguments, const std::vector<std::string>& environment = {},
                     unsigned open_files = 0);
    // Kills the program if it still runs.
    ~process();
    process(const process&) = delete;
    process& operator=(const process&) = delete;

    // The first whole line with `part` in it, of standard output or standard error, among those that came after the
    // first `after` bytes of that stream. Throws timed_out, with everything that the program said, when it does not
    // come or the program ends without it.
    std::string wait_for_error_line(std::string_view part, std::size_t after = 0);
    std::string wait_for_output_line(std::string_view part, std::size_t after = 0);

    // What it has written so far.
    std::string output();
    std::string errors();

    void signal(int number);
    bool is_running();
    // Waits for its end and for the rest of its output: the exit status, or 128 + the signal that ended it. Throws
    // timed_out.
    int wait();
    pid_t pid() const { return pid_; }
    // The most resident memory it ever had, in bytes, as the kernel counts it.
    std::size_t peak_resident_bytes() const;

  private:
    struct stream {
        int descriptor = -1;
        std::string text;
        bool ended = false;
    };
    void gather();
    std::string wait_for_line(stream& from, std::string_view part, std::size_t after);
    bool wait_for_exit(int milliseconds);

    pid_t pid_ = -1;
    int pid_descriptor_ = -1;
    int status_ = -1;  // once reaped
    std::mutex lock_;
    std::condition_variable changed_;
    stream output_;  // guarded by lock_, like errors_
    stream errors_;
    std::thread reader_;
};

}  // namespace weir::test
