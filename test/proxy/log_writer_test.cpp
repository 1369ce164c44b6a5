#include "proxy/log_writer.hpp"

#include "test/support/patience.hpp"
#include "test/support/temporary_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

using namespace weir;
using namespace weir::proxy;
using namespace std::chrono_literals;
using weir::test::read_file;
using weir::test::temporary_folder;

namespace {

constexpr auto patience = 60s;

conf::log_target file(const std::string& path) {
    return {conf::log_target::kind::file, path};
}

conf::log_settings to_file(const std::string& access, const conf::log_target& errors = {}) {
    conf::log_settings settings;
    settings.access = file(access);
    settings.errors = errors;
    return settings;
}

std::string numbered_line(unsigned number) {
    return "line " + std::to_string(number) + ' ' + std::string(90, '.') + '\n';
}

// A named pipe whose reader reads when it is told to.
class lazy_reader {
  public:
    explicit lazy_reader(const std::string& path) {
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        descriptor_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        REQUIRE(descriptor_ >= 0);
    }
    ~lazy_reader() { close(); }
    void close() {
        if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    }
    // Everything until the writer closes its end.
    std::string read_all() {
        ::fcntl(descriptor_, F_SETFL, 0);
        std::string all;
        std::array<char, 65536> bytes;
        for (ssize_t size = 0; (size = ::read(descriptor_, bytes.data(), bytes.size())) > 0;)
            all.append(bytes.data(), static_cast<std::size_t>(size));
        return all;
    }

  private:
    int descriptor_ = -1;
};

}  // namespace

TEST_CASE("lines of all workers arrive whole and in their order", "[proxy][log_writer]") {
    const temporary_folder folder;
    log_writer writer;
    REQUIRE_FALSE(writer.reconfigure(to_file(folder.path("access.log"))));
    constexpr unsigned workers = 4;
    constexpr unsigned lines = 5'000;
    std::vector<std::shared_ptr<log_buffer>> buffers;
    for (unsigned worker = 0; worker < workers; ++worker) buffers.push_back(writer.access_buffer());
    {
        std::vector<std::jthread> threads;
        for (unsigned worker = 0; worker < workers; ++worker)
            threads.emplace_back([buffer = buffers[worker], worker] {
                for (unsigned line = 0; line < lines; ++line)
                    buffer->append(std::to_string(worker) + ' ' + std::to_string(line) + '\n');
            });
    }
    writer.stop(patience);

    std::uint64_t dropped = 0;
    for (const auto& buffer : buffers) dropped += buffer->dropped();
    std::istringstream written(read_file(folder.path("access.log")));
    std::map<unsigned, unsigned> next;
    std::uint64_t count = 0;
    for (unsigned worker = 0, line = 0; written >> worker >> line; ++count) {
        if (line < next[worker]) FAIL("line " << line << " of worker " << worker << " is out of order");
        next[worker] = line + 1;
    }
    CHECK(count + dropped == workers * lines);
    CHECK(writer.access_lines_lost() == 0);
}

TEST_CASE("access lines and errors go to their own targets", "[proxy][log_writer]") {
    const temporary_folder folder;
    log_writer writer;
    REQUIRE_FALSE(writer.reconfigure(to_file(folder.path("access.log"), file(folder.path("error.log")))));
    const auto access = writer.access_buffer();
    access->append("access\n");
    writer.error_buffer()->append("error\n");
    REQUIRE(writer.flush(patience));
    CHECK(read_file(folder.path("access.log")) == "access\n");
    CHECK(read_file(folder.path("error.log")) == "error\n");
    CHECK((std::filesystem::status(folder.path("access.log")).permissions() & std::filesystem::perms::others_all) ==
          std::filesystem::perms::none);

    SECTION("a log that is off takes nothing and counts nothing") {
        conf::log_settings off = to_file("", file(folder.path("error.log")));
        off.access = {};
        REQUIRE_FALSE(writer.reconfigure(off));
        CHECK_FALSE(access->wanted());
        CHECK(access->append("nobody reads this\n"));
        REQUIRE(writer.flush(patience));
        CHECK(read_file(folder.path("access.log")) == "access\n");
        CHECK(access->dropped() == 0);
    }
    SECTION("what was appended before a change is in the old file") {
        access->append("before\n");
        REQUIRE_FALSE(writer.reconfigure(to_file(folder.path("other.log"), file(folder.path("error.log")))));
        access->append("after\n");
        REQUIRE(writer.flush(patience));
        CHECK((read_file(folder.path("access.log")) + read_file(folder.path("other.log"))) ==
              "access\nbefore\nafter\n");
        CHECK(read_file(folder.path("access.log")).starts_with("access\nbefore\n"));
    }
    SECTION("a target that cannot be opened changes nothing") {
        const auto fault = writer.reconfigure(to_file(folder.path("other.log"), file(folder.path("no/folder.log"))));
        REQUIRE(fault);
        CHECK(*fault == "cannot open log file " + folder.path("no/folder.log") + ": No such file or directory");
        access->append("still here\n");
        REQUIRE(writer.flush(patience));
        CHECK(read_file(folder.path("access.log")) == "access\nstill here\n");
    }
}

TEST_CASE("a file that was renamed is let go at reopen", "[proxy][log_writer]") {
    const temporary_folder folder;
    const std::string path = folder.path("logs/access.log");
    std::filesystem::create_directory(folder.path("logs"));
    std::vector<std::string> reports;
    log_writer writer([&](const std::string& what) { reports.push_back(what); });
    REQUIRE_FALSE(writer.reconfigure(to_file(path)));
    const auto access = writer.access_buffer();
    access->append("one\n");
    REQUIRE(writer.flush(patience));

    SECTION("and a new one is made") {
        std::filesystem::rename(path, path + ".1");
        access->append("two\n");
        writer.reopen();
        REQUIRE(writer.flush(patience));
        access->append("three\n");
        REQUIRE(writer.flush(patience));
        CHECK(read_file(path + ".1") == "one\ntwo\n");
        CHECK(read_file(path) == "three\n");
        CHECK(reports.empty());
    }
    SECTION("but not if there is no new one") {
        std::filesystem::rename(folder.path("logs"), folder.path("moved"));
        writer.reopen();
        access->append("two\n");
        REQUIRE(writer.flush(patience));
        access->append("three\n");
        REQUIRE(writer.flush(patience));
        CHECK(read_file(folder.path("moved/access.log")) == "one\ntwo\nthree\n");
        REQUIRE(reports.size() == 1);
        CHECK(reports[0].ends_with("No such file or directory; the access log goes on in the old file"));
    }
}

TEST_CASE("a reader that stalls costs lines, never the caller", "[proxy][log_writer]") {
    const temporary_folder folder;
    lazy_reader reader(folder.path("pipe"));
    log_writer writer;
    REQUIRE_FALSE(writer.reconfigure(to_file(folder.path("pipe"), file(folder.path("error.log")))));
    const auto access = writer.access_buffer();
    // Far more than the pipe and both halves of the buffer hold; append() would never return if it waited.
    constexpr unsigned lines = 100'000;
    unsigned taken = 0;
    for (unsigned line = 0; line < lines; ++line)
        if (access->append(numbered_line(line))) ++taken;
    CHECK(taken < lines);
    CHECK(access->dropped() == lines - taken);

    SECTION("the error log goes on meanwhile") {
        writer.error_buffer()->append("still alive\n");
        CHECK_FALSE(writer.flush(50ms));
        CHECK(test::eventually([&] { return read_file(folder.path("error.log")) == "still alive\n"; }));
        writer.stop(20ms);
        reader.close();
    }
    SECTION("stop abandons it") {
        writer.stop(20ms);
        // The blocked thread ends with the reader.
        reader.close();
        CHECK(access->dropped() == lines - taken);
    }
    SECTION("what was taken arrives when it reads again, lines whole") {
        std::string all;
        {
            const std::jthread late([&] { all = reader.read_all(); });
            writer.stop(patience);
        }
        CHECK(std::count(all.begin(), all.end(), '\n') == taken);
        std::istringstream read(all);
        for (std::string line; std::getline(read, line);)
            if (!line.starts_with("line ") || !line.ends_with(std::string(90, '.'))) FAIL("torn: " << line);
        CHECK(writer.access_lines_lost() == 0);
    }
}

TEST_CASE("lines that the system refuses are counted and the writer goes on", "[proxy][log_writer]") {
    const temporary_folder folder;
    std::vector<std::string> reports;
    log_writer writer([&](const std::string& what) { reports.push_back(what); });
    const auto access = writer.access_buffer();

    SECTION("no space is left") {
        REQUIRE_FALSE(writer.reconfigure(to_file("/dev/full")));
        for (int round = 0; round < 3; ++round) {
            access->append("one\ntwo\n");
            REQUIRE(writer.flush(patience));
        }
        CHECK(writer.access_lines_lost() == 6);
        REQUIRE(reports.size() == 1);  // not again within a minute
        CHECK(reports[0] == "cannot write the access log: No space left on device; 2 lines lost so far");
    }
    SECTION("the reader has gone") {
        lazy_reader reader(folder.path("pipe"));
        REQUIRE_FALSE(writer.reconfigure(to_file(folder.path("pipe"))));
        reader.close();
        access->append("one\n");
        REQUIRE(writer.flush(patience));
        CHECK(writer.access_lines_lost() == 1);
        REQUIRE(reports.size() == 1);
        CHECK(reports[0].find("Broken pipe") != std::string::npos);
    }
    REQUIRE_FALSE(writer.reconfigure(to_file(folder.path("access.log"))));
    REQUIRE(writer.flush(patience));  // the change itself
    access->append("three\n");
    REQUIRE(writer.flush(patience));
    CHECK(read_file(folder.path("access.log")) == "three\n");
}

TEST_CASE("a named pipe that nobody reads is refused at once", "[proxy][log_writer]") {
    const temporary_folder folder;
    REQUIRE(::mkfifo(folder.path("pipe").c_str(), 0600) == 0);
    log_writer writer;
    CHECK(writer.reconfigure(to_file(folder.path("pipe"))));
}

TEST_CASE("a buffer takes lines whole and rings when it must", "[proxy][log_writer]") {
    const auto bell = std::make_shared<log_bell>();
    log_buffer buffer(bell, 100);
    CHECK(buffer.append(std::string(40, 'a')));
    CHECK(bell->rung);
    CHECK_FALSE(bell->urgent);
    CHECK(buffer.append(std::string(40, 'b')));
    CHECK(bell->urgent);
    CHECK_FALSE(buffer.append(std::string(21, 'c')));
    CHECK(buffer.append(std::string(20, 'd')));
    CHECK(buffer.dropped() == 1);
    auto space = std::make_unique<char[]>(100);
    REQUIRE(buffer.take(space) == 100);
    CHECK(std::string(space.get(), 100) == std::string(40, 'a') + std::string(40, 'b') + std::string(20, 'd'));
    CHECK(buffer.take(space) == 0);
}

TEST_CASE("a large buffer rings for what is worth a write", "[proxy][log_writer]") {
    const auto bell = std::make_shared<log_bell>();
    log_buffer buffer(bell, 4 * 1024 * 1024);
    const std::string line(1024, 'a');
    for (int i = 0; i < 127; ++i) buffer.append(line);
    CHECK(bell->rung);
    CHECK_FALSE(bell->urgent);
    buffer.append(line);
    CHECK(bell->urgent);
    // A thread that takes its time is not roused for each line that is left, and none of them is lost.
    bell->urgent = false;
    for (int i = 128; i < 4096; ++i) buffer.append(line);
    CHECK_FALSE(bell->urgent);
    CHECK(buffer.dropped() == 0);
}
