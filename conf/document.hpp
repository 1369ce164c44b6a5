// A YAML document as a plain tree in which every part knows its place. The only place where yaml-cpp is used: its own
// nodes take duplicate keys in silence, expand aliases without a bound when walked, and do not know their file.
#pragma once

#include "conf/report.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

struct key {
    std::string name;
    place where;
};

struct node {
    enum class kind { null, scalar, sequence, mapping };

    kind type = kind::null;
    place where;
    std::string text;         // of a scalar, the environment filled in
    std::vector<key> keys;    // of a mapping, each name once; keys[i] belongs to items[i]
    std::vector<node> items;  // of a sequence or mapping

    bool is_null() const { return type == kind::null; }
    bool is_scalar() const { return type == kind::scalar; }
    bool is_sequence() const { return type == kind::sequence; }
    bool is_mapping() const { return type == kind::mapping; }
};

// How many nodes all files of a configuration may have together, aliases followed: an alias is a copy here, so that
// nobody who walks a tree need count.
struct node_budget {
    std::size_t left = 100'000;
};

// The content of a file of at most 4 MiB; nothing, and a fault at `at`, if it cannot be read.
std::optional<std::string> read_file(const std::string& path, const place& at, report& to);

// The one document in `content`, the text of file number `file`; an empty one is null. Nothing, and faults, if it is no
// YAML or uses what a configuration may not (several documents, merge keys, tags, keys that are no words). Duplicate
// keys and missing environment variables are faults too, but leave a tree to be checked further.
std::optional<node> parse_document(const std::string& content, std::size_t file, node_budget& budget, report& to);

}  // namespace weir::conf
