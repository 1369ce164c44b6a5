// A configuration file and those that it includes, as one tree.
#pragma once

#include "conf/document.hpp"
#include "conf/report.hpp"

#include <optional>
#include <string>

namespace weir::conf {

struct merged_files {
    node root;             // a mapping without `include`
    bool complete = true;  // false if a file could not be read: what is missing from `root` may be in there
};

// Reads `path` and, where its top level has `include`, the files that these globs name, relative to the folder of the
// file that includes. Maps merge; the lists `listen` and `routes` append, a file's own entries before those that it
// includes, the globs in their order and the files of one in the order of their names. Whatever else is given twice is
// a fault that names both places, so is a file that includes itself. A pattern that matches nothing is a warning.
merged_files load_merged(const std::string& path, node_budget& budget, report& to);

// `path` if it is absolute, else in the folder of the file of `at`.
std::string resolve_path(const std::string& path, const place& at, const report& from);

}  // namespace weir::conf
