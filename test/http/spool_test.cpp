#include "proxy/http/spool.hpp"

#include <sys/resource.h>
#include <catch2/catch.hpp>
#include <csignal>
#include <functional>

#include "test/http/spool_support.hpp"

using namespace weir::http;
using namespace weir::test;
using std::chrono::seconds;
using time_point = std::chrono::steady_clock::time_point;

namespace {

// One write or read on the spool's thread.
struct io_turn final : spool_work {
    explicit io_turn(std::function<bool()> f) : what(std::move(f)) {}
    void spool_turn() noexcept override {
        result = what();
        done.release();
    }
    std::function<bool()> what;
    bool result = false;
    signal_count done;
};

bool on_thread_of(spool& disk, std::function<bool()> what) {
    const auto turn = std::make_shared<io_turn>(std::move(what));
    disk.submit(turn);
    turn->done.acquire();
    return turn->result;
}

// No file of this process may grow beyond `bytes`: a disk without room, as far as write() is concerned.
class small_disk {
  public:
    explicit small_disk(::rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        handler_ = std::signal(SIGXFSZ, SIG_IGN);
        const ::rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~small_disk() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

  private:
    ::rlimit before_{};
    void (*handler_)(int) = SIG_DFL;
};

}  // namespace

TEST_CASE("what is written to an extent is read from it", "[http][spool]") {
    const temporary_folder folder;
    memory_budget space;
    spool disk(space);
    disk.configure(folder.path());
    const auto first = disk.take_extent();
    const auto second = disk.take_extent();
    REQUIRE((first && second));
    CHECK(*first != *second);
    CHECK(disk.extents_in_use() == 2);
    CHECK(space.used() == 2 * spool::extent_bytes);
    CHECK_FALSE(nameless_file_in(folder.path()));
    const std::string a = some_text(1000, 1), b = some_text(spool::extent_bytes, 2);
    CHECK(on_thread_of(disk, [&] { return disk.write(*second, 0, b); }));
    CHECK(on_thread_of(disk, [&] { return disk.write(*first, 100, a); }));
    CHECK(disk.bytes_written() == a.size() + b.size());
    CHECK(disk.bytes_in_use() == a.size() + b.size());
    std::string got(a.size(), ' ');
    CHECK(on_thread_of(disk, [&] { return disk.read(*first, 100, got); }));
    CHECK(got == a);
    disk.give_back(*first, a.size());
    CHECK(disk.bytes_in_use() == b.size());
    got.resize(b.size());
    CHECK(on_thread_of(disk, [&] { return disk.read(*second, 0, got); }));
    CHECK(got == b);
    disk.give_back(*second, b.size());
    CHECK(disk.bytes_in_use() == 0);
    CHECK(disk.bytes_written() == a.size() + b.size());
    CHECK(space.used() == 0);
    CHECK_FALSE(disk.take_fault(time_point()));
}

TEST_CASE("extents are used again, the last one first", "[http][spool]") {
    memory_budget space;
    spool disk(space);
    const auto a = disk.take_extent(), b = disk.take_extent(), c = disk.take_extent();
    REQUIRE((a && b && c));
    disk.give_back(*a, 0);
    disk.give_back(*b, 0);
    CHECK(disk.take_extent() == b);
    CHECK(disk.take_extent() == a);
}

TEST_CASE("a spool that holds nothing gives the disk back", "[http][spool]") {
    const temporary_folder folder;
    memory_budget space;
    spool disk(space);
    disk.configure(folder.path());
    const auto first = disk.take_extent(), second = disk.take_extent();
    REQUIRE(on_thread_of(disk, [&] { return disk.write(*second, 0, "some"); }));
    const auto file = nameless_file_in(folder.path());
    REQUIRE(file);
    CHECK(std::filesystem::is_empty(folder.path()));
    disk.give_back(*first, 0);
    pass_through(disk);
    CHECK(file_size(*file) > spool::extent_bytes);
    disk.give_back(*second, 4);
    pass_through(disk);
    CHECK(file_size(*file) == 0);
    SECTION("and is used on") {
        const auto again = disk.take_extent();
        CHECK(again == spool::extent{0});
        CHECK(on_thread_of(disk, [&] { return disk.write(*again, 0, "more"); }));
        CHECK(nameless_file_in(folder.path()) == file);
        CHECK(file_size(*file) == 4);
    }
    SECTION("and goes to another folder when it is told to") {
        const temporary_folder other;
        disk.configure(other.path());
        pass_through(disk);
        CHECK_FALSE(nameless_file_in(folder.path()));
        const auto again = disk.take_extent();
        CHECK(on_thread_of(disk, [&] { return disk.write(*again, 0, "more"); }));
        CHECK(nameless_file_in(other.path()));
    }
}

TEST_CASE("a spool in use stays in its folder until nothing is in it", "[http][spool]") {
    const temporary_folder folder, other;
    memory_budget space;
    spool disk(space);
    disk.configure(folder.path());
    const auto first = disk.take_extent();
    REQUIRE(on_thread_of(disk, [&] { return disk.write(*first, 0, "some"); }));
    disk.configure(other.path());
    pass_through(disk);
    std::string got(4, ' ');
    CHECK(on_thread_of(disk, [&] { return disk.read(*first, 0, got); }));
    CHECK(got == "some");
    disk.give_back(*first, 4);
    pass_through(disk);
    CHECK_FALSE(nameless_file_in(folder.path()));
}

TEST_CASE("spools share the space that they may use", "[http][spool]") {
    memory_budget space(2 * spool::extent_bytes + 1);
    spool one(space), other(space);
    one.configure("/one");
    const auto a = one.take_extent(), b = other.take_extent();
    REQUIRE((a && b));
    CHECK_FALSE(one.take_extent());
    const auto fault = one.take_fault(time_point());
    REQUIRE(fault);
    CHECK_THAT(*fault, Catch::Contains("/one") && Catch::Contains("buffering.spool_max"));
    other.give_back(*b, 0);
    CHECK(one.take_extent());
}

TEST_CASE("a folder that is not there is a fault that says what to do", "[http][spool][fault]") {
    const temporary_folder folder;
    memory_budget space;
    spool disk(space);
    disk.configure(folder.path() + "/missing");
    const auto e = disk.take_extent();
    REQUIRE(e);
    CHECK(disk.accepts());
    CHECK_FALSE(on_thread_of(disk, [&] { return disk.write(*e, 0, "some"); }));
    CHECK_FALSE(disk.accepts());
    CHECK(disk.bytes_written() == 0);
    const time_point start{std::chrono::hours(1)};
    const auto fault = disk.take_fault(start);
    REQUIRE(fault);
    CHECK_THAT(*fault, Catch::Contains(folder.path() + "/missing") && Catch::Contains("No such file or directory") &&
                           Catch::Contains("buffering.spool_dir"));
    SECTION("told once a minute") {
        CHECK_FALSE(disk.take_fault(start + seconds(120)));
        CHECK_FALSE(on_thread_of(disk, [&] { return disk.write(*e, 0, "some"); }));
        CHECK_FALSE(disk.take_fault(start + seconds(59)));
        CHECK(disk.take_fault(start + seconds(60)));
    }
    SECTION("until another one is named") {
        disk.configure(folder.path());
        CHECK(disk.accepts());
        CHECK(on_thread_of(disk, [&] { return disk.write(*e, 0, "some"); }));
    }
}

TEST_CASE("a disk that is full is a fault", "[http][spool][fault]") {
    const temporary_folder folder;
    memory_budget space;
    spool disk(space);
    disk.configure(folder.path());
    const auto e = disk.take_extent();
    REQUIRE(e);
    {
        const small_disk full(1000);
        CHECK(on_thread_of(disk, [&] { return disk.write(*e, 0, some_text(1000)); }));
        CHECK_FALSE(on_thread_of(disk, [&] { return disk.write(*e, 500, some_text(1000)); }));
    }
    CHECK_FALSE(disk.accepts());
    CHECK(disk.bytes_in_use() == 1000);
    const auto fault = disk.take_fault(time_point());
    REQUIRE(fault);
    CHECK_THAT(*fault, Catch::Contains(folder.path()) && Catch::Contains("cannot be written"));
}

TEST_CASE("a file that ends too soon is a fault", "[http][spool][fault]") {
    const temporary_folder folder;
    memory_budget space;
    spool disk(space);
    disk.configure(folder.path());
    const auto e = disk.take_extent();
    REQUIRE(on_thread_of(disk, [&] { return disk.write(*e, 0, "some"); }));
    std::string got(5, ' ');
    CHECK_FALSE(on_thread_of(disk, [&] { return disk.read(*e, 0, got); }));
    const auto fault = disk.take_fault(time_point());
    REQUIRE(fault);
    CHECK_THAT(*fault, Catch::Contains("cannot be read"));
}

TEST_CASE("who has gone gets no turn, and the others get theirs before the spool ends", "[http][spool]") {
    memory_budget space;
    int turns = 0;
    const auto stays = std::make_shared<io_turn>([&] { return ++turns > 0; });
    {
        spool disk(space);
        hold_up held(disk);
        auto goes = std::make_shared<io_turn>([&] { return ++turns > 0; });
        disk.submit(goes);
        disk.submit(stays);
        goes.reset();
    }
    CHECK(turns == 1);
    CHECK(stays->result);
}
