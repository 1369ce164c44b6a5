// Content that tells where it belongs: lines of 64 bytes, each with 48 characters of the SHA-256 of its key and its
// number. The key of a response is the request target as sent, so that what is cut, shifted, swapped or mixed is seen.
// The applications in Python make the same (content.py).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace bench {

class pattern {
  public:
    pattern() = default;
    explicit pattern(std::string_view key);
    // Bytes [from, from + size) of the content without end.
    void append(std::string& to, std::size_t from, std::size_t size) const;
    bool matches(std::size_t from, std::string_view part) const;

  private:
    std::string prefix_;
};

// SHA-256 of what is added, piece by piece.
class digest {
  public:
    digest();
    ~digest();
    digest(const digest&) = delete;
    digest& operator=(const digest&) = delete;
    void add(std::string_view part);
    // In hexadecimal. Once, at the end.
    std::string hex();

  private:
    evp_md_ctx_st* context_;
};

std::string sha256(std::string_view content);

}  // namespace bench
