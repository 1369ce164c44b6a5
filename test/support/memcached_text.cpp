#include "test/support/memcached_text.hpp"

#include <algorithm>
#include <stdexcept>

#include "test/support/patience.hpp"

namespace weir::test {
namespace {

// The key of a line of a dump, "key=weir%3Aabc exp=...".
std::string key_of(std::string_view line) {
    constexpr std::string_view mark = "key=";
    if (!line.starts_with(mark)) throw std::runtime_error("no line of a dump: " + std::string(line));
    line = line.substr(mark.size(), line.find(' ') - mark.size());
    std::string key;
    while (!line.empty()) {
        const bool is_coded = line.size() >= 3 && line.front() == '%';
        key += is_coded ? static_cast<char>(std::stoi(std::string(line.substr(1, 2)), nullptr, 16)) : line.front();
        line.remove_prefix(is_coded ? 3 : 1);
    }
    return key;
}

}  // namespace

memcached_text::memcached_text(const memcached_process& server)
    : stream_(server.path().empty() ? connection::to_tcp(server.host(), server.port())
                                    : connection::to_unix(server.path())) {}

void memcached_text::set(std::string_view key, std::string_view value, unsigned flags) {
    stream_.send("set " + std::string(key) + ' ' + std::to_string(flags) + " 0 " + std::to_string(value.size()) +
                 "\r\n" + std::string(value) + "\r\n");
    const std::string said = stream_.take_until("\r\n");
    if (said != "STORED\r\n") throw std::runtime_error("memcached did not store " + std::string(key) + ": " + said);
}

std::optional<std::string> memcached_text::get(std::string_view key) {
    stream_.send("get " + std::string(key) + "\r\n");
    const std::string line = stream_.take_until("\r\n");
    if (line == "END\r\n") return std::nullopt;
    if (!line.starts_with("VALUE "))
        throw std::runtime_error("memcached did not get " + std::string(key) + ": " + line);
    std::string value = stream_.take(std::stoul(line.substr(line.rfind(' '))));
    stream_.take_until("\r\nEND\r\n");
    return value;
}

bool memcached_text::remove(std::string_view key) {
    stream_.send("delete " + std::string(key) + "\r\n");
    return stream_.take_until("\r\n") == "DELETED\r\n";
}

std::vector<std::string> memcached_text::keys(std::string_view prefix) {
    std::string dump;
    // Its own crawler may be at work.
    const auto starts = [&] {
        stream_.send("lru_crawler metadump all\r\n");
        dump = stream_.take_until("\n");
        return !dump.starts_with("BUSY");
    };
    if (!eventually(starts)) throw timed_out("memcached lists no keys: " + dump);
    std::vector<std::string> found;
    for (; dump != "END\r\n"; dump = stream_.take_until("\n")) {
        std::string key = key_of(dump);
        if (key.starts_with(prefix)) found.push_back(std::move(key));
    }
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace weir::test
