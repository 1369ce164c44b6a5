#include "proxy/http/spool_file.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>

namespace weir::http {

namespace {

std::error_code last_error() {
    return {errno, std::system_category()};
}

}  // namespace

std::error_code spool_file::open(const std::string& directory) {
    close();
    directory_ = directory;
    descriptor_ = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor_ >= 0) return {};
    // File systems without O_TMPFILE say the first (NFS among them), kernels that do not know the flag the second.
    if (errno != EOPNOTSUPP && errno != EISDIR) return last_error();
    std::string path = directory + "/weir-spool-XXXXXX";
    descriptor_ = ::mkostemp(path.data(), O_CLOEXEC);
    if (descriptor_ < 0) return last_error();
    ::unlink(path.c_str());
    return {};
}

void spool_file::close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
}

std::error_code spool_file::write(std::uint64_t offset, std::string_view bytes) {
    while (!bytes.empty()) {
        const ::ssize_t n = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<::off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return last_error();
        bytes.remove_prefix(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return {};
}

std::error_code spool_file::read(std::uint64_t offset, std::span<char> room) {
    while (!room.empty()) {
        const ::ssize_t n = ::pread(descriptor_, room.data(), room.size(), static_cast<::off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return last_error();
        if (n == 0) return std::make_error_code(std::errc::io_error);
        room = room.subspan(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return {};
}

std::error_code spool_file::clear() {
    while (::ftruncate(descriptor_, 0) != 0) {
        if (errno != EINTR) return last_error();
    }
    return {};
}

}  // namespace weir::http
