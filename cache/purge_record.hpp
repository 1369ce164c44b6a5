// The purge log in memcached as text, which any program that shares the servers may read and write.
//
// One key, PREFIX:purges, holds the head: the number of the newest record (see purge_position.hpp). The records lie
// under PREFIX:purges:EPOCH:NUMBER (16 hex digits, decimal), beginning with 1, each with the purges of one node:
//
//     weir-purges 1 00f3c0de5eed1e57           who wrote it, 16 hex digits: no two processes the same
//     hard url example.org/news?page=2         host and target, for both schemes
//     soft prefix example.org/news/            what begins so
//     hard tag user-7                          one tag
//     hard group https://example.org scripts   a cache group (RFC 9875), which may have spaces
//     soft all
//
// Every line ends in a line feed, which the last one may leave out.
//
// To append: read the head with its cas number; add the record under the next number, and where that is taken under the
// one after it, and so on; set the head to that number by cas. If the head was changed meanwhile, all of it again: only
// a head that one has set oneself is known to count one's record. The records between were counted along, they are of
// others who are at it. No head: add one with a random epoch and number 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/purge.hpp"
#include "cache/purge_position.hpp"

namespace weir::cache {

inline constexpr std::size_t max_purge_record_bytes = 100'000;
// Of those that are taken for numbers of the log, so that counting on from one cannot overflow.
inline constexpr std::uint64_t max_purge_number = std::uint64_t{1} << 62;

std::string purge_head_key(std::string_view prefix);
std::string purge_record_key(std::string_view prefix, const purge_position& at);

// The first line of a record.
std::string purge_record_start(std::uint64_t node);
// The line of a purge. Empty where nothing that is stored can be meant, because no URL or tag has such bytes. What is
// too long for a record, and a prefix of everything, is a purge of all in the same mode.
std::string purge_line(const purge& what);

// Views into the text. Nothing where any of it is not understood. Pure.
struct purge_record {
    std::uint64_t node = 0;
    std::vector<purge> purges;
};
std::optional<purge_record> parse_purge_record(std::string_view text);

// The head; nothing too where the number is out of bounds, or the epoch zero. Pure.
std::optional<purge_position> parse_purge_head(std::string_view text);

}  // namespace weir::cache
