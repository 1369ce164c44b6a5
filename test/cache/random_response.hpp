// Stored responses of every shape that one can have, from a seed.
#pragma once

#include <cstddef>
#include <memory>
#include <random>
#include <string>

#include "cache/purge_position.hpp"
#include "cache/stored_response.hpp"

namespace weir::test {

class random_responses {
  public:
    explicit random_responses(std::uint64_t seed) : random_(seed) {}

    // Made by make_stored_response, at times followed by complete_response, as a fill does.
    cache::response_ptr next();
    cache::purge_position next_position() { return {random_(), random_()}; }
    std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }
    std::uint64_t number() { return random_(); }

  private:
    bool chance(unsigned percent) { return random_() % 100 < percent; }
    std::string word(std::size_t longest);
    std::string value(std::size_t longest);
    std::string response_fields();
    std::string request_fields();
    std::vector<http::block_ptr> content(std::size_t& bytes);

    std::mt19937_64 random_;
};

// Everything of both but the fill's number, and where the content is cut into blocks.
bool same_response(const cache::stored_response& a, const cache::stored_response& b);

}  // namespace weir::test
