// A plain client of memcached's text protocol, for tests that look at what lies there, or put something there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/connection.hpp"
#include "test/support/memcached_process.hpp"

namespace weir::test {

// Throws what connection throws, and std::runtime_error where memcached refuses.
class memcached_text {
  public:
    explicit memcached_text(const memcached_process& server);

    void set(std::string_view key, std::string_view value, unsigned flags = 0);
    std::optional<std::string> get(std::string_view key);
    // Whether it was there.
    bool remove(std::string_view key);
    // All that begin so, in order. What was stored a moment ago may be missing.
    std::vector<std::string> keys(std::string_view prefix);

  private:
    connection stream_;
};

}  // namespace weir::test
