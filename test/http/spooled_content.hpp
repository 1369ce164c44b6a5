// What tests of growing content on a spool share: a memory and a disk of given sizes, a writer and a reader that wait.
#pragma once

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/http/growing_content.hpp"
#include "test/http/spool_support.hpp"

namespace weir::test {

struct bell final : http::wakeable {
    void wake() noexcept override { rung.release(); }
    signal_count rung;
};

// Writes all of it, waiting where it must, and asking again after a while: budget and disk that others give back, or a
// spool that takes blocks again after a failure, wake nobody.
inline void write_all(http::growing_content& content, std::string_view text) {
    bell room;
    while (!text.empty()) {
        text.remove_prefix(content.append(text));
        if (text.empty() || !content.wait_for_room(room)) continue;
        room.rung.try_acquire_for(std::chrono::milliseconds(100));
        content.cancel_writer_wait();
    }
}

struct read_result {
    std::string text;
    http::content_state state = http::content_state::open;
};

// Reads to the end, waiting where it must.
inline read_result read_to_end(http::content_reader& reader) {
    read_result result;
    bell more;
    for (;;) {
        std::array<std::string_view, 8> views;
        const auto view = reader.peek(views);
        for (std::size_t i = 0; i < view.buffers; ++i) result.text += views[i];
        if (view.bytes > 0) reader.consume(view.bytes);
        if (view.end) {
            result.state = view.state;
            return result;
        }
        if (view.bytes == 0 && reader.wait(more)) more.rung.acquire();
    }
}

constexpr std::uint64_t one_block = http::block::usual_capacity;
constexpr std::uint64_t charge = one_block + sizeof(http::block);  // for it

// Content with a memory and a disk of given sizes.
struct rig {
    explicit rig(std::uint64_t memory = std::numeric_limits<std::uint64_t>::max(),
                 std::uint64_t disk_bytes = std::numeric_limits<std::uint64_t>::max())
        : budget(memory), space(disk_bytes), disk(space) {
        disk.configure(folder.path());
    }
    std::shared_ptr<http::growing_content> make(http::growing_content::options options) {
        options.spool = &disk;
        return std::make_shared<http::growing_content>(budget, options);
    }
    void check_all_given_back() {
        pass_through(disk);
        CHECK(budget.used() == 0);
        CHECK(disk.extents_in_use() == 0);
        CHECK(disk.bytes_in_use() == 0);
        CHECK(space.used() == 0);
    }

    temporary_folder folder;
    http::memory_budget budget, space;
    http::spool disk;
};

// Lets the spool's thread finish what was begun, until the bytes written come to `bytes`.
inline void settle(http::spool& disk, std::uint64_t bytes) {
    while (disk.bytes_written() < bytes) pass_through(disk);
    pass_through(disk);
}

}  // namespace weir::test
