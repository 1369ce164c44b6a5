// A temporary file without a name: it is gone with its descriptor, whatever becomes of the process. Its calls block, so
// it belongs to a thread that may wait for a disk; one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace weir::http {

class spool_file {
  public:
    spool_file() = default;
    ~spool_file() { close(); }
    spool_file(const spool_file&) = delete;
    spool_file& operator=(const spool_file&) = delete;

    // A new, empty file in `directory`, in place of the one before.
    std::error_code open(const std::string& directory);
    void close();
    bool is_open() const { return descriptor_ >= 0; }
    const std::string& directory() const { return directory_; }  // of the last open(), which may have failed

    // All of `bytes`, or an error. What lies there then is anything.
    std::error_code write(std::uint64_t offset, std::string_view bytes);
    // Fills `room`, or an error; a file that ends too soon is an I/O error.
    std::error_code read(std::uint64_t offset, std::span<char> room);
    // Gives the disk back.
    std::error_code clear();

  private:
    int descriptor_ = -1;
    std::string directory_;
};

}  // namespace weir::http
