// The response to a hit, fresh, stale but usable, or a page of the application's: what was serialised when it was
// stored, and the few lines that differ each time. Allocates nothing but what a reused string may grow by for a 304.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cache/cache.hpp"
#include "proxy/forward.hpp"
#include "proxy/http/head.hpp"

namespace weir::proxy {

class hit_response {
  public:
    // Refers to all of its arguments; `scratch` is for the head of a 304 and is overwritten.
    hit_response(const http::request_head& request, const cache::lookup_result& found, bool cache_status,
                 bool keep_alive, wall_time now, std::string& scratch);

    // The stored status, or 304 where the client has it already.
    unsigned status() const { return status_; }
    std::string_view head() const { return {static_cast<const char*>(vectors_[0].iov_base), vectors_[0].iov_len}; }
    std::string_view tail() const { return {tail_.data(), tail_size_}; }  // the rest of the head
    std::uint64_t content_bytes() const { return content_bytes_; }
    std::uint64_t size() const { return head().size() + tail_size_ + content_bytes_; }
    // As much of it as one write takes: head, tail, and the first blocks of the content.
    std::span<const iovec> vectors() const { return {vectors_.data(), used_}; }

  private:
    void add(std::string_view bytes) { vectors_[used_++] = {const_cast<char*>(bytes.data()), bytes.size()}; }
    void write_tail(const http::request_head& request, const cache::lookup_result& found, bool cache_status,
                    bool keep_alive);

    unsigned status_;
    std::uint64_t content_bytes_ = 0;
    std::size_t tail_size_ = 0;
    std::size_t used_ = 0;
    std::array<char, 192> tail_;
    std::array<iovec, 64> vectors_;
};

}  // namespace weir::proxy
